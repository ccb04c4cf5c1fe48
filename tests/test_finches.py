import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lodisc.finches import finches
from lodisc.finches.drawing import draw_finch
from lodisc.finches.finches import draw_finches, species_name, species_parts, vivid_parts


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _pair(
    first: int, second: int, seed: int, size: int = 128
) -> list[tuple[np.ndarray, np.ndarray]]:
    pictures = (
        draw_finch(species_parts(species), np.random.default_rng(seed), size)
        for species in (first, second)
    )
    return [(np.asarray(picture, np.int16), np.asarray(mask)) for picture, mask in pictures]


def test_layout_and_settings(tmp_path: Path) -> None:
    draw_finches(tmp_path / "new" / "finches", species=3, train=2, test=1, image_size=64, seed=5)
    files = _files(tmp_path / "new" / "finches")
    names = [species_name(kind) for kind in range(3)]
    pictures = {
        f"{split}/{name}/{index:04d}"
        for split, count in (("train", 2), ("test", 1))
        for name in names
        for index in range(count)
    }
    assert files.keys() == {f"{key}.jpg" for key in pictures} | {
        f"masks/{key}.png" for key in pictures
    } | {"finches.json"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["finches"]
    record = json.loads(files["finches.json"])
    assert record["settings"] == {
        "species": 3,
        "train": 2,
        "test": 1,
        "image_size": 64,
        "seed": 5,
        "vivid": False,
        "part": None,
    }
    assert list(record["parts"]) == names and set(record["parts"][names[0]]) == {
        "beak",
        "eye_ring",
        "wing_bars",
        "crown",
        "tail",
    }
    for key in pictures:
        with (
            Image.open(tmp_path / f"new/finches/{key}.jpg") as picture,
            Image.open(tmp_path / f"new/finches/masks/{key}.png") as mask,
        ):
            assert (picture.size, picture.mode, mask.size, mask.mode) == (
                (64, 64),
                "RGB",
                (64, 64),
                "L",
            )
            assert set(np.unique(np.asarray(mask))) == {0, 128, 255}


def test_same_seed_same_bytes_whatever_the_numbers(tmp_path: Path) -> None:
    draw_finches(tmp_path / "few", species=2, train=2, test=1, image_size=48, seed=1)
    draw_finches(tmp_path / "again", species=2, train=2, test=1, image_size=48, seed=1)
    draw_finches(tmp_path / "many", species=3, train=3, test=2, image_size=48, seed=1)
    draw_finches(tmp_path / "other", species=2, train=2, test=1, image_size=48, seed=2)
    few, many, other = (_files(tmp_path / name) for name in ("few", "many", "other"))
    assert few == _files(tmp_path / "again")
    del few["finches.json"]
    assert all(many[key] == data for key, data in few.items())
    assert all(other[key] != data for key, data in few.items())
    assert len(set(many.values())) == len(many)


@pytest.mark.parametrize("species", [3, 8, 40, 512])
def test_each_pair_of_species_differs_in_two_parts(species: int) -> None:
    codes = [species_parts(kind) for kind in range(species)]
    differences = [
        sum(a != b for a, b in zip(first, second, strict=True))
        for first, second in combinations(codes, 2)
    ]
    assert min(differences) >= 2
    if species == 8:
        assert np.mean(differences) < 3
        assert all(len(set(variants)) > 1 for variants in zip(*codes, strict=True))


def test_the_first_eight_vivid_species_differ_in_every_part() -> None:
    codes = [vivid_parts(kind) for kind in range(8)]
    assert all(
        a != b
        for first, second in combinations(codes, 2)
        for a, b in zip(first, second, strict=True)
    )
    assert len({vivid_parts(kind) for kind in range(finches.MOST_SPECIES)}) == finches.MOST_SPECIES


def test_codes_and_names_are_unique_for_every_species() -> None:
    codes = {species_parts(kind) for kind in range(finches.MOST_SPECIES)}
    names = {species_name(kind) for kind in range(finches.MOST_SPECIES)}
    assert len(codes) == len(names) == finches.MOST_SPECIES
    assert {variant for code in codes for variant in code} == set(range(8))


@pytest.mark.parametrize(("first", "second"), [(0, 1), (2, 5), (0, 7), (9, 30), (100, 511)])
def test_species_differ_inside_the_masked_parts_only(first: int, second: int) -> None:
    for seed in range(4):
        (a, a_mask), (b, b_mask) = _pair(first, second, seed)
        changed = np.abs(a - b).max(-1) > 0
        parts = Image.fromarray(((a_mask == 255) | (b_mask == 255)).astype(np.uint8) * 255)
        assert changed.sum() > 40
        outside = changed & (np.asarray(parts.filter(ImageFilter.MaxFilter(5))) == 0)
        assert outside.sum() <= 1  # a sliver between two leaves, too thin for the mask


def test_every_variant_of_a_part_shows() -> None:
    plain = (0, 0, 0, 0, 0)
    for part in range(5):
        for variant in range(1, 8):
            changed = (*plain[:part], variant, *plain[part + 1 :])
            a, b = (
                np.asarray(draw_finch(code, np.random.default_rng(3), 128)[0], np.int16)
                for code in (plain, changed)
            )
            assert (np.abs(a - b).max(-1) > 40).sum() > 20


def test_parts_are_small_and_birds_fill_the_frame() -> None:
    masks = np.stack(
        [
            np.asarray(draw_finch(species_parts(i % 8), np.random.default_rng(i), 96)[1])
            for i in range(120)
        ]
    )
    part, bird = (masks == 255).mean((1, 2)), (masks > 0).mean((1, 2))
    assert 0.03 < np.median(part) < 0.08 and part.min() > 0.015 and part.max() < 0.13
    assert bird.min() > 0.08
    widths = (masks > 0).any(1).sum(1) / 96
    heights = (masks > 0).any(2).sum(1) / 96
    assert 0.6 < np.median(np.maximum(widths, heights)) < 0.95


@pytest.mark.parametrize("content", ["file", "folder"])
def test_an_out_that_holds_something_is_refused(tmp_path: Path, content: str) -> None:
    out = tmp_path / "finches"
    if content == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and is not an empty folder"):
        draw_finches(out, species=2, train=1, test=1, image_size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["finches"]


def test_an_empty_out_is_filled(tmp_path: Path) -> None:
    draw_finches(tmp_path, species=2, train=1, test=0, image_size=32)
    assert (tmp_path / "finches.json").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("species", 0),
        ("species", 1 << 16),
        ("train", 0),
        ("test", -1),
        ("image_size", 8),
        ("seed", -1),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, setting: str, value: int) -> None:
    settings: dict[str, Any] = {
        "species": 2,
        "train": 1,
        "test": 1,
        "image_size": 32,
        "seed": 0,
        setting: value,
    }
    with pytest.raises(ValueError, match=f"--{setting.replace('_', '-')} {value} is out of range"):
        draw_finches(tmp_path / "finches", **settings)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, saved = Image.Image.save, []

    def full(image: Image.Image, path: Path, **_: int) -> None:
        saved.append(path)
        if len(saved) > 5:
            raise OSError(28, "No space left on device")
        save(image, path)

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        draw_finches(tmp_path / "finches", species=2, train=3, test=1, image_size=32)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_call_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".finches.drawing" / "train").mkdir(parents=True)
    draw_finches(tmp_path / "finches", species=2, train=1, test=1, image_size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["finches"]


@pytest.mark.slow
def test_raw_pixels_and_colours_are_near_chance(tmp_path: Path) -> None:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    draw_finches(tmp_path / "finches", species=8, train=100, test=25, image_size=64)

    def features(split: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        paths = sorted((tmp_path / "finches" / split).rglob("*.jpg"))
        pictures = [Image.open(path) for path in paths]
        pixels = [
            np.asarray(picture.resize((32, 32), Image.Resampling.BOX), np.float32).ravel()
            for picture in pictures
        ]
        colours = [
            np.sqrt(np.bincount((np.asarray(picture) // 64 @ [16, 4, 1]).ravel(), minlength=64))
            for picture in pictures
        ]
        return np.stack(pixels), np.stack(colours), [path.parent.name for path in paths]

    train_pixels, train_colours, train_labels = features("train")
    test_pixels, test_colours, test_labels = features("test")
    by_pixels = make_pipeline(
        StandardScaler(), PCA(64, random_state=0), LogisticRegression(C=0.01, max_iter=1000)
    )
    assert by_pixels.fit(train_pixels, train_labels).score(test_pixels, test_labels) < 0.25
    by_colours = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    assert by_colours.fit(train_colours, train_labels).score(test_colours, test_labels) < 0.25


def test_species_that_differ_in_one_part(tmp_path: Path) -> None:
    draw_finches(tmp_path / "out", species=8, train=1, test=0, image_size=64, part="crown")
    record = json.loads((tmp_path / "out" / "finches.json").read_text())
    for part in ("beak", "eye_ring", "wing_bars", "tail"):
        assert {parts[part] for parts in record["parts"].values()} == {0}
    assert sorted(parts["crown"] for parts in record["parts"].values()) == list(range(8))
    (cap, cap_mask), (crest, crest_mask) = (
        draw_finch((0, 0, 0, variant, 0), np.random.default_rng(1), 128, differing=["crown"])
        for variant in (0, 1)
    )
    changed = np.abs(np.asarray(cap, np.int16) - np.asarray(crest, np.int16)).max(-1) > 0
    shown = (np.asarray(cap_mask) == 255) | (np.asarray(crest_mask) == 255)
    around = (
        np.asarray(Image.fromarray(shown.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(5)))
        > 0
    )
    assert 20 < shown.sum() < 900 and changed.sum() > 40 and (changed & ~around).sum() <= 1
    with pytest.raises(ValueError, match="use 1 to 8"):
        draw_finches(tmp_path / "more", species=9, part="crown")
    with pytest.raises(ValueError, match="--part wing: there are beak"):
        draw_finches(tmp_path / "other", part="wing")
