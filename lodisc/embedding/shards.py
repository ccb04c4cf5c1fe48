"""The shards of a source, a tar or a slice of the rest each, and one on its way into its part."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lodisc.data.check import write_skipped
from lodisc.data.loader import Read
from lodisc.data.photo import Photo, Skipped
from lodisc.embedding.parts import Row, read_part, record, write_part


def divide_into_shards(photos: Sequence[Photo], *, slices: int) -> dict[str, list[Photo]]:
    """The photographs of every shard, by the name of its part: one a tar, and the rest in slices by the hash of the key."""
    shards: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.size is not None:  # it lies inside a tar
            shards[f"tar-{hashlib.sha256(os.fsencode(photo.path.name)).hexdigest()[:8]}"].append(
                photo
            )
        else:
            shards[
                f"{int(hashlib.sha256(os.fsencode(photo.key)).hexdigest(), 16) % slices:05d}"
            ].append(photo)
    return dict(sorted(shards.items()))


class Shard:
    """A shard on its way into its part: the rows of the part that stand, what is missing, and the rows that are new."""

    def __init__(self, path: Path, photos: Sequence[Photo], *, fingerprint: str) -> None:
        self.path, self.count = path, len(photos)
        self.states = {photo.key: file_state(photo) for photo in photos}
        self.before = {row.key: row for row in read_part(path, fingerprint=fingerprint)}
        found = [(self.before[photo.key], photo) for photo in photos if photo.key in self.before]
        self.kept = {
            row.key: self._as_found(row, photo)
            for row, photo in found
            if self.states[row.key][2:] == (row.bytes, row.modified)
        }
        self.missing = [photo for photo in photos if photo.key not in self.kept]
        self.rows: list[Row] = []
        self.skipped: list[Skipped] = []

    def _as_found(self, row: Row, photo: Photo) -> Row:
        """A row whose photograph is the same, with what is said of it now."""
        path, offset, *_ = self.states[photo.key]
        return row._replace(path=path, offset=offset, label=photo.label, split=photo.split)

    @property
    def complete(self) -> bool:
        return len(self.rows) + len(self.skipped) == len(self.missing)

    def add(self, read: Read, vectors_BD: NDArray[Any]) -> None:
        self.skipped += read.skipped
        for photo, digest, vector_D in zip(read.photos, read.digests, vectors_BD, strict=True):
            path, offset, size, modified = self.states[photo.key]
            self.rows.append(
                Row(
                    photo.key,
                    path,
                    offset,
                    photo.label,
                    photo.split,
                    size,
                    digest,
                    modified,
                    vector_D,
                )
            )

    def write(self, **how: Any) -> dict[str, int]:
        """Write the part unless nothing of it is new, and the list of what could not be read; `how` is for `write_part`."""
        if self.rows or self.kept != self.before or not self.path.exists():
            write_part(
                self.path, sorted([*self.kept.values(), *self.rows], key=lambda row: row.key), **how
            )
        write_skipped(record(self.path), self.skipped)
        return {
            "photographs": self.count,
            "embedded": len(self.rows),
            "kept": len(self.kept),
            "skipped": len(self.skipped),
        }


def file_state(photo: Photo) -> tuple[str, int | None, int, int]:
    """Path, offset in a tar, bytes, and time of the last change (nanoseconds) of a photograph's file; zeros when it has gone."""
    path, offset = os.path.abspath(photo.path), None if photo.size is None else photo.offset
    try:
        status = photo.path.stat()
    except OSError:
        return path, offset, 0, 0
    return (
        path,
        offset,
        status.st_size if photo.size is None else photo.size,
        min(status.st_mtime_ns, 2**63 - 1),
    )
