"""The finches: a drawn data set of species that differ only in small parts.

OUT/
  train/SPECIES/NNNN.jpg
  test/SPECIES/NNNN.jpg
  masks/train/SPECIES/NNNN.png    0 background, 128 object, 255 discriminative parts
  masks/test/SPECIES/NNNN.png
  finches.json                    the settings, and the parts of every species
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lodisc.console import track
from lodisc.errors import UserError
from lodisc.finches.drawing import draw_finch
from lodisc.finches.shapes import PARTS

MOST_SPECIES = 1 << 15
WORDS = (
    "amber",
    "birch",
    "clover",
    "dune",
    "ember",
    "fern",
    "gorse",
    "heath",
    "indigo",
    "juniper",
    "kelp",
    "linden",
    "meadow",
    "nettle",
    "ochre",
    "pebble",
    "quince",
    "rowan",
    "saffron",
    "thistle",
    "umber",
    "violet",
    "willow",
    "yarrow",
    "aspen",
    "briar",
    "cedar",
    "dusk",
    "elder",
    "frost",
    "hazel",
    "ivy",
)


class Finch(NamedTuple):
    """A picture of the set."""

    split: str
    species: int
    number: int


def species_parts(species: int) -> tuple[int, ...]:
    """The variant (0..7) of each of the five parts.

    Any two of the first 512 species differ in at least two parts, and any others in at least one.
    The bits of the number go to three parts in turn, and the other two parts are their sums. Bits
    above the ninth shift the two sums.
    """
    first, second, third = (
        sum((species >> 3 * bit + digit & 1) << bit for bit in range(3)) for digit in range(3)
    )
    return (
        first,
        second,
        third,
        first ^ second ^ (species >> 9 & 7),
        first ^ third ^ (species >> 12),
    )


def vivid_parts(species: int) -> tuple[int, ...]:
    """The variant (0..7) of each of the five parts.

    Any two species differ in at least one part, and any two of the first eight in all five. In the
    first eight all parts have the same variant. Higher bits change the four parts after the beak,
    one by one.
    """
    variant, changes = species & 7, species >> 3
    return (variant, *(variant ^ (changes >> 3 * part & 7) for part in range(4)))


def species_name(species: int) -> str:
    """An invented name such as `amber_finch`, unique for every number."""
    words: list[str] = []
    number = species + 1
    while number:
        number, letter = divmod(number - 1, len(WORDS))
        words.insert(0, WORDS[letter])
    return "_".join([*words, "finch"])


def one_part(species: int, part: str) -> tuple[int, ...]:
    """The variant (0..7) of each of the five parts, for species that differ in `part` alone."""
    return tuple(species if name == part else 0 for name in PARTS)


class Drawing(NamedTuple):
    """What all pictures of a set share."""

    image_size: int
    seed: int
    vivid: bool
    part: str | None

    def parts(self, species: int) -> tuple[int, ...]:
        """The variants that make a species."""
        if self.part is not None:
            return one_part(species, self.part)
        return vivid_parts(species) if self.vivid else species_parts(species)


def draw_finches(
    out: Path,
    *,
    species: int = 8,
    train: int = 100,
    test: int = 25,
    image_size: int = 128,
    seed: int = 0,
    vivid: bool = False,
    part: str | None = None,
) -> None:
    """Draw `train` and `test` pictures of each species, with masks, into the new folder `out`.

    A picture depends on its number, split and species, on the seed, the image size, `vivid` and
    `part` only, not on how many are drawn. The parts of vivid finches differ in colour too, and the
    rest is muted. With `part`, the species, at most eight, differ in that part alone.

    `out` appears only when it is complete. Raises `UserError` when `out` is not empty or a setting
    is out of range, and `OSError` when writing fails.
    """
    out = Path(out).resolve()
    if part is not None and part not in PARTS:
        raise UserError(f"--part {part}: there are {', '.join(PARTS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; give --out a new one")
    _check_range("species", species, 1, MOST_SPECIES if part is None else 8)
    _check_range("train", train, 1)
    _check_range("test", test, 0)
    _check_range("image-size", image_size, 32, 1024)
    _check_range("seed", seed, 0)
    drawing = Drawing(image_size, seed, vivid, part)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.drawing")
    shutil.rmtree(draft, ignore_errors=True)  # of a call that was killed
    try:
        draft.mkdir()
        _draw_all(draft, drawing, species=species, counts={"train": train, "test": test})
        draft.replace(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _draw_all(out: Path, drawing: Drawing, *, species: int, counts: dict[str, int]) -> None:
    """Draw the pictures and masks, `counts` of each split and species, and write finches.json."""
    finches = [
        Finch(split, kind, number)
        for split, count in counts.items()
        for kind in range(species)
        for number in range(count)
    ]
    for finch in track(finches, description="Drawing finches", total=len(finches)):
        _write(out, finch, drawing)
    parts = {
        species_name(kind): dict(zip(PARTS, drawing.parts(kind), strict=True))
        for kind in range(species)
    }
    settings = {"species": species, **counts, **drawing._asdict()}
    record = json.dumps({"settings": settings, "parts": parts}, indent=2)
    (out / "finches.json").write_text(record + "\n")


def _check_range(name: str, value: int, least: int, most: int | None = None) -> None:
    """Raise a `UserError` for a setting outside `least` to `most`."""
    if value < least or (most is not None and value > most):
        allowed = f"{least} or more" if most is None else f"{least} to {most}"
        raise UserError(f"--{name} {value} is out of range; use {allowed}")


def _write(out: Path, finch: Finch, drawing: Drawing) -> None:
    rng = np.random.default_rng([drawing.seed, finch.split == "test", finch.species, finch.number])
    differing = tuple(PARTS) if drawing.part is None else (drawing.part,)
    picture, mask = draw_finch(
        drawing.parts(finch.species),
        rng,
        drawing.image_size,
        vivid=drawing.vivid,
        differing=differing,
    )
    place = Path(finch.split, species_name(finch.species))
    for folder in (out / place, out / "masks" / place):
        folder.mkdir(parents=True, exist_ok=True)
    picture.save(out / place / f"{finch.number:04d}.jpg", quality=92)
    mask.save(out / "masks" / place / f"{finch.number:04d}.png", compress_level=1)
