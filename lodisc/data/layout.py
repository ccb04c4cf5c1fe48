"""Labels and splits from the names of folders: one rule for folders, lists and tars.

wren/a.jpg                     label wren
train/wren/a.jpg               label wren, split train; so do test/ and the like
birds/train/wren/a.jpg         the same, where everything lies in one folder around train/
images/train/a.jpg             split train, no label; likewise train/images/a.jpg
masks/a.png, wren/a_mask.png   a mask of a photograph with that name: passed over
@eaDir/a.jpg                   put there by a system: passed over
"""

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Literal, NamedTuple

from lodisc.data.photo import Photo, Skipped, printable

Part = Literal["train", "test", "validation"]
Passed = dict[str, list[str]]

_SPLIT = re.compile(
    r"(train|test|val)(ing|id|idation)?[-_ ]?(set|data|images|imgs|photos)?[-_ ]?((19|20)[0-9]{2})?"
)
"""What people call the parts of a data set: train, Training, test_images, val2017."""
_PARTS: dict[str, Part] = {"train": "train", "test": "test", "val": "validation"}
OF_SYSTEMS = {
    *("@eadir", "#recycle", "#snapshot", "~snapshot", "@recycle", "@recently-snapshot", "@tmp"),
    *("@synoresource", "network trash folder", "temporary items"),
    *("$recycle.bin", "system volume information", "recycler", "lost+found", "found.000"),
    *("__macosx", ".appledouble", ".thumbnails", ".trash", ".trashes", ".spotlight-v100"),
}
"""Folders that systems put among photographs, in lower case."""
_SYSTEM_ENDINGS = (".photoslibrary/resources", ".lrdata")
_UNNAMED = {"images", "jpegimages"}  # folders whose name is not a label
_OF_MASKS = {
    *("mask", "masks", "annotations", "labels", "gt", "ground_truth", "groundtruth"),
    *("segmentation", "segmentations", "segmentationclass", "segmentationobject"),
}
_MASK_ENDING = re.compile(r"[-_ ](masks?|seg|segmentation|gt)([-_ ]?[0-9]+)?$", re.IGNORECASE)
_LOSSLESS = {".png", ".gif", ".bmp", ".tif", ".tiff"}  # of masks, whose values must stay
_MISSING = {"na", "n/a", "#n/a", "nan", "none", "null", "#ref!", "#value!", "#name?", "#div/0!"}
_MOST_WRAPPERS = 3  # folders in one another around train/

NEITHER = "neither train nor test"
VALIDATION = "validation, neither train nor test"
MASKS = "masks of other photographs"
BY_A_SYSTEM = "put there by a system, not by you"


class Listing(NamedTuple):
    """Photographs with labels and splits."""

    photos: list[Photo]
    skipped: list[Skipped]
    passed_over: Passed
    """Keys of photographs that are not read, by the reason."""
    notes: list[str]
    """What was taken for granted, one line each."""


def split_named(name: str) -> Part | None:
    """The part of a data set that a folder or a cell of this name means; None for any other."""
    match = _SPLIT.fullmatch(name.strip().casefold())
    return _PARTS[match[1]] if match else None


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
    passed_over: dict[str, list[str]] = defaultdict(list)
    here = _without_others(photos, passed_over, may_be_masks=labels is None)
    folders = {photo.key: _folders(photo.key) for photo in here}
    depth = _depth(list(folders.values()))
    has_splits = depth is not None
    placed: list[tuple[Photo, Part | None]] = []
    deep: list[str] = []
    for photo in here:
        inner = folders[photo.key][depth or 0 :]
        part = split_named(inner[0]) if inner and (has_splits or parts is not None) else None
        inner = inner[1:] if part else inner
        inner = inner[1:] if inner and inner[0].casefold() in _UNNAMED else inner
        if labels is not None:
            label = labels[photo.key]
        else:
            label = unicodedata.normalize("NFC", inner[0]) if inner else None
            deep += [photo.key] * (len(inner) > 1)
        placed.append((replace(photo, label=label), part if parts is None else parts[photo.key]))
    listing = _divided(placed, has_splits or parts is not None, passed_over)
    if deep:
        listing.notes.append(
            f"the outer folder is the label of {printable(deep[0])}"
            + f" and {len(deep) - 1:,} more" * (len(deep) > 1)
        )
    if not has_splits and parts is None:
        idle = {"/".join(path) for path in folders.values() if any(map(split_named, path))}
        if idle:
            listing.notes.append(
                f"folders such as {printable(min(idle))} divide nothing; train/ and test/ do, at "
                "the top or in one folder around them"
            )
    return listing


def odd_labels(labels: Iterable[str | None]) -> list[str]:
    """A note for each set of labels that look the same, and for labels that may mean none."""
    names = {label for label in labels if label is not None}
    notes = [
        f"labels that differ in case or blanks alone are different: {_list(same)}"
        for same in twins(names)
    ]
    if missing := sorted(name for name in names if name.strip().casefold() in _MISSING):
        notes.append(f"{_list(missing)} is taken for a label; leave the cell empty for none")
    return notes


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))


def twins(labels: Iterable[str | None]) -> list[list[str]]:
    """Sets of labels that differ in nothing but case, blanks, and marks that are not seen."""
    same: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        if label is not None:
            seen = "".join(letter for letter in label if unicodedata.category(letter) != "Cf")
            same[" ".join(seen.casefold().split())].add(label)
    return [sorted(names) for _, names in sorted(same.items()) if len(names) > 1]


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
        elif _is_elsewhere(photo.key) and part is None:
            photos.append(photo)
        else:
            passed_over[VALIDATION if part else NEITHER].append(photo.key)
    if validation:
        notes.append(f"what is for validation is test here, as nothing else is: {validation:,}")
    return Listing(photos, [], passed_over, notes)


def _without_others(
    photos: Iterable[Photo], passed_over: Passed, *, may_be_masks: bool
) -> list[Photo]:
    """All but what systems put there, and masks."""
    own: list[Photo] = []
    for photo in photos:
        if _is_of_a_system(_folders(photo.key)):
            passed_over[BY_A_SYSTEM].append(photo.key)
        else:
            own.append(photo)
    masks = _masks([photo.key for photo in own]) if may_be_masks else set()
    passed_over[MASKS] += sorted(masks)
    return [photo for photo in own if photo.key not in masks]


def _is_of_a_system(folders: Sequence[str]) -> bool:
    path = "/".join(folders).casefold()
    return any(folder.casefold() in OF_SYSTEMS for folder in folders) or any(
        f"{ending}/" in f"{path}/" for ending in _SYSTEM_ENDINGS
    )


def _masks(keys: Sequence[str]) -> set[str]:
    """Keys that are masks of other photographs, by their names.

    A folder of masks is one of `_OF_MASKS` most of whose files have a photograph: at the same
    place outside it, or of a name that no other photograph has. Anywhere else a mask has the name
    of its photograph, with an ending.
    """
    inside: dict[tuple[str, ...], list[str]] = defaultdict(list)
    outside: list[str] = []
    for key in keys:
        folders = _folders(key)
        place = next((at for at, name in enumerate(folders) if name.casefold() in _OF_MASKS), None)
        if place is None:
            outside.append(key)
        else:
            inside[folders[: place + 1]].append(key)
    places = {_place(key) for key in outside}
    names: dict[str, list[str]] = defaultdict(list)
    for key in outside:
        names[_stem(key)].append(_ending(key))
    masks = {
        key
        for members in inside.values()
        if 2 * sum(_has_photo(key, places, names) for key in members) >= len(members)
        for key in members
    }
    endings = {posixpath.splitext(key)[0]: _ending(key) for key in keys}
    for key in keys:
        path = posixpath.splitext(key)[0]
        plain = _MASK_ENDING.sub("", path)
        if plain != path and _may_be_mask(key, [endings[plain]] if plain in endings else []):
            masks.add(key)
    return masks


def _has_photo(key: str, places: Set[str], names: Mapping[str, Sequence[str]]) -> bool:
    """Whether a file in a folder of masks is named like one photograph."""
    endings = names.get(_MASK_ENDING.sub("", _stem(key)), [])
    if _place(key) in places:
        return _may_be_mask(key, endings)
    return len(endings) == 1 and _ending(key) in _LOSSLESS and _ending(key) not in endings


def _may_be_mask(key: str, endings: Sequence[str]) -> bool:
    """Whether a file may be a mask of photographs with these endings, if there are any."""
    return bool(endings) and (_ending(key) in _LOSSLESS or _ending(key) not in endings)


def _place(key: str) -> str:
    """Where a photograph or its mask is, whatever the folders around both are called."""
    folders = [name for name in _folders(key) if name.casefold() not in _OF_MASKS | _UNNAMED]
    return "/".join((*folders, _MASK_ENDING.sub("", _stem(key))))


def _depth(folders: Sequence[tuple[str, ...]]) -> int | None:
    """How many folders lie around those that divide a data set; None if nothing divides it.

    They may lie in one folder that holds most photographs, or that is called images.
    """
    for depth in range(_MOST_WRAPPERS + 1):
        inner = [path[depth:] for path in folders if len(path) > depth]
        if not inner:
            return None
        tops = Counter(path[0] for path in inner)
        if are_splits(tops) or _is_alone(inner):
            return depth
        below: dict[str, set[str]] = defaultdict(set)
        for path in inner:
            below[path[0]].update(path[1:2])
        around = [top for top, names in below.items() if any(map(split_named, names))]
        if (
            len(around) == 1
            and are_splits(below[around[0]])
            and (2 * tops[around[0]] >= len(folders) or around[0].casefold() in _UNNAMED)
        ):
            return depth + 1
        if len(tops) > 1:
            return None
    return None


def are_splits(names: Iterable[str]) -> bool:
    """Whether folders of these names divide a data set: they are for two purposes at least."""
    return len({split_named(name) for name in names} - {None}) > 1


def _is_alone(paths: Sequence[tuple[str, ...]]) -> bool:
    """Whether a folder `train` or `test` without the other is a part, rather than a kind.

    It is one if everything lies in it; beside others only `train` is, if it is divided further.
    """
    own = [path for path in paths if path[0].casefold() in ("train", "test")]
    if not own:
        return False
    is_train, is_divided = own[0][0].casefold() == "train", any(path[1:] for path in own)
    if len(own) == len(paths):
        return is_train or is_divided
    return is_train and is_divided


def _folders(key: str) -> tuple[str, ...]:
    """The folders in a key inside the data."""
    if _is_elsewhere(key):
        return ()
    return tuple(part for part in key.split("/")[:-1] if part not in ("", ".", ".."))


def _is_elsewhere(key: str) -> bool:
    return key.startswith(("/", "../"))


def _stem(key: str) -> str:
    return posixpath.splitext(posixpath.basename(key))[0]


def _ending(key: str) -> str:
    return posixpath.splitext(key)[1].lower()
