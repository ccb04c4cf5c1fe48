"""Search by words, orders, and all photographs by their likeness to one: API and browser."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import web
from fastapi.testclient import TestClient
from web import FINCHES, WRENS, Server, by_key, client_of, listed

from lodisc.collection.collection import Collection
from lodisc.collection.label_file import Busy

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)


@pytest.fixture
def folder(embedded: Path, tmp_path: Path) -> Path:
    """A collection with labels."""
    folder = Path(shutil.copytree(embedded / "C", tmp_path / "C"))
    labels = Collection(folder).labels
    labels.set(FINCHES[2:4], "Grünfink 50%")
    labels.set(WRENS[:3], "wren")
    labels.set(FINCHES[:2], "Buchfink")
    return folder


@pytest.fixture
def client(folder: Path) -> TestClient:
    return client_of(folder)


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("buchFINK", FINCHES[:2]),
        ("grunfink", FINCHES[2:4]),
        ("GRÜNFINK finch/2", FINCHES[2:3]),
        ("50%", FINCHES[2:4]),
        (" 3.jpg  wren ", ["wren/3.jpg"]),
        ("fink wren", []),
        (".*", []),
    ],
)
def test_words_are_sought_in_names_folders_and_labels(
    client: TestClient, words: str, keys: list[str]
) -> None:
    assert listed(client, q=words) == keys
    assert listed(client, q=words, state="unlabelled") == [
        key for key in keys if key == "wren/3.jpg"
    ]
    assert listed(client, q="") == listed(client)


def test_a_label_that_changes_is_found_at_once(client: TestClient, folder: Path) -> None:
    assert listed(client, q="owl") == []
    Collection(folder).labels.set(WRENS[5:6], "owl")
    assert listed(client, q="owl") == WRENS[5:6]


def test_lately_labelled_first(client: TestClient, folder: Path) -> None:
    assert listed(client, sort="labelled", state="labelled") == [
        *FINCHES[:2],
        *WRENS[:3],
        *FINCHES[2:4],
    ]
    Collection(folder).labels.set(WRENS[1:2], "owl")
    every = listed(client, sort="labelled")
    assert every[:3] == [WRENS[1], *FINCHES[:2]]
    unlabelled = [key for key in sorted(every) if key not in Collection(folder).labels.current()]
    assert every[-len(unlabelled) :] == unlabelled, "those without a label come last, by name"


def test_while_another_program_locks_the_labels_the_order_is_by_name_and_then_right(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked() -> None:
        raise Busy("locked")

    labels = client.app.state.collection.labels  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(labels, "origins", locked)
        assert listed(client, sort="labelled") == listed(client)
    assert listed(client, sort="labelled")[:2] == FINCHES[:2]


def test_the_surest_names_first(client: TestClient) -> None:
    assert listed(client, sort="confidence") == listed(client), "there are no names yet"
    client.get("/api/names")
    order = listed(client, sort="confidence")
    photos = by_key(client)
    confidences = [photos[key].confidence or 0 for key in order]
    assert confidences == sorted(confidences, reverse=True) and len({*confidences}) > 3


def test_by_likeness_to_one(client: TestClient, folder: Path) -> None:
    photos = Collection(folder).photos()
    row = photos.keys.index(WRENS[4])
    cosine_N = photos.vectors @ photos.vectors[row]
    cosine_N[row] = 2
    expected = [photos.keys[index] for index in np.argsort(-cosine_N, kind="stable")]
    id = photos.ids[row]
    assert listed(client, like=id) == expected and expected[0] == WRENS[4]
    assert listed(client, like=id, q="finch/") == [key for key in expected if "finch/" in key]
    assert listed(client, like=id, sort="key") == sorted(expected), "another order takes its place"
    assert listed(client, like="0" * 16) == listed(client)
    refused = client.get("/api/photos", params={"like": "../x"})
    assert refused.status_code == 422


def test_a_person_searches_and_removes_the_filter(
    server: Server, open_page: Callable[..., Any]
) -> None:
    Collection(server.folder).labels.set(FINCHES[:2], "Zaunkönig <b>")
    page = open_page("/?state=labelled&size=4")
    page.locator(".grid.live").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("zaunkonig <B>")
    page.keyboard.press("Enter")
    page.locator(".chips", has_text="“zaunkonig <B>”").wait_for()
    assert "q=zaunkonig" in page.url and "state=labelled" in page.url
    assert page.locator("#count").inner_text() == "2"
    assert page.locator(".grid .tile").count() == 2
    assert page.locator("#filters [aria-current]").inner_text() == "Labelled\n2"
    assert page.locator("#size").input_value() == "4"
    page.locator(".chips a").click()
    page.locator(".chips").wait_for(state="detached")
    page.locator("#search input[type=search]").fill("no such bird")
    page.keyboard.press("Enter")
    page.locator(".empty", has_text="No photographs match").wait_for()
    page.locator("#search input[type=search]").fill("wren/1.")
    page.keyboard.press("Enter")
    page.locator(".grid .tile").wait_for(state="detached")


def test_all_photographs_by_likeness(server: Server, open_page: Callable[..., Any]) -> None:
    photos = Collection(server.folder).photos()
    page = open_page(f"/similar/{photos.ids[0]}")
    page.get_by_role("link", name="All photographs, by likeness").click()
    page.locator(".grid.live .tile").first.wait_for()
    assert page.locator("h1").inner_text().startswith(f"By likeness to {photos.titles[0]}")
    nearest = client_of(server.folder).get(f"/api/photos/{photos.ids[0]}/similar?top=1").json()
    tiles = page.locator(".grid .tile")
    assert tiles.nth(0).get_attribute("data-id") == photos.ids[0]
    second = tiles.nth(1).get_attribute("data-id")
    assert second == nearest["similar"][0]["photo"]["id"]
    page.locator(".grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("p")
    page.wait_for_url(f"**/?like={second}")
    page.locator(".chips a").click()
    page.locator("h1", has_text="All photographs").wait_for()
    page.goto(f"{server.address}/?like={'0' * 16}")
    assert page.locator("h1").inner_text().startswith("All photographs"), "it is ignored"


def test_a_long_list_of_labels_is_narrowed(server: Server, open_page: Callable[..., Any]) -> None:
    keys = Collection(server.folder).photos().keys
    Collection(server.folder).labels.set_each(
        {key: f"kind {number:02}" for number, key in enumerate(keys)}, how="typed"
    )
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    field = page.get_by_role("searchbox", name="Search labels")
    field.fill("KIND 2")
    entries = page.locator("#facet-label li:visible")
    assert [text.split("\n")[0] for text in entries.all_inner_texts()] == [
        f"kind {number}" for number in range(20, len(keys))
    ]
    Collection(server.folder).labels.rename(["kind 20"], "kind 00")
    page.locator("#facet-label li", has_text="kind 20").wait_for(state="detached")
    assert field.input_value() == "KIND 2" and entries.count() == len(keys) - 21
    assert page.evaluate("document.activeElement.dataset.list") == "facet-label"


def test_another_order_takes_the_place_of_likeness_and_p_keeps_the_filters(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/?folder=wren&q=jpg&sort=typical&size=4")
    page.locator(".grid.live").focus()
    page.keyboard.press("p")
    page.locator(".chips", has_text="By likeness to").wait_for()
    page.locator(".grid.live").wait_for()
    assert "folder=wren" in page.url and "q=jpg" in page.url and "sort" not in page.url
    page.locator("#sort").select_option("key")
    page.locator(".chips a", has_text="By likeness to").wait_for(state="detached")
    assert "like" not in page.url and "sort=key" in page.url and "folder=wren" in page.url
