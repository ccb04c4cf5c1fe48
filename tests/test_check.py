"""What is skipped is counted and named; what is left is described, with its duplicates."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from photos import ODD_NAMES, collection, encoded, odd, texture, unreadable, write
from PIL import Image, ImageEnhance

from lodisc.commands.tables_data import print_check
from lodisc.data import check
from lodisc.data.check import check_photos, describe, write_skipped
from lodisc.data.layout import Listing
from lodisc.data.photo import Skipped
from lodisc.data.sources import find_photos


def test_every_bad_file_is_skipped_with_its_reason_and_every_odd_one_is_kept(
    tmp_path: Path,
) -> None:
    bad, fine = unreadable(tmp_path), odd(tmp_path)
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    checked = check_photos(find_photos(tmp_path), workers=0, max_skipped=1)
    assert {item.key: item.reason for item in checked.skipped} == bad | {
        "gone.jpg": "no such file or directory"
    }
    assert [photo.key for photo in checked.photos] == sorted(fine)


def test_too_many_skipped_stop_with_one_line(tmp_path: Path) -> None:
    collection(tmp_path, per_label=10)
    write(tmp_path / "wren" / "a\nb.jpg", b"")
    assert len(check_photos(find_photos(tmp_path), workers=0, max_skipped=0.05).photos) == 20
    with pytest.raises(ValueError) as stopped:
        check_photos(find_photos(tmp_path), workers=0, max_skipped=0.04)
    assert str(stopped.value) == (
        "1 of 21 photographs can't be read (wren/a\\nb.jpg: empty file); "
        "more than --max-skipped 0.04 allows; `lodisc data check DATA` lists them"
    )


def test_none_left_stops_whatever_is_allowed(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", b"text")
    with pytest.raises(
        ValueError,
        match=r"^1 of 1 photographs can't be read \(a\.jpg: not an image\); `lodisc data check",
    ):
        check_photos(find_photos(tmp_path), workers=0, max_skipped=1)


def test_one_photograph_is_enough(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", encoded(texture(0)))
    assert [
        photo.key for photo in check_photos(find_photos(tmp_path), workers=2, max_skipped=0).photos
    ] == ["a.jpg"]


def test_processes_find_what_one_process_finds(tmp_path: Path) -> None:
    collection(tmp_path, per_label=100)
    for number in range(0, 100, 9):
        write(tmp_path / "wren" / f"{number}.jpg", b"" if number % 2 else b"text")
    alone, together = (
        check_photos(find_photos(tmp_path), workers=workers, max_skipped=1) for workers in (0, 2)
    )
    assert alone == together
    assert len(alone.skipped) == 12 and len(alone.photos) == 188
    assert [photo.key for photo in together.photos] == sorted(
        photo.key for photo in together.photos
    )


@pytest.mark.slow
def test_fresh_processes_can_do_the_work(tmp_path: Path) -> None:
    collection(tmp_path)
    write(tmp_path / "bad.jpg", b"")
    photos = find_photos(tmp_path).photos
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(check._reason_unreadable, photos)) == ["empty file", *[None] * 8]


def test_skipped_are_written_whatever_their_names(tmp_path: Path) -> None:
    skipped = [Skipped(name, "empty file") for name in ODD_NAMES]
    write_skipped(tmp_path / "skipped.jsonl", [])
    write_skipped(tmp_path / "skipped.jsonl", skipped)
    lines = (tmp_path / "skipped.jsonl").read_text("ascii").splitlines()
    assert [Skipped(**json.loads(line)) for line in lines] == skipped
    assert [path.name for path in tmp_path.iterdir()] == ["skipped.jsonl"]


def test_a_failed_write_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skipped(tmp_path / "skipped.jsonl", [Skipped("a", "b")])
    before = (tmp_path / "skipped.jsonl").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_skipped(tmp_path / "skipped.jsonl", [Skipped("c", "d")] * 100)
    assert (tmp_path / "skipped.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["skipped.jsonl"]


def test_a_data_set_is_described(tmp_path: Path) -> None:
    collection(tmp_path, labels=["finch", "wren"], per_label=3, splits=["train", "test"])
    write(tmp_path / "train" / "top.png", encoded(texture(77, size=(300, 200)), "PNG"))
    write(tmp_path / "test" / "wren" / "bad.jpg", b"")
    about = describe(tmp_path, workers=0)
    assert json.loads(json.dumps(about)) is not None
    assert (
        about["photographs"] == 13
        and about["splits"] == {"train": 7, "test": 6}
        and about["unlabelled"] == 1
    )
    assert about["classes"] == {"finch": {"train": 3, "test": 3}, "wren": {"train": 3, "test": 3}}
    assert about["skipped"] == [{"key": "test/wren/bad.jpg", "reason": "empty file"}] and about[
        "reasons"
    ] == {"empty file": 1}
    assert about["size"] == {"smallest": (32, 24), "median": (32, 24), "largest": (300, 200)}
    nothing: dict[str, list[str]] = {
        "within": [],
        "across": [],
        "near": [],
        "near_within": [],
        "labelled_apart": [],
    }
    assert about["duplicates"] == nothing and about["remarks"] == {}
    assert about["passed_over"] == {} and about["notes"] == []
    write(tmp_path / "val" / "wren" / "v.jpg", b"")
    write(tmp_path / "train" / "Wren" / "w.png", encoded(texture(78), "PNG"))
    about = json.loads(json.dumps(describe(tmp_path, workers=0)))
    assert list(about["passed_over"].values()) == [["val/wren/v.jpg"]]
    assert "Wren, wren" in about["notes"][0]


def test_a_split_can_be_tried(tmp_path: Path) -> None:
    collection(tmp_path, per_label=10)
    assert describe(tmp_path, workers=0)["classes"] == {
        "finch": {"photographs": 10},
        "wren": {"photographs": 10},
    }
    assert describe(tmp_path, train_split=0.7, workers=0)["classes"] == {
        "finch": {"train": 7, "test": 3},
        "wren": {"train": 7, "test": 3},
    }


def test_duplicates_inside_and_across_the_split(tmp_path: Path) -> None:
    collection(tmp_path, per_label=40, splits=["train", "test"], size=(96, 72))
    original = texture(5555, size=(300, 220))
    write(tmp_path / "train" / "wren" / "same.jpg", encoded(texture(4444)))
    write(tmp_path / "train" / "finch" / "again.jpg", encoded(texture(4444)))
    write(tmp_path / "test" / "wren" / "leaked.jpg", encoded(texture(4444)))
    write(tmp_path / "train" / "wren" / "original.png", encoded(original, "PNG"))
    altered = ImageEnhance.Brightness(original.resize((150, 110))).enhance(1.1)
    write(tmp_path / "test" / "wren" / "altered.jpg", encoded(altered, quality=50))
    write(
        tmp_path / "test" / "wren" / "mirrored.png",
        encoded(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"),
    )
    for split, level in (("train", 50), ("test", 51)):
        write(tmp_path / split / "plain.png", encoded(Image.new("L", (64, 64), level), "PNG"))
    duplicates = describe(tmp_path, workers=2)["duplicates"]
    assert duplicates["within"] == [["train/finch/again.jpg", "train/wren/same.jpg"]]
    assert duplicates["across"] == [
        ["train/finch/again.jpg", "train/wren/same.jpg", "test/wren/leaked.jpg"]
    ]
    assert [(pair["train"], pair["test"]) for pair in duplicates["near"]] == [
        ("train/wren/original.png", "test/wren/mirrored.png"),
        ("train/wren/original.png", "test/wren/altered.jpg"),
    ]
    assert all(0.97 <= pair["likeness"] <= 1 for pair in duplicates["near"])
    assert [(pair["first"], pair["second"]) for pair in duplicates["near_within"]] == [
        ("test/wren/altered.jpg", "test/wren/mirrored.png")
    ]
    apart = duplicates["labelled_apart"]
    assert [sorted({photo["label"] or "" for photo in photos}) for photos in apart] == [
        ["finch", "wren"]
    ]


def test_copies_under_two_labels_are_told_however_they_were_saved(tmp_path: Path) -> None:
    collection(tmp_path, per_label=30, size=(96, 72))
    for number, copy in enumerate(
        (
            lambda image: encoded(image, quality=95),
            lambda image: encoded(image.resize((120, 90)), "PNG"),
            lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.1), quality=60),
            lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "WEBP"),
        )
    ):
        image = texture(6000 + number, size=(180, 140))
        write(tmp_path / "finch" / f"first{number}.png", encoded(image, "PNG"))
        write(tmp_path / "wren" / f"second{number}.img.jpg", copy(image))
    apart = describe(tmp_path, workers=0)["duplicates"]["labelled_apart"]
    assert [[(photo["key"], photo["label"]) for photo in photos] for photos in apart] == [
        [(f"finch/first{number}.png", "finch"), (f"wren/second{number}.img.jpg", "wren")]
        for number in range(4)
    ]


def test_nothing_readable_is_still_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(15):
        write(tmp_path / f"{number}.jpg", b"")
    about = describe(tmp_path, workers=0)
    assert (
        about["photographs"] == 0 and about["reasons"] == {"empty file": 15} and about["size"] == {}
    )
    print_check(about)
    printed = capsys.readouterr().out
    assert "15, 15 empty file" in printed and "and 5 more; --json lists them all" in printed


def test_the_description_survives_odd_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = encoded(texture(1))
    for name in ODD_NAMES:
        write(tmp_path / "train" / f"label {name}" / name, same)
        write(tmp_path / "test" / "x" / name, b"")
    write(tmp_path / "test" / "x" / "same.jpg", same)
    print_check(describe(tmp_path, workers=0))
    printed = capsys.readouterr().out
    printed.encode()
    for words in (
        "line\\nbreak.jpg",
        "[red]bold[/red].jpg",
        "latin-\\udce9.jpg",
        "10 train, 1 test",
        "1 groups",
        "equal in train and",
    ):
        assert words in printed, words


def test_thousands_of_small_photographs_take_seconds(tmp_path: Path) -> None:
    data = [encoded(texture(seed, size=(160, 160)), quality=95) for seed in range(8)]
    for number in range(1000):
        write(tmp_path / f"{number}.jpg", data[number % 8])
    listing = find_photos(tmp_path)
    started = time.perf_counter()
    listing = Listing(listing.photos, [], {}, [])
    assert len(check_photos(listing, workers=2, max_skipped=0).photos) == 1000
    assert time.perf_counter() - started < 5
