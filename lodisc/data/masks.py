"""Masks beside photographs, told by their names: masks/a.png, wren/a_mask.png.

A mask is no JPEG where its photograph is one, as values change when a JPEG is saved. In masks/
beside images/ it may be of any kind, and a_label.png belongs to a photograph of another kind.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from lodisc.data.endings import folders_of

UNNAMED = {"images", "jpegimages"}  # folders whose name is not a label
_OF_MASKS = re.compile(
    r"((train(ing)?|test|val(idation)?|seg(mentation)?|binary|semantic|instance|object|with(out)?|no)"
    r"[-_ ])*"
    r"(masks?|trimaps?|superpixels|annotations?|labels?|gt|ground[-_ ]?truth"
    r"|segmentations?|segmentation(class|object))",
    re.IGNORECASE,
)
_AMBIGUOUS = r"(labels?|annotations?)"  # photographs of labels are common in museums
_WORD = rf"(masks?|seg|segmentation|gt|trimap|superpixels|labelids|{_AMBIGUOUS})"
_MARK = re.compile(rf"^{_WORD}[-_ .]|[-_ .]{_WORD}([-_ ]?[0-9]+)?$", re.IGNORECASE)
_LABEL = re.compile(rf"^{_AMBIGUOUS}[-_ .]|[-_ .]{_AMBIGUOUS}([-_ ]?[0-9]+)?$", re.IGNORECASE)
_LOSSLESS = {".png", ".gif", ".bmp", ".tif"}  # of masks, whose values must stay
_ENDINGS = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}


class Masks(NamedTuple):
    """What is taken for masks, and what may be."""

    keys: set[str]
    doubtful: list[str]
    """Folders that are called like masks and hold namesakes of photographs, but are labels."""


class _Photographs(NamedTuple):
    """What may have a mask."""

    endings: Mapping[str, Sequence[str]]
    """By the name, without its ending."""
    places: Set[str]
    beside: Set[tuple[str, ...]]
    """Folders and name of each in a folder such as images/, without this folder."""

    def endings_for(self, mask: str) -> Sequence[str]:
        """Those of the photographs that have the name of a mask."""
        return self.endings.get(_stem(mask)) or self.endings.get(_name(mask), [])


@lru_cache(maxsize=4096)
def is_of_masks(folder: str) -> bool:
    """Whether a folder is called like one of masks."""
    return bool(_OF_MASKS.fullmatch(folder))


def masks_among(keys: Sequence[str]) -> Masks:
    """Keys that are masks of other photographs, by their names.

    A folder that is called like masks holds them if most of its files have a photograph: at the
    same place outside it, or of a name that no other photograph has. Anywhere else a mask has the
    name of its photograph, with a word such as mask before or behind it.
    """
    inside: dict[tuple[str, ...], list[str]] = defaultdict(list)
    outside: list[str] = []
    for key in keys:
        folders = folders_of(key)
        place = next((at for at, name in enumerate(folders) if is_of_masks(name)), None)
        if place is None:
            outside.append(key)
        else:
            inside[folders[: place + 1]].append(key)
    masks, doubtful = _marked(keys), []
    photographs = _photographs(outside if inside else [])
    for folder, members in inside.items():
        if 2 * sum(_has_photo(key, len(folder), photographs) for key in members) >= len(members):
            masks.update(members)
        elif 2 * sum(bool(photographs.endings_for(key)) for key in members) >= len(members):
            doubtful.append("/".join(folder))
    return Masks(masks, doubtful)


def _photographs(keys: Sequence[str]) -> _Photographs:
    endings: dict[str, list[str]] = defaultdict(list)
    beside = set()
    for key in keys:
        endings[_stem(key)].append(_ending(key))
        folders = folders_of(key)
        beside |= {
            (*folders[:at], *folders[at + 1 :], _stem(key))
            for at, name in enumerate(folders)
            if name.casefold() in UNNAMED
        }
    return _Photographs(endings, {_place(key) for key in keys}, beside)


def _marked(keys: Sequence[str]) -> set[str]:
    """Keys that are named like another one, with a word for a mask."""
    marked = [key for key in keys if _MARK.search(_stem(key))]
    if not marked:
        return set()
    endings = {posixpath.splitext(key)[0]: _ending(key) for key in keys}
    endings |= {key: _ending(key) for key in keys}  # a.jpg.mask.png
    masks = set()
    for key in marked:
        path = posixpath.join(posixpath.dirname(key), _name(key))
        if path in endings and _may_be_mask(key, [endings[path]]):
            masks.add(key)
    return masks


def _has_photo(key: str, depth: int, photographs: _Photographs) -> bool:
    """Whether a file in a folder of masks, `depth` folders down, is named like one photograph."""
    folders, endings = folders_of(key), photographs.endings_for(key)
    beside = (*folders[: depth - 1], *folders[depth:])
    if not photographs.beside.isdisjoint({(*beside, _stem(key)), (*beside, _name(key))}):
        return True
    if _place(key) in photographs.places:
        return _may_be_mask(key, endings)
    return len(endings) == 1 and _ending(key) in _LOSSLESS and _ending(key) not in endings


def _may_be_mask(key: str, endings: Sequence[str]) -> bool:
    """Whether a file may be a mask of photographs with these endings, if there are any."""
    is_of_another_kind = bool(endings) and _ending(key) not in endings
    is_lossless = bool(endings) and _ending(key) in _LOSSLESS
    return is_of_another_kind or (is_lossless and not _LABEL.search(_stem(key)))


def _place(key: str) -> str:
    """Where a photograph or its mask is, whatever the folders around both are called."""
    folders = [
        name for name in folders_of(key) if name.casefold() not in UNNAMED and not is_of_masks(name)
    ]
    return "/".join((*folders, _name(key)))


def _name(key: str) -> str:
    """The name of a mask's photograph, or of a photograph itself."""
    return _MARK.sub("", _stem(key))


def _stem(key: str) -> str:
    return posixpath.splitext(posixpath.basename(key))[0]


def _ending(key: str) -> str:
    """The ending of a file, the same for all that say the same."""
    ending = posixpath.splitext(key)[1].lower()
    return _ENDINGS.get(ending, ending)
