"""Which requests are allowed, and what a browser may do with the answers.

Checks the host, origin and token of every request and the size of its body.
"""

import asyncio
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

from lodisc.web.errors import error_response
from lodisc.web.forms import MOST_UPLOAD, too_large

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Among the hosts: any numeric address. Another site can't make its own name look like one.
ANY_ADDRESS = "*"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
UPLOADS = {"/api/similar", "/api/name", "/api/labels/import"}
REFUSAL_SECONDS, MOST_REFUSALS = 0.5, 120  # for each wrong token that waits; so many count
MOST_BODY = 8 * 2**20  # bytes of a request that is not an upload
FRAMING = 2**16  # bytes that a multipart form may add to its file
MOST_RECEIVED = 2**28  # bytes of all bodies at a time

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ASK_PERSON = (
    "Open the address that lodisc serve printed, with its token; "
    "if you have just done that, open the page without it"
)
ASK_PROGRAM = "This collection asks for its token: send the header  Authorization: Bearer TOKEN"
OTHER_HOST = (
    "This server does not answer for that host name; if a proxy passes it on, "
    "start the server with  lodisc serve … --name NAME"
)
OTHER_ORIGIN = (
    "A page of another origin may not ask this server; if a proxy passes the request on, "
    "it must keep the host name, as nginx does with  proxy_set_header Host $http_host"
)
CROWDED = "The server is receiving other files; try again in a moment"
BROKEN = "Something went wrong here; the terminal of lodisc serve says what"


class Refusal(NamedTuple):
    """Why a request is refused."""

    status: HTTPStatus
    detail: str


class Guard:
    """ASGI middleware: refuses requests, and adds security headers to every answer.

    `hosts` are the names that a Host header may have, without port. Every request must carry
    `token`, if there is one; the files of /static are exempt, as they are the same for everyone.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], token: str | None) -> None:
        self.app, self.hosts, self.token = app, {host.lower() for host in hosts}, token
        self._refusals = 0  # that wait
        self.received = 0  # bytes of bodies that are in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # a web socket that is not accepted is closed by the server
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

        response = self._respond(scope)
        if response is not None:
            if response.status_code == HTTPStatus.UNAUTHORIZED and self._tokens(scope):
                await self._wait_for_refusals()
            await response(scope, receive, send_guarded)
            return
        body = _Body(self, receive, most=most_bytes(scope["path"]))
        try:
            await self.app(scope, body.receive, send_guarded)
        except Exception:
            if not started:
                response = error_response(scope["path"], HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN)
                await response(scope, receive, send_guarded)
            raise
        finally:
            self.received -= body.length

    async def _wait_for_refusals(self) -> None:
        """Wait longer the more wrong tokens wait, so that tokens are not tried in masses."""
        self._refusals += 1
        try:
            await asyncio.sleep(REFUSAL_SECONDS * min(self._refusals, MOST_REFUSALS))
        finally:
            self._refusals -= 1

    def _respond(self, scope: Scope) -> Response | None:
        """The response to a request that does not reach the application: refused, or admitted."""
        headers, path = Headers(scope=scope), scope["path"]
        refusal = self._refuse_source(headers, method=scope["method"], path=path)
        refusal = refusal or _refuse_length(headers, path)
        if refusal:
            return error_response(path, refusal.status, refusal.detail)
        if self.token is None or is_static(path):
            return None
        tokens = _address_tokens(scope)
        if tokens and scope["method"] == "GET" and self._is_token(tokens[-1]):
            return self._admit(scope)
        if any(map(self._is_token, self._header_tokens(headers))):
            return None
        ask = ASK_PROGRAM if path.startswith("/api/") else ASK_PERSON
        return error_response(
            path, HTTPStatus.UNAUTHORIZED, ask, headers={"WWW-Authenticate": "Bearer"}
        )

    def _tokens(self, scope: Scope) -> list[str]:
        """The tokens that a request carries, right or wrong."""
        return [*_address_tokens(scope), *self._header_tokens(Headers(scope=scope))]

    def _header_tokens(self, headers: Headers) -> list[str]:
        """Those in the header Authorization and in the cookie."""
        assert self.token is not None
        authorization = headers.get("authorization", "").strip()
        bearer = re.fullmatch(r"bearer +(\S+)", authorization, re.IGNORECASE)
        cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(self.token))
        return [token for token in (bearer and bearer[1], cookie) if token is not None]

    def _admit(self, scope: Scope) -> Response:
        """Move the token from the address to a cookie that no script can read."""
        assert self.token is not None
        path = "/" + scope["path"].lstrip("/\\")  # so that it can't name another host
        query = [(name, value) for name, value in _query(scope) if name != "token"]
        address = path + (f"?{urlencode(query)}" if query else "")
        response = RedirectResponse(address, HTTPStatus.SEE_OTHER)
        response.set_cookie(
            cookie_name(self.token),
            self.token,
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
            path="/",
        )
        return response

    def _is_token(self, text: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(text.encode(errors="surrogateescape"), self.token.encode())

    def _refuse_source(self, headers: Headers, *, method: str, path: str) -> Refusal | None:
        """Refuse pages of other sites, and host names that another site pointed at this server."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_host(host_of(hosts[0])):
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, OTHER_HOST)
        site = headers.get("sec-fetch-site", "none")
        visits = (
            headers.get("sec-fetch-mode") == "navigate"
            and method in SAFE_METHODS
            and not path.startswith("/api")
        )
        if site not in {"none", "same-origin"} and not visits:
            return Refusal(HTTPStatus.FORBIDDEN, "A page of another site may not ask this server")
        origin = headers.get("origin")
        if origin is None or (method in SAFE_METHODS and "sec-fetch-site" in headers and visits):
            return None
        try:
            origin_netloc = urlsplit(origin).netloc.lower()
        except ValueError:
            origin_netloc = ""
        if origin_netloc != hosts[0].lower():
            return Refusal(HTTPStatus.FORBIDDEN, OTHER_ORIGIN)
        return None

    def _is_host(self, host: str | None) -> bool:
        if host is None:
            return False
        return host in self.hosts or (ANY_ADDRESS in self.hosts and _is_address(host))


def host_of(header: str) -> str | None:
    """The name or address in a Host header: lower case, no port, no brackets; None if invalid."""
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::[0-9]{1,5})?", header.lower())
    return (match[1] or match[2]).rstrip(".") if match else None


def cookie_name(token: str) -> str:
    """The name of the cookie for a token.

    Browsers ignore the port of a cookie, so that the servers of one machine need different names.
    """
    return f"lodisc-{sha256(token.encode()).hexdigest()[:8]}"


def is_static(path: str) -> bool:
    """Whether a path leads to the styles and scripts of the pages."""
    return path.startswith("/static/")


def most_bytes(path: str) -> int:
    """The maximum size in bytes of the body of a request to this path."""
    return MOST_UPLOAD + FRAMING if path in UPLOADS else MOST_BODY


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _address_tokens(scope: Scope) -> list[str]:
    return [value for name, value in _query(scope) if name == "token"]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refuse_length(headers: Headers, path: str) -> Refusal | None:
    length = headers.get("content-length")
    if length is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", length):
        return Refusal(HTTPStatus.BAD_REQUEST, "Content-Length is not a number")
    most = most_bytes(path)
    if int(length) > most:
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(most))
    return None


class _Body:
    """The body of a request, whose bytes are bounded as they arrive, whatever its headers say."""

    def __init__(self, guard: Guard, receive: Receive, *, most: int) -> None:
        self.guard, self.receive_more, self.most, self.length = guard, receive, most, 0

    async def receive(self) -> Message:
        message = await self.receive_more()
        size = len(message.get("body", b""))
        self.length += size
        self.guard.received += size
        if self.length > self.most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(self.most))
        if self.guard.received > MOST_RECEIVED:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED, {"Retry-After": "10"})
        return message
