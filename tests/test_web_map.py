"""Selecting, labelling and colouring on the map, in a real browser where there is one."""

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import web
from runs import until
from web import Server, client_of, notice, settled

from lodisc.collection.collection import Collection, photo_id

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
Place = tuple[float, float]
MARGINS, COMPACT_MARGINS = (40, 290, 40, 60), (76, 20, 20, 20)  # as in map-view.js
CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((byte) => {
      const share = byte / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll(".legend circle")].map((circle) => {
    const [low, high] = [luminance(circle.getAttribute("fill")), paper].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  });
}"""


def open_map(open_page: Callable[..., Any], **settings: Any) -> Any:
    """The page with the map, once it is shown and does not change by itself any more."""
    page = open_page("/map", **settings)
    page.locator(".legend button").first.wait_for(state="attached")
    page.locator("#method", has_text=re.compile("alike.$")).wait_for(state="attached")
    return page


class Screen:
    """Where the photographs are on the screen, by the answer of the server."""

    def __init__(
        self, page: Any, server: Server, margins: tuple[int, int, int, int] = MARGINS
    ) -> None:
        layout = page.request.get(server.address + "/api/map").json()
        box = page.locator("canvas").bounding_box()
        top, right, bottom, left = margins
        across, down = box["width"] - left - right, box["height"] - top - bottom
        self.side = min(across, down)
        self.middle = (box["x"] + left + across / 2, box["y"] + top + down / 2)
        self.keys = {photo_id(key): key for key in Collection(server.folder).photos().keys}
        self.places = {
            self.keys[id]: (x, y)
            for id, x, y in zip(layout["ids"], layout["x"], layout["y"], strict=True)
        }
        self.page = page

    def at(self, place: Place) -> Place:
        """The pixel of a place on the map."""
        x, y = ((value - 0.5) * self.side for value in place)
        return self.middle[0] + x, self.middle[1] + y

    def gap(self, axis: int) -> float:
        """A value about the middle of an axis that is far from every photograph."""
        values = sorted(place[axis] for place in self.places.values())
        gaps = [(b - a, (a + b) / 2) for a, b in pairwise(values)]
        width, middle = max(gap for gap in gaps if 0.25 < gap[1] < 0.75)
        assert width * self.side > 16, "a line there is near no photograph"
        return middle

    def within(self, polygon: list[Place]) -> set[str]:
        """The keys of the photographs that a line goes around, by a plain loop."""
        return {key for key, (x, y) in self.places.items() if is_inside(x, y, polygon)}

    def draw(self, polygon: list[Place], *keys: str) -> None:
        """Draw around photographs with the mouse, while keys are held."""
        mouse, keyboard = self.page.mouse, self.page.keyboard
        for key in keys:
            keyboard.down(key)
        mouse.move(*self.at(polygon[0]))
        mouse.down()
        for place in [*polygon[1:], polygon[0]]:
            mouse.move(*self.at(place), steps=15)
        mouse.up()
        for key in keys:
            keyboard.up(key)

    @property
    def loneliest(self) -> str:
        """The key of the photograph that is farthest from the others."""
        places = np.array(list(self.places.values()))
        distances = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        np.fill_diagonal(distances, np.inf)
        return list(self.places)[int(distances.min(0).argmax())]


def is_inside(x: float, y: float, polygon: list[Place]) -> bool:
    """Whether a ray to the right crosses the line an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def corner(screen: Screen) -> list[Place]:
    """An L around all photographs but those at the right below; not what a rectangle would be."""
    x, y = screen.gap(0), screen.gap(1)
    return [(-0.03, -0.03), (1.03, -0.03), (1.03, y), (x, y), (x, 1.03), (-0.03, 1.03)]


def test_a_lasso_adds_takes_away_and_labels_what_it_goes_around(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_map(open_page)
    screen = Screen(page, server)
    x, y = screen.gap(0), screen.gap(1)
    below = [(-0.03, y), (1.03, y), (1.03, 1.03), (-0.03, 1.03)]
    left = [(-0.03, -0.03), (x, -0.03), (x, 1.03), (-0.03, 1.03)]
    page.locator("#select").click()
    screen.draw(corner(screen))
    keys = screen.within(corner(screen))
    assert 3 < len(keys) < len(screen.places), "there are photographs on both sides"
    page.locator("#selected", has_text=f"{len(keys)} selected").wait_for()
    screen.draw(below)
    page.locator("#selected", has_text=f"{len(screen.places)} selected").wait_for()
    screen.draw(left, "Alt")
    keys = set(screen.places) - screen.within(left)
    page.locator("#selected", has_text=f"{len(keys)} selected").wait_for()
    page.locator("#colour").select_option("label")
    page.locator("#name input").fill("right <b>half</b>")
    page.keyboard.press("Enter")
    notice(page, f"{len(keys)} photographs labelled “right <b>half</b>”.")
    assert server.labels == dict.fromkeys(keys, "right <b>half</b>")
    assert page.locator("#actions").is_hidden()
    page.locator(".legend button", has_text="right <b>half</b>").wait_for()
    counts = page.locator(".legend .count").all_inner_texts()
    assert counts == [str(len(keys)), str(len(screen.places) - len(keys))]
    assert page.locator("#labels-in-use option").get_attribute("value") == "right <b>half</b>"
    page.locator(".notice button", has_text="Undo").click()
    page.locator(".legend li", has_text="right").wait_for(state="detached")
    assert server.labels == {}


def test_only_what_is_lit_up_is_selected_and_its_label_removed(
    server: Server, open_page: Callable[..., Any]
) -> None:
    keys = sorted(Collection(server.folder).photos().keys)
    Collection(server.folder).labels.set(keys[:9], "nine")
    page = open_map(open_page)
    screen = Screen(page, server)
    page.locator("#colour").select_option("label")
    page.locator(".legend button", has_text="nine").click()
    screen.draw([(-0.03, -0.03), (1.03, -0.03), (1.03, 1.03), (-0.03, 1.03)], "Shift")
    page.locator("#selected", has_text="9 selected").wait_for()
    page.locator("#unlabel").click()
    notice(page, "9 photographs no longer have a label.")
    assert server.labels == {}


def test_what_another_page_labels_changes_the_colours_and_not_the_selection(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_map(open_page)
    page.locator("#colour").select_option("label")
    screen = Screen(page, server)
    screen.draw(corner(screen), "Shift")
    before = page.locator("#selected").inner_text()
    page.locator(".legend button", has_text="No label").click()
    with page.expect_response("**/api/labels/version"):
        pass  # it knows which labels it shows
    Collection(server.folder).labels.set(sorted(screen.places)[:2], "seen elsewhere")
    page.locator(".legend button", has_text="seen elsewhere").wait_for()
    assert page.locator("#selected").inner_text() == before
    highlight = page.locator(".legend button[aria-pressed=true] .text")
    assert highlight.all_inner_texts() == ["No label"]


def test_clicks_select_and_escape_clears(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_map(open_page)
    screen = Screen(page, server)
    place = screen.at(screen.places[screen.loneliest])
    button = page.locator("#select")
    page.locator("canvas").focus()
    page.keyboard.press("s")
    assert button.get_attribute("aria-pressed") == "true"
    page.mouse.click(*place)
    page.locator("#selected", has_text="1 selected").wait_for()
    page.mouse.click(*place)
    page.locator("#actions").wait_for(state="hidden")
    page.mouse.click(*place)
    page.locator("#selected", has_text="1 selected").wait_for()
    page.mouse.move(*screen.at((0.1, 0.1)))
    page.mouse.down()
    page.mouse.move(*screen.at((0.9, 0.5)), steps=5)
    page.mouse.move(*screen.at((0.1, 0.9)), steps=5)
    page.locator(".lasso polygon[points]").wait_for(state="attached")
    page.keyboard.press("Escape")
    assert page.locator(".lasso polygon[points]").count() == 0, "the line is dropped at first"
    page.mouse.move(*screen.at((0.3, 0.9)), steps=5)
    page.mouse.up()
    assert page.locator("#selected").inner_text() == "1 selected"
    page.keyboard.press("Escape")
    page.locator("#actions").wait_for(state="hidden")
    assert button.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-pressed") == "false"
    page.mouse.click(*place)
    page.wait_for_url(f"**/similar/{photo_id(screen.loneliest)}")


def test_photographs_are_selected_and_labelled_by_keys(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_map(open_page)
    screen = Screen(page, server)
    key = min(screen.places, key=lambda key: np.hypot(*(np.array(screen.places[key]) - 0.5)))
    page.locator("canvas").focus()
    page.keyboard.press("s")
    page.keyboard.press("Space")
    page.locator("#selected", has_text="1 selected").wait_for()
    page.locator("canvas[aria-description$=', selected']").wait_for()
    page.keyboard.press("Space")
    page.locator("#actions").wait_for(state="hidden")
    page.keyboard.press("Space")
    page.keyboard.press("l")
    page.keyboard.type("solo s")
    page.keyboard.press("Enter")
    notice(page, "1 photograph labelled “solo s”.")
    assert server.labels == {key: "solo s"}
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"


def test_a_finger_draws_and_two_move_the_map(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_map(open_page, width=390, height=844)
    screen = Screen(page, server, COMPACT_MARGINS)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: Place) -> None:
        points = [{"x": x, "y": y, "id": id} for id, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def draw(polygon: list[Place]) -> None:
        corners = np.array([screen.at(place) for place in [*polygon, polygon[0]]])
        touch("touchStart", tuple(corners[0]))
        for start, end in pairwise(corners):
            for share in np.linspace(0.1, 1, 10):
                touch("touchMove", tuple(start + share * (end - start)))
        touch("touchEnd")

    page.locator("#select").click()
    polygon = corner(screen)
    draw(polygon)
    keys = screen.within(polygon)
    page.locator("#selected", has_text=f"{len(keys)} selected").wait_for()
    place = screen.at(screen.places[screen.loneliest])
    touch("touchStart", place)
    touch("touchEnd")
    keys ^= {screen.loneliest}
    page.locator("#selected", has_text=f"{len(keys)} selected").wait_for()
    page.locator("#name input").fill("by touch")
    page.locator("#name button").click()
    notice(page, "labelled “by touch”.")
    assert server.labels == dict.fromkeys(keys, "by touch")
    settled(page)
    x, y = screen.at((0.5, 0.5))
    picture = page.locator("canvas").screenshot()
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    for step in range(1, 10):
        touch("touchMove", (x - 30 - 5 * step, y), (x + 30 + 5 * step, y + 5))
    touch("touchEnd")
    assert page.locator(".lasso polygon[points]").count() == 0
    assert page.locator("#actions").is_hidden()
    until(lambda: page.locator("canvas").screenshot() != picture)


def test_a_line_encloses_what_it_goes_around_once_or_twice(open_page: Callable[..., Any]) -> None:
    page = open_page("/map")
    script = """async ([corners, places]) => {
      const { Polygon } = await import("/static/lib/polygon.js");
      const polygon = new Polygon(corners);
      return [polygon.box, places.map(([x, y]) => polygon.contains(x, y))];
    }"""
    square = [[0, 0], [4, 0], [4, 4], [0, 4]]
    places = [[2, 2], [5, 2], [-1, 2], [2, 4.5], [0.5, 3.9]]
    expected = [True, False, False, False, True]
    assert page.evaluate(script, [square, places]) == [[0, 0, 4, 4], expected]
    assert page.evaluate(script, [square + square, places])[1] == expected
    assert page.evaluate(script, [square[::-1], places])[1] == expected
    assert page.evaluate(script, [[[1, 1]], [[1, 1], [0, 1]]])[1] == [False, False]


def test_colours_tell_how_sure_names_are(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_map(open_page)
    page.locator("#colour").select_option("confidence")
    page.locator("#note", has_text="two").wait_for()
    assert page.locator(".legend .text").all_inner_texts() == ["No name yet"]
    with page.expect_response("**/api/labels/version"):
        pass  # it knows which labels it shows
    keys = {f"{folder}/{number}.jpg": folder for folder in ("finch", "wren") for number in range(3)}
    Collection(server.folder).labels.set_each(keys, how="typed")
    page.locator(".legend button", has_text="%").first.wait_for()
    page.locator("#note:empty").wait_for(state="attached")
    layout = page.request.get(server.address + "/api/map").json()
    counts: Counter[str] = Counter()
    for label, confidence in zip(layout["label"], layout["confidence"], strict=True):
        counts["Labelled" if label else step_of(confidence)] += 1
    legend = page.locator(".legend button")
    names = legend.locator(".text").all_inner_texts()
    assert dict(zip(names, legend.locator(".count").all_inner_texts(), strict=True)) == {
        name: str(count) for name, count in counts.items()
    }
    assert counts["Labelled"] == 6


STEPS = ["90% and more", "80% to 90%", "70% to 80%", "60% to 70%", "50% to 60%", "Under 50%"]


def step_of(confidence: float) -> str:
    """The entry of the legend."""
    return STEPS[min(5, 9 - min(9, int(10 * confidence + 1e-9)))]


def test_the_scale_of_confidence_is_ordered_and_every_colour_is_seen(
    open_page: Callable[..., Any],
) -> None:
    shares = [0.95, 0.9, 0.85, 0.72, 0.6, 0.59, 0.5, 0.49, 0.0]

    def patch(route: Any) -> None:
        layout = route.fetch().json()
        count = len(layout["ids"])
        layout["label"] = ["first", *[None] * (count - 1)]
        layout["group"] = [10, 9, 9, *[None] * (count - 3)]
        layout["confidence"] = [0.9, *(shares * count)[: count - 1]]
        route.fulfill(json=layout)

    page = open_map(open_page, prepare=lambda page: page.route("**/api/map", patch))
    assert page.locator(".legend .text").all_inner_texts() == ["Group 9", "Group 10", "No group"]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for column in ("group", "label", "folder", "confidence"):
            page.locator("#colour").select_option(column)
            assert min(page.evaluate(CONTRASTS)) >= 3, (scheme, column)
        assert page.locator(".legend .text").all_inner_texts() == [*STEPS, "Labelled"]
        contrasts = page.evaluate(CONTRASTS)[:6]
        steps = [above / below for above, below in pairwise(contrasts)]
        assert min(steps) > 1.2, "the surer, the more contrast: it needs no hue"


@pytest.mark.parametrize(("width", "height"), [(720, 450), (390, 844)])
def test_the_map_has_room_on_small_screens(
    open_page: Callable[..., Any], width: int, height: int
) -> None:
    page = open_map(open_page, width=width, height=height)
    legend = page.locator(".legend")
    assert legend.get_attribute("open") is None
    free = """() => {
      const { left, top, width, height } = document.querySelector("canvas").getBoundingClientRect();
      const shares = Array.from({ length: 20 }, (_, index) => (index + 0.5) / 20);
      const tops = shares.flatMap((x) => shares.map((y) =>
        document.elementFromPoint(left + x * width, top + y * height)?.tagName));
      return tops.filter((name) => name === "CANVAS").length / tops.length;
    }"""
    assert page.evaluate(free) > 0.75
    page.locator(".legend summary").click()
    page.locator("#colour").select_option("folder")
    page.locator(".legend button", has_text="finch").click()
    page.locator(".legend summary").click()
    page.locator("canvas").focus()
    page.keyboard.press("Space")
    bar = page.locator("#actions")
    bar.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    controls = bar.locator("button, input").all()
    boxes = [control.bounding_box() for control in controls]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert all(box["y"] + box["height"] <= height for box in boxes)
    zoom = page.locator(".zoom").bounding_box()
    assert zoom["y"] + zoom["height"] <= bar.bounding_box()["y"]
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator(".legend[open] ul").wait_for()
    assert page.locator(".legend summary").is_hidden()


def test_very_many_points_are_drawn_and_labelled_in_one_request(
    open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("status of 404")  # the server has no such photographs
    side = 110
    count = side * side

    def patch(route: Any) -> None:
        layout = {
            "method": "pca",
            "making": None,
            "ids": [f"{number:016x}" for number in range(count)],
            "x": [number % side / (side - 1) for number in range(count)],
            "y": [number // side / (side - 1) for number in range(count)],
            "group": [1] * count,
            **{name: [None] * count for name in ("label", "folder", "confidence")},
        }
        route.fulfill(json=layout)

    def take(route: Any) -> None:
        bodies.append(json.loads(route.request.post_data))
        route.fulfill(json={"changed": count, "undo": None, "unknown": 0})

    def prepare(page: Any) -> None:
        page.route("**/api/map", patch)
        page.route("**/api/labels", take)

    bodies: list[Any] = []
    page = open_map(open_page, prepare=prepare)
    pixel_counts = """() => {
      const canvas = document.querySelector("canvas");
      const { width, height } = canvas;
      const copy = Object.assign(document.createElement("canvas"), { width, height });
      const context = copy.getContext("2d", { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const bytes = context.getImageData(0, 0, width, height).data;
      const counts = new Map();
      for (const pixel of new Uint32Array(bytes.buffer)) {
        counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
      }
      return [...counts].filter(([pixel]) => pixel !== 0).map(([, number]) => number);
    }"""
    until(lambda: page.evaluate(pixel_counts))
    (pixels,) = page.evaluate(pixel_counts)
    assert pixels >= count, "each has a pixel at least, in the colour of its group"
    page.locator("#select").click()
    box = page.locator("canvas").bounding_box()
    corners = [(150, 20), (900, 20), (900, 730), (150, 730)]
    page.mouse.move(box["x"] + 150, box["y"] + 20)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    page.mouse.up()
    page.locator("#selected", has_text=f"{count:,} selected").wait_for()
    until(lambda: len(page.evaluate(pixel_counts)) == 2)  # the colour, on ink
    page.locator("#name input").fill("all")
    page.keyboard.press("Enter")
    notice(page, f"{count:,} photographs labelled “all”.")
    assert [len(body["ids"]) for body in bodies] == [count]


def test_the_map_tells_the_confidence_of_names(server: Server) -> None:
    client = client_of(server.folder)
    photos = Collection(server.folder).photos()
    assert client.get("/api/map").json()["confidence"] == [None] * len(photos)
    for folder in ("finch", "wren"):
        keys = [key for key in photos.keys if key.startswith(folder)][:4]
        Collection(server.folder).labels.set(keys, folder)
    assert client.get("/api/names").json()["trained"]
    layout = client.get("/api/map").json()
    listed = client.get("/api/photos", params={"limit": 500}).json()["photos"]
    expected = {photo["id"]: photo["confidence"] for photo in listed}
    assert dict(zip(layout["ids"], layout["confidence"], strict=True)) == expected
    assert None not in expected.values()


def test_an_action_may_name_very_many_photographs(server: Server) -> None:
    client = client_of(server.folder)
    ids = [f"{number:016x}" for number in range(300_000)] + [photo_id("finch/0.jpg")]
    answer = client.post("/api/labels", json={"ids": ids, "label": "one of many"})
    assert answer.json()["changed"] == 1 and answer.json()["unknown"] == 300_000
    assert server.labels == {"finch/0.jpg": "one of many"}
