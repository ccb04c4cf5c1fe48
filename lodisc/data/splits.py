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
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_PLACE = re.compile(r"\d{1,2}")  # the number of a folder in an order
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
        name = folders[depth]
        if name not in self.parts:
            return None, tuple(folders[depth:])
        again = list(folders[depth + 1 : depth + 2]) == [name]  # cars_train/cars_train/
        return self.parts[name], tuple(folders[depth + 1 + again :])


def split_named(name: str) -> Part | None:
    """The part of a data set that a folder or a cell of this name means; None for any other."""
    match = _SPLIT.fullmatch(name.strip().casefold())
    return _PARTS[match[1]] if match else None


def parts_among(names: Iterable[str]) -> dict[str, Part]:
    """What names that divide a data set are for; none if they do not divide it.

    They are for two purposes at least. Their names are usual ones, or all differ in nothing but
    the part and numbers behind it: birds_train-00 and birds_test-00.
    """
    names = set(names)
    usual = {name: part for name in names if (part := split_named(name))}
    if len(set(usual.values())) > 1:
        return usual
    meanings = {name: _meaning(name) for name in names}
    parts = {name: meaning.part for name, meaning in meanings.items() if meaning}
    are_alike = len({meaning and meaning.rest for meaning in meanings.values()}) == 1
    return parts if are_alike and len(set(parts.values())) > 1 else {}


def words_for_parts(names: Iterable[str]) -> dict[str, Part]:
    """The part that a word of each name means, where one does: train1, birds-train, test tube."""
    return {name: meaning.part for name in names if (meaning := _meaning(name))}


def is_part_alone(name: str) -> bool:
    """Whether a name means a part of a data set and nothing else: train, train1, images_train."""
    meaning = _meaning(name)
    return meaning is not None and not any(meaning.rest)


class _Meaning(NamedTuple):
    """A name in which one word means a part of a data set."""

    part: Part
    rest: tuple[tuple[str, ...], tuple[str, ...]]
    """The words before it, with their numbers, and those behind it."""


@lru_cache(maxsize=4096)
def _meaning(name: str) -> _Meaning | None:
    if part := split_named(name):
        return _Meaning(part, ((), ()))
    words = [word for word in _WORDS.findall(name.casefold()) if word not in _OF_WHAT]
    parts = {place: part for place, word in enumerate(words) if (part := split_named(word))}
    if len(parts) != 1:
        return None
    (place, part), *_ = parts.items()
    before, after = words[:place], words[place + 1 :]
    if len(before) == 1 and _PLACE.fullmatch(before[0]):
        before = []
    rest = tuple(before), tuple(word for word in after if not word.isdecimal())
    return _Meaning(part, rest)


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
        if alone := _of_one_part(around, inner, of=len(folders)):
            return alone
        if len(tops) != 1:
            return None
        around = (*around, *tops)
    return None


def _of_one_part(
    around: tuple[str, ...], paths: Sequence[tuple[str, ...]], *, of: int
) -> Division | None:
    """A division with a folder for one part alone, if that is a part rather than a kind.

    It is one if it is the only folder, and most photographs lie in it; `train` is whatever lies
    beside it, if it is divided further. Nothing is learned where all is for testing, so that only
    a folder called test itself says so.
    """
    names = {path[0] for path in paths}
    has_folders = {path[0].casefold() for path in paths if path[1:]}
    parts = {name: part for name in names if (part := split_named(name))}
    if "train" in has_folders:
        return Division(around, parts)
    is_only = len({name.casefold() for name in names}) == 1 and 2 * len(paths) >= of
    if not is_only or not (has_folders or "train" in parts.values()):
        return None
    if all(part == "train" or name.casefold() == "test" for name, part in parts.items()):
        return Division(around, parts) if parts else None
    return Division((*around, *names), {}) if len(names) == 1 else None
