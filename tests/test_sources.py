"""Finding photographs in folders, lists and tars."""

import io
import logging
import os
import socket
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from photos import ODD_NAMES, collection, encoded, tar, texture, write

from lodisc.data.decode import Unreadable
from lodisc.data.photo import Photo, printable
from lodisc.data.sources import find_photos, log_passed_over, training_photos

JPEG = encoded(texture(0))


def places(photos: list[Photo]) -> dict[str, tuple[str | None, str | None]]:
    return {photo.key: (photo.split, photo.label) for photo in photos}


def reasons(data: Path) -> dict[str, str]:
    return {item.key: item.reason for item in find_photos(data).skipped}


# Folders


def test_sub_folders_are_labels_and_other_files_are_ignored(tmp_path: Path) -> None:
    for name in ("wren/a.jpg", "wren/deep/er/b.PNG", "finch/c.webp", "d.jpeg"):
        write(tmp_path / name, JPEG)
    ignored = (
        "README.txt",
        "Thumbs.db",
        "wren/.hidden.jpg",
        ".git/e.jpg",
        "wren/movie.mpg",
        "finch/birds.tar",
        "paper.pdf",
        "figure.eps",
    )
    for name in ignored:
        write(tmp_path / name, JPEG)
    listing = find_photos(str(tmp_path))
    assert listing.skipped == []
    assert places(listing.photos) == {
        "d.jpeg": (None, None),
        "finch/c.webp": (None, "finch"),
        "wren/a.jpg": (None, "wren"),
        "wren/deep/er/b.PNG": (None, "wren"),
    }
    assert [photo.key for photo in listing.photos] == sorted(photo.key for photo in listing.photos)
    assert listing.photos[0].read() == JPEG


def test_train_and_test_are_splits_and_nothing_beside_them_is_read(tmp_path: Path) -> None:
    for name in (
        "train/wren/a.jpg",
        "train/b.jpg",
        "test/wren/x/c.jpg",
        "val/wren/d.jpg",
        "masks/train/e.png",
        "f.jpg",
    ):
        write(tmp_path / name, JPEG)
    listing = find_photos(tmp_path)
    assert places(listing.photos) == {
        "test/wren/x/c.jpg": ("test", "wren"),
        "train/b.jpg": ("train", None),
        "train/wren/a.jpg": ("train", "wren"),
    }
    assert [photo.key for photo in training_photos(listing.photos)] == [
        "train/b.jpg",
        "train/wren/a.jpg",
    ]


def test_what_people_may_take_for_photographs_but_is_not_read_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodisc")
    for name in ("bus/a.jpg", "car/b.jpg", "train/c.jpg", "loose.jpg", "val/d.jpg", "notes.txt"):
        write(tmp_path / "vehicles" / name, JPEG)
    listing = find_photos(tmp_path / "vehicles")
    assert places(listing.photos) == {"train/c.jpg": ("train", None), "val/d.jpg": ("test", None)}
    assert listing.passed_over == {
        "neither train nor test": ["bus/a.jpg", "car/b.jpg", "loose.jpg"]
    }
    assert caplog.messages == [], "listing alone logs nothing"
    log_passed_over(tmp_path / "vehicles", listing)
    assert caplog.messages == [
        f"note: not read in {tmp_path}/vehicles: bus/ (1), car/ (1), loose.jpg: neither train nor "
        "test",
        f"note: in {tmp_path}/vehicles: what is for validation is test here, as nothing else is: 1",
    ]
    for name in ("a.jpg", "b.JXL", *(f"raw/{number}.NEF" for number in range(5)), "part.tar"):
        write(tmp_path / "camera" / name, JPEG)
    listing = find_photos(tmp_path / "camera")
    assert [photo.key for photo in listing.photos] == ["a.jpg"] and listing.skipped == []
    log_passed_over(tmp_path / "camera", listing)
    assert "b.JXL: lodisc cannot decode .jxl files; convert them to .jpg" in caplog.text
    assert "raw/ (5): lodisc cannot" in caplog.text
    assert "part.tar: tars next to photographs; name a tar as DATA" in caplog.text


def test_runs_embeddings_and_collections_among_photographs_are_ignored(tmp_path: Path) -> None:
    run = ("run/config.json", "run/start/config.json", "run/explain/a.png")
    vectors = ("vectors/_embedding.json", "vectors/b.png")
    birds = ("birds/photos.lance/c", "birds/cache/thumbnails/d.webp")
    for name in ("wren/a.jpg", *run, *vectors, *birds):
        write(tmp_path / name, JPEG)
    assert [photo.key for photo in find_photos(tmp_path).photos] == ["wren/a.jpg"]


def test_odd_names_stay_and_are_printed_on_one_line(tmp_path: Path) -> None:
    for name in ODD_NAMES:
        write(tmp_path / "a label" / name, JPEG)
    photos = find_photos(tmp_path).photos
    assert {photo.key for photo in photos} == {f"a label/{name}" for name in ODD_NAMES}
    assert all(photo.read() == JPEG and photo.label == "a label" for photo in photos)
    for photo in photos:
        assert printable(photo.key).isprintable()
        printable(photo.key).encode()
    assert printable("line\nbreak.jpg") == "line\\nbreak.jpg"
    assert printable(os.fsdecode(b"latin-\xe9.jpg")) == "latin-\\udce9.jpg"
    assert printable("goldfinch-\N{BIRD}.jpg") == "goldfinch-\N{BIRD}.jpg"


def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path / "data" / "wren" / "a.jpg", JPEG)
    write(tmp_path / "elsewhere" / "b.jpg", JPEG)
    data = tmp_path / "data"
    (data / "finch").symlink_to(tmp_path / "elsewhere")
    (data / "linked.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    (data / "gone.jpg").symlink_to("nowhere.jpg")
    (data / "self.jpg").symlink_to("self.jpg")
    (data / "wren" / "up").symlink_to("..")
    (data / "wren" / "here").symlink_to(".")
    (tmp_path / "elsewhere" / "back").symlink_to(data)
    assert set(places(find_photos(data).photos)) == {"wren/a.jpg", "finch/b.jpg", "linked.jpg"}
    assert reasons(data) == {
        "gone.jpg": "no such file or directory",
        "self.jpg": "too many levels of symbolic links",
        "wren/up": "link loop",
        "wren/here": "link loop",
        "finch/back": "link loop",
    }


def test_pipes_and_sockets_are_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.jpg", JPEG)
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket.jpg")
    (tmp_path / "list.txt").write_text("a.jpg\npipe.jpg\n")
    assert reasons(tmp_path) == {"pipe.jpg": "not a file", "socket.jpg": "not a file"}
    assert reasons(tmp_path / "list.txt") == {"pipe.jpg": "not a file"}


def test_what_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    for name in ("open/a.jpg", "closed/b.jpg", "open/secret.jpg"):
        write(tmp_path / name, JPEG)
    script = """
import os, sys
from pathlib import Path
from lodisc.data.check import check_photos
from lodisc.data.sources import find_photos
os.chdir(sys.argv[1])
# Imports everything that it needs, as another user may be unable to.
check_photos(find_photos("."), workers=0, max_skipped=0)
Path("closed").chmod(0), Path("open/secret.jpg").chmod(0)
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
checked = check_photos(find_photos("."), workers=0, max_skipped=1)
print([photo.key for photo in checked.photos], [(x.key, x.reason) for x in checked.skipped])
"""
    package = Path(__file__).parents[1]
    tmp_path.chmod(0o755)
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
    )
    (tmp_path / "closed").chmod(0o755)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == (
        "['open/a.jpg'] "
        "[('closed/', 'permission denied'), ('open/secret.jpg', 'permission denied')]"
    )


def test_a_file_that_is_gone_or_has_grown_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        Photo("a", tmp_path / "a.jpg").read()
    with (tmp_path / "big.jpg").open("wb") as stream:
        stream.truncate(2**30 + 1)
    with pytest.raises(Unreadable, match="larger than 1 GB"):
        Photo("big.jpg", tmp_path / "big.jpg").read()


def test_one_photograph_is_enough_and_none_is_one_line(tmp_path: Path) -> None:
    for empty in (
        tmp_path,
        write(tmp_path / "list.txt", b"\n"),
        tar(tmp_path / "none.tar", {"a.txt": b""}),
    ):
        with pytest.raises(
            ValueError, match=r"^no photographs in .*; looked for \.jpg, .*extensions$"
        ):
            find_photos(empty)
    with pytest.raises(ValueError, match=r"does not exist; give a folder of photographs"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match=r"is neither a folder, a \.txt or \.csv list nor an uncompressed \.tar"
    ):
        find_photos(write(tmp_path / "birds.tgz", b""))
    os.mkfifo(tmp_path / "list.csv")
    for path in (tmp_path / "list.csv", "/dev/null"):
        with pytest.raises(ValueError, match="is a pipe or a device; save what it gives"):
            find_photos(path)
    with pytest.raises(ValueError, match=r"line\\nbreak does not exist") as missing:
        find_photos(tmp_path / "line\nbreak")
    assert "\n" not in str(missing.value)
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"gone\.jpg was skipped: no such file"):
        find_photos(tmp_path)
    write(tmp_path / "a.jpg", JPEG)
    assert set(places(find_photos(tmp_path).photos)) == {"a.jpg"}


# Lists


def test_a_text_list_is_relative_to_its_folder(tmp_path: Path) -> None:
    for name in ("wren/a b.jpg", "#1.jpg", "finch/no-ending", "outside/c.jpg"):
        write(tmp_path / "in" / name, JPEG)
    write(tmp_path / "beside" / "owl" / "d.jpg", JPEG)
    absolute = tmp_path / "in" / "outside" / "c.jpg"
    lines = ["./wren/a b.jpg", "", "#1.jpg", "finch/no-ending", str(absolute), "../in/wren/a b.jpg"]
    lines += ["../beside/owl/d.jpg", "gone.jpg", "nul\0.jpg", "wren"]
    write(tmp_path / "in" / "list.txt", "\r\n".join(lines).encode())
    listing = find_photos(tmp_path / "in" / "list.txt")
    assert places(listing.photos) == {
        "wren/a b.jpg": (None, "wren"),
        "#1.jpg": (None, None),
        "finch/no-ending": (None, "finch"),
        "outside/c.jpg": (None, "outside"),
        "../beside/owl/d.jpg": (None, None),
    }
    assert all(photo.read() == JPEG for photo in listing.photos)
    assert reasons(tmp_path / "in" / "list.txt") == {
        "wren/a b.jpg": "named twice",
        "gone.jpg": "no such file or directory",
        "nul\0.jpg": "not a file name",
        "wren": "not a file",
    }


def test_a_text_list_knows_splits(tmp_path: Path) -> None:
    collection(tmp_path, labels=["wren"], per_label=1, splits=["train", "test", "other"])
    write(tmp_path / "list.txt", b"train/wren/0.jpg\ntest/wren/0.jpg\nother/wren/0.jpg\n")
    assert places(find_photos(tmp_path / "list.txt").photos) == {
        "train/wren/0.jpg": ("train", "wren"),
        "test/wren/0.jpg": ("test", "wren"),
    }
    assert reasons(tmp_path / "list.txt") == {"other/wren/0.jpg": "neither in train nor in test"}


def test_a_csv_names_labels_and_splits(tmp_path: Path) -> None:
    for name in ("a,b.jpg", "x/c.jpg", "d.jpg", "e.jpg"):
        write(tmp_path / name, JPEG)
    text = (
        '\ufeffPath, Label,split,note\n"a,b.jpg",wren,train,1\nx/c.jpg,,TEST,2\n'
        "d.jpg,finch,val\ne.jpg,finch\n\n"
    )
    write(tmp_path / "l.csv", text.encode())
    assert places(find_photos(tmp_path / "l.csv").photos) == {
        "a,b.jpg": ("train", "wren"),
        "x/c.jpg": ("test", None),
    }
    assert reasons(tmp_path / "l.csv") == {"e.jpg": "neither in train nor in test"}
    write(tmp_path / "spaced.csv", b"path,label\nx/c.jpg, wren \nd.jpg,  \n")
    assert places(find_photos(tmp_path / "spaced.csv").photos) == {
        "d.jpg": (None, None),
        "x/c.jpg": (None, "wren"),
    }
    write(tmp_path / "no_label.csv", b"path,split\nx/c.jpg,train\nd.jpg,test\n")
    assert places(find_photos(tmp_path / "no_label.csv").photos) == {
        "d.jpg": ("test", None),
        "x/c.jpg": ("train", "x"),
    }
    write(tmp_path / "path.csv", b"path\nx/c.jpg\nd.jpg\n")
    assert places(find_photos(tmp_path / "path.csv").photos) == {
        "d.jpg": (None, None),
        "x/c.jpg": (None, "x"),
    }


def test_a_wrong_csv_is_one_line(tmp_path: Path) -> None:
    for text, words in {
        "picture,label\na.jpg,b\n": "the first line must name its columns: path",
        "": "the first line must name its columns: path",
        "path,split\na.jpg,train\nb.jpg,dev\n": r"line 3: the split dev is neither train nor test",
        "path\n" + "a" * 200_000 + "\n": "line 2: field larger than field limit",
    }.items():
        with pytest.raises(ValueError, match=words) as wrong:
            find_photos(write(tmp_path / "list.csv", text.encode()))
        assert "\n" not in str(wrong.value) and "list.csv" in str(wrong.value)


# Tars


def test_a_tar_is_read_in_place(tmp_path: Path) -> None:
    other = encoded(texture(1))
    members = {
        "./train/wren/a.jpg": JPEG,
        "./test/wren/b.jpg": other,
        "./._x.jpg": b"",
        "README.txt": b"",
        "c.jpg": JPEG,
    }
    path = tar(tmp_path / "birds.tar", members)
    listing = find_photos(path)
    assert places(listing.photos) == {
        "test/wren/b.jpg": ("test", "wren"),
        "train/wren/a.jpg": ("train", "wren"),
    }
    assert [photo.read() for photo in listing.photos] == [other, JPEG]
    wrapped = tar(
        tmp_path / "wrapped.tar", {"birds/train/wren/a.jpg": JPEG, "birds/test/wren/b.jpg": JPEG}
    )
    assert set(places(find_photos(wrapped).photos)) == {"test/wren/b.jpg", "train/wren/a.jpg"}


def test_shards_in_a_folder_count_as_unpacked_where_they_lie(tmp_path: Path) -> None:
    tar(tmp_path / "flat" / "0.tar", {"wren/a.jpg": JPEG, "wren/b.jpg": JPEG})
    tar(tmp_path / "flat" / "1.tar", {"wren/a.jpg": encoded(texture(2)), "finch/c.jpg": JPEG})
    photos = find_photos(tmp_path / "flat").photos
    assert places(photos) == {
        "0.tar/wren/a.jpg": (None, "wren"),
        "1.tar/wren/a.jpg": (None, "wren"),
        "wren/b.jpg": (None, "wren"),
        "finch/c.jpg": (None, "finch"),
    }
    assert photos[0].read() != photos[1].read()
    tar(tmp_path / "split" / "train" / "0.tar", {"wren/a.jpg": JPEG})
    tar(tmp_path / "split" / "test" / "0.tar", {"wren/a.jpg": JPEG})
    assert places(find_photos(tmp_path / "split").photos) == {
        "test/wren/a.jpg": ("test", "wren"),
        "train/wren/a.jpg": ("train", "wren"),
    }


def test_names_inside_a_tar_are_only_names(tmp_path: Path) -> None:
    names = [
        "../../escape.jpg",
        "line\nbreak.jpg",
        os.fsdecode(b"latin-\xe9/x.jpg"),
        "dir.jpg/y.jpg",
    ]
    photos = find_photos(tar(tmp_path / "odd.tar", dict.fromkeys(names, JPEG))).photos
    assert {photo.key for photo in photos} == set(names)
    assert all(photo.read() == JPEG for photo in photos)
    assert {path.name for path in tmp_path.iterdir()} == {"odd.tar"}


def test_of_two_members_with_one_name_the_later_holds(tmp_path: Path) -> None:
    path = tar(tmp_path / "twice.tar", {"a.jpg": b"old"})
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("a.jpg")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"new"))
    assert [photo.read() for photo in find_photos(path).photos] == [b"new"]


def test_damaged_tars_give_what_they_have(tmp_path: Path) -> None:
    whole = tar(tmp_path / "whole.tar", {f"{number}.jpg": JPEG for number in range(3)}).read_bytes()
    step = len(whole[:512]) + -(-len(JPEG) // 512) * 512
    cut = write(tmp_path / "cut.tar", whole[: 2 * step + 700])
    assert set(places(find_photos(cut).photos)) == {"0.jpg", "1.jpg"}
    assert reasons(cut) == {
        "2.jpg": "truncated",
        "cut.tar": "truncated tar: the rest cannot be read",
    }
    scratched = bytearray(whole)
    scratched[step : step + 100] = b"\xff" * 100
    broken = write(tmp_path / "broken.tar", bytes(scratched))
    assert set(places(find_photos(broken).photos)) == {"0.jpg"}
    assert reasons(broken) == {"broken.tar": "damaged tar: the rest cannot be read"}


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_that_claims_gigabytes_is_not_read(tmp_path: Path, kind: bytes) -> None:
    """The file has a hole where the name would be."""
    path = tar(tmp_path / "long.tar", {"a.jpg": JPEG})
    blocks = path.read_bytes().rstrip(b"\0")
    blocks += bytes(-len(blocks) % 512)
    header = tarfile.TarInfo("name")
    header.type, header.size = kind, 5 * 2**30
    write(path, blocks + header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, 5 * 2**30)
    tracemalloc.start()
    try:
        listing = find_photos(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    assert set(places(listing.photos)) == {"a.jpg"}
    assert reasons(path) == {"long.tar": "damaged tar: the rest cannot be read"}


def test_lying_sizes_and_links_in_a_tar_are_skipped(tmp_path: Path) -> None:
    path = tar(tmp_path / "lies.tar", {"a.jpg": JPEG})
    blocks = path.read_bytes().rstrip(b"\0")
    blocks += bytes(-len(blocks) % 512)
    for name, kind, size in (
        ("link.jpg", tarfile.SYMTYPE, 0),
        ("pipe.jpg", tarfile.FIFOTYPE, 0),
        ("minus.jpg", tarfile.REGTYPE, -4096),
    ):
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, size, "/etc/passwd"
        blocks += member.tobuf(tarfile.GNU_FORMAT)
    write(path, blocks + bytes(1024))
    assert set(places(find_photos(path).photos)) == {"a.jpg"}
    skipped = reasons(path)
    assert skipped.pop("link.jpg") == "link inside a tar"
    assert skipped.pop("pipe.jpg") == "not a file"
    assert (
        skipped.pop("lies.tar", "damaged tar: the rest cannot be read")
        == "damaged tar: the rest cannot be read"
    )
    assert skipped in ({}, {"minus.jpg": "truncated"})
    text = write(tmp_path / "text.tar", b"not a tar at all" * 100)
    with pytest.raises(ValueError, match=r"text\.tar was skipped: damaged tar"):
        find_photos(text)
