"""Tars as parts of a data set, and what folders in them mean over all shards together."""

import tarfile
from pathlib import Path

import pytest
from photos import encoded, tar, texture

from lodisc.data.layout import Listing
from lodisc.data.sources import find_photos

JPEG = encoded(texture(0))


def shards(at: Path, tars: dict[str, list[str]]) -> Listing:
    for number, (name, members) in enumerate(tars.items()):
        tar(at / name, {key: encoded(texture(number)) for key in members})
    return find_photos(at)


def described(listing: Listing) -> set[tuple[str | None, str | None]]:
    return {(photo.split, photo.label) for photo in listing.photos}


BOTH = {(split, kind) for split in ("train", "test") for kind in ("finch", "wren")}


def test_tars_may_be_the_parts(tmp_path: Path) -> None:
    for part in ("train-000", "train-001", "test-000"):
        tar(tmp_path / "data" / f"{part}.tar", {f"wren/{part}.jpg": JPEG})
    photos = find_photos(tmp_path / "data").photos
    assert {photo.key: (photo.split, photo.label) for photo in photos} == {
        "train/wren/train-000.jpg": ("train", "wren"),
        "train/wren/train-001.jpg": ("train", "wren"),
        "test/wren/test-000.jpg": ("test", "wren"),
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("cub-train-000", "cub-test-000"),
        ("train-00000-of-00002", "test-00000-of-00001"),
        ("images_train", "images_test"),
        ("train_part1", "test_part1"),
        ("ILSVRC2012_img_train", "ILSVRC2012_img_val"),
        ("train/cub-train-0", "val/cub-val-0"),
        ("train_images", "test_set-1"),
    ],
)
def test_tars_that_differ_in_the_part_and_numbers_are_parts(
    tmp_path: Path, train: str, test: str
) -> None:
    kinds = ["finch/0.jpg", "wren/1.jpg"]
    assert described(shards(tmp_path, {f"{name}.tar": kinds for name in (train, test)})) == BOTH


def test_tars_that_divide_nothing_are_noted(tmp_path: Path) -> None:
    members = {f"{name}.tar": ["wren/0.jpg"] for name in ("steam_train", "crash_test", "car")}
    listing = shards(tmp_path, members)
    assert described(listing) == {(None, "wren")}
    assert listing.notes == [
        "tars such as crash_test.tar divide nothing; those do whose names differ in train, test "
        "and numbers alone"
    ]


@pytest.mark.parametrize("names", [["train-000", "train-001"], ["test tube"], ["cub-train-0"]])
def test_tars_of_one_part_need_no_advice(tmp_path: Path, names: list[str]) -> None:
    assert shards(tmp_path, {f"{name}.tar": ["wren/0.jpg"] for name in names}).notes == []


def test_tars_called_like_parts_may_hold_a_folder_of_that_name(tmp_path: Path) -> None:
    for part in ("train", "val"):
        tar(tmp_path / "data" / f"{part}.tar", {f"{part}/robin/{part}.jpg": JPEG})
    photos = find_photos(tmp_path / "data").photos
    assert {photo.key: (photo.split, photo.label) for photo in photos} == {
        "train/robin/train.jpg": ("train", "robin"),
        "val/robin/val.jpg": ("test", "robin"),
    }


@pytest.mark.parametrize("names", [("train.tar", "test.tar"), ("s0.tar", "s1.tar")])
@pytest.mark.parametrize(
    ("train", "test"),
    [("birds/train", "birds/test"), ("images/train", "images/val"), ("birds/Train", "birds/Test")],
)
def test_the_folder_around_the_parts_is_one_for_all_shards(
    tmp_path: Path, names: tuple[str, str], train: str, test: str
) -> None:
    parts = zip(names, (train, test), strict=True)
    members = {name: [f"{part}/finch/0.jpg", f"{part}/wren/1.jpg"] for name, part in parts}
    assert described(shards(tmp_path, members)) == BOTH


def test_a_shard_may_hold_one_part_and_another_both(tmp_path: Path) -> None:
    first = ["birds/train/wren/0.jpg", "birds/test/wren/1.jpg"]
    listing = shards(tmp_path, {"s0.tar": first, "s1.tar": ["birds/test/finch/2.jpg"]})
    assert {photo.key: photo.split for photo in listing.photos} == {
        "train/wren/0.jpg": "train",
        "test/wren/1.jpg": "test",
        "test/finch/2.jpg": "test",
    }


def test_tars_packed_on_windows(tmp_path: Path) -> None:
    names = ["train\\wren\\0.jpg", "test\\wren\\1.jpg"]
    source = tar(tmp_path / "data.tar", dict.fromkeys(names, JPEG))
    assert described(find_photos(source)) == {("train", "wren"), ("test", "wren")}


def test_hard_links_in_a_tar_have_the_bytes_that_they_name(tmp_path: Path) -> None:
    path = tar(tmp_path / "links.tar", {"./wren/a.jpg": JPEG, "wren/raw.bin": JPEG})
    with tarfile.open(path, "a") as archive:
        for name, target in (
            ("finch/b.jpg", "wren/a.jpg"),
            ("finch/c.jpg", "finch/b.jpg"),
            ("finch/d.jpg", "./wren/raw.bin"),
            ("finch/later.jpg", "wren/z.jpg"),
            ("finch/outside.jpg", "/etc/passwd"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, target
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("wren/z.jpg"))
    listing = find_photos(path)
    assert {photo.key for photo in listing.photos if photo.read() == JPEG} == {
        "finch/b.jpg",
        "finch/c.jpg",
        "finch/d.jpg",
        "wren/a.jpg",
    }
    assert {item.key: item.reason for item in listing.skipped} == dict.fromkeys(
        ("finch/later.jpg", "finch/outside.jpg"), "link inside a tar"
    )
