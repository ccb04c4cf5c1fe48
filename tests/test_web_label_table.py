"""The page of all labels: search, rename, make one, remove, undo; by keyboard and by mouse."""

from collections.abc import Callable
from typing import Any

import pytest
import web
from web import FINCHES, WRENS, Server, notice

from lodisc.collection.collection import Collection

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
ODD = "<b>Zaunkönig</b> & Co"


@pytest.fixture
def labelled(server: Server) -> Server:
    """Two people have labelled; a name is accepted, too."""
    labels = Collection(server.folder).labels
    labels.set(FINCHES[:4], "finch", user="Anna")
    labels.set(WRENS[:3], ODD)
    labels.set(WRENS[3:5], "wren")
    labels.accept({WRENS[5]: "wren"}, where="from 90%", user="Björn")
    return server


def rows(page: Any) -> list[list[str]]:
    """The visible rows: label, photographs, last given without the date."""
    return [
        [
            row.locator("th a").inner_text(),
            row.locator("td").nth(2).inner_text().replace("\n", " "),
            row.locator("td").nth(4).inner_text()[10:],
        ]
        for row in page.locator("#uses tbody tr:visible").all()
    ]


def test_labels_with_their_counts_and_who_gave_them(
    labelled: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/labels")
    assert rows(page) == [
        [ODD, "3", ""],
        ["finch", "4", ", Anna"],
        ["wren", "3 1 accepted", ", Björn"],
    ]
    page.locator("#search").fill("ZAUNKONIG")
    assert [row[0] for row in rows(page)] == [ODD]
    page.locator("#search").fill("owl")
    page.locator("#no-match").wait_for()
    page.locator("#search").fill("")
    page.locator("tr", has_text="Zaunkönig").locator("th a").click()
    page.locator("h1", has_text="Zaunkönig").wait_for()
    assert page.locator("#count").inner_text() == "3"
    page.locator("#filters a", has_text="Manage").click()
    page.locator("h1", has_text="Labels").wait_for()


def test_a_label_is_renamed_and_undone(labelled: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/labels")
    page.get_by_role("button", name="Rename finch").click()
    field = page.locator("#name input")
    assert field.input_value() == "finch"
    page.keyboard.type("Buchfink")
    page.keyboard.press("Enter")
    notice(page, "4 photographs labelled “Buchfink”")
    page.locator("tr", has_text="Buchfink").wait_for()
    assert labelled.labels[FINCHES[0]] == "Buchfink" and "finch" not in labelled.labels.values()
    page.keyboard.press("Control+z")
    page.locator("tr", has_text="finch").wait_for()
    page.keyboard.press("Control+Shift+z")
    page.locator("tr", has_text="Buchfink").wait_for()


def test_several_become_one_and_one_is_removed(
    labelled: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/labels")
    for name in (ODD, "wren"):
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).focus()
        page.keyboard.press("Space")
    assert page.locator("#selected").inner_text() == "2 labels"
    page.locator("#name input").fill("wren")
    page.get_by_role("button", name="Make one label").click()
    notice(page, "3 photographs labelled “wren”")
    page.locator("tr", has_text=ODD).wait_for(state="detached")
    assert rows(page)[-1][:2] == ["wren", "6 1 accepted"]
    assert Collection(labelled.folder).labels.with_accepted_keys()[1] == {WRENS[5]}
    page.get_by_role("checkbox", name="Select wren").check()
    page.locator("#remove").click()
    notice(page, "6 photographs without this label").locator("button", has_text="Undo").click()
    page.locator("tr", has_text="wren").wait_for()
    assert len(labelled.labels) == 10
    page.get_by_role("checkbox", name="Select wren").check()
    page.keyboard.press("Escape")
    assert not page.locator("#actions").is_visible()


def test_what_another_does_is_shown(labelled: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/labels")
    page.get_by_role("checkbox", name="Select finch").check()
    page.get_by_role("checkbox", name="Select wren").focus()
    Collection(labelled.folder).labels.rename(["finch"], "owl", user="Anna")
    page.locator("tr", has_text="owl").wait_for()
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Select wren'")
    assert not page.locator("#actions").is_visible(), "what was selected is not there any more"


def test_without_labels(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/labels", width=390, height=844)
    page.locator(".empty", has_text="No labels yet").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
