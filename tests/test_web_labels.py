"""Labels, names and groups through the JSON API: what a person does, and takes back."""

import csv
import io
import json
import resource
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web import (
    FINCHES,
    FIRST,
    WRENS,
    by_key,
    client_of,
    label,
    listed,
    make_odd_collection,
    without_labels,
)

from lodisc.collection.collection import Collection
from lodisc.collection.labels import Labels
from lodisc.collection.labels_csv import export_csv


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_odd_collection(tmp_path_factory.mktemp("labels"), run)


@pytest.fixture
def client(folder: Path) -> TestClient:
    """A server without labels and groups."""
    return client_of(without_labels(folder / "C"))


def test_labels_with_undo_and_history(client: TestClient) -> None:
    assert client.get("/api/labels").json() == {"labels": [], "undo": None, "redo": None}
    done = label(client, FINCHES[:2], " Buchfink ")
    assert done["changed"] == 2 and "Buchfink" in done["undo"] and "2 photographs" in done["undo"]
    assert label(client, FINCHES[:2], "Buchfink")["changed"] == 0
    label(client, WRENS[:1], "wren")
    label(client, FINCHES[:1], None)
    assert client.get("/api/labels").json()["labels"] == [
        {"label": "Buchfink", "count": 1},
        {"label": "wren", "count": 1},
    ]
    undone = client.post("/api/labels/undo").json()
    assert (
        undone["labels"][0] == {"label": "Buchfink", "count": 2}
        and undone["redo"] == undone["undone"]
    )
    assert client.post("/api/labels/redo").json()["labels"][0]["count"] == 1
    history = client.get("/api/labels/history").json()["history"]
    assert [entry["count"] for entry in history] == [1, 1, 2] and not any(
        entry["undone"] for entry in history
    )
    assert len(client.get("/api/labels/history", params={"limit": 1}).json()["history"]) == 1
    for _ in range(4):
        last = client.post("/api/labels/undo").json()
    assert last["undone"] is None and last["labels"] == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"ids": ["0" * 16], "label": "x"}, 404, "None of these photographs is in the collection"),
        ({"ids": ["../../etc/passwd"], "label": "x"}, 422, "ids.0: String should match"),
        ({"label": "x"}, 422, "Give either ids or a group"),
        ({"ids": [], "group": 1, "label": "x"}, 422, "Give either ids or a group"),
        ({"group": 1, "label": "x"}, 404, "There is no such group"),
        ({"ids": [FIRST], "label": ""}, 422, "label is empty"),
        ({"ids": [FIRST], "label": "a\nb"}, 422, "control characters"),
        ({"ids": [FIRST], "label": "x" * 201}, 422, "200 are the most"),
        ({"ids": []}, 422, "label: Field required"),
        ({"ids": [], "label": "x", "more": 1}, 422, "more: Extra inputs"),
        ({"ids": [], "label": "\ud800"}, 422, "label: "),
        ([], 422, "body: "),
    ],
)
def test_labels_that_make_no_sense(client: TestClient, body: Any, status: int, words: str) -> None:
    answer = client.post(
        "/api/labels", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status and list(answer.json()) == ["detail"]
    assert words in answer.json()["detail"] and "\n" not in answer.json()["detail"]
    assert client.get("/api/labels").json()["labels"] == []


def test_groups_and_a_whole_group_labelled(client: TestClient) -> None:
    assert client.get("/api/groups").json() == {
        "k": None,
        "grouping": None,
        "criterion": None,
        "smoothed": False,
        "tried": [],
        "groups": [],
    }
    made = client.post("/api/groups", json={"k": 3}).json()
    assert made["k"] == 3 and made["criterion"] is None and client.get("/api/groups").json() == made
    every = by_key(client)
    assert sum(group["size"] for group in made["groups"]) == len(every)
    for group in made["groups"]:
        members = listed(client, group=group["group"])
        assert len(members) == group["size"] and group["representative"]["key"] in members
        assert all(one["key"] in members for one in group["doubtful"])
        assert (
            listed(client, group=group["group"], sort="typical")[0]
            == group["representative"]["key"]
        )
    first = made["groups"][0]
    done = client.post("/api/labels", json={"group": first["group"], "label": "kind one"}).json()
    assert done["changed"] == first["size"]
    again = client.get("/api/groups").json()["groups"][0]
    assert again["label"] == "kind one" and again["labelled"] == first["size"]
    assert client.get("/api/collection").json()["groups"] == 3
    doubtful = listed(client, state="doubtful")
    doubts = [by_key(client)[key].doubt or 0 for key in doubtful]
    assert 0 < len(doubtful) < len(every) and doubts == sorted(doubts, reverse=True)
    assert client.post("/api/groups", json={}).json()["tried"], "without k the criterion chooses"
    assert client.post("/api/groups", json={"k": 0}).status_code == 422


def test_names_from_a_few_labels(client: TestClient) -> None:
    nothing = client.get("/api/names").json()
    assert (
        nothing["trained"] is False
        and nothing["reason"]
        and nothing["accuracy"] is None
        and nothing["proposals"]
    )
    assert client.post("/api/names/accept", json={"confidence": 0.0}).json() == {
        "changed": 0,
        "undo": None,
        "unknown": 0,
        "left": 0,
    }
    label(client, FINCHES[:5], "finch")
    label(client, WRENS[:5], "wren")
    names = client.get("/api/names").json()
    assert (
        names["trained"] and names["classes"] == ["finch", "wren"] and names["accuracy"]["n"] == 10
    )
    assert (
        0 <= names["accuracy"]["low"] < names["accuracy"]["value"] <= names["accuracy"]["high"] <= 1
    )
    proposed = {one["key"] for one in names["proposals"]}
    assert proposed and proposed.isdisjoint(FINCHES[:5] + WRENS[:5])
    photos = by_key(client)
    unlabelled = [photo for photo in photos.values() if photo.label is None]
    assert all(
        photo.name in ("finch", "wren") and photo.confidence is not None for photo in unlabelled
    )
    assert names["above"][0] == {
        "confidence": 0.5,
        "count": sum((photo.confidence or 0) >= 0.5 for photo in unlabelled),
    }
    at = sorted(photo.confidence or 0 for photo in unlabelled)[len(unlabelled) // 2]
    done = client.post("/api/names/accept", json={"confidence": at}).json()
    accepted = {photo.key: photo.name for photo in unlabelled if (photo.confidence or 0) >= at}
    assert abs(done["changed"] - len(accepted)) <= 1, "but for the rounding of what is listed"
    assert (
        sum(by_key(client)[key].label == name for key, name in accepted.items()) >= done["changed"]
    )
    after = client.get("/api/names").json()
    assert after["accuracy"] == names["accuracy"], "accepted names confirm nothing"
    assert all(one["label"] is None for one in after["proposals"])
    rest = {key: photo for key, photo in by_key(client).items() if photo.label is None}
    assert {key: photos[key].name for key in rest} == {
        key: photo.name for key, photo in rest.items()
    }
    client.post("/api/labels/undo")
    assert client.get("/api/collection").json()["labelled"] == 10


def test_the_table_holds_the_names_that_are_kept(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(client, FINCHES[:5], "finch")
    label(client, WRENS[:5], "wren")
    client.get("/api/names")
    export_csv(Collection(folder / "C"), folder / "labels.csv")
    monkeypatch.setattr("lodisc.vectors.classifier.predict_labels", pytest.fail)
    assert client.get("/api/labels/export").content == (folder / "labels.csv").read_bytes()


def test_names_are_there_before_anybody_asks(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(client, FINCHES[:5], "finch")
    label(client, WRENS[:5], "wren")
    with client:
        for thread in threading.enumerate():
            if thread.name == "warm-up":
                thread.join(60)
        monkeypatch.setattr("lodisc.vectors.classifier.predict_labels", pytest.fail)
        assert by_key(client)[FINCHES[7]].name in ("finch", "wren")
        assert client.get("/api/names").json()["accuracy"]["n"] == 10


@pytest.mark.parametrize("confidence", [-0.1, 1.1, "NaN", None, "x"])
def test_names_are_accepted_from_a_share_on(client: TestClient, confidence: Any) -> None:
    assert client.post("/api/names/accept", json={"confidence": confidence}).status_code == 422
    answer = client.post(
        "/api/names/accept",
        content=b'{"confidence": NaN}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


def test_labels_go_out_and_come_back(client: TestClient) -> None:
    label(client, ["names/line\nbreak.jpg", 'names/quote\'s "own".jpg'], '=1+1,"quoted"')
    label(client, FINCHES[:2], "Buchfink 🐦")
    answer = client.get("/api/labels/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="labels.csv"'
    assert answer.headers["content-type"].startswith("text/csv")
    rows = {
        row["key"]: row
        for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    }
    assert rows["names/line\nbreak.jpg"]["label"] == "'" + '=1+1,"quoted"', (
        "a spreadsheet takes it for text"
    )
    assert rows[FINCHES[0]]["label"] == "Buchfink 🐦"
    for _ in range(2):
        client.post("/api/labels/undo")
    assert client.get("/api/labels").json()["labels"] == []
    done = client.post("/api/labels/import", files={"file": ("labels.csv", answer.content)}).json()
    assert done["changed"] == 4 and done["unknown"] == 0 and done["undo"]
    assert by_key(client)["names/line\nbreak.jpg"].label == '=1+1,"quoted"'
    done = client.post(
        "/api/labels/import",
        files={"file": ("x.csv", b"key,label\nno/such.jpg,x\nfinch/7.jpg,y\n")},
    ).json()
    assert done["changed"] == 1 and done["unknown"] == 1 and done["unknown_keys"] == ["no/such.jpg"]
    done = client.post(
        "/api/labels/import",
        files={"file": ("x.csv", "key,species\nfinch/7.jpg,n/a\n".encode("utf-16"))},
    ).json()
    assert done["notes"] == ["n/a is taken for a label; leave the cell empty for none"]
    for bad in (b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"key,label\nfinch/7.jpg,\x01\n"):
        answer = client.post("/api/labels/import", files={"file": ("x.csv", bad)})
        assert answer.status_code == 422 and "/tmp" not in answer.text, answer.text


def test_a_label_that_finds_no_room_on_the_disk_is_refused_in_one_line(
    client: TestClient, folder: Path
) -> None:
    label(client, FINCHES, "finch")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
    try:
        answer = client.post("/api/labels", json={"ids": [FIRST], "label": "wren"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert answer.status_code == 503
    assert "nothing was changed" in answer.json()["detail"]
    assert by_key(client)[FINCHES[0]].label == "finch"
    assert label(client, FINCHES[:1], "wren")["changed"] == 1


def test_labels_that_are_damaged_are_said_in_one_line(client: TestClient, folder: Path) -> None:
    (folder / "C" / "labels.sqlite").write_bytes(b"no database" * 1000)
    for path in ("/api/photos", "/api/labels", "/api/collection"):
        answer = client.get(path)
        assert (
            answer.status_code == 503
            and "labels.sqlite is not a database of labels" in answer.json()["detail"]
        ), answer.text
    answer = client.post("/api/labels/undo")
    assert answer.status_code == 503 and "labels.sqlite" in answer.json()["detail"]


def test_photographs_that_have_gone_do_not_keep_the_others_from_a_label(client: TestClient) -> None:
    done = client.post("/api/labels", json={"ids": [FIRST, "0" * 16], "label": "wren"}).json()
    assert (done["changed"], done["unknown"]) == (1, 1)


def test_a_group_that_has_other_photographs_by_now_is_not_labelled(client: TestClient) -> None:
    seen = client.post("/api/groups", json={"k": 2}).json()
    now = client.post("/api/groups", json={"k": 3}).json()
    assert client.get("/api/groups").json()["grouping"] == now["grouping"] != seen["grouping"]
    assert (
        client.post(
            "/api/labels", json={"group": 1, "grouping": seen["grouping"], "label": "wren"}
        ).status_code
        == 409
    )
    assert client.get("/api/labels").json()["labels"] == []
    done = client.post(
        "/api/labels", json={"group": 1, "grouping": now["grouping"], "label": "wren"}
    ).json()
    assert done["changed"] == now["groups"][0]["size"]


def test_what_is_sent_twice_is_done_once(client: TestClient) -> None:
    def send(path: str, body: Any, key: str) -> Any:
        answer = client.post(path, json=body, headers={"Idempotency-Key": key})
        return answer.status_code, answer.json()

    labelling = {"ids": [FIRST], "label": "finch"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send("/api/labels", labelling, "one"), range(4)))
    assert answers == [answers[0]] * 4 and answers[0][1]["changed"] == 1
    client.post("/api/labels/undo")
    assert send("/api/labels", labelling, "one") == answers[0]
    assert client.get("/api/labels").json()["labels"] == [], (
        "what came late does not undo the undoing"
    )
    assert send("/api/labels", {**labelling, "label": "wren"}, "one")[0] == 422, (
        "another request with the same key is a mistake"
    )
    assert send("/api/labels", {**labelling, "label": ""}, "two")[0] == 422
    assert send("/api/labels", labelling, "two")[1]["changed"] == 1, (
        "what was refused may be tried again"
    )
    label(client, WRENS[:1], "wren")
    named = send("/api/names/accept", {"confidence": 0.0}, "three")
    client.post("/api/labels/undo")
    assert send("/api/names/accept", {"confidence": 0.0}, "three") == named
    assert client.get("/api/collection").json()["labelled"] == 2


def test_undo_redo_and_import_sent_twice_are_done_once(client: TestClient) -> None:
    def send(path: str, key: str, **content: Any) -> Any:
        return client.post(f"/api/labels{path}", headers={"Idempotency-Key": key}, **content)

    for number, name in enumerate(("one", "two", "three")):
        label(client, FINCHES[number : number + 1], name)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send("/undo", "a").json(), range(4)))
    assert [answer["undone"] for answer in answers] == [answers[0]["undone"]] * 4
    assert "three" in answers[0]["undone"]
    assert [entry["label"] for entry in answers[0]["labels"]] == ["one", "two"]
    assert "two" in send("/undo", "b").json()["undone"], "another key undoes another action"
    assert send("/redo", "b").status_code == 422, "the key of an undo is none of a redo"
    for _ in range(2):
        assert "two" in send("/redo", "c").json()["undone"]
    assert client.get("/api/labels").json()["redo"], "the third is still undone"

    def table(name: str) -> dict[str, Any]:
        return {"file": ("labels.csv", f"key,label\n{FINCHES[5]},{name}\n".encode())}

    first = send("/import", "d", files=table("jay")).json()
    client.post("/api/labels/undo")
    assert send("/import", "d", files=table("jay")).json() == first
    assert "jay" not in str(client.get("/api/labels").json()["labels"])
    assert send("/import", "d", files=table("owl")).status_code == 422
    before = client.get("/api/labels").json()
    for path in ("", "/undo", "/redo"):
        assert send(path, "", json={"ids": [FIRST], "label": "x"}).status_code == 422
    assert send("/import", "", files=table("owl")).status_code == 422
    assert client.get("/api/labels").json() == before, "an empty key is refused"


def test_while_another_program_locks_the_labels_the_last_ones_are_shown(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(client, FINCHES[:1], "finch")
    shown = client.get("/api/labels").json()
    labels = client.app.state.collection.labels  # type: ignore[attr-defined]
    monkeypatch.setattr(labels._file, "patience", 0.1)
    fresh = client_of(folder / "C")
    other = sqlite3.connect(folder / "C" / "labels.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert client.get("/api/labels").json() == shown
    assert by_key(client)[FINCHES[0]].label == "finch"
    for path in ("/", "/label", "/groups", "/api/map", "/api/names", "/api/collection"):
        assert client.get(path).status_code == 200, path
    refused = client.post("/api/labels", json={"ids": [FIRST], "label": "wren"})
    assert refused.status_code == 503 and "kept it busy" in refused.json()["detail"]
    # Nothing is known yet, but photographs need no labels
    assert fresh.get("/api/labels").status_code == 503
    for path in ("/", "/label", "/groups", "/progress", "/api/map", "/api/names"):
        assert fresh.get(path).status_code == 200, path
    assert by_key(fresh)[FINCHES[0]].label is None
    for path in ("/", "/progress", "/api/collection", "/api/health"):
        assert "Another program has locked labels.sqlite" in fresh.get(path).text, path
    for what in ("thumbnail", "picture", "look"):
        assert fresh.get(f"/api/photos/{FIRST}/{what}").status_code == 200, what
    other.close()
    assert fresh.get("/api/labels").json() == shown
    assert by_key(fresh)[FINCHES[0]].label == "finch"
    assert fresh.get("/api/collection").json()["note"] is None
    label(client, FINCHES[:1], "wren")
    assert [entry["label"] for entry in fresh.get("/api/labels").json()["labels"]] == ["wren"]


def test_after_a_lock_a_client_reads_what_it_has_written(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(client, FINCHES[:1], "finch")
    client.get("/api/labels")
    other = sqlite3.connect(folder / "C" / "labels.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    client.get("/api/labels")
    other.close()
    reads, goes_on = threading.Event(), threading.Event()
    stamp = Labels.stamp.fget  # type: ignore[attr-defined]

    def slow_stamp(labels: Labels) -> Any:
        if not reads.is_set():
            reads.set()
            goes_on.wait(60)
        return stamp(labels)

    monkeypatch.setattr(Labels, "stamp", property(slow_stamp))
    another = threading.Thread(target=client.get, args=["/api/labels"])
    another.start()
    assert reads.wait(60)
    try:
        answer = client.post(
            "/api/labels",
            json={"ids": [FIRST], "label": "owl"},
            headers={"Idempotency-Key": "after a lock"},
        )
        assert answer.json()["undo"] == "“owl” on 1 photograph (typed)"
        assert client.get("/api/labels").json()["labels"] == [{"label": "owl", "count": 1}]
        assert by_key(client)[FINCHES[0]].label == "owl"
        undone = client.post("/api/labels/undo").json()
        assert undone["labels"] == [{"label": "finch", "count": 1}]
    finally:
        goes_on.set()
        another.join()


def test_labels_that_are_replaced_while_the_server_runs_are_seen(
    client: TestClient, folder: Path
) -> None:
    label(client, FINCHES[:1], "finch")
    versions = {client.get("/api/collection").json()["version"]}
    path = folder / "C" / "labels.sqlite"
    other = Labels(path.with_name("other.sqlite"))
    other.set(FINCHES[:2], "owl")
    other.path.replace(path)
    assert client.get("/api/labels").json()["labels"] == [{"label": "owl", "count": 2}]
    assert by_key(client)[FINCHES[1]].label == "owl"
    versions.add(client.get("/api/collection").json()["version"])
    assert len(versions) == 2, "pages that are open are told"
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM version")
    database.close()
    answer = client.get("/api/labels")
    assert answer.status_code == 503 and "labels.sqlite is damaged" in answer.json()["detail"]


def test_damaged_groups_are_none_until_they_are_made_anew(client: TestClient, folder: Path) -> None:
    whole = client.post("/api/groups", json={"k": 2}).json()
    path = folder / "C" / "groups.json"
    content = json.loads(path.read_text())
    for text in (
        json.dumps({**content, "numbers": [5, 6]}),
        json.dumps({**content, "digest": None, "features": 1, "groups": content["features"] * 2}),
        "{}",
        "",
    ):
        path.write_text(text)
        assert client.get("/api/groups").json()["groups"] == []
        for page in ("/", "/groups", "/progress", "/api/photos", "/api/labels/export"):
            assert client.get(page).status_code == 200, (page, text)
        assert "The groups are damaged" in client.get("/progress").text
        assert client.post("/api/groups", json={"k": 2}).json() == whole
    path.unlink()
    path.mkdir()
    assert client.get("/progress").status_code == 200
    refused = client.post("/api/groups", json={"k": 2})
    assert refused.status_code == 503 and "is a folder; delete it" in refused.json()["detail"]
    path.rmdir()
