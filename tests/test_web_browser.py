"""Browsing and labelling in a real browser, where there is one: playwright and chromium."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import web
from runs import until
from web import Server, notice, open_labelling, settled, type_name

from lodisc.collection.collection import Collection, photo_id

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)


def refused(route: Any) -> None:
    route.fulfill(status=422, json={"detail": "Not that one"})


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
    page.locator("#filters a", has_text="song thrush").wait_for()
    page.reload()
    assert page.locator(".caption .label").all_inner_texts() == ["song thrush"] * 4
    page.locator("#filters a", has_text="Unlabelled").click()
    page.locator("h1", has_text="Unlabelled").wait_for()
    assert page.locator(".caption .label").count() == 0
    page.goto(server.address + "/label")
    with page.expect_download() as download:
        page.get_by_role("region", name="Import and export").get_by_role(
            "link", name="Export CSV"
        ).click()
    rows = list(csv.reader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert sum("song thrush" in row for row in rows) == 4


def test_what_another_tab_does_is_seen(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    with page.expect_response("**/api/labels/version"):
        pass  # it knows which labels it shows
    keys = Collection(server.folder).photos().keys
    Collection(server.folder).labels.set(keys[:1], "seen elsewhere")
    page.locator(".caption .label", has_text="seen elsewhere").wait_for()
    page.locator("#filters a", has_text="seen elsewhere").wait_for()


def test_a_photograph_as_large_as_the_window(server: Server, open_page: Callable[..., Any]) -> None:
    keys = Collection(server.folder).photos().keys
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    page.locator(".grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("v")
    large = page.locator("#large[open]")
    large.locator(".large-about span", has_text=keys[1]).wait_for()
    box = large.locator("img").bounding_box()
    assert box["width"] > 1000 and box["height"] > 600
    page.keyboard.press("ArrowRight")
    large.locator(".large-about span", has_text=keys[2]).wait_for()
    page.keyboard.press("+")
    assert large.locator("img").bounding_box()["width"] == pytest.approx(1.5 * box["width"], abs=2)
    page.keyboard.press("l")
    page.keyboard.type("large wren")
    page.keyboard.press("Enter")
    large.locator("b", has_text="large wren").wait_for()
    assert server.labels == {keys[2]: "large wren"}
    large.locator("a", has_text="Look-alikes").click()
    page.wait_for_url("**/similar/*")
    page.locator("[data-large]").click()
    page.locator("#large[open] b", has_text="large wren").wait_for()
    page.locator("#large button", has_text="→").click()
    page.locator("#large b", has_text="large wren").wait_for(state="detached")
    page.keyboard.press("Escape")
    page.locator("#large[open]").wait_for(state="detached")


def test_a_photograph_is_enlarged_by_the_mouse(
    server: Server, open_page: Callable[..., Any]
) -> None:
    keys = Collection(server.folder).photos().keys
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    enlarge = page.locator("#tile-3 .enlarge")
    assert enlarge.evaluate("icon => getComputedStyle(icon).opacity") == "0"
    page.locator("#tile-3").hover()
    assert enlarge.evaluate("icon => getComputedStyle(icon).opacity") == "1"
    enlarge.click()
    large = page.locator("#large[open]")
    large.locator(".large-about span", has_text=keys[3]).wait_for()
    page.keyboard.press("Escape")
    large.wait_for(state="detached")
    assert page.evaluate("document.activeElement.matches('.grid')")
    assert page.locator(".grid").get_attribute("aria-activedescendant") == "tile-3"
    page.locator("#tile-1").click(modifiers=["Control"])
    page.locator("#tile-4 .enlarge").click()
    large.locator(".large-about span", has_text=keys[4]).wait_for()
    assert page.locator("[aria-selected=true]").count() == 1, "it selects nothing"
    image, stage = large.locator("img"), large.locator(".large-stage").bounding_box()
    before = image.bounding_box()
    corner = (stage["x"] + 0.25 * stage["width"], stage["y"] + 0.25 * stage["height"])
    page.mouse.dblclick(*corner)
    after = image.bounding_box()
    assert after["width"] == pytest.approx(2.25 * before["width"], abs=2)
    for axis, side, place in (("x", "width", corner[0]), ("y", "height", corner[1])):
        share = (place - before[axis]) / before[side]
        assert after[axis] + share * after[side] == pytest.approx(place, abs=2), "it stays there"
    page.mouse.down()
    page.mouse.move(corner[0] - 50, corner[1] - 30, steps=4)
    page.mouse.up()
    moved = image.bounding_box()
    assert (moved["x"], moved["y"]) == pytest.approx((after["x"] - 50, after["y"] - 30), abs=2)
    page.mouse.dblclick(*corner)
    assert image.bounding_box() == pytest.approx(before, abs=1)


def touch(page: Any) -> Callable[..., None]:
    """Fingers on the page: each call puts them at these places; without places they are lifted."""
    session = page.context.new_cdp_session(page)
    are_down = False

    def put(*places: tuple[float, float]) -> None:
        nonlocal are_down
        kind = ("touchMove" if are_down else "touchStart") if places else "touchEnd"
        points = [{"x": x, "y": y, "id": id} for id, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        are_down = bool(places)

    return put


def test_a_large_photograph_by_touch(server: Server, open_page: Callable[..., Any]) -> None:
    keys = Collection(server.folder).photos().keys
    page = open_page("/", width=390, height=844)
    page.locator(".grid.live").wait_for()
    fingers = touch(page)
    box = page.locator("#tile-1 .enlarge").bounding_box()
    fingers((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
    fingers()
    large = page.locator("#large[open]")
    about, image = large.locator(".large-about span"), large.locator("img")
    about.get_by_text(keys[1]).wait_for()

    def swipe(by: float) -> None:
        for step in range(6):
            fingers((200 + by * step / 5, 300))
        fingers()

    swipe(-120)
    about.get_by_text(keys[2]).wait_for()
    swipe(120)
    about.get_by_text(keys[1]).wait_for()
    swipe(30)  # too short
    assert image.evaluate("image => image.style.transform") == "translate(0px, 0px) scale(1)"
    before = image.bounding_box()
    for apart in (50, 75, 100):
        fingers((195 - apart, 300), (195 + apart, 300))
    fingers()
    assert image.bounding_box()["width"] == pytest.approx(2 * before["width"], rel=0.02)
    swipe(-120)  # moves what is zoomed
    about.get_by_text(keys[1]).wait_for()
    assert image.bounding_box()["x"] < before["x"] - before["width"] / 2 - 60
    for _ in range(2):
        fingers((195, 300))
        fingers()
    assert image.bounding_box() == pytest.approx(before, abs=1)
    swipe(-120)
    about.get_by_text(keys[2]).wait_for()


def test_a_label_is_renamed_made_one_with_another_and_removed(
    server: Server, open_page: Callable[..., Any]
) -> None:
    keys = sorted(Collection(server.folder).photos().keys)
    labels = Collection(server.folder).labels
    labels.set(keys[:3], "wren")
    labels.set(keys[3:5], "Wren & Co <b>")
    labels.accept({keys[6]: "wren"}, where="from 90%")
    page = open_page("/?label=wren")
    page.locator(".grid.live").wait_for()
    page.locator("#rename input").fill("Wren & Co <b>")
    page.locator("#rename button", has_text="Rename").click()
    page.wait_for_url("**label=Wren*")
    page.locator(".grid.live").wait_for()
    assert page.locator("#count").inner_text() == "6"
    current, accepted = labels.with_accepted_keys()
    assert current == dict.fromkeys([*keys[:5], keys[6]], "Wren & Co <b>")
    assert accepted == {keys[6]}, "an accepted name is still one"
    page.locator("#remove").click()
    notice(page, "6 photographs without this label.")
    assert server.labels == {}
    labels.undo()  # the removal
    assert (undone := labels.undo()) is not None and undone.count == 4, "both kinds together"
    assert labels.with_accepted_keys() == (
        dict.fromkeys([*keys[:3], keys[6]], "wren") | dict.fromkeys(keys[3:5], "Wren & Co <b>"),
        {keys[6]},
    )


def test_the_first_steps_are_told_until_there_are_labels(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    assert page.locator(".steps li").count() == 3
    page.locator("#adopt").click()
    notice(page, "24 photographs labelled by their folders.")
    assert server.labels == {key: key.split("/")[0] for key in server.labels}
    assert len(server.labels) == 24
    page.locator(".steps").wait_for(state="detached")
    page.locator(".notice button", has_text="Undo").click()
    page.locator(".steps").wait_for()
    assert server.labels == {}
    page.locator("#adopt").click()
    page.locator(".steps").wait_for(state="detached")
    page.goto(server.address + "/?folder=wren")
    assert page.locator(".steps").count() == 0


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
    notice(page, "12 photographs no longer have a label.")
    assert server.labels == {}


def test_photographs_that_cannot_be_selected_are_said(
    open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("ERR_FAILED")
    page = open_page(
        "/", prepare=lambda page: page.route("**/api/photos?**", lambda route: route.abort())
    )
    page.locator(".grid.live").wait_for()
    page.keyboard.press("Control+a")
    page.locator(".notice.bad", has_text="does not answer").wait_for()
    page.locator(".grid").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.locator(".notice.bad", has_text="does not answer").wait_for()


def test_browse_by_keys_alone(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # “Skip to the content”
    assert page.evaluate("document.activeElement.matches('.grid')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert (
        page.evaluate(
            "getComputedStyle(document.querySelector('.tile.current .picture')).outlineStyle"
        )
        == "solid"
    )
    for key in ("ArrowRight", "Space", "ArrowDown", "Shift+ArrowRight", "l"):
        page.keyboard.press(key)
    page.locator("#selected", has_text="3 selected").wait_for()
    page.keyboard.type("finch")
    page.keyboard.press("Enter")
    notice(page, "3 photographs labelled “finch”.")
    assert list(server.labels.values()) == ["finch"] * 3
    page.keyboard.press("Enter")
    page.wait_for_url("**/similar/*")
    page.locator(".tile.chosen").wait_for()
    page.locator(".skip").focus()
    assert page.locator(".skip").evaluate("link => link.getBoundingClientRect().top") > 0
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()


def test_a_view_says_what_it_shows_and_counts_it(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    labels = Collection(server.folder).labels
    labels.set([f"wren/{number}.jpg" for number in range(3)], "jenny")
    labels.set(["finch/0.jpg"], "stray")
    page = open_page("/?folder=wren")
    page.locator(".grid.live").wait_for()
    counts = {
        line.rpartition("\n")[0]: line.rpartition("\n")[2]
        for line in page.locator("#filters a").all_inner_texts()
    }
    assert counts["Labelled"] == "3" and counts["Unlabelled"] == "9" and counts["jenny"] == "3"
    assert counts["All photographs"] == "24" and "stray" not in counts
    assert page.locator("h1 > span").first.inner_text() == "Folder wren"
    assert page.locator("#filters [aria-current]").all_inner_texts() == ["wren\n12"]
    assert page.locator(".tile .file").first.inner_text() == "10.jpg · wren", "finch has one, too"
    page.locator("#filters a", has_text="All photographs").click()
    page.locator("h1", has_text="All photographs").wait_for()
    assert page.locator("#count").inner_text() == "24" and page.locator(".chips").count() == 0
    page.goto(server.address + "/?state=nonsense&sort=odd&at=x&label=jenny")
    page.locator(".grid.live").wait_for()
    page.wait_for_load_state("networkidle")
    assert page.locator(".notice").count() == 0 and page.locator("#count").inner_text() == "3"


def test_a_missing_file_says_so_and_a_server_that_is_away_does_not(
    server: Server, open_page: Callable[..., Any], expected: list[str], tmp_path: Path
) -> None:
    expected += ["ERR_", "status of 410"]
    collection = Collection(server.folder)
    (lost,) = (
        Path(collection.photos().path(row))
        for row, key in enumerate(collection.photos().keys)
        if key == "wren/7.jpg"
    )
    lost.rename(tmp_path / "7.jpg")
    try:
        page = open_page("/?folder=wren", alone=True, prepare=lambda page: page.clock.install())
        lost_tile = page.locator("[data-trouble='File missing']")
        lost_tile.wait_for()
        assert "no such file" in lost_tile.locator("img").get_attribute("alt")
        assert page.locator("[data-trouble]").count() == 1
        page.route("**/thumbnail?**", lambda route: route.abort())
        page.reload()
        page.locator("[data-trouble='Not loaded']").nth(11).wait_for()
        page.unroute("**/thumbnail?**")
        until(
            lambda: (
                page.clock.fast_forward(4000)
                or page.locator("[data-trouble='Not loaded']").count() == 0
            )
        )
        page.locator("[data-trouble='File missing']").wait_for()
        assert page.locator("[data-trouble]").count() == 1
        page.goto(f"{server.address}/similar/{photo_id('wren/7.jpg')}")
        page.locator("#query .frame", has_text=str(lost)).wait_for()
    finally:
        (tmp_path / "7.jpg").rename(lost)


def test_home_and_end_reach_the_ends_of_a_single_row(open_page: Callable[..., Any]) -> None:
    page = open_page("/?folder=wren&size=1", width=1800)
    page.locator(".grid.live").focus()
    first, last = page.locator("#tile-0").bounding_box(), page.locator("#tile-11").bounding_box()
    assert first["y"] == last["y"]
    for keys, index in (("Right End", 11), ("Left Home", 0), ("Right Down", 1)):
        for key in keys.split():
            page.keyboard.press(key if key in ("Home", "End") else f"Arrow{key}")
        assert page.locator(".grid").get_attribute("aria-activedescendant") == f"tile-{index}"
    page.keyboard.press("Space")
    page.locator("#actions").wait_for()
    page.keyboard.press("Control+l")
    assert page.evaluate("document.activeElement.matches('.grid')"), "Ctrl+L is the browser's"


def test_enter_opens_the_look_alikes_whatever_is_selected_or_in_sight(
    open_page: Callable[..., Any],
) -> None:
    def stall(page: Any) -> None:
        """Scrolled away from before an answer has come."""
        page.route("**/api/photos?offset=0&limit=100", lambda route: None)

    page = open_page("/?size=6", width=600, height=400, prepare=stall)
    page.locator(".grid.live").wait_for()
    page.locator(".grid").focus()
    page.keyboard.press("Space")
    page.locator("#selected", has_text="1 selected").wait_for()
    first = page.locator(".tile.current").get_attribute("data-id")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.locator("#tile-0").wait_for(state="detached")
    page.keyboard.press("Space")
    page.locator("#actions").wait_for(state="hidden")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/similar/{first}")


def test_a_slow_listing_does_not_replace_a_newer_one(
    server: Server, open_page: Callable[..., Any]
) -> None:
    finished: list[str] = []
    page = open_page(
        "/",
        prepare=lambda page: page.on(
            "requestfinished", lambda request: finished.append(request.url)
        ),
    )
    until(lambda: page.wait_for_timeout(20) or any("/api/photos?" in url for url in finished))
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


def test_label_with_keys_undo_and_reload(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    given: dict[str, str] = {}

    def key() -> str:
        found: str = page.locator(".about .key").inner_text()
        return found

    kinds = ["wren", "Uria", "finch"]
    for kind in kinds:  # letters are never anything but letters
        given[key()] = kind
        page.keyboard.type(kind)
        page.keyboard.press("Enter")
    assert page.locator("#labels .text").all_inner_texts() == kinds
    settled(page)
    page.reload()
    suggested = page.locator("#suggestions .text")
    for digit in (1, 3, 2):
        suggested.nth(2).wait_for()
        assert sorted(suggested.all_inner_texts()) == sorted(kinds)
        given[key()] = suggested.nth(digit - 1).inner_text()
        page.keyboard.press(str(digit))
    until(lambda: server.labels == given)
    settled(page)
    page.keyboard.press("Backspace")
    until(lambda: len(server.labels) == 5)
    page.keyboard.press("Control+Z")
    until(lambda: len(server.labels) == 4)
    page.keyboard.press("Control+Shift+Z")
    until(lambda: len(server.labels) == 5)
    page.locator(".past .undone").first.wait_for()
    page.reload()
    page.locator("#labels .text").first.wait_for()
    in_use = [kind for kind in kinds if kind in server.labels.values()]
    assert page.locator("#labels .text").all_inner_texts() == in_use, "they stay in their places"


@pytest.mark.parametrize(
    ("width", "height"),
    [(720, 450), (1024, 700), (390, 844), (667, 375), (1440, 900)],
    ids=["at 200 %", "tablet", "phone", "phone on its side", "desktop"],
)
def test_photograph_and_field_are_in_sight_together(
    open_page: Callable[..., Any], width: int, height: int
) -> None:
    page = open_labelling(open_page, width=width, height=height)
    for selector in (".big", ".strip .tile.current", "#name input", "#name button"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, selector
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, selector
    assert page.locator(".big").bounding_box()["height"] >= 120
    field, picture = page.locator("#name input").bounding_box(), page.locator(".big").bounding_box()
    assert (
        field["x"] >= picture["x"] + picture["width"]
        or field["y"] >= picture["y"] + picture["height"]
    )


def test_fast_digits_label_each_photograph_once(
    open_page: Callable[..., Any], server: Server
) -> None:
    """Though the server proposes three photographs at a time, and digits come faster than they."""

    def three_at_a_time(route: Any) -> None:
        answer = route.fetch()
        names = answer.json()
        route.fulfill(response=answer, json={**names, "proposals": names["proposals"][:3]})

    page = open_page("/label", prepare=lambda page: page.route("**/api/names", three_at_a_time))
    page.locator(".strip .tile").nth(2).wait_for()
    assert page.locator(".strip .tile").count() == 3
    type_name(page, "bird")
    until(lambda: page.keyboard.press("1") or len(server.labels) == 24)
    for _ in range(5):
        page.keyboard.press("1")
    settled(page)
    assert len(Collection(server.folder).labels.history(limit=100)) == 24
    page.keyboard.press("Backspace")
    until(lambda: len(server.labels) == 23)
    page.locator(".strip .current .label").wait_for(state="detached")
    page.keyboard.press("1")
    until(lambda: len(server.labels) == 24)


def test_what_a_digit_gives_stays_while_a_photograph_is_on_the_stage(
    open_page: Callable[..., Any], server: Server
) -> None:
    labels = Collection(server.folder).labels
    for kind in ("finch", "wren"):
        labels.set([f"{kind}/{number}.jpg" for number in range(4)], kind)
    page = open_labelling(open_page)
    suggested = page.locator("#suggestions .text")
    suggested.nth(1).wait_for()
    before = suggested.all_inner_texts()
    others = [f"{kind}/{number}.jpg" for kind in ("finch", "wren") for number in range(4, 12)]
    labels.set([key for key in others if key != page.locator(".about .key").inner_text()], "owl")
    with page.expect_response("**/api/names"):
        page.locator("#undo:enabled").click()
    page.wait_for_timeout(300)
    assert suggested.all_inner_texts() == before


def test_an_undo_button_goes_when_something_else_is_labelled(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_labelling(open_page)
    page.keyboard.press("Shift+ArrowRight")
    type_name(page, "wren")
    notice(page, "2 photographs labelled")
    page.keyboard.press("1")
    settled(page)
    assert page.locator(".notice").count() == 0 and len(server.labels) == 3


def test_what_was_undone_is_next_without_a_label(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_labelling(open_page)
    key = type_name(page, "wren")
    settled(page)
    assert server.labels == {key: "wren"}
    assert page.locator(".strip .label").count() == 1
    label = page.locator(".strip .label")
    assert label.evaluate("label => label.offsetHeight === label.parentElement.clientHeight")
    page.keyboard.press("Backspace")
    page.locator(".strip .label").first.wait_for(state="detached")
    page.keyboard.press("ArrowRight")
    assert page.locator(".about .key").inner_text() == key and server.labels == {}
    page.keyboard.press("Control+Shift+Z")
    page.locator(".strip .current .label", has_text="wren").wait_for()


def test_what_is_refused_is_not_shown_as_labelled(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("status of 422")
    page = open_labelling(open_page)
    page.route(
        "**/api/labels",
        lambda route: refused(route) if route.request.method == "POST" else route.continue_(),
    )
    type_name(page, "wren")
    notice(page, "Not that one").locator("button", has_text="Discard").click()
    page.locator(".strip .label").first.wait_for(state="detached")
    page.locator("#no-labels").wait_for()
    assert page.locator("#labels button").count() == 0 and server.labels == {}


def test_the_accuracy_shows_and_names_are_accepted(
    server: Server, open_page: Callable[..., Any]
) -> None:
    labels = Collection(server.folder).labels
    for kind in ("finch", "wren"):
        labels.set([f"{kind}/{number}.jpg" for number in range(9)], kind)
    page = open_page("/label")
    page.locator(".estimate").wait_for()
    shown = page.locator(".accuracy .value span").inner_text()
    assert shown.endswith("%") and 0 <= int(shown[:-1]) <= 100
    likeliest = page.locator("#suggestions .text").first
    likeliest.wait_for()
    proposed = likeliest.inner_text()
    shares = page.locator("#suggestions .count").all_inner_texts()
    assert [int(share[:-1]) for share in shares] == sorted(
        (int(share[:-1]) for share in shares), reverse=True
    )
    page.keyboard.press("1")
    until(lambda: len(server.labels) == 19)
    assert list(server.labels.values()).count(proposed) == 10
    page.locator("#confidence").fill("50")
    page.locator("#accept", has_text="Accept").click()
    notice(page, "named.").locator("button", has_text="Undo").click()
    notice(page, "Undone")
    assert len(server.labels) == 19


def test_suggested_names_are_looked_through_and_accepted(
    server: Server, open_page: Callable[..., Any]
) -> None:
    labels = Collection(server.folder).labels
    for kind in ("finch", "wren"):
        labels.set([f"{kind}/{number}.jpg" for number in range(8)], kind)
    page = open_labelling(open_page)
    page.locator("#confidence:enabled").fill("50")
    page.locator("#see", has_text="See them first").click()
    page.locator(".grid.live").wait_for()
    count = int(page.locator("#count").inner_text())
    assert count == 8 and page.locator(".chips a").inner_text() == "Confidence from 50%"
    captions = page.locator(".caption .guess").all_inner_texts()
    assert captions == sorted(captions) and len(captions) == 8, "by name"
    page.locator(f"#filters a[href*='name={captions[0]}']").click()
    page.locator("h1", has_text="Suggested names").wait_for()
    page.locator(".chips a", has_text=f"Name {captions[0]}").wait_for()
    page.locator(".grid.live").wait_for()
    some = captions.count(captions[0])
    assert page.locator(".caption .guess").all_inner_texts() == [captions[0]] * some
    page.locator(".grid").focus()
    page.keyboard.press("Control+a")
    page.locator("#selected", has_text=f"{some} selected").wait_for()
    page.locator(".tile").first.click()  # not this one
    page.locator("#selected", has_text=f"{some - 1} selected").wait_for()
    kept = page.locator(".tile").first.get_attribute("data-id")
    page.locator("#accept").click()
    notice(page, f"{some - 1} photograph")
    current, accepted = labels.with_accepted_keys()
    assert len(accepted) == some - 1 and {current[key] for key in accepted} == {captions[0]}
    page.locator("#tile-1").wait_for(state="detached")
    assert page.locator("#tile-0").get_attribute("data-id") == kept


def test_the_slider_takes_the_arrow_keys(server: Server, open_page: Callable[..., Any]) -> None:
    for kind in ("finch", "wren"):
        Collection(server.folder).labels.set([f"{kind}/{number}.jpg" for number in range(6)], kind)
    page = open_labelling(open_page)
    page.locator("#confidence:enabled").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#confidence").input_value() == "85"


@pytest.mark.parametrize(
    "modifiers", [{"modifierAltGraph": True}, {"altKey": True}, {"ctrlKey": True, "altKey": True}]
)
def test_letters_that_need_a_modifier_are_typed(
    open_page: Callable[..., Any], modifiers: dict[str, bool]
) -> None:
    """AltGr as the event has it on Linux, Option on a Mac, and AltGr on Windows."""
    page = open_page("/label")
    assert press(page, key="ł", **modifiers) == "goes on"
    assert page.evaluate("document.activeElement.tagName") == "INPUT"


@pytest.mark.parametrize("path", ["/label", "/map"])
@pytest.mark.parametrize(
    "keys",
    [
        {"key": "k", "ctrlKey": True},
        {"key": "k", "metaKey": True},
        {"key": "ArrowLeft", "altKey": True},
        {"key": "ArrowLeft", "metaKey": True},
        {"key": "?", "altKey": True},
    ],
)
def test_shortcuts_of_the_browser_stay_its_own(
    open_page: Callable[..., Any], path: str, keys: dict[str, Any]
) -> None:
    page = open_page(path)
    until(lambda: press(page, key="ArrowLeft") == "handled")  # the page is ready
    assert press(page, **keys) == "goes on"
    assert page.evaluate("document.activeElement.tagName") != "INPUT"
    assert press(page, key="?") == "handled"


def press(page: Any, **init: Any) -> str:
    """Send a key, with modifiers that keyboards of other systems have, to what has the focus."""
    return str(
        page.evaluate(
            """(init) => {
              const settings = { bubbles: true, cancelable: true, ...init };
              const target = document.querySelector("canvas") ?? document.activeElement;
              const goesOn = target.dispatchEvent(new KeyboardEvent("keydown", settings));
              return goesOn ? "goes on" : "handled";
            }""",
            init,
        )
    )
