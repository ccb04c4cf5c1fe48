"""Arranging known data sets by their official split, from what people download by hand."""

import logging
import tarfile
from pathlib import Path

import pytest
from photos import collection, encoded, tar, texture, write

from lodisc.data.datasets import DATASETS, prepare
from lodisc.data.sources import find_photos

JPEG = encoded(texture(0))


def cub(root: Path) -> None:
    names = ["001.Wren/w_1.jpg", "001.Wren/w_2.jpg", "002.Finch/f_1.jpg"]
    for name in names:
        write(root / "images" / name, JPEG)
    write(
        root / "images.txt",
        "".join(f"{number} {name}\n" for number, name in enumerate(names, 1)).encode(),
    )
    write(root / "image_class_labels.txt", b"1 1\n2 1\n3 2\n")
    write(root / "classes.txt", b"1 001.Wren\n2 002.Finch\n")
    write(root / "train_test_split.txt", b"1 1\n2 0\n3 1\n")


def aircraft(root: Path) -> None:
    for number in ("0001", "0002", "0003"):
        write(root / "data" / "images" / f"{number}.jpg", JPEG)
    write(root / "data" / "images_variant_trainval.txt", b"0001 F-16A/B\n0002 Boeing 707-320\n")
    write(root / "data" / "images_variant_test.txt", b"0003 F-16A/B\n")


def pets(root: Path) -> None:
    for name in ("Abyssinian_1", "german_shorthaired_2", "Abyssinian_30"):
        write(root / "images" / f"{name}.jpg", JPEG)
    write(
        root / "annotations" / "trainval.txt",
        b"#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\ngerman_shorthaired_2 2 2 1\n",
    )
    write(root / "annotations" / "test.txt", b"Abyssinian_30 1 1 1\n")


def flowers(root: Path) -> None:
    from scipy.io import savemat

    for number in range(1, 5):
        write(root / "jpg" / f"image_{number:05}.jpg", JPEG)
    savemat(root / "imagelabels.mat", {"labels": [[7, 7, 102, 102]]})
    savemat(root / "setid.mat", {"trnid": [[1]], "valid": [[3]], "tstid": [[2, 4]]})


def divided(root: Path) -> None:
    collection(root, labels=["wren"], per_label=1, splits=["train", "test"])
    write(root / "train" / "wren" / "notes.txt", b"")


LAYOUTS = {
    "cub200": (cub, ["test/001.Wren/w_2.jpg", "train/001.Wren/w_1.jpg", "train/002.Finch/f_1.jpg"]),
    "fgvc_aircraft": (
        aircraft,
        ["test/F-16A_B/0003.jpg", "train/Boeing 707-320/0002.jpg", "train/F-16A_B/0001.jpg"],
    ),
    "oxford_pets": (
        pets,
        [
            "test/Abyssinian/Abyssinian_30.jpg",
            "train/Abyssinian/Abyssinian_1.jpg",
            "train/german_shorthaired/german_shorthaired_2.jpg",
        ],
    ),
    "flowers102": (
        flowers,
        [
            "test/007/image_00002.jpg",
            "test/102/image_00004.jpg",
            "train/007/image_00001.jpg",
            "train/102/image_00003.jpg",
        ],
    ),
    "stanford_cars": (divided, ["test/wren/0.jpg", "train/wren/0.jpg"]),
    "caltech101": (divided, ["test/wren/0.jpg", "train/wren/0.jpg"]),
}


@pytest.mark.parametrize("name", list(DATASETS))
@pytest.mark.parametrize("packed", [False, True])
def test_known_data_sets_are_arranged_by_their_split(
    tmp_path: Path, name: str, packed: bool
) -> None:
    make, wanted = LAYOUTS[name]
    source = tmp_path / "from" / "wrapper"
    source.mkdir(parents=True)
    make(source)
    if packed:
        with tarfile.open(tmp_path / "download.tgz", "w:gz") as archive:
            archive.add(source, "wrapper")
    (tmp_path / "out").mkdir()
    count = prepare(
        name, source=tmp_path / "download.tgz" if packed else source.parent, out=tmp_path / "out"
    )
    photos = find_photos(tmp_path / "out").photos
    assert [photo.key for photo in photos] == wanted and count == len(wanted)
    assert {path.name for path in tmp_path.iterdir()} <= {"from", "out", "download.tgz"}
    with pytest.raises(ValueError, match="out exists already"):
        prepare(name, source=source, out=tmp_path / "out")


def test_a_download_that_lacks_something_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    cub(tmp_path / "cub")
    (tmp_path / "cub" / "images" / "002.Finch" / "f_1.jpg").unlink()
    (tmp_path / "empty").mkdir()
    cut = write(tmp_path / "cut.tgz", b"\x1f\x8b\x08\x00 no more")
    for name in ("setid.mat", "imagelabels.mat"):
        write(tmp_path / "page" / name, b"<html>" + bytes(200))
    for name, source, words in (
        ("cub200", tmp_path / "cub", r"f_1\.jpg is in the lists .* but not in the download"),
        ("cub200", tmp_path / "empty", r"train_test_split\.txt is not in the download"),
        ("cub200", tmp_path / "gone", r"does not exist; get CUB_200_2011\.tgz from https"),
        ("cub200", cut, r"cut\.tgz is not a readable tar archive"),
        (
            "flowers102",
            tmp_path / "page",
            r"the \.mat files in .* can't be read .*download them again",
        ),
        ("caltech101", tmp_path / "empty", r"no folders train/ and test/"),
        ("cub", tmp_path / "cub", r"unknown data set cub; there are cub200, "),
    ):
        with pytest.raises(ValueError, match=words):
            prepare(name, source=source, out=tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"cub", "empty", "cut.tgz", "page"}


def test_an_archive_cannot_write_outside(tmp_path: Path) -> None:
    names = ["../escape.jpg", f"{tmp_path}/absolute.jpg", "train/a/1.jpg", "test/a/2.jpg"]
    path = tar(tmp_path / "evil.tar", dict.fromkeys(names, JPEG))
    assert prepare("caltech101", source=path, out=tmp_path / "out") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"evil.tar", "out"}


def test_hard_links_in_an_archive_are_unpacked(tmp_path: Path) -> None:
    path = tar(tmp_path / "links.tar", {"train/wren/0.jpg": JPEG})
    with tarfile.open(path, "a") as archive:
        for name, target in (("1", "train/wren/0.jpg"), ("2", "/etc/hostname"), ("3", "later.jpg")):
            member = tarfile.TarInfo(f"test/wren/{name}.jpg")
            member.type, member.linkname = tarfile.LNKTYPE, target
            archive.addfile(member)
    assert prepare("caltech101", source=path, out=tmp_path / "out") == 2
    assert (tmp_path / "out" / "test" / "wren" / "1.jpg").read_bytes() == JPEG


def test_what_is_no_photograph_of_a_class_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="lodisc")
    divided(tmp_path / "cars")
    for name in ("@eaDir/0.jpg", "wren/0_mask.png", "wren/deep/1.jpg", "loose.jpg"):
        write(tmp_path / "cars" / "train" / name, JPEG)
    (tmp_path / "cars" / "train" / "wren" / "gone.jpg").symlink_to("nowhere")
    assert prepare("stanford_cars", source=tmp_path / "cars", out=tmp_path / "out") == 3
    assert [photo.key for photo in find_photos(tmp_path / "out").photos] == [
        "test/wren/0.jpg",
        "train/wren/0.jpg",
        "train/wren/1.jpg",
    ]
    for reason in ("put there by a system", "masks", "in no folder of a class", "no such file"):
        assert any(f"train/ (1): {reason}" in message for message in caplog.messages)
