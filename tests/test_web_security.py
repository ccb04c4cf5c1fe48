"""Who may ask the server, what a browser may do with the answer, and how much one may send."""

import asyncio
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient
from photos import encoded, huge_png, texture
from PIL import Image
from web import by_key, client_of, make_collection

from lodisc.web.app import create_app
from lodisc.web.pages import View
from lodisc.web.security import ANY_ADDRESS, LOOPBACK, MOST_BODY, MOST_UPLOAD, cookie_name

TOKEN = "a-token-of-the-tests"
HOSTS_OF_OTHERS = [
    "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "192.0.2.7", "localhost:80:80", "localhost@evil.example", "localhost:x",
    "", "[::1", "::1", "local host", "[::ffff:127.0.0.1]", "0x7f.1", "löcalhost",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_collection(tmp_path_factory.mktemp("security"), run)


@pytest.fixture(scope="module")
def client(made: Path) -> TestClient:
    return client_of(made)


@pytest.fixture(scope="module")
def closed(made: Path) -> TestClient:
    """A server with a token, as one that other machines reach."""
    return client_of(made, token=TOKEN)


@pytest.fixture(autouse=True)
def no_cookies(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "closed" in request.fixturenames:
        request.getfixturevalue("closed").cookies.clear()


def ask(
    app: Any, *, path: str = "/api/labels", method: str = "GET", headers: list[tuple[bytes, bytes]], body: Iterator[bytes] | None = None
) -> int:
    """The status of an answer to a request that is put together by hand, as no client would."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        chunk = next(body, None) if body is not None else None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "scheme": "http", "http_version": "1.1", "server": ("127.0.0.1", 8765), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8765", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8765", "localhost."])
def test_this_machine_by_its_own_names(client: TestClient, host: str) -> None:
    assert client.get("/api/labels", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", HOSTS_OF_OTHERS)
def test_a_name_that_was_made_to_point_here_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/api/labels", "/static/base.css", "/nowhere"):
        assert ask(client.app, path=path, headers=[(b"host", host.encode())]) == 421


def test_a_request_has_one_host(client: TestClient) -> None:
    assert ask(client.app, headers=[]) == 421
    assert ask(client.app, headers=[(b"host", b"localhost")]) == 200
    assert ask(client.app, headers=[(b"host", b"localhost"), (b"host", b"localhost")]) == 421


def test_a_server_on_all_addresses_goes_by_figures_and_its_own_names(made: Path) -> None:
    app = create_app(made, hosts=(*LOOPBACK, "bench.local", ANY_ADDRESS))
    asked = {
        host: ask(app, headers=[(b"host", host)]) for host in (b"192.0.2.7:8765", b"[2001:db8::1]", b"bench.local", b"evil.example", b"*")
    }
    assert asked == {b"192.0.2.7:8765": 200, b"[2001:db8::1]": 200, b"bench.local": 200, b"evil.example": 421, b"*": 421}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),  # a program, no browser
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "https://localhost"}, True),  # behind a proxy that speaks TLS
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://localhost:3000"}, False),
        ({"Origin": "http://localhost.evil.example"}, False),
        ({"Origin": "http://evil.example/localhost"}, False),
        ({"Origin": "http://localhost@evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://[::1"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, False),  # a form of another site
    ],
)
def test_only_the_own_page_changes_anything(client: TestClient, headers: dict[str, str], allowed: bool) -> None:
    assert client.post("/api/labels/undo", headers=headers).status_code == (200 if allowed else 403)


def test_a_page_of_another_site_may_link_here_but_not_ask(client: TestClient) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/", headers={**elsewhere, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    for mode in ("no-cors", "cors"):
        assert client.get("/api/photos", headers={**elsewhere, "Sec-Fetch-Mode": mode}).status_code == 403
    assert client.get("/api/photos", headers={"Origin": "http://evil.example"}).status_code == 403
    assert (
        client.options("/api/labels", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}).status_code == 403
    )
    answer = client.get("/api/photos", headers={"Origin": "http://localhost"})
    assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


def test_without_the_token_there_is_nothing(closed: TestClient) -> None:
    paths = ["/", "/label", "/api/photos", "/api/openapi.json", "/api/docs", "/api/nowhere", "/nowhere", "/api/labels/export"]
    wrong: list[dict[str, Any]] = [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
    ]
    wrong += [{"Authorization": b"Bearer \xe9"}, {"Cookie": f"{cookie_name(TOKEN)}=x"}, {"Cookie": f"other={TOKEN}"}]
    for path in paths:
        for headers in wrong:
            assert closed.get(path, headers=headers).status_code == 401, (path, headers)
        assert closed.get(path, params={"token": "x"}).status_code == 401
    answer = closed.post(f"/api/labels/undo?token={TOKEN}")
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["detail"].startswith("This collection asks for its token")
    assert "text/html" in closed.get("/").headers["content-type"]
    assert closed.get("/static/base.css").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer  {TOKEN} "}, {"Cookie": f"a=b; {cookie_name(TOKEN)}={TOKEN}"}],
)
def test_with_the_token_there_is_everything(closed: TestClient, headers: dict[str, str]) -> None:
    assert closed.get("/api/photos", headers=headers).status_code == 200
    assert closed.post("/api/labels/undo", headers=headers).status_code == 200
    assert closed.post("/api/labels/undo", headers={**headers, "Origin": "http://evil.example"}).status_code == 403


def test_the_token_in_the_address_becomes_a_cookie_once(closed: TestClient) -> None:
    answer = closed.get("/label", params={"token": TOKEN, "group": "3", "label": "a b&c"}, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/label?group=3&label=a+b%26c"
    kept = answer.headers["set-cookie"]
    assert kept.startswith(f"{cookie_name(TOKEN)}={TOKEN};") and {"HttpOnly", "SameSite=strict", "Path=/"} <= set(kept.split("; "))
    assert answer.headers["cache-control"] == "no-store"
    assert closed.get("/api/photos").status_code == 200, "the client keeps the cookie"


def test_the_token_never_leads_to_another_host(closed: TestClient) -> None:
    for path in ("//evil.example/", "/\\evil.example", "///evil.example"):
        answer = closed.get(f"http://localhost{path}?token={TOKEN}", follow_redirects=False)
        assert re.match(r"/[^/\\]", answer.headers["location"]), answer.headers["location"]


def test_the_token_is_compared_in_constant_time(closed: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return given == token

    monkeypatch.setattr("lodisc.web.security.hmac.compare_digest", compare)
    closed.get("/api/photos", headers={"Authorization": "Bearer guess"})
    assert compared == [(b"guess", TOKEN.encode())]


def test_every_answer_says_what_a_browser_may_do(client: TestClient, closed: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    id = next(iter(by_key(client).values())).id
    paths = [
        "/",
        "/api/photos",
        "/api/docs",
        "/nowhere",
        "/api/nowhere",
        f"/api/photos/{id}/thumbnail",
        "/static/base.css",
        "/api/labels/export",
    ]
    answers = [client.get(path) for path in paths] + [
        client.post("/api/labels", json={}),
        client.get("/", headers={"Host": "evil.example"}),
    ]
    monkeypatch.setattr("lodisc.web.state.State.now", lambda self: 1 / 0)
    answers += [closed.get("/"), closed.get("/api/photos"), client.get("/api/photos")]
    assert answers[-1].status_code == 500 and answers[-1].json()["detail"].startswith("Something went wrong here")
    for answer in answers:
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy) and "http:" not in str(policy) and "*" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY" and answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "cache-control" in answer.headers and "server" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/label", "/groups", "/map", "/progress", "/api/docs", "/nowhere"])
def test_no_page_has_anything_inline_or_from_elsewhere(client: TestClient, path: str) -> None:
    html = client.get(path).text
    assert "<html" in html
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|<[^>]+\s(?:style|on\w+)\s*=", html)
    assert not re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']?(?!/|#|\?)[^"'\s>]""", html)


FORM_BEGUN = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def chunks(size: int, sent: list[int], *, start: bytes = b"") -> Iterator[bytes]:
    """A body that goes on for ever."""
    yield start
    while True:
        sent.append(size)
        yield bytes(size)


@pytest.mark.parametrize(
    ("path", "kind", "start", "most"),
    [
        ("/api/labels", "application/json", b"[", MOST_BODY),
        ("/api/names/accept", "application/json", b"[", MOST_BODY),
        ("/api/similar", "multipart/form-data; boundary=x", FORM_BEGUN, MOST_UPLOAD),
        ("/api/labels/import", "multipart/form-data; boundary=x", FORM_BEGUN, MOST_UPLOAD),
    ],
)  # fmt: skip
def test_a_body_without_end_is_cut_off(client: TestClient, path: str, kind: str, start: bytes, most: int) -> None:
    sent: list[int] = []
    headers = [(b"host", b"localhost"), (b"content-type", kind.encode()), (b"transfer-encoding", b"chunked")]
    assert ask(client.app, path=path, method="POST", headers=headers, body=chunks(2**20, sent, start=start)) == 413
    assert sum(sent) <= most + 2 * 2**20
    stated = [(b"host", b"localhost"), (b"content-type", kind.encode()), (b"content-length", str(most + 2**20).encode())]
    sent.clear()
    assert ask(client.app, path=path, method="POST", headers=stated, body=chunks(2**20, sent)) == 413
    assert sent == [], "it is refused before anything is read"


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e9", b"9" * 40])
def test_a_length_that_is_none_is_refused(client: TestClient, length: bytes) -> None:
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", length)]
    assert ask(client.app, method="POST", headers=headers) in (400, 413)


def test_uploads_are_bounded_in_bytes_and_pixels(client: TestClient) -> None:
    wide = io.BytesIO()
    Image.new("1", (30_000, 2_200)).save(wide, "PNG")
    bad = {
        "empty file": b"", "not an image": b"Dear diary", "30000 x 30000 pixels is too large": huge_png(),
        "30000 x 2200 pixels is too large; 64 million are the most": wide.getvalue(),
        "truncated": encoded(texture(1, size=(640, 480)))[:900],
    }  # fmt: skip
    for reason, data in bad.items():
        answer = client.post("/api/similar", files={"file": ("bird.jpg", data)})
        assert answer.status_code == 422 and answer.json()["detail"].endswith(reason), answer.text
    assert client.post("/api/similar", files={"file": ("bird.jpg", bytes(MOST_UPLOAD + 1))}).status_code == 413


def test_uploads_touch_neither_disk_nor_collection(client: TestClient, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **settings: Any) -> None:
        raise AssertionError("an upload is written to the disk")

    client.get("/api/names")
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    large = encoded(Image.effect_noise((2000, 1500), 90).convert("RGB"), "PNG")
    assert len(large) > 2 * 2**20
    answer = client.post("/api/similar", files={"file": ("bird.png", large)})
    assert answer.status_code == 200
    id = answer.json()["query"]["id"]
    assert client.get(f"/api/photos/{id}/picture").status_code == 200
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    assert id not in [photo.id for photo in by_key(client).values()]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\boot.ini", 'a"b\r\nX-Evil: 1.jpg', "\x00.jpg", "é" * 400, "<script>.jpg", ""]
)
def test_names_of_uploads_are_only_shown(client: TestClient, name: str) -> None:
    answer = client.post("/api/similar", files={"file": (name or "x", encoded(texture(3)))}, data={"top": "1"})
    assert answer.status_code == 200
    shown = answer.json()["query"]["key"]
    assert len(shown) <= 100 and shown.isprintable() and "/" not in shown and "\\.." not in shown


OUTSIDE = [
    "..", "../../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cboot.ini", "/etc/passwd", "%00", "upload-../../../x",
    "0" * 15, "0" * 17, "0" * 16 + "%0a", "G" * 16, "A" * 16, "٠" * 16,
]  # fmt: skip


@pytest.mark.parametrize("place", OUTSIDE)
def test_no_path_of_a_request_reaches_the_files(client: TestClient, place: str) -> None:
    for path in (
        f"/api/photos/{place}",
        f"/api/photos/{place}/thumbnail",
        f"/api/photos/{place}/picture",
        f"/api/pairs/{place}/{place}",
        f"/static/{place}",
    ):
        assert ask(client.app, path=path, headers=[(b"host", b"localhost")]) in (404, 405, 422)
        assert ask(client.app, path=unquote(path, "latin-1"), headers=[(b"host", b"localhost")]) in (404, 405, 422)
    assert client.get("/static/../app.py").status_code == client.get("/static/%2e%2e/app.py").status_code == 404


NASTY = [
    "-1", "0", "1e309", "NaN", "Infinity", "9" * 400, "%00", "%ED%A0%80", "%FF%FE", "%F0%9F%92%A5", "%0d%0aX-Evil:%201",
    "..%2F..%2Fetc%2Fpasswd", "';DROP%20TABLE%20labels;--", "", "null", "[]", "%E2%80%AE", "x" * 5000,
]  # fmt: skip


@pytest.mark.slow
def test_nasty_values_are_never_the_server_s_fault(client: TestClient) -> None:
    id = next(iter(by_key(client).values())).id
    calls = client.get("/api/openapi.json").json()["paths"]
    asked = [(path, part["name"]) for path, call in calls.items() if "get" in call for part in call["get"].get("parameters", [])]
    asked += [("/look/{id}", "id"), *(("/", field.name) for field in fields(View))]
    assert len(asked) > 30
    for path, name in asked:
        for value in NASTY:
            places = {"id": id, "a": id, "b": id, **({name: value} if f"{{{name}}}" in path else {})}
            answer = client.get(f"{path.format(**places)}?{name}={value}&{name}={value}")
            assert answer.status_code < 500, answer.url
            assert "x-evil" not in answer.headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "FOO", "post"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    for path in ("/", "/api/photos", "/api/labels", "/api/labels/undo", "/api/docs", "/api/openapi.json", "/static/base.css", "/nowhere"):
        status = ask(client.app, path=path, method=method, headers=[(b"host", b"localhost")])
        assert 400 <= status < 500 or (method == "HEAD" and status == 200), (method, path, status)
