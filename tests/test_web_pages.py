"""The pages in a real browser, where there is one: all but browsing and labelling."""

import itertools
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import web
from photos import ODD_NAMES, encoded, texture, write
from runs import until
from web import FIRST, Server, index_again, key_of, make_collection, notice

from lodisc.collection.collection import Collection, photo_id
from lodisc.vectors.projection import project
from lodisc.web.state import map_layouts

browser, context, expected, open_page, server = (
    web.browser,
    web.context,
    web.expected,
    web.open_page,
    web.server,
)
MARKUP = "<img src=x onerror=document.title='hacked'>.jpg"
HOSTILE = [
    *ODD_NAMES,
    MARKUP,
    "gnp.\u202egpj.jpg",
    "\u05d0\u05d1\u05d2 finch.jpg",
    "&amp;'`${1}.jpg",
]
PAGES = {  # and what is there when all of a page is
    "/": ".grid.live .tile img",
    "/map": ".legend button",
    "/label": ".strip .tile",
    "/groups": "#regroup",
    "/progress": "#health .word",
    "/?state=skipped": ".plainlist li",
    "/?state=duplicates": ".sets .tile",
    "/?state=outliers": ".grid.live",
    "/?label=nothing": "#nothing h2",
}
CONTROLS = "button, input:not([hidden]), select, a:not([tabindex])"
NAMED = f"[...document.querySelectorAll('{CONTROLS}')].filter((control) => control.offsetParent)"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """FOLDER/photos with hostile names, two kinds, a copy and a text file, and FOLDER/C."""
    folder = tmp_path_factory.mktemp("hostile")
    make_collection(folder, run, per_label=12)
    for number, name in enumerate(HOSTILE):
        write(folder / "photos" / "odd" / name, encoded(texture(5000 + number, size=(64, 40))))
    write(folder / "photos" / "odd" / "cut <b>short</b>.jpg", b"nothing")
    shutil.copy(folder / "photos" / "finch" / "0.jpg", folder / "photos" / "odd" / "copy.jpg")
    index_again(folder, run)
    return folder


@pytest.mark.slow
def test_every_page_opens_clean(server: Server, open_page: Callable[..., Any]) -> None:
    """On narrow and wide screens, light and dark; the order differs from page to page."""
    page = open_page("/progress")
    shapes = list(itertools.product((390, 1440), ("light", "dark")))
    for path, content in {
        **PAGES,
        f"/similar/{photo_id('odd/' + MARKUP)}": ".tile.chosen canvas",
    }.items():
        page.goto(server.address + path)
        page.locator(content).first.wait_for(state="attached")
        for width, scheme in shapes:
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert page.locator("h1").count() == 1
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (paper == "rgb(20, 23, 26)") == (scheme == "dark")
            assert page.evaluate(
                f"{NAMED}.every((control) => control.ariaLabel || control.textContent.trim()"
                " || control.labels?.length)"
            ), path
        page.wait_for_load_state("networkidle")
        shapes.append(shapes.pop(0))


def test_a_page_that_is_not_there_says_so_kindly(
    open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("status of 404")
    page = open_page("/similar/0000000000000000")
    assert page.locator("h1").inner_text() == "Page not found"
    assert page.locator("a.button").count() == 1


def test_the_first_screen_needs_no_javascript(server: Server, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.address + "/")
    page.locator(".tile .picture").nth(2).click()
    page.locator(".nearest .tile").nth(5).wait_for()  # the page may still be on its way
    assert page.locator(".nearest .tile").count() > 5
    context.close()


def test_hostile_names_are_text(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/?folder=odd")
    page.locator(".grid.live").wait_for()
    captions = page.locator(".caption .file").all_inner_texts()
    assert (
        MARKUP in captions and "line\\nbreak.jpg" in captions and "gnp.\\u202egpj.jpg" in captions
    )
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
        page.locator(PAGES[path]).first.wait_for()
        assert "hacked" not in page.title() and page.locator("img[src='x']").count() == 0
    assert page.locator(".plainlist", has_text="cut <b>short</b>.jpg").count() == 1
    assert set(server.labels.values()) == {label}


def test_near_duplicates_on_a_narrow_screen(open_page: Callable[..., Any]) -> None:
    page = open_page("/?state=duplicates", width=390, height=844)
    assert page.locator(".sets .tile").count() >= 2
    page.locator("#filters-toggle").click()
    page.locator("body.filtering").wait_for()
    page.locator("#filters-close").click()
    page.locator("body:not(.filtering)").wait_for()


def test_nothing_is_said_to_be_left_before_the_server_has_answered(
    open_page: Callable[..., Any],
) -> None:
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


def test_search_by_upload_and_where(
    server: Server, open_page: Callable[..., Any], embedded: Path
) -> None:
    page = open_page("/groups")
    page.locator("#chooser").set_input_files(embedded / "photos" / "wren" / "3.jpg")
    page.wait_for_url("**/similar/upload-*")
    assert key_of(page, ".nearest .tile") == "wren/3.jpg"
    assert page.locator(".nearest .likeness").first.inner_text().endswith("% similar")
    page.locator("#query canvas").wait_for()
    page.locator("#other canvas").wait_for()

    frame = page.locator("#other .frame")
    before = frame.screenshot()
    with page.expect_response("**/api/pairs/**"):
        page.locator("#query .frame").hover()
    until(lambda: frame.screenshot() != before)
    page.locator(".nearest .tile").nth(5).click()
    page.locator(".nearest .tile").nth(5).locator("canvas").wait_for()
    page.locator(".nearest .tile").nth(4).hover()
    assert page.locator(".tile.chosen").get_attribute("data-id") == (
        page.locator(".nearest .tile").nth(5).get_attribute("data-id")
    ), "the way to a photograph chooses nothing"
    page.keyboard.press("w")
    assert page.locator("canvas").count() == 0
    page.reload()
    page.locator(".nearest .tile.chosen").wait_for()
    assert (
        page.locator("#where").get_attribute("aria-checked") == "false"
        and page.locator("canvas").count() == 0
    )
    page.locator("#where").click()
    page.locator("#query canvas").wait_for()
    page.locator("#query .frame").focus()
    with page.expect_response("**/api/pairs/**"):
        page.keyboard.press("ArrowRight")
    page.locator(".nearest .tile a").nth(2).click()
    page.locator(".nearest .tile.chosen a").click()  # again: its own look-alikes
    page.wait_for_url(re.compile(r"/similar/[0-9a-f]{16}$"))
    assert server.labels == {} and len(Collection(server.folder).photos()) == len(
        Collection(embedded / "C").photos()
    )


def test_a_photograph_and_its_ticked_look_alikes_get_a_label(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"/similar/{FIRST}")
    page.locator(".tile.chosen").wait_for()
    keys = page.locator(".nearest .tile").evaluate_all("tiles => tiles.map((tile) => tile.title)")
    page.locator(".nearest .tile .tick").nth(2).click(force=True)
    page.locator(".nearest .tile a").nth(4).focus()
    page.keyboard.press("Space")
    page.locator("#name button", has_text="Label 3").wait_for()
    page.keyboard.press("l")
    page.keyboard.type("song thrush")
    page.keyboard.press("Enter")
    notice(page, "3 photographs labelled “song thrush”.")
    assert server.labels == dict.fromkeys(["finch/0.jpg", keys[2], keys[4]], "song thrush")
    page.locator("h1", has_text="song thrush").wait_for()
    assert page.locator(".nearest .caption .label").count() == 2
    chosen = page.locator(".tile.chosen")
    assert chosen.get_attribute("title") == keys[4], "the pair stays"
    assert page.locator(".tile.selected").count() == 0
    assert page.locator("#name button").inner_text() == "Label"
    page.locator(".notice button", has_text="Undo").click()
    page.locator("h1", has_text="song thrush").wait_for(state="detached")
    assert server.labels == {}


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photograph_is_dropped_or_pasted_anywhere(
    open_page: Callable[..., Any], embedded: Path, way: str
) -> None:
    page = open_page("/progress")
    data = list((embedded / "photos" / "finch" / "0.jpg").read_bytes())
    page.evaluate(
        """([data, way]) => {
          const carried = new DataTransfer();
          const file = [new Uint8Array(data)];
          carried.items.add(new File(file, "some bird.jpg", { type: "image/jpeg" }));
          if (way === "drop") {
            dispatchEvent(new DragEvent("dragenter", { dataTransfer: carried }));
            dispatchEvent(new DragEvent("drop", { dataTransfer: carried, cancelable: true }));
          } else {
            const init = { clipboardData: carried, bubbles: true, cancelable: true };
            document.dispatchEvent(new ClipboardEvent("paste", init));
          }
        }""",
        [data, way],
    )
    page.wait_for_url("**/similar/upload-*")
    assert key_of(page, ".nearest .tile") == "finch/0.jpg"


def test_an_upload_that_is_no_photograph(
    open_page: Callable[..., Any], expected: list[str], tmp_path: Path
) -> None:
    expected.append("status of 422")
    page = open_page("/")
    page.locator("#chooser").set_input_files(write(tmp_path / "letter.jpg", b"Dear diary"))
    notice(page, "can't be read as a photograph")
    assert page.url.endswith("/")


def test_patches_that_cannot_be_had_are_said(
    open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("ERR_FAILED")
    page = open_page(
        f"/similar/{FIRST}", prepare=lambda page: page.route("**/look", lambda route: route.abort())
    )
    notice(page, "does not answer")
    page.locator("#query .frame").focus()
    with page.expect_event("requestfailed"):
        page.keyboard.press("ArrowRight")
    notice(page, "does not answer")


def test_groups_are_made_without_a_number(open_page: Callable[..., Any]) -> None:
    page = open_page("/groups")
    page.locator(".empty button").click()
    page.locator(".cards > li").first.wait_for()
    for card in page.locator(".cards > li").all():
        size = int(card.locator("form").get_attribute("data-count"))
        assert card.locator(".typical img").count() == min(size, 6)
        assert card.locator(".doubtful img").count() == min(max(size - 6, 0), 6)


def test_groups_are_made_and_named(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/groups")
    page.locator("#k").fill("4")
    page.locator("#make").click()
    page.locator(".cards > li").nth(3).wait_for()
    assert page.locator("h1").inner_text() == "4 groups"
    assert page.locator(".cards h2").all_inner_texts() == [f"Group {n}" for n in (1, 2, 3, 4)]
    form = page.locator(".cards form").nth(1)
    count = int(form.get_attribute("data-count"))
    form.locator("input").fill("second")
    page.keyboard.press("Enter")
    page.locator(".cards h2", has_text="second").wait_for()
    assert list(server.labels.values()) == ["second"] * count
    Collection(server.folder).labels.set(["finch/0.jpg"], "one of many")
    page.reload()
    assert sorted(page.locator(".cards h2").all_inner_texts()) == [
        "Group 1",
        "Group 3",
        "Group 4",
        "second",
    ], "one label is not the title of a group"
    page.locator(".cards > li > .button").nth(1).click()
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
    page.wait_for_url("**/similar/*")


def test_the_map_is_loaded_again_once_there_is_a_better_one(
    open_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def laid_out(vectors: Any, *, method: str) -> Any:
        assert method == map_layouts.QUICK or allowed.wait(60)
        return project(vectors, method=map_layouts.QUICK)

    def watched(page: Any) -> None:
        page.clock.install()
        page.on("request", lambda request: asked.append(request.url.rsplit("/api/")[-1]))

    asked: list[str] = []
    allowed = threading.Event()
    monkeypatch.setattr(map_layouts, "project", laid_out)
    monkeypatch.setattr(map_layouts, "PATIENCE", 0.0)
    page = open_page("/map", alone=True, prepare=watched)
    page.locator("#method", has_text="is being made").wait_for()
    until(lambda: page.clock.fast_forward(30_000) or asked.count("map/status") > 2)
    assert asked.count("map") == 1
    allowed.set()
    until(
        lambda: (
            page.clock.fast_forward(30_000)
            or page.locator("#method", has_text="t-SNE; the nearer").count()
        )
    )
    before = len(asked)
    page.clock.fast_forward(60_000)
    assert asked.count("map") == 2 and {*asked[before:]} <= {"labels/version"}


def test_progress_is_live(embedded: Path, server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/progress", alone=True, prepare=lambda page: page.clock.install())
    path = embedded / "parts" / "_progress.json"
    before = path.read_bytes()
    assert page.locator("#running", has_text="Nothing is running").count() == 1
    try:
        told = json.loads(before)
        path.write_text(
            json.dumps(
                {
                    **told,
                    "finished": False,
                    "done": 3,
                    "total": 12,
                    "started": time.time() - 30,
                    "updated": time.time(),
                }
            )
        )
        until(lambda: page.clock.fast_forward(2000) or page.locator("progress").count())
        assert "3 of 12" in page.locator(".task .count").inner_text()
    finally:
        path.write_bytes(before)
    until(
        lambda: (
            page.clock.fast_forward(2000)
            or page.locator("#running", has_text="Nothing is running").count()
        )
    )
