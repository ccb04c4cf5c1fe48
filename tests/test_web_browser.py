"""The pages in a real browser, where there is one: playwright and chromium."""

import csv
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from photos import ODD_NAMES, collection, encoded, texture, write
from runs import TINY

import lodisc
from lodisc.collection.collection import Collection

for needed in ("lancedb", "fastapi", "uvicorn"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

import uvicorn  # noqa: E402
from test_index import synthetic  # noqa: E402

from lodisc.collection.embed import embed  # noqa: E402
from lodisc.collection.index import index  # noqa: E402
from lodisc.collection.parts import SETTINGS  # noqa: E402
from lodisc.web.app import create_app  # noqa: E402

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

MARKUP = "<img src=x onerror=document.title='hacked'>.jpg"
HOSTILE = [*ODD_NAMES, MARKUP, "gnp.\u202egpj.jpg", "\u05d0\u05d1\u05d2 finch.jpg", "&amp;'`${1}.jpg"]
PAGES = ("/", "/map", "/label", "/groups", "/progress", "/?state=skipped", "/?state=duplicates", "/?state=outliers", "/?label=nothing")
PATIENCE = 90_000  # milliseconds, for machines that do much else
VIOLATIONS = (
    "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
)


class Server:
    """A collection served on a port of its own; it can be stopped, and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(create_app(self.folder), log_level="error", ws="none", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def labels(self) -> dict[str, str]:
        """What people typed, read from the disk."""
        return Collection(self.folder).labels.current()


def until(holds: Callable[[], object], *, seconds: float = PATIENCE / 1000) -> None:
    """Wait for something that another process or thread brings about."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FOLDER/photos with hostile names and two kinds, FOLDER/run, FOLDER/parts, FOLDER/C."""
    folder = tmp_path_factory.mktemp("pages")
    photos = collection(folder / "photos", per_label=12, size=(48, 36))
    for number, name in enumerate(HOSTILE):
        write(photos / "odd" / name, encoded(texture(5000 + number, size=(64, 40))))
    write(photos / "odd" / "cut <b>short</b>.jpg", b"nothing")
    run = lodisc.train(collection(folder / "seen", per_label=2), out=folder / "run", **{**TINY, "epochs": 1})
    embed(run, photos, out=folder / "parts", workers=0)
    index(folder / "parts", collection=folder / "C")
    return folder


@pytest.fixture
def server(embedded: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of a collection that the test may change."""
    running = Server(Path(shutil.copytree(embedded / "C", tmp_path / "finches & wrens")))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def expected() -> list[str]:
    """What the console may say in this test."""
    return []


@pytest.fixture
def open_page(browser: Any, server: Server, expected: list[str]) -> Iterator[Callable[..., Any]]:
    """Open pages in fresh contexts; at the end there must have been no trouble in any, and nothing from elsewhere."""
    contexts: list[Any] = []
    trouble: list[str] = []

    def open_page(path: str = "/", **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(VIOLATIONS)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"{page.url} {message.text}") if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: trouble.append(f"{page.url} {error}"))
        page.on("request", lambda request: None if request.url.startswith(server.address) else trouble.append(request.url))
        page.goto(server.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [line for line in trouble if not any(text in line for text in expected)] == []


def key_of(page: Any, tile: str) -> str:
    """The key of the photograph in a tile."""
    id = page.locator(tile).first.get_attribute("data-id")
    key: str = page.evaluate("id => fetch(`/api/photos/${id}`).then((answer) => answer.json()).then((photo) => photo.key)", id)
    return key


def notice(page: Any, text: str) -> Any:
    """Wait for a message with this text in it."""
    found = page.locator(".notice", has_text=text)
    found.wait_for()
    return found


def test_select_and_label_undo_reload_export(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    assert page.locator("#count").inner_text() == str(len(Collection(server.folder).photos()))
    page.locator(".tile .tick").nth(1).click(force=True)
    page.locator(".tile").nth(4).click(modifiers=["Shift"])
    page.locator("#selected", has_text="4 selected").wait_for()
    page.locator("#name input").fill("song thrush")
    page.keyboard.press("Enter")
    notice(page, "4 photographs labelled “song thrush”.")
    assert sorted(server.labels.values()) == ["song thrush"] * 4
    page.locator(".notice button", has_text="Undo").click()  # at once: a notice stays for seconds
    notice(page, "Undone")
    assert server.labels == {}
    page.locator(".notice button", has_text="Redo").click()
    notice(page, "Redone")
    assert sorted(server.labels.values()) == ["song thrush"] * 4
    page.locator("#filters [data-label='song thrush']").wait_for()
    page.reload()
    assert page.locator(".caption .label").all_inner_texts() == ["song thrush"] * 4
    page.locator("#filters a", has_text="Unlabelled").click()
    page.locator("h1", has_text="Unlabelled").wait_for()
    assert page.locator(".caption .label").count() == 0
    page.goto(server.address + "/label")
    with page.expect_download() as download:
        page.get_by_role("region", name="As a table").get_by_role("link", name="Export CSV").click()
    rows = list(csv.reader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert sum("song thrush" in row for row in rows) == 4


def test_all_of_a_view_is_selected(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/?folder=wren")
    page.locator(".grid.live").wait_for()
    page.locator(".tile .tick").first.click(force=True)
    page.locator("#all").click()
    page.locator("#selected", has_text="12 selected").wait_for()
    page.locator("#name input").fill("wren")
    page.keyboard.press("Enter")
    notice(page, "12 photographs labelled")
    assert server.labels == {f"wren/{number}.jpg": "wren" for number in range(12)}
    page.keyboard.press("Control+a")
    page.locator("#unlabel").click()
    notice(page, "12 photographs without a label now.")
    assert server.labels == {}


def test_browse_by_keys_alone(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.grid')"):
            break
    assert page.evaluate("getComputedStyle(document.querySelector('.tile.current a')).outlineStyle") == "solid"
    for key in ("ArrowRight", "Space", "ArrowDown", "Shift+ArrowRight", "l"):
        page.keyboard.press(key)
    page.locator("#selected", has_text="3 selected").wait_for()
    page.keyboard.type("finch")
    page.keyboard.press("Enter")
    notice(page, "3 photographs labelled “finch”.")
    assert list(server.labels.values()) == ["finch"] * 3
    page.keyboard.press("Enter")
    page.wait_for_url("**/look/*")
    page.locator(".tile.chosen").wait_for()
    page.locator(".skip").focus()
    assert page.locator(".skip").evaluate("link => link.getBoundingClientRect().top") > 0
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()


def settled(page: Any) -> None:
    """Wait until the page has an answer to all that was typed: before that there is nothing to undo."""
    until(lambda: not page.evaluate("Object.keys(localStorage).some((name) => name.includes(':outbox:'))"))


def test_label_with_keys_undo_and_reload(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    given: dict[str, str] = {}

    def key() -> str:
        found: str = page.locator(".about .key").inner_text()
        return found

    for kind in ("wren", "uria", "finch"):  # `u` alone undoes, as the first letter of a name it does not
        given[key()] = kind
        page.keyboard.type(kind)
        page.keyboard.press("Enter")
    assert page.locator(".choices .text").all_inner_texts() == ["wren", "uria", "finch"]
    for digit in "132":
        given[key()] = {"1": "wren", "2": "uria", "3": "finch"}[digit]
        page.keyboard.press(digit)
    until(lambda: sorted(server.labels.values()) == sorted(given.values()))
    settled(page)
    page.keyboard.press("Backspace")
    until(lambda: len(server.labels) == 5)
    page.keyboard.press("u")
    until(lambda: len(server.labels) == 4)
    page.keyboard.press("U")
    until(lambda: len(server.labels) == 5)
    page.locator(".past .undone").first.wait_for()
    page.reload()
    page.locator(".choices .text").nth(2).wait_for()
    assert page.locator(".choices .text").all_inner_texts() == ["wren", "uria", "finch"], "digits stay with their names"
    assert page.locator(".past li").count() == 6
    assert set(server.labels.values()) == {"wren", "uria", "finch"}


def test_undo_waits_for_a_label_that_is_on_its_way(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    held: list[Any] = []
    page.route("**/api/labels", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    page.keyboard.type("wren")
    page.keyboard.press("Enter")
    until(lambda: page.wait_for_timeout(20) or held)
    page.keyboard.press("Backspace")
    held[0].continue_()
    notice(page, "Undone")
    assert server.labels == {}


def test_the_accuracy_shows_and_names_are_accepted(server: Server, open_page: Callable[..., Any]) -> None:
    labels = Collection(server.folder).labels
    for kind in ("finch", "wren"):
        labels.set([f"{kind}/{number}.jpg" for number in range(9)], kind)
    page = open_page("/label")
    page.locator(".told").wait_for()
    shown = page.locator(".accuracy .value span").inner_text()
    assert shown.endswith("%") and 0 <= int(shown[:-1]) <= 100
    name = page.locator("#guess b")
    name.wait_for()
    proposed = name.inner_text()
    page.keyboard.press("0")
    until(lambda: len(server.labels) == 19)
    assert list(server.labels.values()).count(proposed) == 10
    page.locator("#confidence").fill("50")
    page.locator("#accept", has_text="Accept").click()
    notice(page, "named.").locator("button", has_text="Undo").click()
    notice(page, "Undone")
    assert len(server.labels) == 19


def test_nothing_typed_is_lost_while_the_server_is_away(server: Server, open_page: Callable[..., Any], expected: list[str]) -> None:
    expected.extend(["ERR_CONNECTION_REFUSED", "status of 500"])  # it is away, or on its way out
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    first = page.locator(".about .key").inner_text()
    server.stop()
    page.keyboard.type("wren")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    notice(page, "2 actions wait here, safely")
    server.start()
    until(lambda: sorted(server.labels.values()) == ["wren", "wren"])
    assert first.rsplit("/", 1)[-1] in {key.rsplit("/", 1)[-1] for key in server.labels} or "\\" in first
    page.locator(".notice.waiting").wait_for(state="detached")
    server.stop()
    page.keyboard.press("1")
    notice(page, "safely")
    server.start()
    page.goto(server.address + "/progress")  # another page, of another life of the server, sends what this one could not
    until(lambda: list(server.labels.values()) == ["wren"] * 3)


def test_search_by_upload_and_where(server: Server, open_page: Callable[..., Any], embedded: Path) -> None:
    page = open_page("/groups")
    page.locator("#chooser").set_input_files(embedded / "photos" / "wren" / "3.jpg")
    page.wait_for_url("**/look/upload-*")
    assert key_of(page, ".nearest .tile") == "wren/3.jpg"
    assert page.locator(".nearest .figures").first.inner_text() == "1.00"
    page.locator("#query canvas").wait_for()
    page.locator("#other canvas").wait_for()

    frame = page.locator("#other .frame")
    before = frame.screenshot()
    with page.expect_response("**/api/pairs/**"):
        page.locator("#query .frame").hover()
    until(lambda: frame.screenshot() != before)
    page.locator(".nearest .tile").nth(5).hover()
    page.locator(".nearest .tile").nth(5).locator("canvas").wait_for()
    page.keyboard.press("w")
    assert page.locator("canvas").count() == 0
    page.reload()
    page.locator(".nearest .tile.chosen").wait_for()
    assert page.locator("#where").get_attribute("aria-checked") == "false" and page.locator("canvas").count() == 0
    page.locator("#where").click()
    page.locator("#query canvas").wait_for()
    page.locator("#query .frame").focus()
    with page.expect_response("**/api/pairs/**"):
        page.keyboard.press("ArrowRight")
    page.locator(".nearest .tile a").nth(2).click()
    page.wait_for_url("**/look/*")
    assert server.labels == {} and len(Collection(server.folder).photos()) == len(Collection(embedded / "C").photos())


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photograph_is_dropped_or_pasted_anywhere(open_page: Callable[..., Any], embedded: Path, way: str) -> None:
    page = open_page("/progress")
    data = list((embedded / "photos" / "finch" / "0.jpg").read_bytes())
    page.evaluate(
        """([data, way]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([new Uint8Array(data)], "some bird.jpg", { type: "image/jpeg" }));
          if (way === "drop") {
            dispatchEvent(new DragEvent("dragenter", { dataTransfer: carried }));
            dispatchEvent(new DragEvent("drop", { dataTransfer: carried, cancelable: true }));
          } else document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true }));
        }""",
        [data, way],
    )
    page.wait_for_url("**/look/upload-*")
    assert key_of(page, ".nearest .tile") == "finch/0.jpg"


def test_an_upload_that_is_no_photograph(open_page: Callable[..., Any], expected: list[str], tmp_path: Path) -> None:
    expected.append("status of 422")
    page = open_page("/")
    page.locator("#chooser").set_input_files(write(tmp_path / "letter.jpg", b"Dear diary"))
    notice(page, "can't be read as a photograph")
    assert page.url.endswith("/")


def test_hostile_names_are_text(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/?folder=odd")
    page.locator(".grid.live").wait_for()
    captions = page.locator(".caption .file").all_inner_texts()
    assert MARKUP in captions and "line\\nbreak.jpg" in captions and "gnp.\\u202egpj.jpg" in captions
    page.keyboard.press("Control+a")
    label = "<img src=x onerror=document.title='hacked'> \N{BIRD} 'quoted' \"twice\""
    page.locator("#selected", has_text="selected").wait_for()
    page.locator("#name input").fill(label)
    page.keyboard.press("Enter")
    notice(page, label)
    page.locator("#filters a", has_text="onerror").click()
    page.locator(".chips a", has_text="onerror").wait_for()
    for path in ("/label", "/groups", "/map", "/?state=skipped"):
        page.goto(server.address + path)
        page.wait_for_load_state("networkidle")
        assert "hacked" not in page.title() and page.locator("img[src='x']").count() == 0
    assert page.locator(".plainlist", has_text="cut <b>short</b>.jpg").count() == 1
    assert set(server.labels.values()) == {label}


def test_groups_are_made_and_named(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/groups")
    page.locator("#k").fill("4")
    page.locator("#make").click()
    page.locator(".cards > li").nth(3).wait_for()
    form = page.locator(".cards form").nth(1)
    count = int(form.get_attribute("data-count"))
    form.locator("input").fill("second")
    page.keyboard.press("Enter")
    page.locator(".cards h2", has_text="second").wait_for()
    assert list(server.labels.values()) == ["second"] * count
    page.locator(".cards a.button").nth(1).click()
    page.locator(".chips a", has_text="Group 2").wait_for()
    assert page.locator("#count").inner_text() == str(count)
    page.goto(server.address + "/label")
    page.locator("#scope-group").wait_for()
    assert page.locator("#scope-group").is_visible()
    page.keyboard.press("+")
    size = int(page.locator("#scope-group").inner_text().split("·")[1])
    page.keyboard.type("all of it")
    page.keyboard.press("Enter")
    until(lambda: list(server.labels.values()).count("all of it") == size)


def test_the_map_is_zoomed_and_clicked(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/map")
    page.locator(".legend button").first.wait_for()
    page.locator("canvas").focus()
    page.keyboard.press("+")
    page.locator(".peek").wait_for()
    page.locator("canvas").hover(position={"x": 500, "y": 400})
    page.mouse.wheel(0, -600)
    page.locator("#whole").click()
    page.locator("canvas").focus()
    for key in ("ArrowLeft", "-", "0", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/look/*")


def test_progress_is_live(embedded: Path, server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/progress")
    path = embedded / "parts" / "_progress.json"
    before = path.read_bytes()
    assert page.locator("#running", has_text="Nothing is running").count() == 1
    try:
        told = json.loads(before)
        path.write_text(
            json.dumps({**told, "finished": False, "done": 3, "total": 12, "started": time.time() - 30, "updated": time.time()})
        )
        page.locator("progress").wait_for()
        assert "3 of 12" in page.locator(".task .count").inner_text()
    finally:
        path.write_bytes(before)
    page.locator("#running", has_text="Nothing is running").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_opens_clean(server: Server, open_page: Callable[..., Any], width: int, scheme: str) -> None:
    page = open_page("/", viewport={"width": width, "height": 844}, color_scheme=scheme)
    look = page.locator(".tile a").first.get_attribute("href")
    for path in (*PAGES, look):
        page.goto(server.address + path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("h1").count() == 1
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(20, 23, 26)") == (scheme == "dark")
        named = "[...document.querySelectorAll('button, input:not([hidden]), select, a:not([tabindex])')].filter((one) => one.offsetParent)"
        assert page.evaluate(f"{named}.every((one) => one.ariaLabel || one.textContent.trim() || one.labels?.length)"), path


def test_a_page_that_is_not_there_says_so_kindly(server: Server, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{server.address}/look/0000000000000000")
    assert page.locator("h1").inner_text() == "Not here" and page.locator("a.button").count() == 1
    page.close()


def test_the_first_screen_needs_no_javascript(server: Server, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.address + "/")
    page.locator(".tile a").nth(2).click()
    assert page.locator(".nearest .tile").count() > 5
    context.close()


@pytest.mark.slow
def test_twenty_thousand_photographs(browser: Any, tmp_path: Path) -> None:
    parts = synthetic(tmp_path / "parts", rows=20_000)
    settings = json.loads((parts / SETTINGS).read_text())
    (parts / SETTINGS).write_text(json.dumps({**settings, "image_size": 32}))
    index(parts, collection=tmp_path / "C")
    server = Server(tmp_path / "C")
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(server.address + "/?size=1")
    page.locator(".grid.live").wait_for()
    sizes = []
    for step in range(21):
        page.evaluate("step => scrollTo(0, document.documentElement.scrollHeight * step / 20)", step)
        page.wait_for_timeout(60)
        sizes.append(page.evaluate("document.querySelectorAll('*').length"))
    assert max(sizes) < 2500 and sizes[-1] < 2500
    page.locator(".tile[data-index='19999'][data-id]").wait_for()
    page.wait_for_url("**at=19*")
    page.reload()
    page.locator(".tile[data-index='19999'][data-id]").wait_for()
    assert page.evaluate("scrollY > 100000")
    page.keyboard.press("Control+a")
    page.locator("#selected", has_text="20,000 selected").wait_for()
    page.locator("#name input").fill("all")
    page.keyboard.press("Enter")
    notice(page, "20,000 photographs labelled “all”.")
    assert len(server.labels) == 20_000
    page.close()
    server.stop()
