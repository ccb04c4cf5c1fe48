"""Who labelled what: in the file of labels, by the commands, through the API and on the page."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import web
from web import FINCHES, WRENS, Server, by_key, client_of, notice, settled

from lodisc.cli import main
from lodisc.collection.collection import Collection
from lodisc.collection.label_actions import Acceptance
from lodisc.collection.labels import Labels
from lodisc.errors import UserError

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
OLD = Path(__file__).parent / "fixtures" / "birds" / "labels.sqlite"


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    return Labels(tmp_path / "labels.sqlite")


def test_the_history_says_whose_a_label_is_and_the_last_one_holds(labels: Labels) -> None:
    labels.set(["a", "b"], "wren", user=" Anna ")
    labels.set(["b"], "finch", user="Björn")
    labels.set(["c"], "owl")
    assert labels.current() == {"a": "wren", "b": "finch", "c": "owl"}
    assert [action.user for action in labels.history()] == [None, "Björn", "Anna"]
    assert labels.history()[2].words == "“wren” on 2 photographs (typed, by Anna)"
    assert {key: origin.user for key, origin in labels.origins().items()} == {
        "a": "Anna",
        "b": "Björn",
        "c": None,
    }
    origin = labels.origin("b")
    assert origin is not None and origin.words == f"typed by Björn on {origin.time[:10]}"
    assert labels.origin("z") is None


def test_a_person_undoes_what_they_did_and_nothing_of_others(labels: Labels) -> None:
    labels.set(["a"], "wren", user="Anna")
    labels.set(["b"], "finch", user="Björn")
    labels.set(["a"], "owl", user="Björn")
    assert {user: action.label for user, action in labels.undoable().items()} == {
        "Anna": "wren",
        "Björn": "owl",
    }
    undone = labels.undo(user="Anna")
    assert undone is not None and undone.user == "Anna"
    assert labels.current() == {"a": "owl", "b": "finch"}, "her photograph has his label by now"
    assert labels.undo(user="Anna") is None
    labels.set(["c"], "wren", user="Björn")
    assert labels.redoable().keys() == {"Anna"}, "what he did since leaves her redo as it was"
    assert labels.undo() is not None and "c" not in labels.current(), "nobody known: the last"
    labels.set(["a"], None, user="Björn")
    assert labels.redo(user="Björn") is None
    labels.redo(user="Anna")
    assert labels.current() == {"a": "wren", "b": "finch"}


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 61, "\N{ZERO WIDTH SPACE}"])
def test_what_is_not_the_name_of_a_person_is_refused(labels: Labels, name: str) -> None:
    with pytest.raises(UserError, match="can't be the name of a person"):
        labels.set(["a"], "wren", user=name)
    with pytest.raises(UserError, match="can't be the name of a person"):
        labels.reject({"a": "wren"}, user=name)
    assert labels.current() == {} and labels.history() == []


def test_accepted_names_keep_who_how_sure_and_by_which_encoder(labels: Labels) -> None:
    sure = {"a": Acceptance(0.93, "deit 01"), "b": Acceptance(0.71, "deit 01")}
    labels.accept({"a": "wren", "b": "wren"}, where="from 70%", acceptances=sure, user="Anna")
    labels.accept({"c": "wren"}, where="elsewhere")
    labels.rename(["wren"], "Wren", user="Björn")
    origins = labels.origins()
    assert {key: origin.acceptance for key, origin in origins.items()} == {
        **sure,
        "c": Acceptance(None, None),
    }
    assert labels.with_accepted_keys()[1] == {"a", "b", "c"}
    labels.undo()
    origin = labels.origins()["a"]
    assert origin.user == "Anna" and origin.words.endswith(", 93 % sure, learnt with deit 01")
    labels.carry({"a": "new/a"})
    assert labels.origins()["new/a"] == origin
    labels.set(["new/a"], "wren", user="Björn")
    assert labels.origins()["new/a"].acceptance == Acceptance(None, None), "his own word now"


def test_a_file_of_an_earlier_version_is_read_as_it_is_and_brought_up_by_a_label(
    tmp_path: Path,
) -> None:
    path = Path(shutil.copy(OLD, tmp_path))
    before = path.read_bytes()
    old = Labels(path)
    history, current = old.history(), old.current()
    assert history and current and {action.user for action in history} == {None}
    assert {origin.user for origin in old.origins().values()} == {None}
    assert path.read_bytes() == before and _format(path) == 1
    old.set(["new"], "wren", user="Anna")
    assert _format(path) == 2 and old.current() == {**current, "new": "wren"}
    assert old.history()[1:] == history and old.history()[0].user == "Anna"
    while old.undo():
        pass
    assert not old.undoable()


def _format(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_commands_take_a_name(
    embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(embedded / "C", tmp_path / "C"))
    main(["labels", "adopt", str(folder), "--user", "Anna"])
    main(["labels", "rename", str(folder), "wren", "Wren", "--user", "Björn"])
    main(["labels", "export", str(folder), str(tmp_path / "out.csv")])
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert rows[FINCHES[0]]["labelled_by"] == "Anna" and rows[WRENS[0]]["labelled_by"] == "Björn"
    assert rows[WRENS[0]]["labelled_at"] == Collection(folder).labels.origins()[WRENS[0]].time
    capsys.readouterr()
    main(["labels", "undo", str(folder), "--user", "Anna", "--json"])
    assert "sub-folders, by Anna" in json.loads(capsys.readouterr().out)["undone"]
    labels = Collection(folder).labels.current()
    assert set(labels.values()) == {"Wren"}, "what Björn did stays"


def test_the_api_takes_a_name_in_a_header(embedded: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(embedded / "C", tmp_path / "C"))
    client = client_of(folder, user="Server")
    ids = [by_key(client)[key].id for key in FINCHES[:2]]
    anna = {"Lodisc-User": quote("Änna %")}
    client.post("/api/labels", json={"ids": ids[:1], "label": "finch"}, headers=anna)
    client.post("/api/labels", json={"ids": ids[1:], "label": "wren"})
    history = client.get("/api/labels/history").json()["history"]
    assert [entry["user"] for entry in history] == ["Server", "Änna %"]
    assert "“finch”" in client.get("/api/labels", headers=anna).json()["undo"]
    origin = client.get(f"/api/photos/{ids[0]}").json()["origin"]
    assert (origin["user"], origin["how"], origin["confidence"]) == ("Änna %", "typed", None)
    refused = client.post(
        "/api/labels", json={"ids": ids, "label": "x"}, headers={"Lodisc-User": "a%0Ab"}
    )
    assert refused.status_code == 422 and "name of a person" in refused.json()["detail"]
    refused = client.get("/api/labels", headers={"Lodisc-User": "%FF%FE"})
    assert refused.status_code == 422 and "UTF-8" in refused.json()["detail"]
    assert client.post("/api/labels/undo", headers=anna).json()["undone"].endswith("by Änna %)")
    assert Collection(folder).labels.current() == {FINCHES[1]: "wren"}


def test_names_accepted_on_the_page_keep_their_confidence(embedded: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(embedded / "C", tmp_path / "C"))
    collection = Collection(folder)
    for keys, name in ((FINCHES, "finch"), (WRENS, "wren")):
        collection.labels.set(keys[:4], name)
    client = client_of(folder)
    client.get("/api/names")
    photos = by_key(client)
    target = next(photo for photo in photos.values() if photo.label is None)
    client.post(
        "/api/names/accept",
        json={"names": {target.id: target.name}},
        headers={"Lodisc-User": "Anna"},
    )
    acceptance = collection.labels.origins()[target.key].acceptance
    assert acceptance.confidence == pytest.approx(target.confidence, abs=1e-4)
    encoder = f"{collection.settings['encoder']} {collection.photos().fingerprint[:16]}"
    assert acceptance.encoder == encoder
    origin = client.get(f"/api/photos/{target.id}").json()["origin"]
    assert (origin["user"], origin["encoder"]) == ("Anna", encoder)


def _label_first(page: Any, name: str) -> None:
    page.locator(".strip .tile").first.wait_for()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    settled(page)


def test_a_person_gives_their_name_on_the_page(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/label", alone=True)
    assert page.locator("#user").inner_text() == "Your name"
    assert not page.locator("#person").is_visible(), "alone on this machine, nobody is asked"
    page.locator("#user").click()
    page.locator("#person input").fill(" Änna ")
    page.keyboard.press("Enter")
    assert page.locator("#user").inner_text() == "Änna"
    _label_first(page, "finch")
    page.locator(".past li", has_text="by Änna").wait_for()
    page.reload()
    assert page.locator("#user").inner_text() == "Änna"
    other = open_page("/label", alone=True)
    _label_first(other, "wren")
    history = Collection(server.folder).labels.history()
    assert [action.user for action in history] == [None, "Änna"]
    page.locator("main").click(position={"x": 5, "y": 5})
    page.keyboard.press("Control+z")
    notice(page, "“wren” on 1 photograph (typed)")  # of nobody known
    page.keyboard.press("Control+z")
    notice(page, "“finch” on 1 photograph (typed, by Änna)")
    assert server.labels == {}
    page.locator("#user").click()
    page.locator("#person input").fill("a\u200bb")
    page.keyboard.press("Enter")
    assert page.locator("#person[open]").count() == 1, "what can't be seen is no part of a name"


def test_a_shared_page_asks_once_for_the_name(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(
        alone=True,
        prepare=lambda page: page.add_init_script(
            "document.addEventListener('readystatechange',"
            " () => document.documentElement.setAttribute('data-shared', ''))"
        ),
    )
    page.locator("#person-close").click()
    page.locator("#person").wait_for(state="hidden")
    page.reload()
    page.locator(".grid .tile").first.wait_for()
    assert not page.locator("#person").is_visible()
    client = client_of(server.folder, token="t" * 32)
    answer = client.get("/", headers={"Authorization": f"Bearer {'t' * 32}"})
    assert (
        "data-shared" in answer.text and "data-shared" not in client_of(server.folder).get("/").text
    )


def test_a_rejected_name_gives_way_to_the_next_and_comes_back_by_undo(
    embedded: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(embedded / "C", tmp_path / "C"))
    labels = Collection(folder).labels
    keys = sorted(Collection(folder).photos().keys)
    for kind, some in (("a", keys[:3]), ("b", keys[3:6]), ("c", keys[6:9])):
        labels.set(some, kind)
    client = client_of(folder)
    client.get("/api/names")
    target = by_key(client)[keys[-1]]
    first, second = client.get(f"/api/photos/{target.id}").json()["suggestions"][:2]
    reject = {"names": {target.id: first["label"]}}
    done = client.post("/api/names/reject", json=reject, headers={"Lodisc-User": "Anna"}).json()
    assert done["changed"] == 1 and f"“{first['label']}” on 1 photograph" in done["undo"]
    assert done["undo"].endswith("(name rejected, by Anna)") and keys[-1] not in labels.current()
    after = client.get(f"/api/photos/{target.id}").json()  # nothing is learnt anew
    assert after["name"] == second["label"]
    expected = second["confidence"] / (1 - first["confidence"])
    assert after["confidence"] == pytest.approx(expected, abs=2e-3)
    assert first["label"] not in [one["label"] for one in after["suggestions"]]
    client.post("/api/names/accept", json={"confidence": 0})
    assert labels.current()[keys[-1]] == second["label"]
    refused = client.post("/api/names/reject", json=reject).json()
    assert refused["changed"] == 0, "it has a label by now"
    labels.undo()
    labels.carry({keys[-1]: "elsewhere"})
    assert labels.rejections() == {"elsewhere": {first["label"]}}
    labels.undo()
    assert labels.rejections() == {}
    client.get("/api/names")
    labels.reject({keys[-1]: "a"})
    labels.reject({keys[-1]: "b"})
    labels.reject({keys[-1]: "c"})
    assert client.get(f"/api/photos/{target.id}").json()["name"] is None
    named = client.get("/api/photos?state=named&limit=500").json()["photos"]
    assert target.id not in {photo["id"] for photo in named}
    labels.set([keys[-1]], "a")
    client.get("/api/names")
    assert client.get(f"/api/photos/{target.id}").json()["doubt"] < 1, "a label ends the rejection"


def test_names_are_rejected_on_the_page(server: Server, open_page: Callable[..., Any]) -> None:
    labels = Collection(server.folder).labels
    labels.set(FINCHES[:4], "finch")
    labels.set(WRENS[:4], "wren")
    labels.set([*FINCHES[4:6], *WRENS[4:6]], "owl")
    page = open_page("/label")
    page.locator("#suggestions li").first.wait_for()  # the names are learnt
    page.goto(f"{server.address}/?state=named")
    page.locator(".grid .tile").first.wait_for()
    tile = page.locator(".grid .tile").first
    id, name = tile.get_attribute("data-id"), tile.get_attribute("data-name")
    tile.locator(".tick").click()
    page.locator("#reject").click()
    notice(page, "1 photograph no longer called so.")
    key = next(key for key, photo in by_key(client_of(server.folder)).items() if photo.id == id)
    assert labels.rejections() == {key: {name}}
    page.wait_for_function(
        "([id, name]) => document.querySelector(`.tile[data-id='${id}']`)?.dataset.name !== name",
        arg=[id, name],
    )
    page.locator(".notice button", has_text="Undo").click()
    notice(page, "(name rejected)")
    assert labels.rejections() == {}
