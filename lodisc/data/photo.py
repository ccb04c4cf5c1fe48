"""One photograph: its key, where its bytes are, its label and split; names and reasons as text."""

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from lodisc.data.decode import Missing, Unreadable
from lodisc.files import open_file

Split = Literal["train", "test"]
MOST_BYTES = 2**30
_HEAD = 2**16  # bytes in which a photograph has something to say


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph, named by its `key` inside DATA.

    `path` is its file, or a tar that holds its `size` bytes from `offset` on.
    """

    key: str
    path: Path
    label: str | None = None
    split: Split | None = None
    offset: int = 0
    size: int | None = None

    def read(self) -> bytes:
        """The bytes of its file; raises `Unreadable`."""
        data = read_file(self.path, offset=self.offset, size=self.size)
        if self.size is not None and len(data) < self.size:
            raise Unreadable("truncated")
        return data

    def read_head(self, most: int) -> bytes:
        """The first bytes of its file, at most so many; raises `Unreadable`."""
        size = most if self.size is None else min(most, self.size)
        return read_file(self.path, offset=self.offset, size=size)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was left out, and why."""

    key: str
    reason: str


def read_file(path: Path, *, offset: int = 0, size: int | None = None) -> bytes:
    """The bytes of a photograph's file, or `size` of them from `offset` on.

    Raises `Unreadable`, and `Missing` if there is no file. A pipe or a device is never waited for,
    and a hole is not read to its end.
    """
    try:
        with open_file(path) as stream:
            status = os.fstat(stream.fileno())
            if (status.st_size if size is None else size) > MOST_BYTES:
                raise Unreadable("larger than 1 GB")
            stream.seek(offset)
            start = stream.read(_HEAD if size is None else min(size, _HEAD))
            if len(start) == _HEAD and not start.strip(b"\0"):
                raise Unreadable("nothing but zeros")
            return start + stream.read(-1 if size is None else size - len(start))
    except FileNotFoundError as error:
        raise Missing(reason_of(error)) from None
    except (OSError, ValueError) as error:
        raise Unreadable(reason_of(error)) from None


def size_of(photo: Photo) -> int:
    """How many bytes its file has; zero if it has gone."""
    if photo.size is not None:
        return photo.size
    try:
        return photo.path.stat().st_size
    except OSError:
        return 0


def digest_of(data: bytes) -> str:
    """What a photograph is known by: blake2b of the bytes of its file, in hexadecimal."""
    return blake2b(data, digest_size=16).hexdigest()


def reason_of(error: Exception) -> str:
    """The reason why a file cannot be read, in a few plain words."""
    if isinstance(error, OSError):
        return (error.strerror or "unreadable").lower()
    return str(error) if isinstance(error, Unreadable) else "not a file name"


def printable(name: str | Path) -> str:
    """A name on one line: line breaks, control characters and stray bytes escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(name))
