"""Which folders divide a data set into train and test, by their names."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from lodisc.data.masks import UNNAMED, is_of_masks

Part = Literal["train", "test", "validation"]

_OF_WHAT = ("set", "data", "images", "imgs", "photos")
_SPLIT = re.compile(
    rf"(train|test|val)(ing|id|idation)?[-_ ]?({'|'.join(_OF_WHAT)})?[-_ ]?((19|20)[0-9]{{2}})?"
)
"""What people call the parts of a data set: train, Training, test_images, val2017."""
_PARTS: dict[str, Part] = {"train": "train", "test": "test", "val": "validation"}
_WORDS = re.compile(r"[^\W\d_]+")
_MOST_WRAPPERS = 3  # folders in one another around train/


class Division(NamedTuple):
    """The folders that divide a data set."""

    around: tuple[str, ...]
    """Folders in one another that hold them."""
    parts: Mapping[str, Part]
    """What each of them is for."""

    def part(self, folders: Sequence[str]) -> tuple[Part | None, tuple[str, ...]]:
        """The part that a photograph in these folders is of, and the folders inside this part."""
        depth = len(self.around)
        if tuple(folders[:depth]) != self.around or len(folders) == depth:
            return None, tuple(folders)
        part = self.parts.get(folders[depth])
        return part, tuple(folders[depth + bool(part) :])


def split_named(name: str) -> Part | None:
    """The part of a data set that a folder or a cell of this name means; None for any other."""
    match = _SPLIT.fullmatch(name.strip().casefold())
    return _PARTS[match[1]] if match else None


def parts_among(names: Iterable[str]) -> dict[str, Part]:
    """What names that divide a data set are for; none if they do not divide it.

    They are for two purposes at least. Their names are usual ones, or differ in nothing but the
    part and numbers: birds_train-00 and birds_test-00.
    """
    names = list(names)
    usual = {name: part for name in names if (part := split_named(name))}
    if len(set(usual.values())) > 1:
        return usual
    alike: dict[str, dict[str, Part]] = defaultdict(dict)
    for name in names:
        if meaning := _meaning(name):
            part, rest = meaning
            alike[rest][name] = part
    divisions = [parts for parts in alike.values() if len(set(parts.values())) > 1]
    return divisions[0] if len(divisions) == 1 else {}


def names_a_part(name: str) -> bool:
    """Whether a word of a name means a part of a data set."""
    return _meaning(name) is not None


def is_of_a_part(name: str) -> bool:
    """Whether a name means a part of a data set and nothing else: train, train1, images_train."""
    meaning = _meaning(name)
    return meaning is not None and not meaning[1]


@lru_cache(maxsize=4096)
def _meaning(name: str) -> tuple[Part, str] | None:
    """The part in a name, and its other words; None for a name without a part."""
    if part := split_named(name):
        return part, ""
    words = _WORDS.findall(name.casefold())
    parts = [part for word in words if (part := split_named(word))]
    rest = [word for word in words if word not in _OF_WHAT and not split_named(word)]
    return (parts[0], " ".join(rest)) if len(parts) == 1 else None


def division(folders: Sequence[tuple[str, ...]]) -> Division | None:
    """The folders that divide a data set, given those of each photograph; None if none do.

    They may lie in one folder that holds most photographs, or that is called images.
    """
    around: tuple[str, ...] = ()
    while len(around) <= _MOST_WRAPPERS:
        inner = [path[len(around) :] for path in folders if len(path) > len(around)]
        tops = Counter(path[0] for path in inner)
        if parts := parts_among(tops):
            return Division(around, parts)
        below: dict[str, set[str]] = defaultdict(set)
        for path in inner:
            below[path[0]].update(path[1:2])
        divided = [
            top
            for top, names in below.items()
            if not is_of_masks(top) and (any(map(split_named, names)) or parts_among(names))
        ]
        if (
            len(divided) == 1
            and (parts := parts_among(below[divided[0]]))
            and (2 * tops[divided[0]] >= len(folders) or divided[0].casefold() in UNNAMED)
        ):
            return Division((*around, divided[0]), parts)
        if parts := _alone(inner, of=len(folders)):
            return Division(around, parts)
        if len(tops) != 1:
            return None
        around = (*around, *tops)
    return None


def _alone(paths: Sequence[tuple[str, ...]], *, of: int) -> dict[str, Part]:
    """A folder for one part without the others, if it is a part rather than a kind.

    It is one if it is the only folder, and most photographs lie in it; `train` is whatever lies
    beside it, if it is divided further.
    """
    names = {path[0] for path in paths}
    divided = {path[0].casefold() for path in paths if path[1:]}
    if "train" in divided:
        return {name: part for name in names if (part := split_named(name))}
    parts = {name: meaning[0] for name in names if (meaning := _meaning(name)) and not meaning[1]}
    is_only = len({name.casefold() for name in names}) == 1 and 2 * len(paths) >= of
    return parts if is_only and (divided or "train" in parts.values()) else {}
