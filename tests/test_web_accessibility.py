"""What axe-core finds on every page by WCAG 2.2 AA, in light and dark; what the Tab key reaches."""

from collections.abc import Callable
from typing import Any

import pytest
import web
from web import FINCHES, FIRST, WRENS, Server

from lodisc.collection.collection import Collection
from lodisc.collection.groups_file import group_photos

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PAGES = (
    "/",
    "/?state=named",
    "/?state=duplicates",
    "/?state=skipped",
    "/?label=finch",
    "/map",
    "/label",
    "/labels",
    "/groups",
    "/progress",
    f"/similar/{FIRST}",
    "/api/docs",
    "/no-such-page",
)


@pytest.fixture
def labelled(server: Server) -> Server:
    """Labels of two kinds, accepted names, groups."""
    collection = Collection(server.folder)
    collection.labels.set(FINCHES[:4], "finch", user="Anna")
    collection.labels.set(WRENS[:4], "wren")
    collection.labels.accept({WRENS[5]: "wren"}, where="from 90%")
    group_photos(collection, collection.photos(), k=2)
    return server


def violations(page: Any) -> list[str]:
    """What breaks a rule: the rule, the first element, and why."""
    broken = axe.Axe().run(page, options=RULES).response["violations"]
    return [f"{page.url}: {rule['help']}: {rule['nodes'][0]['html'][:200]}" for rule in broken]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule(
    labelled: Server, open_page: Callable[..., Any], expected: list[str], scheme: str
) -> None:
    expected.append("404")
    page = open_page("/")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    for path in PAGES:
        page.goto(labelled.address + path)
        page.wait_for_load_state("networkidle")
        found += violations(page)
    assert found == []


@pytest.mark.slow
def test_no_dialog_or_selection_breaks_a_rule(
    labelled: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/")
    page.emulate_media(reduced_motion="reduce")
    found = []
    for show in (
        lambda: page.locator("#user").click(),
        lambda: page.keyboard.press("?"),
        lambda: (page.locator(".grid").focus(), page.keyboard.press("v")),
    ):
        show()
        page.locator("dialog[open]").wait_for()
        found += violations(page)
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
    page.locator(".grid").focus()
    page.keyboard.press("Space")
    page.locator("#actions").wait_for()
    found += violations(page)
    assert found == []


def test_the_photographs_are_reached_in_three_tabs(
    labelled: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on the link that skips to the content
    assert page.evaluate("document.activeElement.id") == "photographs"
    page.keyboard.press("ArrowRight")
    current = page.locator(".tile.current")
    assert current.get_attribute("data-index") == "1"
    active = page.locator(".grid").get_attribute("aria-activedescendant")
    assert active == current.get_attribute("id")
