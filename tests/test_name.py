"""`lodisc name`: new photographs get names by the labels of a collection, which stays as it is."""

import csv
import itertools
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photos import encoded, texture, write
from runs import lodisc_json
from web import index_again, make_collection

from lodisc.cli import main
from lodisc.collection import naming
from lodisc.collection.collection import Collection
from lodisc.vectors.classifier import predict_labels

PER_LABEL = 10
LABELLED = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """FOLDER/C of two kinds, each with LABELLED labels, and FOLDER/new with some unreadable."""
    folder = tmp_path_factory.mktemp("name")
    make_collection(folder, run, per_label=PER_LABEL)
    for kind in ("finch", "wren"):
        keys = [f"{kind}/{number}.jpg" for number in range(LABELLED)]
        Collection(folder / "C").labels.set(keys, kind)
        for number in range(PER_LABEL):
            new = folder / "new" / "june" / f"{kind} {number}.jpg"
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "photos" / kind / f"{number}.jpg", new)
    write(folder / "new" / "broken.jpg", b"\xff\xd8\xff")
    return folder


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return {row["key"]: row for row in csv.DictReader(stream)}


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_new_photographs_are_named_and_the_collection_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(folder / "C")
    out = tmp_path / "names.csv"
    result = lodisc_json(capsys, "name", folder / "C", folder / "new", "--out", out)
    assert content(folder / "C") == before
    assert result["photographs"] == 2 * PER_LABEL + 1 and result["skipped"] == 1
    assert result["named"] + result["new_kinds"] == 2 * PER_LABEL
    rows = table(out)
    assert (
        rows["broken.jpg"]["problem"] == "damaged or unsupported"
        and rows["broken.jpg"]["name"] == ""
    )
    for kind, number in itertools.product(("finch", "wren"), range(PER_LABEL)):
        row = rows[f"june/{kind} {number}.jpg"]
        assert row["name"] in ("finch", "wren") and 0 < float(row["confidence"]) <= 1
        assert Path(row["path"]).is_absolute() and Path(row["path"]).is_file()
        if number < LABELLED:  # the same photograph has a label
            assert (row["look_alike"], row["look_alike_label"]) == (f"{kind}/{number}.jpg", kind)
            assert float(row["similarity"]) > 0.999
    assert [row["key"] for row in result["names"]] == list(rows)


@pytest.mark.parametrize("per_label", [PER_LABEL, 30])  # of 60 photographs vectors are smoothed
def test_names_are_those_that_they_would_have_in_the_collection(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_label: int
) -> None:
    monkeypatch.setattr("lodisc.vectors.neighbours.TRUSTED", 0.0)
    folder, grown = tmp_path / "small", tmp_path / "grown"
    make_collection(folder, run, per_label=per_label)
    for kind in ("finch", "wren"):
        keys = [f"{kind}/{number}.jpg" for number in range(LABELLED)]
        Collection(folder / "C").labels.set(keys, kind)
    shutil.copytree(folder, grown)
    extra = [write(grown / "photos" / "b" / f"{n}.png", encoded(texture(70 + n))) for n in range(5)]
    named = naming.name_photos(
        Collection(folder / "C"), [grown / "photos" / "b"], out=tmp_path / "n.csv"
    )
    collection = Collection(index_again(grown, run))
    photos = collection.photos()
    assert (photos.smoothed is not photos.vectors) == (per_label == 30)
    labels = collection.labels.current()
    predicted = predict_labels(photos.smoothed, [labels.get(key) for key in photos.keys])
    for entry, path in zip(named["names"], extra, strict=True):
        row = photos.position[f"b/{path.name}"]
        assert entry["name"] == predicted.labels[row]
        assert entry["confidence"] == pytest.approx(float(predicted.confidence[row]), abs=0.01)


@pytest.mark.parametrize("way", ["--copy", "--link"])
def test_photographs_are_sorted_into_folders_and_nothing_is_replaced(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    out, sorted_to = tmp_path / "names.csv", tmp_path / "sorted"
    call = ("name", folder / "C", folder / "new", "--out", out, way, sorted_to)
    assert lodisc_json(capsys, *call)["in_folders"] == 2 * PER_LABEL
    for row in table(out).values():
        if row["problem"]:
            continue
        is_new = row["new_kind"] and float(row["new_kind"]) >= 0.5
        kind = "none of these kinds" if is_new else row["name"]
        place = sorted_to / kind / Path(row["key"]).name
        assert place.is_symlink() == (way == "--link")
        assert place.read_bytes() == Path(row["path"]).read_bytes()
    assert lodisc_json(capsys, *call)["in_folders"] == 0, "they are there"
    before = content(sorted_to)
    other = tmp_path / "other"
    (other / "june").mkdir(parents=True)
    first = next(iter(sorted_to.rglob("finch 0.jpg")))
    (other / first.name).write_bytes((folder / "new" / "june" / "wren 0.jpg").read_bytes())
    answer = lodisc_json(capsys, "name", folder / "C", other, "--out", out, way, sorted_to)
    assert answer["in_folders"] == 1 and content(sorted_to).items() >= before.items()


def test_files_lists_and_tars_are_named_together(folder: Path, tmp_path: Path) -> None:
    """A photograph that two sources hold is named once by each key; what a list lacks is told."""
    photo = folder / "new" / "june" / "finch 0.jpg"
    with tarfile.open(tmp_path / "night.tar", "w") as tar:
        tar.add(photo, "a/1.jpg")
    (tmp_path / "list.txt").write_text(f"{photo}\nmissing.jpg\n")
    sources = [photo, photo, tmp_path / "night.tar", tmp_path / "list.txt"]
    result = naming.name_photos(
        Collection(folder / "C"), sources, out=tmp_path / "n.tsv", copies=tmp_path / "sorted"
    )
    assert len({entry["key"] for entry in result["names"]}) == 4 == result["photographs"]
    *names, lost = result["names"]
    assert {entry["look_alike"] for entry in names} == {"finch/0.jpg"}
    assert lost["key"].endswith("list.txt/missing.jpg") and "no such file" in (
        lost["problem"] or ""
    )
    # The same bytes under another name are another file, under the same name they are not
    assert result["in_folders"] == 2 and len(content(tmp_path / "sorted")) == 2
    june = folder / "new"
    overlapping = naming.name_photos(
        Collection(folder / "C"), [june, june / "june" / "wren 1.jpg"], out=tmp_path / "n.csv"
    )
    assert overlapping["photographs"] == 2 * PER_LABEL + 1


def test_labels_alike_as_folders_stay_apart(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "C", tmp_path / "C")
    collection = Collection(tmp_path / "C")
    for kind, label in (("finch", "a:b"), ("wren", "a?b")):
        collection.labels.set([f"{kind}/{number}.jpg" for number in range(LABELLED)], label)
    places = set()
    for kind in ("finch", "wren"):  # one after the other
        result = naming.name_photos(
            collection,
            [folder / "new" / "june" / f"{kind} 0.jpg"],
            out=tmp_path / "n.csv",
            links=tmp_path / "sorted",
        )
        places.add(result["names"][0]["name"])
    folders = [path.name for path in (tmp_path / "sorted").iterdir()]
    assert len(folders) == len(places), (folders, places)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["C", "--out", "n.csv"], "give the photographs to name"),
        (["C", "new", "--out", "n.xlsx"], "is a .csv or .tsv file"),
        (["C", "new", "--out", "no/n.csv"], "no such folder"),
        (["C", "nowhere", "--out", "n.csv"], "does not exist"),
        (["C", "new", "--out", "n.csv", "--copy", "a", "--link", "b"], "one of --copy and --link"),
        (["C", "new", "--out", "n.csv", "--link", "new/sorted"], "lies among the photographs"),
    ],
)
def test_mistakes_are_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("C", "new"):
        (tmp_path / name).symlink_to(folder / name)
    assert main(["name", *words]) == 1
    told = capsys.readouterr().err.strip()
    assert line in told and "\n" not in told
    assert not list(tmp_path.glob("n.*"))


def test_labels_of_two_kinds_are_needed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "C", tmp_path / "C")
    labels = Collection(tmp_path / "C").labels
    labels.set([key for key in labels.current() if key.startswith("wren")], None)
    with pytest.raises(ValueError, match="has labels of one kind alone; label photographs of two"):
        naming.name_photos(Collection(tmp_path / "C"), [folder / "new"], out=tmp_path / "n.csv")


def test_a_folder_that_fills_is_watched(folder: Path, tmp_path: Path) -> None:
    camera = tmp_path / "camera"
    camera.mkdir()
    june = folder / "new" / "june"

    def arrive(number: int) -> None:
        """What happens between two looks."""
        if number == 1:
            shutil.copy(june / "finch 0.jpg", camera / "0.jpg")
        elif number == 2:  # a photograph that the camera still writes
            (camera / "1.jpg").write_bytes((june / "wren 0.jpg").read_bytes()[:300])
        elif number == 3:
            shutil.copy(june / "wren 0.jpg", camera / "1.jpg")
        elif number == 8:
            shutil.copy(june / "wren 1.jpg", camera / "0.jpg")  # another one of that name
        elif number == 11:
            camera.rename(tmp_path / "away")
        elif number == 13:
            (tmp_path / "away").rename(camera)
        elif number == 15:
            raise KeyboardInterrupt

    looks: Iterator[int] = itertools.count()
    results: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        for result in naming.watch(
            Collection(folder / "C"),
            [camera],
            out=tmp_path / "names.csv",
            links=tmp_path / "sorted",
            device="cpu",
            pause=lambda seconds: arrive(next(looks)),
        ):
            results.append([(entry["key"], entry["look_alike"]) for entry in result["names"]])
    assert results == [
        [("0.jpg", "finch/0.jpg")],
        [("1.jpg", "wren/0.jpg")],
        [("0.jpg", "wren/1.jpg")],
    ]
    rows = table(tmp_path / "names.csv")
    assert {key: row["look_alike"] for key, row in rows.items()} == {
        "0.jpg": "wren/1.jpg",
        "1.jpg": "wren/0.jpg",
    }
