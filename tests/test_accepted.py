"""Accepted names are labels wherever labels are shown, and teach nothing wherever one learns."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import stored

from lodisc.collection.collection import Collection
from lodisc.collection.describe import describe_labels
from lodisc.collection.labels_csv import export_csv, import_csv
from lodisc.collection.search import allowed_rows, look_up

pytest.importorskip("lancedb", reason="lancedb is not installed")

KINDS, EACH, LABELLED = 8, 40, 8
ACCEPTED = 12  # of each kind, wrong names among them


def some_vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    middle = 1.2 * rng.normal(size=(KINDS, 24))
    return (np.repeat(middle, EACH, axis=0) + rng.normal(size=(KINDS * EACH, 24))).astype("f4")


@pytest.fixture
def birds(tmp_path: Path) -> Collection:
    """A collection of eight kinds, of which six have eight labels each."""
    birds = stored(tmp_path, some_vectors())
    labels = {
        key: f"kind {row // EACH}"
        for row, key in enumerate(birds.photos().keys)
        if row % EACH < LABELLED and row // EACH < 6
    }
    birds.labels.set_each(labels, how="typed")
    return birds


def accept_some(birds: Collection) -> dict[str, str]:
    """Names of photographs of all kinds, those of new kinds among them, which are wrong."""
    names = {
        key: f"kind {row // EACH % 6}"
        for row, key in enumerate(birds.photos().keys)
        if LABELLED <= row % EACH < LABELLED + ACCEPTED
    }
    assert birds.labels.accept(names, where="from 50%") == len(names) == KINDS * ACCEPTED
    return names


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def in_the_table(birds: Collection, folder: Path) -> Any:
    export_csv(birds, folder / "out.csv")
    return {
        row["key"]: (row["name"], row["confidence"], row["new_kind"])
        for row in table(folder / "out.csv")
        if not row["label"]
    }


def by_name(birds: Collection, folder: Path) -> Any:
    rows_N = allowed_rows(birds, birds.photos(), "name = 'kind 0'")
    labels = birds.labels.current()
    return {key: rows_N[row] for row, key in enumerate(birds.photos().keys) if key not in labels}


def look_alikes(birds: Collection, folder: Path) -> Any:
    keys = birds.photos().keys
    answers = look_up(birds, [keys[0], keys[LABELLED], keys[-1]])["answers"]
    return {
        answer["query"]: [(photo["key"], photo["same_kind"]) for photo in answer["found"]]
        for answer in answers
    }


def on_the_page(birds: Collection, folder: Path) -> Any:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    client, keys = client_of(birds.path), birds.photos().keys
    names, photos = client.get("/api/names").json(), by_key(client)
    similar = client.get(f"/api/photos/{photos[keys[LABELLED]].id}/similar").json()["similar"]
    return {
        "accuracy": names["accuracy"],
        "look-alikes": [like["same_kind"] for like in similar],
        **{key: (one.name, one.confidence) for key, one in photos.items() if one.label is None},
    }


@pytest.mark.parametrize("consumer", [in_the_table, by_name, look_alikes, on_the_page])
def test_no_number_changes_for_the_photographs_that_are_left(
    birds: Collection, tmp_path: Path, consumer: Callable[[Collection, Path], Any]
) -> None:
    before, accuracy = consumer(birds, tmp_path), describe_labels(birds)["accuracy"]
    accept_some(birds)
    after = consumer(birds, tmp_path)
    assert after and {key: before[key] for key in after} == after
    assert describe_labels(birds)["accuracy"] == accuracy


def test_a_table_tells_accepted_names_in_another_collection_too(
    birds: Collection, tmp_path: Path
) -> None:
    names = accept_some(birds)
    export_csv(birds, tmp_path / "out.csv")
    rows = table(tmp_path / "out.csv")
    assert {row["key"] for row in rows if row["accepted_name"]} == set(names)
    import_csv(birds, tmp_path / "out.csv")
    assert birds.labels.with_accepted_keys()[1] == set(names)
    other = stored(tmp_path / "other", some_vectors())
    assert import_csv(other, tmp_path / "out.csv")["changed"] == len(birds.labels.current())
    assert other.labels.with_accepted_keys() == birds.labels.with_accepted_keys()
    corrected = rows[LABELLED]["key"]
    (tmp_path / "own.csv").write_text(f"key,label,accepted_name\n{corrected},owl,kind 0\n")
    assert import_csv(birds, tmp_path / "own.csv")["changed"] == 1
    labels, accepted = birds.labels.with_accepted_keys()
    assert labels[corrected] == "owl" and corrected not in accepted
    assert import_csv(birds, tmp_path / "out.csv")["changed"] == 0, "a name changes no label"
    fresh = stored(tmp_path / "fresh", some_vectors())
    import_csv(fresh, tmp_path / "own.csv")
    assert fresh.labels.with_accepted_keys() == ({corrected: "owl"}, frozenset())


def test_the_page_lists_them_and_a_label_by_hand_confirms_one(birds: Collection) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    client, names = client_of(birds.path), accept_some(birds)
    client.get("/api/names")
    listed = client.get("/api/photos?state=accepted&limit=500").json()["photos"]
    assert {photo["key"] for photo in listed} == set(names)
    assert all(photo["is_accepted"] and not photo["likely_new"] for photo in listed)
    doubts = [photo["doubt"] for photo in listed]
    assert doubts == sorted(doubts, reverse=True) and doubts[0] > 0.2, "least sure first"
    assert "Accepted names" in client.get("/?state=accepted").text
    one = listed[-1]
    change = {"ids": [one["id"]], "label": one["label"]}
    assert client.post("/api/labels", json=change).json()["changed"] == 1
    assert not by_key(client)[one["key"]].is_accepted
    assert client.post("/api/labels", json=change).json()["changed"] == 0
    client.post("/api/labels/undo")
    assert by_key(client)[one["key"]].is_accepted


def test_names_are_listed_by_confidence_and_some_of_them_accepted(birds: Collection) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    client = client_of(birds.path)
    client.get("/api/names")
    query: dict[str, Any] = {"state": "named", "above": 0.5, "limit": 500}
    found = client.get("/api/photos", params=query).json()["photos"]
    expected = [
        photo.key
        for photo in by_key(client).values()
        if photo.label is None and not photo.likely_new and (photo.confidence or 0) >= 0.5
    ]
    assert sorted(photo["key"] for photo in found) == sorted(expected) and len(found) > 10
    order = [(photo["name"], -photo["confidence"]) for photo in found]
    assert order == sorted(order), "by name, the surest first"
    own = client.get("/api/photos", params={**query, "name": found[0]["name"]}).json()
    assert {photo["name"] for photo in own["photos"]} == {found[0]["name"]}
    chosen = [photo["id"] for photo in found[:3]]
    other = "kind 1" if found[3]["name"] != "kind 1" else "kind 2"  # as it was seen before
    names = {photo["id"]: photo["name"] for photo in found[:3]}
    body = {"names": {**names, found[3]["id"]: other, "0123456789abcdef": "kind 1"}}
    answer = client.post("/api/names/accept", json=body).json()
    assert (answer["changed"], answer["unknown"], answer["left"]) == (3, 1, 1)
    assert answer["undo"].endswith("on 3 photographs (names accepted after a look)")
    assert client.post("/api/names/accept", json=body).json()["left"] == 4
    accepted = client.get("/api/photos?state=accepted").json()["photos"]
    assert sorted(photo["id"] for photo in accepted) == sorted(chosen)
    for wrong in ({}, {"confidence": 0.5, **body}, {"ids": chosen}):
        assert client.post("/api/names/accept", json=wrong).status_code == 422


def test_a_label_is_told_at_once_however_old_the_names_are(birds: Collection) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    client = client_of(birds.path)
    client.get("/api/names")
    first = client.get("/api/photos?state=new&limit=1").json()["photos"][0]
    assert first["likely_new"]
    client.post("/api/labels", json={"ids": [first["id"]], "label": "kind 7"})
    assert not by_key(client)[first["key"]].likely_new


def test_a_contradicted_name_is_doubtful(birds: Collection) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    client, names = client_of(birds.path), accept_some(birds)
    client.get("/api/names")
    for key, photo in by_key(client).items():
        if key in names:
            assert photo.confidence is not None and photo.doubt is not None
            other = photo.confidence if photo.name != photo.label else 0.0
            assert photo.doubt == pytest.approx(max(other, 1 - photo.confidence), abs=2e-4)


def test_what_is_learnt_from_is_said_where_only_names_are_left(birds: Collection) -> None:
    keys = list(birds.labels.current())
    accept_some(birds)
    birds.labels.set(keys, None)
    described = describe_labels(birds)
    assert described["labelled"] == described["accepted"] == KINDS * ACCEPTED
    assert described["accuracy"] is None
    assert (described["reason"] or "").endswith("accepted names do not count")
    assert (described["new_kinds"]["reason"] or "").endswith("accepted names do not count")
