"""Dividing photographs into train and test, and telling whether they are still the same."""

import os
from pathlib import Path

import pytest
from photos import collection

from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos, fingerprint, split_photos, training_photos


def places(photos: list[Photo]) -> dict[str, tuple[str | None, str | None]]:
    return {photo.key: (photo.split, photo.label) for photo in photos}


def test_a_split_is_stratified_and_depends_on_seed_and_key_only(tmp_path: Path) -> None:
    classes = {"a": 10, "b": 2, "c": 1, None: 30}
    photos = [
        Photo(f"{label}/{number}.jpg", tmp_path, label)
        for label, count in classes.items()
        for number in range(count)
    ]
    split = split_photos(photos, train_split=0.7, seed=0)
    assert [photo.key for photo in split] == [photo.key for photo in photos]
    train = {
        label: sum(photo.split == "train" for photo in split if photo.label == label)
        for label in classes
    }
    assert train == {"a": 7, "b": 1, "c": 1, None: 21} and {photo.split for photo in split} == {
        "train",
        "test",
    }
    assert places(split_photos(photos[::-1], train_split=0.7, seed=0)) == places(split)
    assert places(split_photos(photos, train_split=0.7, seed=1)) != places(split)
    assert (
        places(
            split_photos([*photos, Photo("d/0.jpg", tmp_path, "d")], train_split=0.7, seed=0)
        ).items()
        > places(split).items()
    )
    assert split_photos(photos, train_split=None, seed=0) == photos
    assert (
        split_photos([Photo(os.fsdecode(b"\xe9.jpg"), tmp_path)], train_split=0.5, seed=0)[0].split
        == "train"
    )


def test_splits_that_contradict_are_refused(tmp_path: Path) -> None:
    photos = [Photo("a.jpg", tmp_path, split="test")]
    with pytest.raises(
        ValueError, match=r"--train-split 0\.5: the photographs are already divided"
    ):
        split_photos(photos, train_split=0.5, seed=0)
    with pytest.raises(ValueError, match=r"--train-split 1\.0 is out of range"):
        split_photos([Photo("a.jpg", tmp_path)], train_split=1.0, seed=0)
    with pytest.raises(ValueError, match="none is train"):
        training_photos(photos)


def test_the_fingerprint_tells_any_change(tmp_path: Path) -> None:
    photos = find_photos(collection(tmp_path)).photos
    first = fingerprint(photos)
    assert first == fingerprint(find_photos(tmp_path).photos)
    assert first != fingerprint(split_photos(photos, train_split=0.5, seed=0))
    assert first != fingerprint(photos[1:])
    photos[0].path.write_bytes(photos[0].read() + b" ")
    assert first != fingerprint(photos)
