"""Paths in lists and tables: how systems write one, and the file that it leads to."""

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

# Copied along with a text, and not seen: the blank that does not break, joiners, directions, marks
INVISIBLE = "\u00a0" + "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))
)
MARKS = f" \t{INVISIBLE}"


def plain(text: str) -> str:
    """A text without marks and quotes around it."""
    text = text.strip(MARKS)
    has_quotes = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if has_quotes else text


def spellings(name: str) -> Iterator[str]:
    """A path as it is written, then as other systems would write it."""
    texts = (name, name.strip(MARKS), plain(name), plain(name).replace("\\", "/"))
    yield from dict.fromkeys(
        form(text)
        for form in (str, composed_form, _decomposed_form)
        for text in texts
        if text.strip()
    )


def composed_form(name: str) -> str:
    """A name that is the same however its accents are encoded."""
    return unicodedata.normalize("NFC", name)


def _decomposed_form(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def folded_form(name: str) -> str:
    """A name that is the same in any case too."""
    return composed_form(composed_form(name).casefold())


def searched_form(text: str) -> str:
    """A text as people search it: the same in any case, with accents or without."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c for c in letters if not unicodedata.combining(c)).casefold()


class Place(NamedTuple):
    """What a path leads to."""

    path: str
    """As it is on disk, from the folder of `Places` on."""
    is_file: bool


class Places:
    """What paths lead to, from a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.abspath(folder)
        self._names = cache(_names)
        self._folder_twin = cache(self._find_folder_twin)
        self._identity = lru_cache(maxsize=1024)(_identity)

    def find(self, name: str) -> Place | None:
        """What a path leads to, whichever system wrote it; looks once if it is right as it is."""
        return next(filter(None, map(self._at, spellings(name))), None)

    def find_composed(self, name: str) -> Place | None:
        """What a path leads to however the accents in each of its names are encoded."""
        twin = None if name.isascii() else self.twin(name, composed_form)
        return None if twin is None else self._at(twin)

    def twin(self, name: str, form: Callable[[str], str]) -> str | None:
        """The path on disk whose names are those of `name` in this form, if there is one."""
        parts = Path(plain(name).replace("\\", "/")).parts
        place = ""
        for folder in parts[:-1]:
            twin = self._folder_twin(place, folder, form)
            if twin is None:
                return None
            place = twin
        return self._name_twin(place, parts[-1], form) if parts else None

    def _find_folder_twin(self, place: str, name: str, form: Callable[[str], str]) -> str | None:
        path = os.path.join(place, name)
        return path if os.path.exists(self.join(path)) else self._name_twin(place, name, form)

    def _name_twin(self, place: str, name: str, form: Callable[[str], str]) -> str | None:
        twin = self._names(self.join(place), form).get(form(name))
        return None if twin is None else os.path.join(place, twin)

    def _at(self, path: str) -> Place | None:
        try:
            status = os.stat(self.join(path))
        except (OSError, ValueError):
            return None
        return Place(path, stat.S_ISREG(status.st_mode))

    def join(self, *names: str) -> str:
        """A path from the folder on."""
        return os.path.join(self._folder, *names)

    def absolute(self, key: str) -> str:
        """The path to what has this key, from the root."""
        return os.path.normpath(self.join(key))

    def is_inside(self, place: str) -> bool:
        """Whether an absolute path is one below the folder."""
        return place.startswith(os.path.join(self._folder, ""))

    def key(self, name: str) -> str:
        """The path inside the folder if it leads there, by a link to the folder too."""
        place = self.absolute(name)
        if self.is_inside(place):
            return place[len(os.path.join(self._folder, "")) :]
        here = self._identity(self._folder)
        for outer in map(str, Path(place).parents):
            if here is not None and self._identity(outer) == here:
                return os.path.relpath(place, outer)
        return os.path.normpath(name)


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _names(folder: str, form: Callable[[str], str]) -> dict[str, str]:
    """The names in a folder, by their form."""
    try:
        return {form(name): name for name in os.listdir(folder)}
    except OSError:
        return {}
