"""Labels and splits from the names of folders: one rule for folders, lists and tars.

wren/a.jpg                     label wren
train/wren/a.jpg               label wren, split train; so do test/ and the like
birds/train/wren/a.jpg         the same, where everything lies in one folder around train/
birds-train1/wren/a.jpg        the same, beside birds-test1/
images/train/a.jpg             split train, no label; likewise train/images/a.jpg
masks/a.png, wren/a_mask.png   a mask of a photograph with that name: passed over
@eaDir/a.jpg                   put there by a system: passed over
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lodisc.data.endings import folders_of, is_elsewhere, why_left_out
from lodisc.data.masks import UNNAMED, masks_among
from lodisc.data.photo import Photo, Skipped, printable
from lodisc.data.splits import Division, Part, division, is_part_alone, split_named

Passed = dict[str, list[str]]

NEITHER = "neither train nor test"
VALIDATION = "validation, neither train nor test"
MASKS = "masks of other photographs"


class Listing(NamedTuple):
    """Photographs with labels and splits."""

    photos: list[Photo]
    skipped: list[Skipped]
    passed_over: Passed
    """Keys of photographs that are not read, by the reason."""
    notes: list[str]
    """What was taken for granted, one line each."""


def arrange(
    photos: Iterable[Photo],
    *,
    parts: Mapping[str, Part | None] | None = None,
    labels: Mapping[str, str | None] | None = None,
) -> Listing:
    """Give photographs their labels and splits, from the folders in their keys.

    `parts` and `labels` are those of each key where a list names them. Where no photograph is for
    testing, those for validation are.
    """
    passed_over: Passed = defaultdict(list)
    here = _without_others(photos, passed_over)
    masks = masks_among([photo.key for photo in here] if labels is None else [])
    passed_over[MASKS] += sorted(masks.keys)
    here = [photo for photo in here if photo.key not in masks.keys]
    folders = {photo.key: folders_of(photo.key) for photo in here}
    divided = division(list(folders.values()))
    has_splits = bool(divided and divided.parts) or parts is not None
    placed: list[tuple[Photo, Part | None]] = []
    deep: set[str] = set()
    for photo in here:
        part, inner = _part(folders[photo.key], divided, has_splits)
        inner = inner[1:] if inner and inner[0].casefold() in UNNAMED else inner
        if labels is not None:
            label = labels[photo.key]
        else:
            label = unicodedata.normalize("NFC", inner[0]) if inner else None
            deep |= {photo.key} if len(inner) > 1 else set()
        placed.append((replace(photo, label=label), part if parts is None else parts[photo.key]))
    listing = _divided(placed, has_splits, passed_over)
    keys = [photo.key for photo in listing.photos]
    if inside := [key for key in keys if key in deep]:
        listing.notes.append(
            f"the outer folder is the label of {printable(inside[0])}"
            + f" and {len(inside) - 1:,} more" * (len(inside) > 1)
        )
    if not has_splits:
        idle = {"/".join(path) for path in folders.values() if any(map(is_part_alone, path))}
        if idle:
            listing.notes.append(
                f"folders such as {printable(min(idle))} divide nothing; train/ and test/ do, at "
                "the top or in one folder around them"
            )
    for folder in masks.doubtful:
        if not any(key.startswith(f"{folder}/") for key in keys):
            continue
        listing.notes.append(
            f"{printable(folder)} is read as photographs, named as those beside it; if they are "
            "masks, move them out"
        )
    return listing


def _part(
    path: tuple[str, ...], divided: Division | None, has_splits: bool
) -> tuple[Part | None, tuple[str, ...]]:
    """The part in the folders of a photograph, and the folders inside it."""
    if divided:
        return divided.part(path)
    part = split_named(path[0]) if path and has_splits else None
    return part, path[1:] if part else path


def _divided(
    placed: Sequence[tuple[Photo, Part | None]], has_splits: bool, passed_over: Passed
) -> Listing:
    """Photographs with their splits; those of no split are passed over."""
    if not has_splits:
        return Listing([photo for photo, _ in placed], [], passed_over, [])
    has_test = any(part == "test" for _, part in placed)
    photos, notes, validation = [], [], 0
    for photo, part in placed:
        if part == "validation" and not has_test:
            photos.append(replace(photo, split="test"))
            validation += 1
        elif part == "train" or part == "test":
            photos.append(replace(photo, split=part))
        elif is_elsewhere(photo.key) and part is None:
            photos.append(photo)
        else:
            passed_over[VALIDATION if part else NEITHER].append(photo.key)
    if validation:
        notes.append(f"what is for validation is test here, as nothing else is: {validation:,}")
    return Listing(photos, [], passed_over, notes)


def _without_others(photos: Iterable[Photo], passed_over: Passed) -> list[Photo]:
    """All but what systems put there, and what is hidden."""
    own: list[Photo] = []
    for photo in photos:
        if reason := why_left_out(photo.key):
            passed_over[reason].append(photo.key)
        else:
            own.append(photo)
    return own
