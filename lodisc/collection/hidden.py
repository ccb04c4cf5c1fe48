"""Which photographs of a collection are hidden.

C/hidden.json

Axes: N photographs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lodisc.errors import UserError
from lodisc.files import Kinds, has_changed, locked, read_json, with_digest, write_json

if TYPE_CHECKING:
    from lodisc.collection.collection import Photos

_KINDS: Kinds = {"visible": dict[str, list[str]], "digest": str}
Stamp = tuple[int, int, int]
"""Time of change, size and inode of the file."""


class HiddenPhotos:
    """The hidden photographs, in the file `path`, which the first of them creates.

    A photograph is known by the digest of its bytes, not by its key. A renamed file stays hidden,
    also through a new index or another encoder; an edited one is another photograph, and shows
    again. For each digest the file holds the keys of the copies that stay visible, since files with
    the same bytes may be hidden apart. If none of these is there any more, the first copy shows.

    Several threads and processes may use it. Every call but `stamp` raises `UserError` for a file
    that is damaged or can't be read, which is never changed then; `change` raises `OSError` where
    it can't write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def stamp(self) -> Stamp | None:
        """Differs after every change; None without a file."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def mask(self, photos: Photos) -> NDArray[np.bool_]:
        """Which rows [N] are hidden."""
        return _mask(photos, self._read())

    def change(self, photos: Photos, rows: Sequence[int], *, hidden: bool) -> int:
        """Hide the photographs in these rows, or show them again; returns how many changed."""
        with locked(self.path.parent, name=".hidden"):
            visible = self._read()
            before_N = _mask(photos, visible)
            after_N = before_N.copy()
            after_N[list(rows)] = hidden
            changed = np.flatnonzero(before_N != after_N)
            digests = photos.table["digest"].take(changed).to_pylist()
            for digest, copies in _copies(photos, set(digests)).items():
                keys = [photos.keys[row] for row in copies if not after_N[row]]
                if len(keys) == len(copies):
                    visible.pop(digest, None)
                else:
                    visible[digest] = keys
            if len(changed):
                write_json(self.path, with_digest({"format": 1, "visible": visible}))
        return len(changed)

    def _read(self) -> dict[str, list[str]]:
        """The keys of the copies that stay visible, by the digest of what is hidden."""
        try:
            content = read_json(self.path, kinds=_KINDS)
            if has_changed(content):
                raise UserError(f"{self.path} is damaged (its content has changed)")
        except FileNotFoundError:
            return {}
        except (OSError, UserError) as error:
            problem = str(error)
            if isinstance(error, OSError):
                problem = f"{self.path} can't be read ({error.strerror})"
            raise UserError(f"{problem}; move it away, and hide the photographs again") from None
        visible: dict[str, list[str]] = content["visible"]
        return visible


def _mask(photos: Photos, visible: Mapping[str, Collection[str]]) -> NDArray[np.bool_]:
    is_hidden_N = np.zeros(len(photos), np.bool_)
    for digest, copies in _copies(photos, visible).items():
        keys = set(visible[digest])
        rows = [row for row in copies if photos.keys[row] in keys]
        is_hidden_N[copies] = True
        is_hidden_N[rows or (copies[:1] if keys else [])] = False
    return is_hidden_N


def _copies(photos: Photos, digests: Collection[str]) -> dict[str, list[int]]:
    """The rows of the photographs with each of these digests."""
    copies = defaultdict(list)
    for row, digest in enumerate(photos.table["digest"].to_pylist() if digests else ()):
        if digest in digests:
            copies[digest].append(row)
    return copies
