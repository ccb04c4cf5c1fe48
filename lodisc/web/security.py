"""Who may ask: host, origin and token of every request, the size of its body, and what a browser may do with the answer."""

import hmac
import ipaddress
import re
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lodisc.web.errors import refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY_ADDRESS = (
    "*"  # among the hosts: any address in figures, which no foreign name can be made to point at
)
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
UPLOADS = {"/api/similar", "/api/labels/import"}
MOST_UPLOAD, MOST_BODY = 32 * 2**20, 8 * 2**20  # bytes
FRAMING = 2**16  # what a multipart form may add to its file

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ASK_PERSON = "Open the address that lodisc serve printed, with its token; if you have just done that, open the page without it"
ASK_PROGRAM = "This collection asks for its token: send the header  Authorization: Bearer TOKEN"
BROKEN = "Something went wrong here; the terminal of lodisc serve says what"


class Refused(NamedTuple):
    """Why a request is not answered."""

    status: HTTPStatus
    detail: str


class Guard:
    """ASGI middleware: refuses what it must in one line of JSON, and adds the security headers to every answer.

    `hosts` are the names that a Host header may have, without port; `token`, when there is one, is demanded for everything but the
    files of /static, which are the same for everyone.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], token: str | None) -> None:
        self.app, self.hosts, self.token = app, {host.lower() for host in hosts}, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # there are no web sockets; a server closes what is not accepted
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault(
                    "Cache-Control", "no-cache" if is_static(scope["path"]) else "no-store"
                )
            await send(message)

        answer = self._answer(scope)
        if answer is not None:
            await answer(scope, receive, send_guarded)
            return
        try:
            await self.app(scope, _bounded(receive, most=most_bytes(scope["path"])), send_guarded)
        except Exception:
            if not started:
                await refusal(scope["path"], HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN)(
                    scope, receive, send_guarded
                )
            raise

    def _answer(self, scope: Scope) -> Response | None:
        """What is answered without asking the application."""
        headers = Headers(scope=scope)
        refused = self._refuse_source(
            headers, method=scope["method"], path=scope["path"]
        ) or _refuse_length(headers, scope["path"])
        if refused:
            return refusal(scope["path"], refused.status, refused.detail)
        if self.token is None or is_static(scope["path"]):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if given and scope["method"] == "GET" and self._is_token(given[-1]):
            return self._admit(scope, [(name, value) for name, value in query if name != "token"])
        bearer = re.fullmatch(
            r"bearer +(\S+)", headers.get("authorization", "").strip(), re.IGNORECASE
        )
        cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(self.token))
        if (bearer and self._is_token(bearer[1])) or (
            cookie is not None and self._is_token(cookie)
        ):
            return None
        ask = ASK_PROGRAM if scope["path"].startswith("/api/") else ASK_PERSON
        return refusal(
            scope["path"], HTTPStatus.UNAUTHORIZED, ask, headers={"WWW-Authenticate": "Bearer"}
        )

    def _admit(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """Keep the token in a cookie that no script can read, and take it out of the address."""
        assert self.token is not None
        path = "/" + scope["path"].lstrip("/\\")  # never another host
        answer = RedirectResponse(
            path + (f"?{urlencode(query)}" if query else ""), HTTPStatus.SEE_OTHER
        )
        answer.set_cookie(
            cookie_name(self.token),
            self.token,
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
            path="/",
        )
        return answer

    def _is_token(self, given: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(given.encode(errors="surrogateescape"), self.token.encode())

    def _refuse_source(self, headers: Headers, *, method: str, path: str) -> Refused | None:
        """A page of another site, or a name made to point here, must not act for the person at the browser."""
        named = headers.getlist("host")
        if len(named) != 1 or not self._is_host(host_of(named[0])):
            return Refused(
                HTTPStatus.MISDIRECTED_REQUEST, "This server does not answer for that host name"
            )
        site = headers.get("sec-fetch-site", "none")
        visits = (
            headers.get("sec-fetch-mode") == "navigate"
            and method in SAFE_METHODS
            and not path.startswith("/api")
        )
        if site not in {"none", "same-origin"} and not visits:
            return Refused(HTTPStatus.FORBIDDEN, "A page of another site may not ask this server")
        origin = headers.get("origin")
        if origin is None or (method in SAFE_METHODS and "sec-fetch-site" in headers and visits):
            return None
        try:
            origin_netloc = urlsplit(origin).netloc.lower()
        except ValueError:
            origin_netloc = ""
        if origin_netloc != named[0].lower():
            return Refused(HTTPStatus.FORBIDDEN, "A page of another origin may not ask this server")
        return None

    def _is_host(self, host: str | None) -> bool:
        if host is None:
            return False
        return host in self.hosts or (ANY_ADDRESS in self.hosts and _is_address(host))


def host_of(header: str) -> str | None:
    """The name or address in a Host header, lower case and without port or brackets; none where it is no such thing."""
    found = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::[0-9]{1,5})?", header.lower())
    return (found[1] or found[2]).rstrip(".") if found else None


def cookie_name(token: str) -> str:
    """A cookie of its own for each token, as the servers of one machine share their cookies whatever the port."""
    return f"lodisc-{sha256(token.encode()).hexdigest()[:8]}"


def is_static(path: str) -> bool:
    """Whether a path is of the page's own styles and scripts."""
    return path.startswith("/static/")


def most_bytes(path: str) -> int:
    """How long the body of a request to this path may be."""
    return MOST_UPLOAD + FRAMING if path in UPLOADS else MOST_BODY


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _too_large(most: int) -> str:
    return f"Too large: at most {most // 2**20} MB"


def _refuse_length(headers: Headers, path: str) -> Refused | None:
    stated = headers.get("content-length")
    if stated is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", stated):
        return Refused(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
    most = most_bytes(path)
    return (
        Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
        if int(stated) > most
        else None
    )


def _bounded(receive: Receive, *, most: int) -> Receive:
    """Count the bytes of a body as they come, whatever its headers say."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
        return message

    return receive_bounded
