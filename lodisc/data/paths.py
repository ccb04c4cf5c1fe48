"""Paths in lists and tables: how systems write one, and the file that it leads to."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

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
        spelling
        for text in texts
        if text.strip()
        for spelling in (text, composed(text), unicodedata.normalize("NFD", text))
    )


def composed(name: str) -> str:
    """A name that is the same however its accents are encoded."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """A name that is the same in any case too."""
    return composed(composed(name).casefold())


class Places:
    """What paths lead to, from a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.abspath(folder)
        self._names = lru_cache(maxsize=1024)(_names)
        self._identity = lru_cache(maxsize=1024)(_identity)

    def find(self, name: str) -> str | None:
        """A path as it is on disk, whichever system wrote it; None if it leads nowhere."""
        for spelling in spellings(name):
            if os.path.exists(self.join(spelling)):
                return spelling
        return None if name.isascii() else self.alike(name, composed)

    def alike(self, name: str, form: Callable[[str], str]) -> str | None:
        """The path on disk whose names are those of `name` in this form, if there is one."""
        parts: list[str] = []
        for part in Path(plain(name).replace("\\", "/")).parts:
            place = self.join(*parts)
            if not os.path.exists(os.path.join(place, part)):
                part = self._names(place, form).get(form(part), part)
                if not os.path.exists(os.path.join(place, part)):
                    return None
            parts.append(part)
        return os.path.join(*parts) if parts else None

    def is_file(self, name: str) -> bool:
        """Whether a path leads to a file."""
        spelling = self.find(name)
        return spelling is not None and os.path.isfile(self.join(spelling))

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
