"""What differs between two photographs: the formula, and what is lit on the page."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import web
from numpy.typing import NDArray
from runs import until
from web import FIRST, Server

from lodisc.collection.collection import Collection, photo_id

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
OTHER = photo_id("wren/3.jpg")
FORMULA = """async (pair) => {
  const { differencesOf } = await import("/static/parts/differences.js");
  return differencesOf(pair);
}"""
COLOUR = """async ([selector, map, index]) => {
  const { PatchGrid } = await import("/static/parts/overlay.js");
  const image = document.querySelector(selector + " img");
  const canvas = document.querySelector(selector + " canvas");
  if (!canvas || !image.naturalWidth) return null;
  const [x, y, width, height] = new PatchGrid(image, map).cell(index);
  const ratio = canvas.width / image.clientWidth;
  const place = [(x + width / 2) * ratio, (y + height / 2) * ratio];
  return [...canvas.getContext("2d").getImageData(...place, 1, 1).data];
}"""


def plainly(side: Any, best_P: NDArray[np.float64]) -> list[float]:
    """The differences of the patches of one photograph, by loops."""
    rows, columns = side["rows"], side["columns"]
    alone = (1 - best_P.reshape(rows, columns)) * np.array(side["attention"])
    return [
        float(alone[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean())
        for row in range(rows)
        for column in range(columns)
    ]


def in_pair(page: Any, server: Server) -> tuple[Any, list[float], list[float]]:
    """What the server says of both photographs, and the differences in the first and second."""
    pair = page.request.get(f"{server.address}/api/pairs/{FIRST}/{OTHER}").json()
    similarity = np.array(pair["similarity"])
    return pair, plainly(pair["a"], similarity.max(1)), plainly(pair["b"], similarity.max(0))


def open_pair(open_page: Callable[..., Any], **settings: Any) -> Any:
    page = open_page(f"/similar/{FIRST}", **settings)
    page.locator(f".nearest .tile[data-id='{OTHER}'] a").click()
    page.locator(f".tile.chosen[data-id='{OTHER}']").wait_for()
    return page


def is_lit(page: Any, selector: str, map: Any, index: int) -> bool:
    """Whether a patch has the colour of differences; the veil is dark."""
    colour = page.evaluate(COLOUR, [selector, map, index])
    return colour is not None and colour[0] > 200 and colour[1] < 160 and colour[2] > 140


def test_a_patch_differs_by_its_attention_and_its_best_match(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"/similar/{FIRST}")
    pair, first, second = in_pair(page, server)
    differences = page.evaluate(FORMULA, pair)
    np.testing.assert_allclose(differences["a"], first, atol=1e-9)
    np.testing.assert_allclose(differences["b"], second, atol=1e-9)
    attention = [[1, 1, 1, 1]] * 4
    similarity = np.eye(16)
    similarity[5, 5] = similarity[15, 15] = 0
    for map in (pair["a"], pair["b"]):
        map["attention"] = attention
    planted = page.evaluate(FORMULA, {**pair, "similarity": similarity.tolist()})["a"]
    assert planted[0] == planted[15] == 1 / 4, "a corner has three neighbours"
    assert planted[1] == 1 / 6 and planted[5] == 1 / 9
    assert planted[10] == 2 / 9 and planted[3] == planted[12] == 0


def test_what_differs_is_lit_in_both_photographs(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("willReadFrequently")  # a hint to this test, which reads the canvas
    page = open_pair(open_page)
    pair, first, second = in_pair(page, server)
    assert max(*first, *second) >= 0.1, "the encoder at random tells them apart"
    places = [
        ("#query", pair["a"], int(np.argmax(first))),
        ("#other", pair["b"], int(np.argmax(second))),
    ]
    page.locator("#query canvas").wait_for()
    assert not any(is_lit(page, *place) for place in places)
    page.get_by_role("button", name="What differs").click()
    for place in places:
        until(partial(is_lit, page, *place))
    assert not is_lit(page, "#query", pair["a"], int(np.argmin(first)))
    page.locator(".hint", has_text="does not find in the other photograph").wait_for()
    page.locator("#alike").wait_for(state="hidden")
    page.locator("#query .frame").hover()  # a patch that is pointed at is answered
    until(lambda: not is_lit(page, *places[1]))
    page.locator("h1").hover()
    until(lambda: is_lit(page, *places[1]))
    page.reload()
    page.locator("#query canvas").wait_for()
    pressed = page.locator("#modes [aria-pressed=true]")
    assert pressed.inner_text() == "What differs", "it stays so"
    page.keyboard.press("d")
    assert pressed.inner_text() == "What answers"
    page.locator("#where").click()
    assert page.locator("#modes").is_hidden() and page.locator("canvas").count() == 0
    page.keyboard.press("d")
    assert page.locator("canvas").count() == 0


def test_a_copy_differs_in_no_part(server: Server, open_page: Callable[..., Any]) -> None:
    def alike(route: Any) -> None:
        answer = route.fetch()
        pair = answer.json()
        route.fulfill(response=answer, json={**pair, "similarity": [[0.96] * 16] * 16})

    page = open_pair(open_page, prepare=lambda page: page.route("**/api/pairs/**", alike))
    page.get_by_role("button", name="What differs").click()
    page.locator("#alike", has_text="No part differs clearly.").wait_for()
    page.get_by_role("button", name="What answers").click()
    page.locator("#alike").wait_for(state="hidden")


def test_a_photograph_without_a_file_has_nothing_to_compare(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("status of 410")
    photos = Collection(server.folder).photos()
    page = open_page("/progress")
    page.evaluate("localStorage.setItem('lodisc:where:mode', 'differences')")
    path = Path(photos.path(photos.position["finch/0.jpg"]))
    moved = path.rename(path.with_suffix(".away"))
    try:
        page.goto(f"{server.address}/similar/{FIRST}")
        page.locator("#query .frame", has_text="can't be read").wait_for()
        page.locator("#other canvas").wait_for()
        assert page.locator("#modes").is_hidden()
    finally:
        moved.rename(path)


def test_look_alikes_can_be_clicked_in_a_low_window(open_page: Callable[..., Any]) -> None:
    page = open_pair(open_page, width=720, height=450)
    page.locator(".nearest .tile a").nth(1).click()
    page.locator(".nearest .tile.chosen").wait_for()
