"""Tiny collections, clients and a browser for tests of the server."""

# ruff: noqa: E402  (imports follow the check that the packages are installed)

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from photos import ODD_NAMES, encoded, odd, texture, turned, unreadable, write
from photos import collection as photographs
from runs import until

for needed in ("lancedb", "fastapi", "uvicorn"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")

import uvicorn
from fastapi.testclient import TestClient

from lodisc.collection.collection import Collection, photo_id
from lodisc.collection.index import index
from lodisc.embedding.embed import embed
from lodisc.web.app import create_app
from lodisc.web.connections import BoundedProtocol
from lodisc.web.models import PhotoOut

FINCHES = [f"finch/{number}.jpg" for number in range(8)]
WRENS = [f"wren/{number}.jpg" for number in range(8)]
FIRST = photo_id(FINCHES[0])
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 90_000  # milliseconds, for busy machines
VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error("policy: " + event.violatedDirective + " " + event.blockedURI);
});
"""


def make_collection(
    folder: Path, run: Path, *, per_label: int = 8, labels: tuple[str, ...] = ("finch", "wren")
) -> Path:
    """FOLDER/photos embedded by a run into FOLDER/C."""
    photographs(folder / "photos", per_label=per_label, labels=labels, size=(48, 36))
    return index_again(folder, run)


def make_odd_collection(folder: Path, run: Path) -> Path:
    """FOLDER/C of plain photographs of two kinds, odd ones, odd names and unreadable files.

    Returns FOLDER.
    """
    unreadable(folder / "photos" / "bad")
    odd(folder / "photos" / "odd")
    write(folder / "photos" / "odd" / "upright.jpg", turned(6))
    for number, name in enumerate(ODD_NAMES):
        write(folder / "photos" / "names" / name, encoded(texture(900 + number)))
    make_collection(folder, run)
    return folder


def without_labels(collection: Path) -> Path:
    """A collection as it is before anybody did anything to it."""
    for name in ("labels.sqlite", "groups.json"):
        (collection / name).unlink(missing_ok=True)
    return collection


def index_again(folder: Path, run: Path, *, remove: bool = False) -> Path:
    """Embed and index what is in FOLDER/photos now."""
    embed(run, folder / "photos", out=folder / "parts", workers=0, remove=remove)
    index(folder / "parts", collection=folder / "C")
    return folder / "C"


def client_of(collection: Path, *, host: str = "localhost", **settings: Any) -> TestClient:
    """A client in this process; an error in the server is an answer, as for any other client."""
    return TestClient(
        create_app(collection, **settings), base_url=f"http://{host}", raise_server_exceptions=False
    )


def ask(
    app: Any,
    *,
    path: str = "/api/labels",
    method: str = "GET",
    headers: list[tuple[bytes, bytes]],
    body: Iterator[bytes] | None = None,
) -> int:
    """The status of the answer to a request that no client would send."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        chunk = next(body, None) if body is not None else None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", 8765),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    return statuses[0]


def by_key(client: TestClient) -> dict[str, PhotoOut]:
    """All photographs that are listed, by their key."""
    listed = client.get("/api/photos", params={"limit": 500}).json()["photos"]
    return {one["key"]: PhotoOut(**one) for one in listed}


def label(client: TestClient, keys: list[str], name: str | None) -> Any:
    """Label photographs, and give the answer."""
    photos = by_key(client)
    return client.post(
        "/api/labels", json={"ids": [photos[key].id for key in keys], "label": name}
    ).json()


def listed(client: TestClient, **query: Any) -> list[str]:
    """The keys of a listing, in its order."""
    answer = client.get("/api/photos", params={"limit": 500, **query})
    assert answer.status_code == 200, answer.text
    keys = [photo["key"] for photo in answer.json()["photos"]]
    assert len(keys) == answer.json()["total"]
    return keys


@contextmanager
def served(collection: Path, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and the address that it prints."""
    # A shell in the background ignores the signal
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += f"from lodisc.web.serve import serve; serve({str(collection)!r}, **{settings!r})"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split("   ")[0].strip()
        finally:
            process.kill()


class _Uvicorn(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # A browser may have opened one just now without sending a request
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Server:
    """A collection served on its own port; it can stop, and start again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            create_app(self.folder),
            http=BoundedProtocol,
            log_level="error",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self._server = _Uvicorn(config)  # does not warm up, as its lifespan is off
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, daemon=True
        )
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    @property
    def labels(self) -> dict[str, str]:
        """The labels by key, read from the disk."""
        return Collection(self.folder).labels.current()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """FOLDER/photos of two kinds, and FOLDER/C."""
    folder = tmp_path_factory.mktemp("pages")
    make_collection(folder, run, per_label=12)
    return folder


@pytest.fixture
def server(embedded: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of a collection that the test may change."""
    running = Server(Path(shutil.copytree(embedded / "C", tmp_path / "finches & wrens")))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def expected() -> list[str]:
    """Messages of the console that this test expects."""
    return []


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """One for all tests, as it is slow to make; each server has its own address and storage."""
    shared = new_context(browser)
    yield shared
    shared.close()


def new_context(browser: Any) -> Any:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    context.add_init_script(VIOLATIONS)
    return context


@pytest.fixture
def open_page(
    browser: Any, context: Any, server: Server, expected: list[str]
) -> Iterator[Callable[..., Any]]:
    """Open pages, after `prepare`, or `alone` in a new context.

    At the end no page may have had an error, a warning or a request to another host.
    """
    contexts: list[Any] = []
    trouble: list[str] = []
    if not context.pages:
        # Keeps a process for the other pages
        context.new_page().goto(f"{server.address}/static/icon.svg")

    def open_page(
        path: str = "/",
        *,
        width: int = 1280,
        height: int = 800,
        prepare: Callable[[Any], object] = lambda page: None,
        alone: bool = False,
    ) -> Any:
        if alone:
            contexts.append(new_context(browser))
        page = (contexts[-1] if alone else context).new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.on(
            "console",
            lambda message: (
                trouble.append(f"{page.url} {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: trouble.append(f"{page.url} {error}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(server.address) else trouble.append(request.url)
            ),
        )
        prepare(page)
        page.goto(server.address + path)
        return page

    yield open_page
    for page in context.pages[1:]:
        page.close()
    for own in contexts:
        own.close()
    assert [line for line in trouble if not any(text in line for text in expected)] == []


def key_of(page: Any, tile: str) -> str:
    """The key of the photograph in a tile."""
    id = page.locator(tile).first.get_attribute("data-id")
    script = "async (id) => (await (await fetch(`/api/photos/${id}`)).json()).key"
    key: str = page.evaluate(script, id)
    return key


def notice(page: Any, text: str) -> Any:
    """Wait for a message with this text in it."""
    locator = page.locator(".notice", has_text=text)
    locator.wait_for()
    return locator


def settled(page: Any) -> None:
    """Wait until the server has answered all that was typed; before that nothing can be undone."""
    until(
        lambda: (
            not page.evaluate("Object.keys(localStorage).some((name) => name.includes(':outbox:'))")
        )
    )


def open_labelling(open_page: Callable[..., Any], **settings: Any) -> Any:
    page = open_page("/label", **settings)
    page.locator(".strip .tile").first.wait_for()
    return page


def type_name(page: Any, name: str) -> str:
    """Label what is on the stage; its key."""
    key: str = page.locator(".about .key").inner_text()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    return key
