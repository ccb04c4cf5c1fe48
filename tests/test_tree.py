"""Labels as folders of links: out, sorted by hand, in again, and brought up to date."""

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photos import ODD_NAMES, collection, encoded, tar, texture, write
from runs import TINY

import lodisc
from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.collection.labels_tree import export_tree, import_tree
from lodisc.collection.names import safe_name, unlike_names
from lodisc.embedding.embed import embed

pytest.importorskip("lancedb", reason="lancedb is not installed")

NAMES = ["wren/a", "wren/b", "finch/a", "../up", "finch/" + "long" * 30]
TAR = {f"{name}.jpg": encoded(texture(number)) for number, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the collections `birds`, of the folder `photos`, and `packed`, of a tar."""
    folder = tmp_path_factory.mktemp("birds")
    photos = collection(folder / "photos", per_label=5)
    for number, name in enumerate(ODD_NAMES):
        write(photos / "odd" / name, encoded(texture(1000 + number)))
    run = lodisc.train(collection(folder / "learnt"), out=folder / "run", **{**TINY, "epochs": 1})
    for source, name in ((photos, "birds"), (tar(folder / "packed.tar", TAR), "packed")):
        embed(run, source, out=folder / f"{name}-vectors", workers=0)
        index(folder / f"{name}-vectors", collection=folder / name)
    return folder


@pytest.fixture
def birds(made: Path) -> Collection:
    return opened(made / "birds")


@pytest.fixture
def packed(made: Path) -> Collection:
    return opened(made / "packed")


def opened(folder: Path) -> Collection:
    (folder / "labels.sqlite").unlink(missing_ok=True)
    return Collection(folder)


def links(out: Path) -> dict[str, str]:
    """Where the links of a tree point, by their place."""
    return {
        str(path.relative_to(out)): str(path.readlink())
        for path in out.rglob("*")
        if path.is_symlink()
    }


def test_a_folder_for_each_label(birds: Collection, made: Path, tmp_path: Path) -> None:
    birds.labels.set(["wren/0.jpg", "finch/0.jpg", "finch/1.jpg"], "wren")
    birds.labels.set(["wren/1.jpg"], "finch")
    assert export_tree(birds, tmp_path / "out") == {
        "photographs": 4,
        "added": 4,
        "removed": 0,
        "unreadable": [],
        "left": [],
    }
    found = links(tmp_path / "out")
    photos = made / "photos"
    assert set(found.values()) == {
        str(photos / key) for key in ("wren/0.jpg", "wren/1.jpg", "finch/0.jpg", "finch/1.jpg")
    }
    assert found["finch/1.jpg"] == str(photos / "wren/1.jpg") and found["wren/1.jpg"] == str(
        photos / "finch/1.jpg"
    )
    assert len([place for place in found if place.startswith("wren/0")]) == 2, (
        "two photographs of one name keep apart"
    )
    assert import_tree(birds, tmp_path / "out") == {
        "photographs": 4,
        "changed": 0,
        "unknown": 0,
        "unknown_files": [],
    }


def test_odd_labels_and_names_come_back_as_they_were(birds: Collection, tmp_path: Path) -> None:
    keys = birds.photos().keys
    odd = [
        "a/b",
        "a_b",
        "a\\b",
        "..",
        ".",
        "/",
        "Wren",
        "wren",
        "WREN",
        "con",
        "nul.txt",
        ".hidden",
        "x" * 200,
        "é" * 200,
        "x" * 199 + "y",
        "_labels.json",
        "ends with.",
        "\N{BIRD}",
    ]
    wanted = dict(zip(keys, odd, strict=False))
    assert len(wanted) == len(odd)
    birds.labels.set_each(wanted, how="typed")
    export_tree(birds, tmp_path / "out")
    folders = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len({name.casefold() for name in folders}) == len(folders) == len(wanted)
    assert all(path.resolve().is_relative_to(tmp_path) for path in (tmp_path / "out").iterdir())
    assert len(links(tmp_path / "out")) == len(wanted)
    birds.labels.set(keys, None)
    assert import_tree(birds, tmp_path / "out")["changed"] == len(wanted)
    assert birds.labels.current() == wanted


def test_links_that_people_moved(birds: Collection, tmp_path: Path) -> None:
    out = tmp_path / "out"
    birds.labels.set([f"wren/{number}.jpg" for number in range(4)], "wren")
    export_tree(birds, out)
    (out / "owl").mkdir()
    (out / "wren" / "0.jpg").rename(out / "owl" / "0.jpg")
    (out / "wren" / "1.jpg").rename(out / "owl" / "renamed by hand.jpg")
    (out / "wren" / "2.jpg").unlink()
    target = os.path.relpath((out / "wren" / "3.jpg").readlink(), out / "owl")
    (out / "owl" / "3.jpg").symlink_to(target)
    (out / "wren" / "3.jpg").unlink()
    write(out / "owl" / ".DS_Store", b"")
    write(out / "owl" / "notes.txt", b"mine")
    assert import_tree(birds, out) == {
        "photographs": 3,
        "changed": 3,
        "unknown": 0,
        "unknown_files": [],
    }
    assert birds.labels.current() == {
        f"wren/{number}.jpg": "wren" if number == 2 else "owl" for number in range(4)
    }
    assert birds.labels.history()[0].how == "imported from folders"
    export_tree(birds, out)
    assert set(links(out)) == {"owl/0.jpg", "owl/1.jpg", "owl/3.jpg", "wren/2.jpg"}
    assert (out / "owl" / "notes.txt").read_bytes() == b"mine"
    birds.labels.undo()
    export_tree(birds, out)
    assert set(links(out)) == {f"wren/{number}.jpg" for number in range(4)}


def test_what_people_moved_is_not_undone_by_another_export(
    birds: Collection, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    birds.labels.set(["wren/0.jpg", "wren/1.jpg"], "wren")
    export_tree(birds, out)
    (out / "owl").mkdir()
    (out / "wren" / "0.jpg").rename(out / "owl" / "0.jpg")
    before = links(out)
    with pytest.raises(
        ValueError,
        match=r"1 photograph was moved by hand, such as owl/0\.jpg; import the tree first",
    ):
        export_tree(birds, out)
    assert links(out) == before


def test_a_second_export_brings_the_tree_up_to_date(birds: Collection, tmp_path: Path) -> None:
    out = tmp_path / "out"
    birds.labels.set(["wren/0.jpg", "wren/1.jpg", "wren/2.jpg"], "wren")
    export_tree(birds, out)
    times = {place: (out / place).lstat().st_mtime_ns for place in links(out)}
    nothing = {"photographs": 3, "added": 0, "removed": 0, "unreadable": [], "left": []}
    assert export_tree(birds, out) == nothing
    assert {place: (out / place).lstat().st_mtime_ns for place in links(out)} == times
    birds.labels.set(["wren/0.jpg"], None)
    birds.labels.set(["wren/1.jpg", "finch/0.jpg"], "owl")
    (out / "wren" / "2.jpg").unlink()
    done = export_tree(birds, out)
    assert (done["added"], done["removed"]) == (3, 2) and set(links(out)) == {
        "owl/1.jpg",
        "owl/0.jpg",
        "wren/2.jpg",
    }
    birds.labels.set(["wren/2.jpg"], None)
    export_tree(birds, out)
    assert not (out / "wren").exists()


def test_what_it_did_not_write_is_left_alone(birds: Collection, tmp_path: Path) -> None:
    out = tmp_path / "out"
    birds.labels.set(["wren/0.jpg"], "wren")
    export_tree(birds, out)
    write(out / "wren" / "mine.jpg", encoded(texture(99)))
    (out / "wren" / "also mine.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    birds.labels.set(["wren/0.jpg"], "owl")
    export_tree(birds, out)
    assert {path.name for path in (out / "wren").iterdir()} == {"mine.jpg", "also mine.jpg"}
    assert import_tree(birds, out) == {
        "photographs": 1,
        "changed": 0,
        "unknown": 2,
        "unknown_files": ["wren/also mine.jpg", "wren/mine.jpg"],
    }
    write(out / "finch" / "1.jpg", b"not a photograph")
    birds.labels.set(["finch/1.jpg"], "finch")
    with pytest.raises(ValueError, match=r"finch/1\.jpg is in the way; move it out"):
        export_tree(birds, out)
    assert (out / "finch" / "1.jpg").read_bytes() == b"not a photograph" and (
        out / "owl" / "0.jpg"
    ).is_symlink()
    (out / "finch" / "1.jpg").unlink()
    (out / "finch" / "1.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    with pytest.raises(ValueError, match="in the way"):
        export_tree(birds, out)


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM]
)
def test_a_file_system_without_links_gets_copies(
    birds: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "symlink", refused)
    out = tmp_path / "out"
    birds.labels.set(["wren/0.jpg", "wren/1.jpg"], "wren")
    assert export_tree(birds, out)["added"] == 2 and links(out) == {}
    photos = birds.photos()
    for key in ("wren/0.jpg", "wren/1.jpg"):
        assert (out / key).read_bytes() == photos.photo(photos.position[key]).read()
    monkeypatch.setattr(os, "symlink", failing_disk)
    with pytest.raises(OSError, match="Input/output"):
        export_tree(birds, tmp_path / "other")


@pytest.fixture
def originals(birds: Collection) -> Iterator[list[Path]]:
    """The files of the photographs wren/0.jpg and finch/0.jpg, which are back after the test."""
    photos = birds.photos()
    files = [Path(photos.path(photos.position[f"{name}/0.jpg"])) for name in ("wren", "finch")]
    contents = [file.read_bytes() for file in files]
    yield files
    for file, content in zip(files, contents, strict=True):
        file.unlink(missing_ok=True)
        write(file, content)


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refused)


def files_of(out: Path) -> dict[str, bytes]:
    """The photographs of a tree that are files, by their place."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*.jpg")
        if not path.is_symlink()
    }


def test_an_original_that_was_moved_over_its_link_is_never_removed(
    birds: Collection, originals: list[Path], tmp_path: Path
) -> None:
    out, content = tmp_path / "out", originals[0].read_bytes()
    birds.labels.set(["wren/0.jpg"], "wren")
    export_tree(birds, out)
    originals[0].replace(out / "wren" / "0.jpg")
    birds.labels.set(["wren/0.jpg"], "owl")
    assert export_tree(birds, out)["removed"] == 1
    assert files_of(out) == {"owl/0.jpg": content} and not (out / "wren").exists()
    assert import_tree(birds, out)["changed"] == 0
    birds.labels.set(["wren/0.jpg"], None)
    birds.labels.set(["finch/0.jpg"], "owl")  # whose place this is now
    for _ in range(2):
        done = export_tree(birds, out)
        assert (done["left"], done["added"]) == (["owl/0.jpg"], 0)
        assert files_of(out) == {"owl/0.jpg": content}
    originals[0].symlink_to(out / "owl" / "0.jpg")  # the collection reads this very file
    assert export_tree(birds, out)["left"] == ["owl/0.jpg"]
    originals[0].unlink()
    write(originals[0], b"other content")
    assert export_tree(birds, out)["left"] == ["owl/0.jpg"]
    write(originals[0], content)
    done = export_tree(birds, out)
    assert (done["left"], done["removed"]) == ([], 1) and files_of(out) == {}
    assert links(out) == {"owl/0.jpg": str(originals[1])}


def test_copies_follow_their_labels_while_the_originals_are_away(
    birds: Collection, originals: list[Path], tmp_path: Path, without_links: None
) -> None:
    out, contents = tmp_path / "out", [file.read_bytes() for file in originals]
    birds.labels.set(["wren/0.jpg"], "wren")
    birds.labels.set(["finch/0.jpg"], "finch")
    export_tree(birds, out)
    for file in originals:
        file.unlink()
    birds.labels.set(["finch/0.jpg"], "owl")
    birds.labels.set(["wren/0.jpg"], "finch")  # the place of the other one, which goes first
    done = export_tree(birds, out)
    assert done["left"] == done["unreadable"] == [] and (done["added"], done["removed"]) == (2, 2)
    assert files_of(out) == {"finch/0.jpg": contents[0], "owl/0.jpg": contents[1]}
    birds.labels.set(["finch/0.jpg"], "finch")
    birds.labels.set(["wren/0.jpg"], "owl")  # each has the place of the other one
    done = export_tree(birds, out)
    assert done["left"] == ["finch/0.jpg", "owl/0.jpg"] and done["removed"] == 0
    for file, content in zip(originals, contents, strict=True):
        write(file, content)
    assert export_tree(birds, out)["left"] == []
    assert files_of(out) == {"owl/0.jpg": contents[0], "finch/0.jpg": contents[1]}
    birds.labels.set(["wren/0.jpg", "finch/0.jpg"], None)
    assert export_tree(birds, out)["removed"] == 2 and files_of(out) == {}


def failing_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_link_to_a_photograph_that_has_gone_is_removed(birds: Collection, tmp_path: Path) -> None:
    out = tmp_path / "out"
    birds.labels.set(["wren/0.jpg"], "wren")
    export_tree(birds, out)
    written = json.loads((out / "_labels.json").read_text())
    written["links"]["wren/gone.jpg"] = "wren/gone.jpg"
    (out / "_labels.json").write_text(json.dumps(written))
    (out / "wren" / "gone.jpg").symlink_to(tmp_path / "gone.jpg")
    assert export_tree(birds, out)["removed"] == 1
    assert set(links(out)) == {"wren/0.jpg"}


def test_folders_that_hold_something_else_are_refused(birds: Collection, tmp_path: Path) -> None:
    birds.labels.set(["wren/0.jpg"], "wren")
    write(tmp_path / "full" / "mine.txt", b"mine")
    write(tmp_path / "file", b"mine")
    write(tmp_path / "damaged" / "_labels.json", b"{")
    write(tmp_path / "other" / "_labels.json", b'{"format": 99}')
    write(
        tmp_path / "odd" / "_labels.json",
        json.dumps({"format": 1, "folders": {}, "links": {"a": ["b"]}}).encode(),
    )
    for name, reason in {
        "full": "is not empty and is not an earlier export",
        "file": "not a directory|is not empty",
        "damaged": "is damaged",
        "other": "is not of this lodisc",
        "odd": "is not of this lodisc",
    }.items():
        with pytest.raises(ValueError, match=reason) as caught:
            export_tree(birds, tmp_path / name)
        assert "\n" not in str(caught.value)
    (tmp_path / "empty").mkdir()
    assert export_tree(birds, tmp_path / "empty")["added"] == 1
    with pytest.raises(ValueError, match="is not a folder"):
        import_tree(birds, tmp_path / "gone")


def test_a_photograph_in_two_folders_and_a_name_that_is_no_label(
    birds: Collection, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    birds.labels.set(["wren/0.jpg", "wren/1.jpg"], "wren")
    export_tree(birds, out)
    shutil.copytree(out / "wren", out / "owl", symlinks=True)
    with pytest.raises(
        ValueError, match=r"wren/0\.jpg and owl/0\.jpg are the same photograph; remove one"
    ):
        import_tree(birds, out)
    shutil.rmtree(out / "wren")
    (out / "owl").rename(out / "line\nbreak")
    with pytest.raises(ValueError, match=r"the label line\\nbreak has line breaks"):
        import_tree(birds, out)
    assert set(birds.labels.current().values()) == {"wren"}


def test_a_tree_of_copies_is_told_by_content(birds: Collection, made: Path, tmp_path: Path) -> None:
    """As people make it without links, or as a file manager copies it."""
    for number in range(3):
        write(
            tmp_path / "sorted" / "owl" / f"IMG {number}.jpg",
            (made / "photos" / "wren" / f"{number}.jpg").read_bytes(),
        )
    write(
        tmp_path / "sorted" / "owl" / "deeper" / "3.jpg",
        (made / "photos" / "wren" / "3.jpg").read_bytes(),
    )
    write(tmp_path / "sorted" / "outside.jpg", (made / "photos" / "finch" / "0.jpg").read_bytes())
    write(
        tmp_path / "sorted" / ".Trash" / "owl" / "1.jpg",
        (made / "photos" / "finch" / "1.jpg").read_bytes(),
    )
    assert import_tree(birds, tmp_path / "sorted")["photographs"] == 4
    assert birds.labels.current() == {f"wren/{number}.jpg": "owl" for number in range(4)}


def test_what_a_system_put_into_a_tree_is_no_label(
    birds: Collection, made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="lodisc")
    places = ("Wren/0.jpg", "#recycle/0.jpg", "$RECYCLE.BIN/S-1/1.jpg", "__MACOSX/2.jpg")
    for place in (*places, "Wren/@eaDir/3.jpg", ".old/4.jpg"):
        original = made / "photos" / "wren" / place.split("/")[-1]
        write(tmp_path / "sorted" / place, original.read_bytes())
    assert import_tree(birds, tmp_path / "sorted")["photographs"] == 1
    assert birds.labels.current() == {"wren/0.jpg": "Wren"}
    assert [message.split(": ", 2)[2] for message in caplog.messages] == [
        "#recycle/ (1), $RECYCLE.BIN/ (1), Wren/ (1) and 1 more: put there by a system, not by you",
        ".old/ (1): hidden, by a name that begins with a dot",
    ]


def test_hidden_folders_of_a_tree_are_counted_and_not_walked(
    birds: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="lodisc")
    for folder in (".git/refs", "wren/.Trash-1000/files", "wren/@eaDir", "wren"):
        for number in range(3):
            write(tmp_path / folder / f"{number}.jpg", b"no photograph")
            (tmp_path / folder / f"link{number}").symlink_to("nowhere")
    assert import_tree(birds, tmp_path)["unknown"] == 6
    assert [message.split(": ", 2)[2] for message in caplog.messages] == [
        ".git/ (1), wren/ (1): hidden, by a name that begins with a dot",
        "wren/ (1): put there by a system, not by you",
    ]


def test_a_label_may_have_the_name_of_a_folder_of_a_system(
    birds: Collection, tmp_path: Path
) -> None:
    birds.labels.set(["wren/0.jpg"], "Lost+Found")
    export_tree(birds, tmp_path / "out")
    assert export_tree(birds, tmp_path / "out")["added"] == 0
    assert import_tree(birds, tmp_path / "out")["photographs"] == 1


def test_photographs_in_a_tar_are_written_out(packed: Collection, tmp_path: Path) -> None:
    out, keys = tmp_path / "out", packed.photos().keys
    assert len(keys) >= 4
    packed.labels.set(keys, "wren")
    assert export_tree(packed, out)["added"] == len(keys)
    files = {path.name: path.read_bytes() for path in (out / "wren").iterdir()}
    assert len(files) == len(keys) and set(files.values()) <= set(TAR.values())
    assert import_tree(packed, out)["changed"] == 0
    moved = next(iter(files))
    (out / "owl").mkdir()
    (out / "wren" / moved).rename(out / "owl" / "renamed.jpg")
    assert import_tree(packed, out)["changed"] == 1
    assert export_tree(packed, out)["photographs"] == len(keys)
    assert [path.name for path in (out / "owl").iterdir()] == [moved]
    packed.labels.set(keys, None)
    export_tree(packed, out)
    assert [path.name for path in out.iterdir()] == ["_labels.json"]


def test_a_tar_that_has_gone_is_said(packed: Collection, made: Path, tmp_path: Path) -> None:
    packed.labels.set(packed.photos().keys, "wren")
    (made / "packed.tar").rename(made / "away.tar")
    try:
        done = export_tree(packed, tmp_path / "out")
    finally:
        (made / "away.tar").rename(made / "packed.tar")
    assert done["added"] == 0 and done["unreadable"] == packed.photos().keys
    assert export_tree(packed, tmp_path / "out")["added"] == len(done["unreadable"])
    contents = sorted(files_of(tmp_path / "out").values())
    packed.labels.set(packed.photos().keys, "owl")
    (made / "packed.tar").rename(made / "away.tar")
    try:
        assert export_tree(packed, tmp_path / "out")["unreadable"] == []
    finally:
        (made / "away.tar").rename(made / "packed.tar")
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["_labels.json", "owl"]
    assert sorted(files_of(tmp_path / "out").values()) == contents


def test_with_the_names_that_the_probe_gives(birds: Collection, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--named 2 is out of range"):
        export_tree(birds, tmp_path / "out", named=2)
    birds.labels.set([f"wren/{number}.jpg" for number in range(3)], "wren")
    birds.labels.set([f"finch/{number}.jpg" for number in range(3)], "finch")
    assert export_tree(birds, tmp_path / "out", named=1.0)["photographs"] == 6
    assert export_tree(birds, tmp_path / "out", named=0.0)["photographs"] == len(birds.photos())
    places = sorted((tmp_path / "out").glob("wren/*"))
    moved = next(place for place in places if place.name not in {f"{n}.jpg" for n in range(3)})
    moved.rename(tmp_path / "out" / "finch" / f"own-{moved.name}")
    assert import_tree(birds, tmp_path / "out")["changed"] == len(birds.photos()) - 6
    labels, accepted_keys = birds.labels.with_accepted_keys()
    assert len(labels) == len(birds.photos())
    assert len(accepted_keys) == len(labels) - 7, "what a person sorted is a person's label"
    export_tree(birds, tmp_path / "again")
    assert export_tree(birds, tmp_path / "again")["added"] == 0
    again = opened(birds.path)
    import_tree(again, tmp_path / "again")
    assert again.labels.with_accepted_keys() == (labels, accepted_keys)


def test_a_tree_is_data_that_other_commands_take(birds: Collection, tmp_path: Path) -> None:
    birds.labels.set(["wren/0.jpg", "wren/1.jpg"], "owl")
    export_tree(birds, tmp_path / "out")
    listed = lodisc.find_photos(tmp_path / "out")
    assert [(photo.key, photo.label) for photo in listed.photos] == [
        ("owl/0.jpg", "owl"),
        ("owl/1.jpg", "owl"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "/",
        "a/../b",
        "C:\\x",
        "nul",
        "COM1.jpg",
        "x\x00y\n",
        "é" * 300 + ".jpg",
        "a." + "b" * 300,
        " ",
        "a. . .",
    ],
)
def test_names_are_safe_anywhere(text: str) -> None:
    name = safe_name(text)
    assert (
        0 < len(name.encode()) <= 200
        and name not in (".", "..")
        and not name.startswith(".")
        and name.rstrip(" .") == name
    )
    assert (
        name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
        and name.lower() not in ("nul", "com1.jpg")
    )


@pytest.mark.parametrize("text", ["CLOCK$", "clock$.jpg", "CONIN$", "con", "LPT¹.txt", "aux .jpg"])
def test_names_that_windows_takes_itself_are_changed(text: str) -> None:
    assert safe_name(text) == f"_{text}"
    assert safe_name(f"my {text}") == f"my {text}"


def test_names_differ_and_keep_their_endings() -> None:
    names = unlike_names(
        {"1": "a.jpg", "2": "A.jpg", "3": "a.JPG", "4": "e\N{COMBINING ACUTE ACCENT}", "5": "é"},
        taken="b",
    )
    assert names["1"] == "a.jpg" and names["2"].startswith("A~") and names["2"].endswith(".jpg")
    assert len({name.casefold() for name in names.values()}) == 5 and names["5"] != "é"
