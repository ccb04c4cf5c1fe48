"""Labels out to spreadsheets and back, and from the sub-folders that photographs lie in."""

import csv
import io
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from photos import ODD_NAMES, collection, encoded, tar, texture, write
from runs import TINY

import lodisc
from lodisc.collection.collection import Collection
from lodisc.collection.groups_file import save_groups
from lodisc.collection.index import index
from lodisc.collection.labels import Labels
from lodisc.collection.labels_csv import COLUMNS, adopt_folders, export_csv, import_csv
from lodisc.data.sources import find_photos
from lodisc.embedding.embed import embed
from lodisc.vectors.clusters import find_groups

pytest.importorskip("lancedb", reason="lancedb is not installed")

FORMULAS = ["=1+1.jpg", "+2.jpg", "@sum.jpg", "'=3.jpg", "''-4.jpg", "'plain.jpg"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return lodisc.train(collection(folder / "photos"), out=folder / "run", **{**TINY, "epochs": 1})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four finches, four wrens and fifteen photographs with odd names, beside their collection."""
    folder = collection(tmp_path_factory.mktemp("birds") / "photos")
    for number, name in enumerate([*ODD_NAMES, *FORMULAS]):
        write(folder / "odd ones, “quoted”" / name, encoded(texture(1000 + number)))
    return folder


@pytest.fixture(scope="module")
def made(run: Path, photos: Path) -> Path:
    embed(run, photos, out=photos.parent / "vectors", workers=0)
    index(photos.parent / "vectors", collection=photos.parent / "collection")
    return photos.parent / "collection"


@pytest.fixture
def birds(made: Path) -> Collection:
    for name in ("labels.sqlite", "groups.json"):
        (made / name).unlink(missing_ok=True)
    return Collection(made)


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def save(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_line_for_each_photograph(birds: Collection, photos: Path, tmp_path: Path) -> None:
    birds.labels.set([f"finch/{number}.jpg" for number in range(3)], "finch, the")
    birds.labels.set([f"wren/{number}.jpg" for number in range(3)], "wren")
    now = birds.photos()
    save_groups(find_groups(now.vectors, k=2, fingerprint=now.fingerprint), birds)
    assert export_csv(birds, tmp_path / "out.csv") == len(now) == 23
    rows = {row["path"]: row for row in table(tmp_path / "out.csv")}
    assert tuple(rows[next(iter(rows))]) == COLUMNS and len(rows) == 23
    wren = rows[str(photos / "wren" / "0.jpg")]
    assert (wren["key"], wren["folder"], wren["label"]) == ("wren/0.jpg", "wren", "wren")
    unlabelled = rows[str(photos / "wren" / "3.jpg")]
    assert (
        unlabelled["label"] == ""
        and unlabelled["name"] in ("wren", "finch, the")
        and 0.4 < float(unlabelled["confidence"]) < 1
    )
    assert {row["group"] for row in rows.values()} == {"1", "2"}
    assert (tmp_path / "out.csv").read_bytes().count(b"\r\n") >= 24


def test_before_there_is_anything_to_name_by(birds: Collection, tmp_path: Path) -> None:
    birds.labels.set(["wren/0.jpg"], "wren")
    export_csv(birds, tmp_path / "out.csv")
    assert {
        (row["name"], row["confidence"], row["group"]) for row in table(tmp_path / "out.csv")
    } == {("", "", "")}


def test_out_and_in_again_changes_nothing_and_loses_nothing(
    birds: Collection, tmp_path: Path
) -> None:
    odd = [
        "two words",
        'quote\'s "own"',
        "a, b; c",
        "\N{BIRD}",
        "-1",
        "=SUM(A1)",
        "'=x",
        "'quoted'",
        "Ærø",
    ]
    keys = [key for key in birds.photos().keys if key.startswith("odd")]
    birds.labels.set_each(
        {key: odd[number % len(odd)] for number, key in enumerate(keys)}, how="typed"
    )
    before = birds.labels.current()
    export_csv(birds, tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert not any(
        cell.startswith(("=", "+", "-", "@"))
        for row in csv.reader(io.StringIO(text, newline=""))
        for cell in row
    )
    done = import_csv(birds, tmp_path / "out.csv")
    assert done == {"rows": 23, "changed": 0, "unknown": 0, "unknown_keys": [], "notes": []}
    birds.labels.set(list(before), None)
    assert import_csv(birds, tmp_path / "out.csv")["changed"] == len(before)
    assert birds.labels.current() == before
    assert birds.labels.history()[0].how == "imported from a table"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_as_spreadsheets_write_it(
    birds: Collection, tmp_path: Path, encoding: str, separator: str, line: str
) -> None:
    rows = [
        ["Label ", "KEY", "note"],
        [" Zaunkönig ", "wren/0.jpg", f'"a{separator} b"'],
        ["", "wren/1.jpg"],
        [],
        ["Fink", "finch/0.jpg", ""],
    ]
    path = save(tmp_path / "in.csv", line.join(separator.join(row) for row in rows), encoding)
    done = import_csv(birds, path)
    assert (done["rows"], done["changed"], done["unknown"], done["notes"]) == (3, 2, 0, [])
    assert birds.labels.current() == {"wren/0.jpg": "Zaunkönig", "finch/0.jpg": "Fink"}
    birds.labels.undo()
    assert birds.labels.current() == {}


def test_an_empty_label_takes_a_label_away_only_when_asked_to(
    birds: Collection, tmp_path: Path
) -> None:
    birds.labels.set(["wren/0.jpg", "wren/1.jpg"], "wren")
    path = save(tmp_path / "in.csv", "key,label\nwren/0.jpg,\nwren/1.jpg,finch\n")
    assert import_csv(birds, path)["changed"] == 1
    assert birds.labels.current() == {"wren/0.jpg": "wren", "wren/1.jpg": "finch"}
    assert import_csv(birds, path, clear=True)["changed"] == 1
    assert birds.labels.current() == {"wren/1.jpg": "finch"}


def test_by_path_and_photographs_that_are_not_there(birds: Collection, photos: Path) -> None:
    lines = [
        "path,label",
        "photos/wren/0.jpg,wren",
        f"{photos}/wren/1.jpg,wren",
        "wren/2.jpg,wren",
        "photos/gone.jpg,wren",
        f"{photos},wren",
    ]
    done = import_csv(birds, save(photos.parent / "in.csv", "\n".join(lines)))
    assert done == {
        "rows": 5,
        "changed": 3,
        "unknown": 2,
        "unknown_keys": ["photos/gone.jpg", str(photos)],
        "notes": [],
    }
    assert birds.labels.current() == {f"wren/{number}.jpg": "wren" for number in range(3)}


def test_where_the_key_is_unknown_the_path_tells(birds: Collection, photos: Path) -> None:
    lines = [
        "key,path,label",
        "17,photos/wren/0.jpg,wren",
        "wren/gone.jpg,wren/1.jpg,wren",
        "wren/2.jpg,photos/finch/0.jpg,wren",
        "18,photos/gone.jpg,wren",
    ]
    done = import_csv(birds, save(photos.parent / "in.csv", "\n".join(lines)))
    assert (done["changed"], done["unknown_keys"]) == (3, ["18"])
    assert birds.labels.current() == {f"wren/{number}.jpg": "wren" for number in range(3)}


def test_keys_and_labels_that_may_be_slips_are_said(birds: Collection, tmp_path: Path) -> None:
    lines = ["key,label", "wren/0.jpg,Wren", "wren/1.jpg,wren", "Wren/2.JPG,wren", "x,wren"]
    lines.append("WREN/3.jpg,wren")
    done = import_csv(birds, save(tmp_path / "in.csv", "\n".join(lines)))
    assert (done["changed"], done["unknown"]) == (2, 3)
    assert done["notes"] == [
        "Wren/2.JPG is unknown, but wren/2.jpg differs in case alone, and so for 1 more",
        "labels that differ in case or blanks alone are different: Wren, wren",
    ]


def test_paths_and_species_as_other_programs_write_them(
    birds: Collection, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(photos.parent)
    rows = "photos/wren/0.jpg,Uria,aalge\nphotos/wren/1.jpg,Larus,aalge\nphotos/wren/2.jpg,Uria,\n"
    import_csv(birds, save(tmp_path / "link" / "in.csv", f"path,genus,species\n{rows}"))
    assert birds.labels.current() == {"wren/0.jpg": "Uria aalge", "wren/1.jpg": "Larus aalge"}


def test_folder_and_file_may_come_from_two_systems(run: Path, tmp_path: Path) -> None:
    key = unicodedata.normalize("NFC", "Grün/") + unicodedata.normalize("NFD", "Zürich.jpg")
    for number, name in enumerate((key, "wren/0.jpg")):
        write(tmp_path / "photos" / name, encoded(texture(number)))
    embed(run, tmp_path / "photos", out=tmp_path / "vectors", workers=0)
    index(tmp_path / "vectors", collection=tmp_path / "collection")
    collection = Collection(tmp_path / "collection")
    names = ["Grün/Zürich.jpg", "Grün\\Zürich.jpg", "photos/Grün/Zürich.jpg"]
    for number, name in enumerate([*names, unicodedata.normalize("NFD", names[0])]):
        table = save(tmp_path / "in.csv", f"path,label\n{name},{number}\n")
        assert import_csv(collection, table)["changed"] == 1
    done = import_csv(collection, save(tmp_path / "in.csv", "key,label\ngrün/zürich.JPG,x\n"))
    assert done["unknown"] == 1 and "differs in case alone" in done["notes"][0]


def test_of_many_unknown_photographs_the_first_are_named(birds: Collection, tmp_path: Path) -> None:
    path = save(
        tmp_path / "in.csv", "key,label\n" + "".join(f"{number}.jpg,owl\n" for number in range(30))
    )
    done = import_csv(birds, path)
    assert (done["changed"], done["unknown"], len(done["unknown_keys"])) == (0, 30, 10)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "name its columns: key or path, and label"),
        ("wren/0.jpg,wren\n", "name its columns"),
        ("key,name\nwren/0.jpg,wren\n", "name its columns"),
        ("label,folder\nwren,wren\n", "name its columns"),
        ("key,label,label\nwren/0.jpg,a,b\n", "the column label is there twice"),
        ("key,label\nwren/1.jpg,finch\nwren/0.jpg,wren,the\n", "line 3: more cells than columns"),
        ("key,label\nwren/1.jpg,finch\nwren/0.jpg,a\x07b\n", r"line 3: the label a\\x07b has"),
        (
            f"key,label\nwren/1.jpg,finch\nwren/0.jpg,{'x' * 201}\n",
            "line 3: a label has 201 characters",
        ),
        (
            "key,label\nwren/1.jpg,finch\nwren/1.jpg,wren\n",
            "line 3: wren/1.jpg has another label further up",
        ),
        (f'key,label\nwren/1.jpg,"{"x" * 200_000}\n', "line 2: field larger than field limit"),
        ('key,label\nwren/1.jpg,"a\nwren/0.jpg,b"\n', "line 2: the label a.* has line breaks"),
        ('key,label\n"wren/1.jpg,a\nwren/0.jpg",b\n', "line 2: the path wren/1.jpg.* line break"),
        ("PK\3\4 ...", "is a workbook"),
    ],
)
def test_what_is_no_such_table_is_refused_and_changes_nothing(
    birds: Collection, tmp_path: Path, text: str, reason: str
) -> None:
    birds.labels.set(["wren/0.jpg"], "owl")
    with pytest.raises(ValueError, match=reason) as caught:
        import_csv(birds, save(tmp_path / "in.csv", text))
    assert "in.csv" in str(caught.value) and "\n" not in str(caught.value)
    assert birds.labels.current() == {"wren/0.jpg": "owl"}


def test_files_that_can_not_be_read(birds: Collection, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="save it as “CSV UTF-8”"):
        import_csv(birds, save(tmp_path / "in.csv", "key,label\nwren/0.jpg,Zaunkönig\n", "latin-1"))
    with pytest.raises(ValueError, match=r"gone\.csv: no such file"):
        import_csv(birds, tmp_path / "gone.csv")
    with pytest.raises(ValueError, match="is a directory"):
        import_csv(birds, tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(ValueError, match="not a file"):
            import_csv(birds, path)


def test_damaged_groups_do_not_keep_labels_from_their_export(
    birds: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    birds.labels.set(["wren/0.jpg"], "owl")
    birds.files.groups.write_text("{}")
    export_csv(birds, tmp_path / "out.csv")
    assert "owl" in (tmp_path / "out.csv").read_text()
    assert "groups.json is damaged" in caplog.text
    birds.files.groups.unlink()


def test_a_file_is_replaced_whole_or_not_at_all(
    birds: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "out.csv", "mine")
    with monkeypatch.context() as patch:
        patch.setattr(
            "lodisc.collection.labels_csv.os.fsync",
            lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        with pytest.raises(OSError, match="No space left"):
            export_csv(birds, path)
    assert path.read_text() == "mine" and not list(tmp_path.glob(".*"))
    export_csv(birds, path)
    assert len(table(path)) == 23


def test_a_table_is_a_list_that_other_commands_take(birds: Collection, tmp_path: Path) -> None:
    birds.labels.set(["wren/0.jpg"], "Zaunkönig")
    export_csv(birds, tmp_path / "out.csv")
    listed = find_photos(tmp_path / "out.csv")
    assert {photo.label for photo in listed.photos} == {None, "Zaunkönig"} and len(
        listed.photos
    ) == 23


def test_sub_folders_become_the_labels_of_those_without_one(birds: Collection) -> None:
    birds.labels.set(["wren/0.jpg"], "owl")
    assert adopt_folders(birds) == 22
    current = birds.labels.current()
    assert (
        current["wren/0.jpg"] == "owl"
        and current["wren/1.jpg"] == "wren"
        and current["finch/0.jpg"] == "finch"
    )
    assert adopt_folders(birds) == 0
    action = birds.labels.undo()
    assert (
        action is not None
        and action.how == "from sub-folders"
        and birds.labels.current() == {"wren/0.jpg": "owl"}
    )


def test_a_folder_whose_name_is_no_label_does_not_keep_the_others_from_theirs(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    for number, folder in enumerate(("wren", " ", "n" * 230)):
        write(tmp_path / "photos" / folder / "a.jpg", encoded(texture(number)))
    write(tmp_path / "photos" / "wren" / "b.jpg", encoded(texture(9)))
    embed(run, tmp_path / "photos", out=tmp_path / "vectors", workers=0)
    index(tmp_path / "vectors", collection=tmp_path / "birds")
    birds = Collection(tmp_path / "birds")
    set_each = Labels.set_each

    def another_is_quicker(labels: Labels, *args: Any, **kwargs: Any) -> int:
        set_each(labels, {"wren/b.jpg": "owl"}, how="typed")
        return set_each(labels, *args, **kwargs)

    monkeypatch.setattr(Labels, "set_each", another_is_quicker)
    caplog.set_level("INFO", logger="lodisc")
    assert adopt_folders(birds) == 1 and birds.labels.current() == {
        "wren/a.jpg": "wren",
        "wren/b.jpg": "owl",
    }
    assert "folders called “ ”: a label is empty" in caplog.text
    assert "a label has 230 characters" in caplog.text


def test_photographs_in_no_folder_and_in_tars(run: Path, tmp_path: Path) -> None:
    members = {
        name: encoded(texture(number))
        for number, name in enumerate(["a.jpg", "wren/b.jpg", "wren/c.jpg"])
    }
    tar(tmp_path / "photos.tar", members)
    embed(run, tmp_path / "photos.tar", out=tmp_path / "vectors", workers=0)
    index(tmp_path / "vectors", collection=tmp_path / "birds")
    birds = Collection(tmp_path / "birds")
    assert adopt_folders(birds) == 2
    done = import_csv(
        birds, save(tmp_path / "in.csv", f"path,label\n{tmp_path / 'photos.tar'},owl\n")
    )
    assert (done["changed"], done["unknown"]) == (0, 1), (
        "the file alone does not say which photograph"
    )
