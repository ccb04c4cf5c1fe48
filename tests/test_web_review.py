"""The pages in a real browser where things cross: two tabs, undoing, slow answers, storage that is blocked."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

for needed in ("lancedb", "fastapi", "uvicorn"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

import test_web_browser  # noqa: E402
from photos import collection as photographs  # noqa: E402
from test_web_browser import CHROMIUM, Server, notice, settled, until  # noqa: E402
from web import make_collection  # noqa: E402

from lodisc.collection.collection import Collection  # noqa: E402
from lodisc.web.pages import View  # noqa: E402

browser, expected, open_page = test_web_browser.browser, test_web_browser.expected, test_web_browser.open_page
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
BLOCKED = (
    "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get() { throw new Error('blocked'); } })"
)
WITHOUT_LOCKS = "delete Navigator.prototype.locks"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FOLDER/C with two kinds of photographs, one of which is there twice."""
    folder = tmp_path_factory.mktemp("review")
    photos = photographs(folder / "photos", per_label=1, labels=["finch"], size=(48, 36))
    shutil.copy(photos / "finch" / "0.jpg", photos / "finch" / "copy.jpg")
    make_collection(folder)
    return folder


@pytest.fixture
def server(made: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of a collection that the test may change."""
    running = Server(Path(shutil.copytree(made / "C", tmp_path / "C")))
    yield running
    running.stop()


def open_labelling(open_page: Callable[..., Any]) -> Any:
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    return page


def type_name(page: Any, name: str) -> str:
    """Label what is on the stage; its key."""
    key: str = page.locator(".about .key").inner_text()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    return key


def refused(route: Any) -> None:
    route.fulfill(status=422, json={"detail": "Not that one"})


@needs_chromium
@pytest.mark.parametrize("without", ["", WITHOUT_LOCKS])
def test_what_another_tab_has_sent_is_not_sent_again(
    server: Server, open_page: Callable[..., Any], expected: list[str], without: str
) -> None:
    expected.append("ERR_FAILED")
    page = open_page("/label")
    page.context.add_init_script(without)
    page.reload()
    page.locator(".strip .tile").first.wait_for()
    page.route("**/api/labels", lambda route: route.abort())
    type_name(page, "aaa")
    notice(page, "safely")
    other = page.context.new_page()
    other.goto(server.address + "/progress")
    settled(other)
    assert list(server.labels.values()) == ["aaa"]
    Collection(server.folder).labels.undo()
    page.unroute("**/api/labels")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.locator(".notice.waiting").wait_for(state="detached")
    page.locator(".strip .label").first.wait_for(state="detached")
    assert server.labels == {}


@needs_chromium
def test_what_another_tab_is_sending_is_not_taken_back(server: Server, open_page: Callable[..., Any], expected: list[str]) -> None:
    expected.append("ERR_FAILED")
    page = open_labelling(open_page)
    page.route("**/api/labels", lambda route: route.abort())
    type_name(page, "aaa")
    notice(page, "safely")
    held: list[Any] = []
    other = page.context.new_page()
    other.route("**/api/labels", lambda route: held.append(route))
    other.goto(server.address + "/progress")
    until(lambda: other.wait_for_timeout(20) or held)
    page.keyboard.press("Backspace")
    notice(page, "Please wait")
    held[0].continue_()
    settled(other)
    assert list(server.labels.values()) == ["aaa"]


@needs_chromium
def test_near_duplicates_on_a_narrow_screen(open_page: Callable[..., Any]) -> None:
    page = open_page("/?state=duplicates", viewport={"width": 390, "height": 844})
    assert page.locator(".sets .tile").count() >= 2
    page.locator("#filters-toggle").click()
    page.locator("body.filtering").wait_for()


@needs_chromium
def test_what_was_undone_is_next_without_a_label(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_labelling(open_page)
    key = type_name(page, "wren")
    settled(page)
    assert server.labels == {key: "wren"}
    assert page.locator(".strip .label").count() == 1
    page.keyboard.press("Backspace")
    page.locator(".strip .label").first.wait_for(state="detached")
    page.keyboard.press("ArrowRight")
    assert page.locator(".about .key").inner_text() == key and server.labels == {}
    page.keyboard.press("U")
    page.locator(".strip .current .label", has_text="wren").wait_for()


@needs_chromium
def test_what_is_refused_is_not_shown_as_labelled(server: Server, open_page: Callable[..., Any], expected: list[str]) -> None:
    expected.append("status of 422")
    page = open_labelling(open_page)
    page.route("**/api/labels", lambda route: refused(route) if route.request.method == "POST" else route.continue_())
    type_name(page, "wren")
    notice(page, "Not that one").locator("button", has_text="Discard").click()
    page.locator(".strip .label").first.wait_for(state="detached")
    page.locator("#no-labels").wait_for()
    assert page.locator(".choices button").count() == 0 and server.labels == {}


@needs_chromium
def test_the_slider_takes_the_arrow_keys(server: Server, open_page: Callable[..., Any]) -> None:
    for kind in ("finch", "wren"):
        Collection(server.folder).labels.set([f"{kind}/{number}.jpg" for number in range(6)], kind)
    page = open_labelling(open_page)
    page.locator("#confidence:enabled").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#confidence").input_value() == "85"


@needs_chromium
def test_enter_opens_the_look_alikes_whatever_is_selected_or_in_sight(open_page: Callable[..., Any]) -> None:
    page = open_page("/?size=6", viewport={"width": 600, "height": 400})
    page.locator(".grid.live").wait_for()
    page.locator(".grid").focus()
    page.keyboard.press("Space")
    page.locator("#selected", has_text="1 selected").wait_for()
    first = page.locator(".tile.current").get_attribute("data-id")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.locator("#tile-0").wait_for(state="detached")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/look/{first}")


@needs_chromium
def test_an_undo_button_goes_when_something_else_is_labelled(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_labelling(open_page)
    page.keyboard.press("Shift+ArrowRight")
    type_name(page, "wren")
    notice(page, "2 photographs labelled")
    page.keyboard.press("1")
    settled(page)
    assert page.locator(".notice").count() == 0 and len(server.labels) == 3


@needs_chromium
def test_a_slow_listing_does_not_replace_a_newer_one(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    with page.expect_response("**/api/photos?**"):
        page.mouse.wheel(0, 10)
    slow: list[Any] = []
    answers: list[Any] = []

    def hold(route: Any) -> None:
        if slow:
            route.continue_()
        else:
            slow.append(route)
            answers.append(route.fetch())

    page.route("**/api/photos?**", hold)

    def label(index: int, name: str) -> None:
        page.locator(f"#tile-{index}").click(modifiers=["Control"])
        page.locator("#name input").fill(name)
        page.keyboard.press("Enter")
        notice(page, f"labelled “{name}”")

    label(0, "first")
    until(lambda: page.wait_for_timeout(20) or answers)
    label(1, "second")
    page.locator(".caption .label", has_text="second").wait_for()
    slow[0].fulfill(response=answers[0])
    page.wait_for_timeout(300)
    assert page.locator(".caption .label").all_inner_texts() == ["first", "second"]


@needs_chromium
@pytest.mark.parametrize("path", ["/", "/label", "/look"])
def test_pages_work_where_storage_is_blocked(server: Server, open_page: Callable[..., Any], path: str) -> None:
    page = open_page("/")
    href = page.locator(".tile a").first.get_attribute("href")
    page.context.add_init_script(BLOCKED)
    page.goto(server.address + (href if path == "/look" else path))
    if path == "/look":
        page.locator("#query canvas").wait_for()
        return
    if path == "/":
        page.locator("#tile-0 .tick").click(force=True)
        page.locator("#name input").fill("wren")
        page.keyboard.press("Enter")
    else:
        page.locator(".strip .tile").first.wait_for()
        type_name(page, "wren")
    until(lambda: page.wait_for_timeout(20) or list(server.labels.values()) == ["wren"])


@pytest.mark.parametrize("query", [{"group": "abc"}, {"size": "abc"}, {"size": "0"}, {"at": "-1"}, {"state": "odd"}, {"sort": "size"}])
def test_what_makes_no_sense_in_an_address_is_passed_over(query: dict[str, str]) -> None:
    assert View.of(query) == View()
    assert View.of({**query, "folder": "finch"}) == View(folder="finch")


def test_numbers_in_an_address_are_bounded() -> None:
    assert View.of({"group": "3", "size": "9", "at": "120"}) == View(group=3, size=6, at=120)


@needs_chromium
def test_nothing_is_said_to_be_left_before_the_server_has_answered(open_page: Callable[..., Any]) -> None:
    page = open_page("/progress")
    asked: list[Any] = []
    page.route("**/api/names", lambda route: asked.append(route))
    with page.expect_response("**/api/groups"):
        page.goto(page.url.replace("/progress", "/label"))
    until(lambda: page.wait_for_timeout(20) or asked)
    assert page.locator("#nothing-left").is_hidden()
    assert page.locator(".big img").is_visible()
    asked[0].continue_()
    page.locator(".strip .tile").first.wait_for()
