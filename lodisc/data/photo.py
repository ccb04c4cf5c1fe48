"""One photograph: its key, where its bytes are, its label and split; names and reasons as text."""

import os
import posixpath
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, cast

from lodisc.data.decode import Unreadable, extensions

Split = Literal["train", "test"]
MOST_BYTES = 2**30


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
        try:
            with self.path.open("rb") as stream:
                if self.size is None:
                    return _read_whole(stream)
                stream.seek(self.offset)
                data = stream.read(self.size)
        except (OSError, ValueError) as error:
            raise Unreadable(reason_of(error)) from None
        if len(data) < self.size:
            raise Unreadable("truncated")
        return data


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was left out, and why."""

    key: str
    reason: str


def place(photo: Photo, *, splits: bool) -> Photo | None:
    """The photograph with split and label from the folders in its key; None outside the splits.

    With `splits`, the first folder is `train` or `test` and the second is the label.
    """
    if photo.key.startswith(("/", "../")) or posixpath.isabs(photo.key):
        return photo
    folders = [part for part in photo.key.split("/")[:-1] if part not in ("", ".", "..")]
    if not splits:
        return replace(photo, label=folders[0]) if folders else photo
    if not folders or folders[0] not in ("train", "test"):
        return None
    return replace(
        photo, split=cast(Split, folders[0]), label=folders[1] if len(folders) > 1 else None
    )


def is_photo(name: str) -> bool:
    """Whether a file of this name, in a folder or a tar, is read as a photograph."""
    return posixpath.splitext(name)[1].lower() in extensions()


def reason_of(error: Exception) -> str:
    """The reason why a file cannot be read, in a few plain words."""
    if isinstance(error, OSError):
        return (error.strerror or "unreadable").lower()
    return str(error) if isinstance(error, Unreadable) else "not a file name"


def printable(name: str | Path) -> str:
    """A name on one line: line breaks, control characters and stray bytes escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(name))


def _read_whole(stream: BinaryIO) -> bytes:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not a file")
    if status.st_size > MOST_BYTES:
        raise Unreadable("larger than 1 GB")
    return stream.read()
