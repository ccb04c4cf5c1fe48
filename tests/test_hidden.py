"""Hidden photographs: the file that holds them, and what else reads it."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import collection, encoded, texture, write
from runs import TINY

import lodisc
from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.collection.labels_csv import export_csv, import_csv
from lodisc.embedding.embed import embed
from lodisc.errors import UserError

pytest.importorskip("lancedb", reason="lancedb is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return lodisc.train(collection(folder / "photos"), out=folder / "run", **{**TINY, "epochs": 1})


@pytest.fixture
def folder(tmp_path: Path, run: Path) -> Path:
    """FOLDER/photos, four finches and four wrens, and FOLDER/birds."""
    collection(tmp_path / "photos")
    index_again(tmp_path, run)
    return tmp_path


def index_again(folder: Path, run: Path) -> Collection:
    embed(run, folder / "photos", out=folder / "vectors", workers=0, remove=True)
    index(folder / "vectors", collection=folder / "birds")
    return Collection(folder / "birds")


def change(birds: Collection, *keys: str, hidden: bool = True) -> int:
    photos = birds.photos()
    return birds.hidden.change(photos, [photos.position[key] for key in keys], hidden=hidden)


def hidden_keys(birds: Collection) -> list[str]:
    photos = birds.photos()
    return [photos.keys[row] for row in np.flatnonzero(birds.hidden.mask(photos))]


def test_hidden_and_shown_again(folder: Path) -> None:
    birds = Collection(folder / "birds")
    assert hidden_keys(birds) == [] and birds.hidden.stamp is None
    assert change(birds, "finch/0.jpg", "wren/1.jpg") == 2
    stamp = birds.hidden.stamp
    assert change(birds, "wren/1.jpg") == 0 and birds.hidden.stamp == stamp
    assert change(birds, "wren/1.jpg", "wren/2.jpg") == 1
    assert change(birds, "finch/0.jpg", hidden=False) == 1
    assert hidden_keys(Collection(folder / "birds")) == ["wren/1.jpg", "wren/2.jpg"]
    assert birds.hidden.stamp != stamp


def test_a_renamed_photograph_stays_hidden_and_an_edited_one_shows(folder: Path, run: Path) -> None:
    photos = folder / "photos"
    change(Collection(folder / "birds"), "finch/0.jpg", "wren/0.jpg", "wren/1.jpg")
    (photos / "finch" / "0.jpg").rename(photos / "wren" / "renamed.jpg")
    write(photos / "wren" / "0.jpg", encoded(texture(77)))
    away = (photos / "wren" / "1.jpg").rename(folder / "away.jpg")
    assert hidden_keys(index_again(folder, run)) == ["wren/renamed.jpg"]
    away.rename(photos / "wren" / "1.jpg")
    assert hidden_keys(index_again(folder, run)) == ["wren/1.jpg", "wren/renamed.jpg"]
    shutil.rmtree(folder / "birds" / "cache", ignore_errors=True)
    shutil.rmtree(folder / "birds" / "photos.lance")
    assert hidden_keys(index_again(folder, run)) == ["wren/1.jpg", "wren/renamed.jpg"]


def test_copies_of_the_same_bytes_are_hidden_apart(folder: Path, run: Path) -> None:
    photos = folder / "photos"
    for name in ("copy.jpg", "copy too.jpg"):
        shutil.copy(photos / "finch" / "0.jpg", photos / "finch" / name)
    birds = index_again(folder, run)
    assert change(birds, "finch/0.jpg", "finch/copy.jpg") == 2
    assert hidden_keys(birds) == ["finch/0.jpg", "finch/copy.jpg"]
    (photos / "finch" / "copy.jpg").rename(photos / "wren" / "a.jpg")
    assert hidden_keys(index_again(folder, run)) == ["finch/0.jpg", "wren/a.jpg"]
    (photos / "finch" / "copy too.jpg").rename(photos / "wren" / "b.jpg")
    assert hidden_keys(index_again(folder, run)) == ["wren/a.jpg", "wren/b.jpg"], "one shows"
    birds = Collection(folder / "birds")
    change(birds, "wren/a.jpg", "wren/b.jpg", hidden=False)
    assert hidden_keys(birds) == []
    change(birds, "finch/0.jpg", "wren/a.jpg", "wren/b.jpg")
    (photos / "wren" / "b.jpg").rename(photos / "wren" / "c.jpg")
    assert hidden_keys(index_again(folder, run)) == ["finch/0.jpg", "wren/a.jpg", "wren/c.jpg"]


HIDE = """
import sys
from lodisc.collection.collection import Collection
birds = Collection(sys.argv[1])
photos = birds.photos()
print("ready", flush=True)
sys.stdin.readline()
for key in sys.argv[2:]:
    birds.hidden.change(photos, [photos.position[key]], hidden=True)
"""


def test_two_processes_hide_at_once(folder: Path) -> None:
    keys = Collection(folder / "birds").photos().keys
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HIDE, str(folder / "birds"), *own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for own in (keys[::2], keys[1::2])
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("\n")
        assert process.returncode == 0
    assert hidden_keys(Collection(folder / "birds")) == keys


@pytest.mark.parametrize(
    "harm", ["empty", "cut", "changed", "no digest", "other kinds", "a folder"]
)
def test_a_damaged_file_is_refused_and_stays(folder: Path, harm: str) -> None:
    birds = Collection(folder / "birds")
    change(birds, "finch/0.jpg", "wren/0.jpg")
    file = birds.files.hidden
    text = file.read_text()
    if harm == "a folder":
        file.unlink()
        file.mkdir()
    else:
        broken = {
            "empty": "",
            "cut": text[:-9],
            "changed": text.replace("[]", '["x"]', 1),
            "no digest": '{"visible": {}}',
            "other kinds": '{"visible": {"a": "b"}, "digest": "c"}',
        }[harm]
        assert broken != text
        file.write_text(broken)
    before = None if file.is_dir() else file.read_bytes()
    for call in (lambda: hidden_keys(birds), lambda: change(birds, "wren/1.jpg")):
        with pytest.raises(UserError, match="move it away") as error:
            call()
        assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)
    assert (None if file.is_dir() else file.read_bytes()) == before
    assert export_csv(birds, folder / "out.csv") == 8


def test_the_export_says_what_is_hidden_and_the_import_ignores_it(folder: Path) -> None:
    birds = Collection(folder / "birds")
    birds.labels.set(["wren/0.jpg"], "wren")
    change(birds, "wren/0.jpg", "finch/1.jpg")
    export_csv(birds, folder / "out.csv")
    rows = list(csv.DictReader((folder / "out.csv").read_text("utf-8-sig").splitlines()))
    assert list(rows[0])[-1] == "hidden" and len(rows) == 8
    assert {row["key"] for row in rows if row["hidden"] == "yes"} == {"wren/0.jpg", "finch/1.jpg"}
    assert {row["hidden"] for row in rows} == {"yes", ""}
    change(birds, "wren/0.jpg", hidden=False)
    assert import_csv(birds, folder / "out.csv")["changed"] == 0
    assert hidden_keys(birds) == ["finch/1.jpg"] and birds.labels.current() == {
        "wren/0.jpg": "wren"
    }
