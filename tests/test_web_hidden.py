"""Hiding near-duplicates and other photographs: the API and the page."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import web
from fastapi.testclient import TestClient
from photos import encoded, texture, write
from web import (
    FINCHES,
    WRENS,
    Server,
    by_key,
    client_of,
    index_again,
    label,
    listed,
    make_collection,
    notice,
    settled,
)

from lodisc.collection.collection import Collection, photo_id
from lodisc.vectors.duplicates import duplicates

browser, context, expected, open_page, server = (
    web.browser,
    web.context,
    web.expected,
    web.open_page,
    web.server,
)
COPIES = ["copies/a.jpg", "copies/b.jpg", "copies/c.jpg"]
PAIR = ["pair/a.jpg", "pair/b.jpg"]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """FOLDER/photos with three copies of a photograph and two of another, and FOLDER/C."""
    folder = tmp_path_factory.mktemp("copies")
    for keys, seed in ((COPIES, 71), (PAIR, 72)):
        for key in keys:
            write(folder / "photos" / key, encoded(texture(seed, size=(64, 48))))
    make_collection(folder, run)
    return folder


@pytest.fixture
def collection(embedded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded / "C", tmp_path / "C"))


@pytest.fixture(autouse=True)
def only_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Near-duplicates are equal files alone, whatever a random encoder makes of the others."""
    exact = partial(duplicates, threshold=2.0)
    monkeypatch.setattr("lodisc.vectors.duplicates.duplicates", exact)


@pytest.fixture
def client(collection: Path) -> TestClient:
    return client_of(collection)


def hide(client: TestClient, *keys: str, hidden: bool = True) -> Any:
    ids = [photo_id(key) for key in keys]
    return client.post("/api/hidden", json={"ids": ids, "hidden": hidden})


def sets(client: TestClient) -> list[list[str]]:
    answer = client.get("/api/duplicates").json()
    assert answer["total"] == len(answer["sets"])
    return [[photo["key"] for photo in photos] for photos in answer["sets"]]


def test_hidden_photographs_are_in_no_listing_but_their_own(client: TestClient) -> None:
    keys = listed(client)
    before = client.get("/api/collection").json()
    version = client.get("/api/labels/version").json()
    label(client, FINCHES[:2], "finch")
    assert hide(client, FINCHES[0], *WRENS[:2]).json() == {"changed": 3, "unknown": 0}
    gone = {FINCHES[0], *WRENS[:2]}
    assert listed(client) == [key for key in keys if key not in gone]
    assert listed(client, state="hidden") == sorted(gone)
    assert listed(client, state="hidden", folder="wren") == WRENS[:2]
    assert listed(client, state="labelled") == [FINCHES[1]] == listed(client, label="finch")
    assert not gone & {*listed(client, state="unlabelled"), *listed(client, state="outliers")}
    after = client.get("/api/collection").json()
    assert (after["photographs"], after["hidden"], after["labelled"]) == (len(keys), 3, 2)
    assert before["hidden"] == 0 and after["version"] != before["version"]
    assert client.get("/api/labels/version").json() != version
    assert hide(client, WRENS[0], hidden=False).json() == {"changed": 1, "unknown": 0}
    assert listed(client, state="hidden") == sorted({*gone} - {WRENS[0]})
    assert any("2 photographs are hidden" in w for w in client.get("/api/health").json()["words"])


def test_the_counts_at_the_side_leave_hidden_ones_out(client: TestClient) -> None:
    count = len(listed(client))
    hide(client, *WRENS[:2])
    html = " ".join(client.get("/").text.split())
    shown = dict(re.findall(r"<span>([\w -]+)</span> ?<span>([\d,]+)</span>", html))
    assert shown["All photographs"] == shown["Unlabelled"] == str(count - 2)
    assert shown["Hidden"] == "2" and shown["wren"] == "6" and shown["finch"] == "8"
    titles = re.findall(r"<span>([\w -]+)</span>", html)
    assert titles.index("Near-duplicates") < titles.index("Hidden") < titles.index("Skipped")
    html = " ".join(client.get("/?state=hidden").text.split())
    shown = dict(re.findall(r"<span>([\w -]+)</span> ?<span>([\d,]+)</span>", html))
    assert shown["wren"] == "2" and "finch" not in shown


def test_hidden_photographs_are_not_among_look_alikes_in_groups_and_on_the_map(
    client: TestClient,
) -> None:
    client.post("/api/groups", json={"k": 2})
    gone = {photo_id(key) for key in (*COPIES[1:], *WRENS[:3])}
    own = photo_id(COPIES[0])
    nearest = client.get(f"/api/photos/{own}/similar", params={"top": 3}).json()["similar"]
    assert {one["photo"]["id"] for one in nearest} & gone
    before = client.get("/api/map").json()
    hide(client, *COPIES[1:], *WRENS[:3])
    nearest = client.get(f"/api/photos/{own}/similar", params={"top": 200}).json()["similar"]
    assert len(nearest) == len(before["ids"]) - 1 - len(gone)
    assert not {one["photo"]["id"] for one in nearest} & gone
    hidden = client.get(f"/api/photos/{photo_id(COPIES[1])}/similar").json()
    assert hidden["similar"][0]["photo"]["key"] == COPIES[0], "a hidden one still has look-alikes"
    places = client.get("/api/map").json()
    assert not {*places["ids"]} & gone and len(places["ids"]) == len(before["ids"]) - len(gone)
    assert all(len(places[name]) == len(places["ids"]) for name in ("x", "y", "group", "folder"))
    groups = client.get("/api/groups").json()["groups"]
    assert sum(group["size"] for group in groups) == len(places["ids"])
    for group in groups:
        pictures = {photo["id"] for photo in (*group["typical"], *group["doubtful"])}
        assert group["size"] == len(listed(client, group=group["group"])) and not pictures & gone
    answer = client.post("/api/labels", json={"group": groups[0]["group"], "label": "bird"}).json()
    assert answer["changed"] == groups[0]["size"]


def test_hidden_photographs_teach_but_are_not_proposed(
    client: TestClient, collection: Path
) -> None:
    label(client, FINCHES[:3], "finch")
    label(client, WRENS[:3], "wren")
    names = client.get("/api/names").json()
    first = [photo["key"] for photo in names["proposals"][:4]]
    hide(client, *first, FINCHES[0])
    after = client.get("/api/names").json()
    assert after["accuracy"] == names["accuracy"] and after["classes"] == ["finch", "wren"]
    keys = [photo["key"] for photo in after["proposals"]]
    assert keys and not {*first} & {*keys}
    count = names["above"][0]["count"]
    assert count - 4 <= after["above"][0]["count"] <= count
    assert not {*first} & {*listed(client, state="named")}
    left = client.post("/api/names/accept", json={"confidence": 0}).json()["changed"]
    assert left == len(by_key(client)) - 5 and listed(client, state="unlabelled") == []
    labels = Collection(collection).labels.current()
    assert not {*first} & {*labels}, "no name of a hidden photograph was accepted"
    assert client.get("/api/names").json()["proposals"] == []


def test_all_but_the_best_of_each_set(client: TestClient, collection: Path) -> None:
    assert sets(client) == [COPIES, PAIR]
    label(client, [COPIES[1]], "finch")
    assert sets(client)[0] == [COPIES[1], COPIES[0], COPIES[2]], "the best comes first"
    answer = client.post("/api/hidden/duplicates").json()
    assert answer == {"ids": [photo_id(key) for key in (COPIES[0], COPIES[2], PAIR[1])]}
    assert listed(client, state="hidden") == [COPIES[0], COPIES[2], PAIR[1]]
    assert sets(client) == [] == listed(client, state="duplicates")
    assert client.post("/api/hidden/duplicates").json() == {"ids": []}
    client.post("/api/hidden", json={**answer, "hidden": False})
    assert listed(client, state="hidden") == [] and len(sets(client)) == 2
    hide(client, PAIR[0], COPIES[2])
    assert sets(client) == [[COPIES[1], COPIES[0]]], "a set of one is no set"


def test_the_larger_file_is_the_best(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodisc.vectors.duplicates.duplicates", lambda *inputs: [[0, 1, 2]])
    for name, quality in (("a", 60), ("b", 95), ("c", 80)):
        photo = encoded(texture(5, size=(64, 48)), quality=quality)
        write(tmp_path / "photos" / "pair" / f"{name}.jpg", photo)
    client = client_of(index_again(tmp_path, run))
    assert sets(client) == [["pair/b.jpg", "pair/a.jpg", "pair/c.jpg"]]
    label(client, ["pair/a.jpg"], "from a person")
    assert sets(client) == [["pair/a.jpg", "pair/b.jpg", "pair/c.jpg"]]
    client.post("/api/hidden/duplicates")
    assert listed(client) == ["pair/a.jpg"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ids": [], "hidden": True}, 200),
        ({"ids": ["0123456789abcdef"], "hidden": True}, 404),
        ({"ids": ["../etc"], "hidden": True}, 422),
        ({"ids": ["upload-0123456789abcdef"], "hidden": True}, 422),
        ({"ids": [], "hidden": None}, 422),
        ({"hidden": True}, 422),
        ({"ids": [], "hidden": True, "more": 1}, 422),
    ],
)
def test_what_makes_no_sense(client: TestClient, body: Any, status: int) -> None:
    answer = client.post("/api/hidden", json=body)
    assert answer.status_code == status
    assert status == 200 or "\n" not in answer.json()["detail"]
    assert listed(client, state="hidden") == []


def test_what_is_unknown_is_counted_and_what_is_sent_twice_is_done_once(client: TestClient) -> None:
    ids = [photo_id(WRENS[0]), photo_id("nowhere.jpg")]
    sent: dict[str, Any] = {
        "json": {"ids": ids, "hidden": True},
        "headers": {"Idempotency-Key": "a"},
    }
    assert client.post("/api/hidden", **sent).json() == {"changed": 1, "unknown": 1}
    hide(client, WRENS[0], hidden=False)
    assert client.post("/api/hidden", **sent).json() == {"changed": 1, "unknown": 1}
    assert listed(client, state="hidden") == []
    again: dict[str, Any] = {"headers": {"Idempotency-Key": "b"}}
    first = client.post("/api/hidden/duplicates", **again).json()
    hide(client, *listed(client, state="hidden"), hidden=False)
    assert client.post("/api/hidden/duplicates", **again).json() == first
    assert listed(client, state="hidden") == []


def test_a_damaged_file_is_said_and_the_rest_works(client: TestClient, collection: Path) -> None:
    count = len(listed(client))
    hide(client, *WRENS)
    (collection / "hidden.json").write_text("{")
    answer = hide(client, FINCHES[0])
    assert answer.status_code == 503 and "hidden.json is damaged" in answer.json()["detail"]
    assert (collection / "hidden.json").read_text() == "{"
    assert len(listed(client)) == count and client.get("/?state=hidden").status_code == 200
    health = client.get("/api/health").json()
    assert health["status"] == "warning" and any("hidden.json" in w for w in health["words"])
    assert client.get("/api/labels/export").status_code == 200


def test_a_collection_that_is_all_hidden(client: TestClient) -> None:
    client.post("/api/groups", json={"k": 2})
    keys = listed(client)
    hide(client, *keys)
    for path in ("photos", "names", "groups", "map", "duplicates", "outliers", "labels/export"):
        assert client.get(f"/api/{path}").status_code == 200, path
    assert client.get(f"/api/photos/{photo_id(keys[0])}/similar").json()["similar"] == []
    for path in ("/", "/?state=hidden", "/?state=duplicates", "/label", "/groups", "/labels"):
        assert client.get(path).status_code == 200, path
    assert listed(client) == [] and listed(client, state="hidden") == keys


def choice_of(page: Any, key: str) -> Any:
    return page.locator(f"#sets input[value='{photo_id(key)}']")


def hidden_on(server: Server) -> list[str]:
    """The keys that are hidden, read from the disk."""
    birds = Collection(server.folder)
    photos = birds.photos()
    mask_N = birds.hidden.mask(photos)
    return [key for key, is_hidden in zip(photos.keys, mask_N, strict=True) if is_hidden]


def test_keep_one_of_a_set_and_hide_the_rest(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/?state=duplicates")
    keep = page.locator("#sets .card .keep")
    assert keep.all_inner_texts() == ["Keep the first, hide the rest"] * 2
    assert choice_of(page, COPIES[0]).is_checked() and choice_of(page, PAIR[0]).is_checked()
    choice_of(page, COPIES[0]).focus()
    page.keyboard.press("ArrowRight")
    assert choice_of(page, COPIES[1]).is_checked()
    keep.nth(0).get_by_text("Keep number 2, hide the rest").wait_for()
    choice_of(page, PAIR[1]).check()
    keep.nth(0).focus()
    page.keyboard.press("Enter")
    notice(page, "2 photographs hidden.")
    page.locator("#count", has_text=re.compile("^1$")).wait_for()
    assert hidden_on(server) == [COPIES[0], COPIES[2]]
    keep.get_by_text("Keep number 2, hide the rest").wait_for()
    assert choice_of(page, PAIR[1]).is_checked(), "the choice in another set stays"
    assert page.evaluate("document.activeElement.matches('.keep')"), "that of the next set"
    page.locator("#filters a", has_text=re.compile(r"Hidden\s*2")).wait_for()
    page.locator(".notice button", has_text="Undo").click()
    notice(page, "2 photographs shown again.")
    page.locator("#count", has_text=re.compile("^2$")).wait_for()
    assert hidden_on(server) == []


def test_hide_all_but_one_of_each_set(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/?state=duplicates")
    page.locator("#hide-duplicates").click()
    notice(page, "3 photographs hidden.")
    page.locator("#nothing h2", has_text="No near-duplicates").wait_for()
    assert hidden_on(server) == [COPIES[1], COPIES[2], PAIR[1]]
    assert page.locator("#sets .card, #hide-duplicates").count() == 0
    page.locator(".notice button", has_text="Undo").click()
    page.locator("#sets .card").nth(1).wait_for()
    assert hidden_on(server) == []


def test_hide_a_selection_and_show_it_again(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/?folder=wren")
    page.locator(".grid.live").wait_for()
    page.locator(".tile .tick").nth(0).click(force=True)
    page.locator(".tile").nth(2).click(modifiers=["Shift"])
    page.locator("#actions button", has_text=re.compile("^Hide$")).click()
    notice(page, "3 photographs hidden.")
    page.locator("#count", has_text=re.compile("^5$")).wait_for()
    assert hidden_on(server) == WRENS[:3] and page.locator("#actions").is_hidden()
    page.locator(".notice button", has_text="Undo").click()
    page.locator("#count", has_text=re.compile("^8$")).wait_for()
    page.keyboard.press("Control+a")
    page.locator("#selected", has_text="8 selected").wait_for()
    page.locator("#hide").click()
    page.locator("#nothing h2", has_text="No photographs match").wait_for()
    assert page.locator(".tile").count() == 0 and hidden_on(server) == WRENS

    page.locator("#filters a", has_text="Hidden").click()
    page.locator("h1", has_text="Hidden").wait_for()
    page.locator(".grid.live").wait_for()
    assert page.locator("#count").inner_text() == "8" and page.locator("#hide").count() == 0
    page.locator(".tile").nth(0).click(modifiers=["Control"])
    page.locator("#actions button", has_text="Show again").click()
    notice(page, "1 photograph shown again.")
    page.locator("#count", has_text=re.compile("^7$")).wait_for()
    assert hidden_on(server) == WRENS[1:]
    page.locator(".notice button", has_text="Undo").click()
    page.locator("#count", has_text=re.compile("^8$")).wait_for()


def test_other_tabs_see_what_is_hidden(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    with page.expect_response("**/api/labels/version"):
        pass  # it knows what it shows
    count = int(page.locator("#count").inner_text())
    birds = Collection(server.folder)
    birds.hidden.change(birds.photos(), [0, 1], hidden=True)
    page.locator("#count", has_text=re.compile(f"^{count - 2}$")).wait_for()
    page.locator("#filters a", has_text=re.compile(r"Hidden\s*2")).wait_for()


def test_the_queue_leaves_hidden_photographs_out(
    server: Server, open_page: Callable[..., Any]
) -> None:
    birds = Collection(server.folder)
    photos = birds.photos()
    birds.hidden.change(photos, range(len(photos) - 2), hidden=True)
    page = open_page("/label")
    page.locator(".strip .tile").nth(1).wait_for()
    ids = {tile.get_attribute("data-id") for tile in page.locator(".strip .tile").all()}
    assert ids == {*photos.ids[-2:]}


def test_what_is_hidden_while_the_server_is_away_is_sent_later(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("ERR_CONNECTION_REFUSED")
    page = open_page("/?state=duplicates")
    page.locator("#sets .card").first.wait_for()
    server.stop()
    page.locator("#sets .keep").first.click()
    notice(page, "Hiding 2 photographs waits here, safely")
    server.start()
    settled(page)
    assert hidden_on(server) == COPIES[1:]


def test_sets_on_a_phone(open_page: Callable[..., Any]) -> None:
    for width, height in ((390, 844), (720, 450)):
        page = open_page("/?state=duplicates", width=width, height=height)
        page.locator("#sets .choice").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        heights = page.evaluate(
            "[...document.querySelectorAll('#sets .choice, #sets button')]"
            ".map((control) => control.getBoundingClientRect().height)"
        )
        assert min(heights) >= 32
