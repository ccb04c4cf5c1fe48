"""Who may ask the server, and what a browser may do with the answer."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from web import ask, by_key, client_of, make_collection

from lodisc.web.app import create_app
from lodisc.web.security import ANY_ADDRESS, LOOPBACK, cookie_name

TOKEN = "a-token-of-the-tests"
HOSTS_OF_OTHERS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "192.0.2.7",
    "localhost:80:80",
    "localhost@evil.example",
    "localhost:x",
    "",
    "[::1",
    "::1",
    "local host",
    "[::ffff:127.0.0.1]",
    "0x7f.1",
    "löcalhost",
]


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


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8765",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8765",
        "localhost.",
    ],
)
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
        host: ask(app, headers=[(b"host", host)])
        for host in (b"192.0.2.7:8765", b"[2001:db8::1]", b"bench.local", b"evil.example", b"*")
    }
    assert asked == {
        b"192.0.2.7:8765": 200,
        b"[2001:db8::1]": 200,
        b"bench.local": 200,
        b"evil.example": 421,
        b"*": 421,
    }


def test_a_proxy_is_told_what_to_set(made: Path, client: TestClient) -> None:
    # As Caddy passes requests on, and nginx without more settings
    kept = {"Host": "birds.example.org", "Origin": "https://birds.example.org"}
    replaced = {"Host": "127.0.0.1:8765", "Origin": "https://birds.example.org"}
    named = client_of(made, hosts=(*LOOPBACK, "birds.example.org"))
    refused = client.post("/api/labels/undo", headers=kept)
    assert refused.status_code == 421 and "--name NAME" in refused.json()["detail"]
    assert "--name NAME" in client.get("/", headers=kept).text
    assert named.post("/api/labels/undo", headers=kept).status_code == 200
    refused = named.post("/api/labels/undo", headers=replaced)
    assert refused.status_code == 403 and "proxy_set_header Host" in refused.json()["detail"]


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
        (
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
            False,
        ),  # a form of another site
    ],
)
def test_only_the_own_page_changes_anything(
    client: TestClient, headers: dict[str, str], allowed: bool
) -> None:
    assert client.post("/api/labels/undo", headers=headers).status_code == (200 if allowed else 403)


def test_a_page_of_another_site_may_link_here_but_not_ask(client: TestClient) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/", headers={**elsewhere, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    for mode in ("no-cors", "cors"):
        assert (
            client.get("/api/photos", headers={**elsewhere, "Sec-Fetch-Mode": mode}).status_code
            == 403
        )
    assert client.get("/api/photos", headers={"Origin": "http://evil.example"}).status_code == 403
    assert (
        client.options(
            "/api/labels",
            headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"},
        ).status_code
        == 403
    )
    answer = client.get("/api/photos", headers={"Origin": "http://localhost"})
    assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


def test_a_wrong_token_is_answered_late(
    closed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("lodisc.web.security.asyncio.sleep", wait)
    assert closed.get("/api/photos", headers={"Authorization": "Bearer x"}).status_code == 401
    assert closed.get("/", params={"token": "x"}).status_code == 401
    assert closed.get("/api/photos", headers={"Authorization": f"Bearer {TOKEN}"}).is_success
    assert waits == [0.5, 0.5]
    cookie = {"Cookie": f"{cookie_name(TOKEN)}=x"}
    assert closed.get("/api/photos", headers=cookie).status_code == 401
    assert waits == [0.5] * 3


def test_a_first_visit_without_a_token_does_not_wait(
    closed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodisc.web.security.asyncio.sleep", None)
    for headers in ({}, {"Cookie": "lodisc-other=x"}, {"Authorization": "Basic x"}):
        for path in ("/", "/api/photos"):
            assert closed.get(path, headers=headers).status_code == 401


def test_wrong_tokens_wait_for_one_another_and_the_right_one_does_not(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, waits = create_app(made, token=TOKEN), []
    all_wait = asyncio.Event()
    sleep = asyncio.sleep

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await all_wait.wait()

    async def status_of(token: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {"Authorization": f"Bearer {token}"}
            return (await client.get("/api/labels", headers=headers)).status_code

    async def attack() -> tuple[list[int], int]:
        wrong = [asyncio.create_task(status_of(f"{number}")) for number in range(5)]
        while len(waits) < 5:
            await sleep(0)
        right = await status_of(TOKEN)
        all_wait.set()
        return await asyncio.gather(*wrong), right

    monkeypatch.setattr("lodisc.web.security.MOST_REFUSALS", 3)
    monkeypatch.setattr("lodisc.web.security.asyncio.sleep", wait)
    assert asyncio.run(attack()) == ([401] * 5, 200)
    assert waits == [0.5, 1.0, 1.5, 1.5, 1.5]
    assert asyncio.run(status_of("x")) == 401 and waits[-1] == 0.5


def test_without_the_token_there_is_nothing(
    closed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodisc.web.security.REFUSAL_SECONDS", 0.0)
    paths = [
        "/",
        "/label",
        "/api/photos",
        "/api/openapi.json",
        "/api/docs",
        "/api/nowhere",
        "/nowhere",
        "/api/labels/export",
    ]
    wrong: list[dict[str, Any]] = [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
    ]
    wrong += [
        {"Authorization": b"Bearer \xe9"},
        {"Cookie": f"{cookie_name(TOKEN)}=x"},
        {"Cookie": f"other={TOKEN}"},
    ]
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
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN} "},
        {"Cookie": f"a=b; {cookie_name(TOKEN)}={TOKEN}"},
    ],
)
def test_with_the_token_there_is_everything(closed: TestClient, headers: dict[str, str]) -> None:
    assert closed.get("/api/photos", headers=headers).status_code == 200
    assert closed.post("/api/labels/undo", headers=headers).status_code == 200
    assert (
        closed.post(
            "/api/labels/undo", headers={**headers, "Origin": "http://evil.example"}
        ).status_code
        == 403
    )


def test_the_token_in_the_address_becomes_a_cookie_once(closed: TestClient) -> None:
    answer = closed.get(
        "/label", params={"token": TOKEN, "group": "3", "label": "a b&c"}, follow_redirects=False
    )
    assert (
        answer.status_code == 303 and answer.headers["location"] == "/label?group=3&label=a+b%26c"
    )
    kept = answer.headers["set-cookie"]
    assert kept.startswith(f"{cookie_name(TOKEN)}={TOKEN};") and {
        "HttpOnly",
        "SameSite=strict",
        "Path=/",
    } <= set(kept.split("; "))
    assert answer.headers["cache-control"] == "no-store"
    assert closed.get("/api/photos").status_code == 200, "the client keeps the cookie"


def test_the_token_never_leads_to_another_host(closed: TestClient) -> None:
    for path in ("//evil.example/", "/\\evil.example", "///evil.example"):
        answer = closed.get(f"http://localhost{path}?token={TOKEN}", follow_redirects=False)
        assert re.match(r"/[^/\\]", answer.headers["location"]), answer.headers["location"]


def test_the_token_is_compared_in_constant_time(
    closed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return given == token

    monkeypatch.setattr("lodisc.web.security.hmac.compare_digest", compare)
    closed.get("/api/photos", headers={"Authorization": "Bearer guess"})
    assert compared == [(b"guess", TOKEN.encode())]


def test_every_answer_says_what_a_browser_may_do(
    client: TestClient, closed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    monkeypatch.setattr("lodisc.web.state.state.State.snapshot", lambda self: 1 / 0)
    answers += [closed.get("/"), closed.get("/api/photos"), client.get("/api/photos")]
    assert answers[-1].status_code == 500 and answers[-1].json()["detail"].startswith(
        "Something went wrong here"
    )
    for answer in answers:
        policy = dict(
            part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
        )
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy) and "http:" not in str(policy) and "*" not in str(policy)
        assert (
            answer.headers["x-content-type-options"] == "nosniff"
            and answer.headers["referrer-policy"] == "no-referrer"
        )
        assert (
            answer.headers["x-frame-options"] == "DENY"
            and answer.headers["cross-origin-resource-policy"] == "same-origin"
        )
        assert "cache-control" in answer.headers and "server" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/", "/label", "/groups", "/map", "/progress", "/api/docs", "/nowhere"]
)
def test_no_page_has_anything_inline_or_from_elsewhere(client: TestClient, path: str) -> None:
    html = client.get(path).text
    assert "<html" in html
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|<[^>]+\s(?:style|on\w+)\s*=", html)
    assert not re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']?(?!/|#|\?)[^"'\s>]""", html)


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "FOO", "post"]
)
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    for path in (
        "/",
        "/api/photos",
        "/api/labels",
        "/api/labels/undo",
        "/api/docs",
        "/api/openapi.json",
        "/static/base.css",
        "/nowhere",
    ):
        status = ask(client.app, path=path, method=method, headers=[(b"host", b"localhost")])
        assert 400 <= status < 500 or (method == "HEAD" and status == 200), (method, path, status)
