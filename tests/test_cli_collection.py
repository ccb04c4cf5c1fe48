"""A collection through the command line, as a person types it: index, search, group, labels."""

import csv
from pathlib import Path

import numpy as np
import pytest
from photos import collection
from runs import lodisc_json
from test_index import synthetic

from lodisc import cli
from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.embedding.embed import embed

pytest.importorskip("lancedb", reason="lancedb is not installed")


@pytest.fixture
def birds(run: Path, tmp_path: Path) -> Path:
    """A collection of ten photographs in two sub-folders, one of them with an odd name."""
    collection(tmp_path / "photos", per_label=5)
    (tmp_path / "photos" / "wren" / "0.jpg").rename(
        tmp_path / "photos" / "wren" / "[red]a 'b'\n.jpg"
    )
    embed(run, tmp_path / "photos", out=tmp_path / "vectors", workers=0)
    index(tmp_path / "vectors", collection=tmp_path / "birds")
    return tmp_path / "birds"


def test_labels_go_out_as_a_table_and_come_back(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lodisc_json(capsys, "labels", "adopt", birds) == {"changed": 10}
    assert (
        lodisc_json(capsys, "labels", "export", birds, tmp_path / "labels.csv")["photographs"] == 10
    )
    with (tmp_path / "labels.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["label"] for row in rows} == {"finch", "wren"}
    rows[0]["label"] = "goldfinch"
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert lodisc_json(capsys, "labels", "import", birds, tmp_path / "labels.csv")["changed"] == 1
    assert Collection(birds).labels.current()[rows[0]["key"]] == "goldfinch"
    assert "goldfinch" in lodisc_json(capsys, "labels", "undo", birds)["undone"]
    assert "goldfinch" not in Collection(birds).labels.current().values()
    lodisc_json(capsys, "labels", "redo", birds)
    assert "goldfinch" in Collection(birds).labels.current().values()


def test_a_label_gets_another_name(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lodisc_json(capsys, "labels", "adopt", birds)
    rename = ("labels", "rename", birds)
    assert lodisc_json(capsys, *rename, "finch", "goldfinch") == {"changed": 5}
    assert cli.main([*map(str, rename), "nothing", "goldfinch"]) == 1
    assert "no photograph has the label “nothing”" in capsys.readouterr().err
    assert cli.main([*map(str, rename), "finch", ""]) == 1
    capsys.readouterr()
    assert lodisc_json(capsys, *rename, "wren", "goldfinch") == {"changed": 5}
    assert lodisc_json(capsys, "labels", "show", birds)["labels"] == {"goldfinch": 10}
    lodisc_json(capsys, "labels", "undo", birds)
    assert lodisc_json(capsys, "labels", "show", birds)["labels"] == {"goldfinch": 5, "wren": 5}


def test_labels_go_out_as_folders_and_come_back(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lodisc_json(capsys, "labels", "adopt", birds)
    assert lodisc_json(capsys, "labels", "export", birds, tmp_path / "sorted")["photographs"] == 10
    moved = min((tmp_path / "sorted" / "finch").iterdir())
    (tmp_path / "sorted" / "goldfinch").mkdir()
    moved.rename(tmp_path / "sorted" / "goldfinch" / moved.name)
    assert lodisc_json(capsys, "labels", "import", birds, tmp_path / "sorted")["changed"] == 1
    shown = lodisc_json(capsys, "labels", "show", birds)
    assert shown["labels"] == {"wren": 5, "finch": 4, "goldfinch": 1} and shown["labelled"] == 10
    assert cli.main(["labels", "show", str(birds)]) == 0
    assert "10 of 10 photographs have a label." in capsys.readouterr().out


@pytest.mark.parametrize(("burst", "given_away"), [(1, 0), (6, 48)])
def test_near_duplicates_are_said_beside_the_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], burst: int, given_away: int
) -> None:
    from starlette.testclient import TestClient

    from lodisc.web.app import create_app

    vectors, birds = synthetic(tmp_path / "vectors", rows=60, dim=64, burst=burst), tmp_path / "c"
    index(vectors, collection=birds)
    labels = {f"{row:06}.jpg": ("wren", "finch")[row // 6 % 2] for row in range(48)}
    Collection(birds).labels.set_each(labels, how="by lot")
    accuracy = lodisc_json(capsys, "labels", "show", birds)["accuracy"]
    assert (accuracy["n"], accuracy["near_duplicates"]) == (48, given_away)
    assert (accuracy["value"] == 100) == (burst > 1)
    assert cli.main(["labels", "show", str(birds)]) == 0
    words = f"give {given_away} of these away: the percentage may be too high."
    assert (words in capsys.readouterr().out.replace("\n", " ")) == (burst > 1)
    with TestClient(create_app(birds), base_url="http://127.0.0.1") as client:
        assert client.get("/api/names").json()["accuracy"]["near_duplicates"] == given_away


def test_near_duplicates_with_another_label_give_nothing_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from starlette.testclient import TestClient

    from lodisc.vectors import duplicates
    from lodisc.web.app import create_app

    vectors, birds = synthetic(tmp_path / "vectors", rows=40, dim=64, burst=2), tmp_path / "c"
    index(vectors, collection=birds)
    labels = {f"{row:06}.jpg": ("wren", "finch")[row % 2] for row in range(40)}
    Collection(birds).labels.set_each(labels, how="each of a pair by its own label")
    assert lodisc_json(capsys, "labels", "show", birds)["accuracy"]["near_duplicates"] == 0
    with TestClient(create_app(birds), base_url="http://127.0.0.1") as client:
        first = client.get("/api/names").json()
        assert first["accuracy"]["near_duplicates"] == 0
        monkeypatch.setattr(duplicates, "has_twin_elsewhere", None)
        assert client.get("/api/names").json() == first, "it is not computed again"


def test_labels_are_shown_as_they_were_typed(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Collection(birds).labels.set(["finch/0.jpg"], "[red]wren[/red] \N{BIRD}")
    assert cli.main(["labels", "show", str(birds)]) == 0
    assert "[red]wren[/red] \N{BIRD}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["l.csv.gz", "l.tab", "l.html", "l.numbers", "l.md", "l.db", "l.XLSX", "l.7z"]
)
def test_an_ending_that_no_export_has_is_refused(
    birds: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Collection(birds).labels.set(["finch/1.jpg"], "finch")
    out = tmp_path / name
    assert cli.main(["labels", "export", str(birds), str(out)]) == 1
    message = f"{out}: lodisc writes .csv and .tsv, which spreadsheets open, and folders; name one"
    assert capsys.readouterr().err.startswith(f"lodisc labels export: {message}")
    assert not out.exists()
    out.mkdir()
    assert lodisc_json(capsys, "labels", "export", birds, out)["photographs"] == 1


@pytest.mark.parametrize("name", ["birds v1.2", "birds.v2", "Mt. Everest", "2026.07.28"])
def test_a_folder_may_have_a_dot_in_its_name(
    birds: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Collection(birds).labels.set(["finch/1.jpg"], "finch")
    assert lodisc_json(capsys, "labels", "export", birds, tmp_path / name)["photographs"] == 1
    assert (tmp_path / name / "finch" / "1.jpg").is_symlink()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["labels", "show", "nowhere"], "not a collection"),
        (["labels", "export", "BIRDS", "labels.csv", "--named", "0.9"], "--named is for folders"),
        (["labels", "import", "BIRDS", "photos", "--clear"], "--clear is for tables"),
        (["labels", "import", "BIRDS", "nowhere.csv"], "no such file"),
        (["index", "nowhere", "--collection", "c"], "holds no embedding"),
        (["labels", "sing", "BIRDS"], "no command"),
        (["search", "BIRDS"], "name photographs to search by"),
        (["search", "BIRDS", "sparrow.jpg"], "neither the key of a photograph"),
        (
            ["search", "BIRDS", "wren/1.jpg", "--where", "colour = 'red'"],
            "there is no column colour",
        ),
        (["search", "BIRDS", "wren/1.jpg", "--where", "group = 1"], "run lodisc group"),
        (["search", "BIRDS", "wren/1.jpg", "--top", "0"], "--top 0"),
        (["group", "BIRDS", "--seed", "-1"], "--seed -1 is out of range"),
        (["group", "BIRDS", "--seed", "4294967296"], "--seed 4294967296 is out of range"),
        (["evaluate", "nowhere", "photos", "--seed", "-1"], "--seed -1 is out of range"),
        (["search", "BIRDS", "--outliers", "--top", "-3"], "--top -3"),
        (["search", "BIRDS", "wren/1.jpg", "--where", "key = ?"], "--where key = ?"),
        (
            ["search", "BIRDS", "wren/1.jpg", "--where", "key = 'a' limit 1"],
            "--where key = 'a' limit 1",
        ),
        (["labels", "export", "BIRDS", "nowhere/labels.csv"], "no such folder"),
        (["group", "BIRDS", "--k", "0"], "k must be at least 1"),
        (["serve", "nowhere"], "not a collection"),
    ],
)
def test_a_mistake_is_one_clear_line(
    birds: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(birds.parent)
    assert cli.main([str(birds) if word == "BIRDS" else word for word in words]) != 0
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_search_by_key_and_by_file(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Collection(birds).photos()
    key = "wren/[red]a 'b'\n.jpg"
    row = here.position[key]
    expected = [
        here.keys[other]
        for other in np.argsort(-(here.vectors @ here.vectors[row]), kind="stable")
        if other != row
    ]
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(here.photo(row).read())
    by_key, by_file = lodisc_json(capsys, "search", birds, key, copy, "--top", 4)["answers"]
    assert [one["key"] for one in by_key["found"]] == expected[:4]
    assert [one["key"] for one in by_file["found"]] == [key, *expected[:3]]
    assert by_file["found"][0]["score"] == pytest.approx(1, abs=1e-4)
    assert cli.main(["search", str(birds), key]) == 0
    assert r"wren/[red]a 'b'\n.jpg" in capsys.readouterr().out.replace("\n", " ")


def test_a_file_that_is_called_like_a_key_is_told_from_it(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "finch").mkdir()
    (tmp_path / "finch" / "1.jpg").write_bytes(Collection(birds).photos().photo(0).read())
    monkeypatch.chdir(tmp_path)
    assert cli.main(["search", str(birds), "finch/1.jpg"]) == 0
    assert (
        "note: finch/1.jpg is taken for the photograph with that key; "
        "say ./finch/1.jpg for the file" in capsys.readouterr().err
    )
    assert cli.main(["search", str(birds), "./finch/1.jpg"]) == 0
    assert "note" not in capsys.readouterr().err


def test_search_under_a_condition(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Collection(birds).labels.set(["finch/1.jpg", "finch/2.jpg"], "goldfinch")
    found = lodisc_json(capsys, "search", birds, "wren/1.jpg", "--where", "label = 'goldfinch'")
    assert found["allowed"] == 2 and {one["key"] for one in found["answers"][0]["found"]} == {
        "finch/1.jpg",
        "finch/2.jpg",
    }
    assert (
        lodisc_json(
            capsys, "search", birds, "wren/1.jpg", "--where", "folder = 'finch' and label is null"
        )["allowed"]
        == 3
    )


def test_groups_duplicates_and_outliers(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grouped = lodisc_json(capsys, "group", birds, "--k", 3)
    assert sum(one["size"] for one in grouped["groups"]) == 10 and len(grouped["groups"]) == 3
    assert (
        cli.main(["group", str(birds)]) == 0
        and "groups of 10 photographs" in capsys.readouterr().out
    )
    in_first = lodisc_json(capsys, "search", birds, "wren/1.jpg", "--where", "group = 1")["allowed"]
    assert in_first == lodisc_json(capsys, "group", birds)["groups"][0]["size"]
    assert lodisc_json(capsys, "search", birds, "--duplicates")["photographs"] == 10
    assert len(lodisc_json(capsys, "search", birds, "--outliers", "--top", 3)["outliers"]) == 3


def test_near_duplicates_are_shown_with_labels_that_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors, birds = synthetic(tmp_path / "vectors", rows=6, dim=64, burst=2), tmp_path / "c"
    index(vectors, collection=birds)
    labels = Collection(birds).labels
    labels.set(["000000.jpg", "000002.jpg", "000003.jpg", "000004.jpg"], "wren")
    labels.set(["000001.jpg"], "finch")
    vectors_ND = Collection(birds).photos().vectors
    cosines = [float(vectors_ND[row] @ vectors_ND[row + 1]) for row in (0, 2, 4)]
    found = lodisc_json(capsys, "search", birds, "--duplicates")
    assert found["least_alike"] == pytest.approx(cosines, abs=1e-4)
    assert cli.main(["search", str(birds), "--duplicates"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [
        ["000000.jpg", "2", f"{cosines[0]:.3f}", "finch,", "wren", "000001.jpg"],
        ["000002.jpg", "2", f"{cosines[1]:.3f}", "000003.jpg"],
        ["000004.jpg", "2", f"{cosines[2]:.3f}", "000005.jpg"],
    ]


def test_groups_are_described_as_by_the_api(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from starlette.testclient import TestClient

    from lodisc.web.app import create_app

    Collection(birds).labels.set(["finch/1.jpg", "finch/2.jpg"], "goldfinch")
    Collection(birds).labels.set(["finch/3.jpg"], "bullfinch")
    by_command = lodisc_json(capsys, "group", birds)
    with TestClient(create_app(birds), base_url="http://127.0.0.1") as client:
        by_api = client.get("/api/groups").json()
    for name in ("k", "criterion", "tried", "smoothed"):
        assert by_command[name] == by_api[name]
    for one, other in zip(by_command["groups"], by_api["groups"], strict=True):
        for name in ("group", "size", "label", "label_count", "labelled", "title"):
            assert one[name] == other[name]
        typical, doubtful = (
            [photo["key"] for photo in one[name]] for name in ("typical", "doubtful")
        )
        assert typical == [photo["key"] for photo in other["typical"]]
        assert doubtful == [photo["key"] for photo in other["doubtful"]][: len(doubtful)]
        photograph = one["representative"]
        assert photograph == {name: other["representative"][name] for name in ("key", "label")}


@pytest.mark.slow
def test_an_index_is_made_where_there_are_too_many_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lodisc.collection.lookalikes.EXACT_UP_TO", 1000)
    vectors = synthetic(tmp_path / "vectors", rows=3000)
    done = lodisc_json(capsys, "index", vectors, "--collection", tmp_path / "c")
    assert done["recall"]["photographs"] == 3000 and done["recall"]["share"] > 0.9
    found = lodisc_json(capsys, "search", tmp_path / "c", "000007.jpg")
    assert (
        found["recall"]["share"] == done["recall"]["share"]
        and len(found["answers"][0]["found"]) == 12
    )
    assert cli.main(["search", str(tmp_path / "c"), "000007.jpg"]) == 0
    assert "% of the 12 exact look-alikes" in capsys.readouterr().out
