"""Names of photographs that are not in the collection: the API against `lodisc name`."""

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from photos import encoded, texture, write
from web import client_of, make_collection

from lodisc.collection import naming
from lodisc.collection.collection import Collection
from lodisc.web.state import uploads
from lodisc.web.state.state import State

KINDS = ("finch", "wren", "thrush")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """FOLDER/C of three kinds with labels, and FOLDER/new."""
    folder = tmp_path_factory.mktemp("naming")
    collection = Collection(make_collection(folder, run, per_label=20, labels=KINDS))
    for kind in KINDS:
        collection.labels.set([f"{kind}/{number}.jpg" for number in range(8)], kind)
        for number in (2, 9):
            new = folder / "new" / f"{kind} {number}.jpg"
            new.parent.mkdir(exist_ok=True)
            shutil.copy(folder / "photos" / kind / f"{number}.jpg", new)
    for number in range(3):
        write(folder / "new" / f"{number}.png", encoded(texture(800 + number), "PNG"))
    return folder


@pytest.fixture
def client(folder: Path) -> TestClient:
    return client_of(folder / "C")


def upload(client: TestClient, path: Path) -> Any:
    answer = client.post("/api/name", files={"file": (path.name, path.read_bytes())})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names_of(client: TestClient, *paths: Path) -> list[Any]:
    """What is said of these photographs: look-alikes and names."""
    new = [upload(client, path) for path in paths]
    answer = client.post("/api/name/together", json={"ids": [photo["id"] for photo in new]})
    assert answer.status_code == 200, answer.text
    return [photo | name for photo, name in zip(new, answer.json()["names"], strict=True)]


@pytest.mark.parametrize("trusted", [0.0, 2.0])  # vectors are smoothed, or not
def test_names_are_those_of_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: float
) -> None:
    monkeypatch.setattr("lodisc.vectors.neighbours.TRUSTED", trusted)
    collection = Collection(folder / "C")
    expected = naming.name_photos(collection, [folder / "new"], out=tmp_path / "names.csv")["names"]
    client = client_of(folder / "C")
    names = names_of(client, *(folder / "new" / entry["key"] for entry in expected))
    for new, entry in zip(names, expected, strict=True):
        assert new["name"] == entry["name"]
        for field in ("confidence", "new_kind", "similarity"):
            assert new[field] == pytest.approx(entry[field], abs=1e-4), field
        assert new["likely_new"] == naming.is_likely_new(entry)
        assert new["look_alike"]["key"] == entry["look_alike"]
        assert new["look_alike"]["label"] == entry["look_alike_label"]
        assert client.get(f"/api/photos/{new['id']}/thumbnail").status_code == 200
    assert len(names) == 9 and len({new["name"] for new in names}) > 1


def test_what_was_never_sent_is_not_named(client: TestClient) -> None:
    answer = client.post("/api/name/together", json={"ids": ["upload-" + "0" * 16]})
    assert answer.status_code == 404 and "drop them again" in answer.json()["detail"]
    assert client.post("/api/name/together", json={"ids": []}).status_code == 422


def test_what_was_forgotten_is_left_out(client: TestClient, folder: Path) -> None:
    id = upload(client, folder / "new" / "finch 9.jpg")["id"]
    answer = client.post("/api/name/together", json={"ids": ["upload-" + "0" * 16, id]})
    assert [name["id"] for name in answer.json()["names"]] == [id]


def test_fewer_than_two_kinds_have_look_alikes_alone(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "C", tmp_path / "C")
    labels = Collection(tmp_path / "C").labels
    labels.set([key for key, label in labels.current().items() if label != "wren"], None)
    (new,) = names_of(client_of(tmp_path / "C"), folder / "new" / "finch 9.jpg")
    assert (new["name"], new["confidence"], new["new_kind"]) == (None, None, None)
    assert not new["likely_new"]
    assert new["look_alike"]["key"] == "finch/9.jpg", "of all, as one kind would mislead"
    assert new["similarity"] > 0.999


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"", b"Dear diary"])
def test_what_is_not_a_photograph_is_refused(client: TestClient, data: bytes) -> None:
    answer = client.post("/api/name", files={"file": ("a.jpg", data)})
    assert answer.status_code == 422 and "can't be read as a photograph" in answer.text
    assert client.post("/api/name", data={"file": "text"}).status_code == 415


def test_naming_many_leaves_the_upload_that_is_looked_at(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted((folder / "new").iterdir())
    files = {"file": ("a.jpg", paths[0].read_bytes())}
    id = client.post("/api/similar", files=files).json()["query"]["id"]
    state: State = client.app.state.opened  # type: ignore[attr-defined]
    for memory in (state.uploads, state.named_uploads):
        memory.most_bytes = 1
    names = [upload(client, path)["id"] for path in paths[1:]]
    assert client.get(f"/api/photos/{id}").status_code == 200
    statuses = [client.get(f"/api/photos/{other}").status_code for other in names]
    assert statuses == [404] * (len(names) - 1) + [200]
    assert uploads.MOST_BYTES == 64 * 2**20


def test_the_table_is_that_of_the_command(client: TestClient) -> None:
    rows = [
        {"key": "=cmd|A1.jpg", "name": "+wren", "confidence": 0.5, "new_kind": None},
        {"key": 'june/"a",\nb.jpg', "name": "@x", "look_alike": "-1.jpg", "similarity": 1.0},
        {"key": "broken.jpg", "problem": "damaged"},
    ]
    answer = client.post("/api/name/table", json={"names": rows})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="names.csv"'
    table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert list(table[0]) == list(naming.COLUMNS)
    assert [row["key"] for row in table] == ["'=cmd|A1.jpg", 'june/"a",\\nb.jpg', "broken.jpg"]
    assert [row["name"] for row in table] == ["'+wren", "'@x", ""]
    assert table[0]["confidence"] == "0.5" and table[0]["new_kind"] == ""
    assert table[1]["look_alike"] == "'-1.jpg" and table[2]["problem"] == "damaged"


@pytest.mark.parametrize(
    "names", [[{}], [{"key": 1}], [{"key": "a", "confidence": 2}], [{"key": "a", "x": 1}], None]
)
def test_a_table_of_something_else_is_refused(client: TestClient, names: Any) -> None:
    assert client.post("/api/name/table", json={"names": names}).status_code == 422
