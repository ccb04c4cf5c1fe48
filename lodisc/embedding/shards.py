"""The shards of a source: one for each tar, and slices of all other photographs."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from numpy.typing import NDArray

from lodisc.data.check import write_skipped
from lodisc.data.loader import LoadedBatch, Seen
from lodisc.data.photo import Photo, Skipped
from lodisc.embedding.embedding import skipped_file
from lodisc.embedding.parts import Row, read_part, set_aside_if_damaged, write_part


def divide_into_shards(photos: Sequence[Photo], *, slices: int) -> dict[str, list[Photo]]:
    """The photographs of every shard, by its name.

    A tar is a shard. The other photographs are divided into slices by the hash of their key.
    """
    shards: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.size is not None:  # it lies inside a tar
            name = f"tar-{_sha256(photo.path.name)[:8]}"
        else:
            name = f"{int(_sha256(photo.key), 16) % slices:05d}"
        shards[name].append(photo)
    return dict(sorted(shards.items()))


class ShardCounts(TypedDict):
    """What became of the photographs of a shard, or of all shards."""

    photographs: int
    embedded: int
    kept: int
    """Photographs whose vectors were already there, maybe under another name."""
    skipped: int
    """Photographs that could not be read."""


class FileState(NamedTuple):
    """Where the bytes of a photograph lie, and what tells that they were changed."""

    path: str
    offset: int | None
    bytes: int
    modified: int
    """The time of the last change, in nanoseconds."""


class Shard:
    """A shard while its part is made: rows that are unchanged, what is missing, and new rows.

    A photograph is the same if its bytes are; equal place, size and time save reading them. Rows of
    photographs that are not there, or cannot be read any more, stay unless they are to be removed.
    """

    def __init__(
        self, path: Path, photos: Sequence[Photo], *, fingerprint: str, remove: bool = False
    ) -> None:
        self.path, self.count, self.remove = path, len(photos), remove
        self.states = {photo.key: file_state(photo) for photo in photos}
        self.previous = {row.key: row for row in read_part(path, fingerprint=fingerprint)}
        if not self.previous:
            set_aside_if_damaged(path)
        self.unchanged = {
            photo.key: self._renewed(self.previous[photo.key], photo)
            for photo in photos
            if self._is_unchanged(photo.key)
        }
        gone: set[str] = set() if remove else self.previous.keys() - self.states.keys()
        self.absent = {key: self.previous[key] for key in gone}
        self.missing = [
            Seen(photo, self.previous[photo.key].digest) if photo.key in self.previous else photo
            for photo in photos
            if photo.key not in self.unchanged
        ]
        self.rows: list[Row] = []
        self.skipped: list[Skipped] = []
        self.recognised = 0

    def _is_unchanged(self, key: str) -> bool:
        row, state = self.previous.get(key), self.states[key]
        return row is not None and state == (row.path, row.offset, row.bytes, row.modified)

    def _renewed(self, row: Row, photo: Photo) -> Row:
        """The vector of a row, for the photograph as it is now."""
        return self._row(photo, row.digest, row.vector)

    def _row(self, photo: Photo, digest: str, vector_D: NDArray[Any]) -> Row:
        state = self.states[photo.key]
        return Row(
            key=photo.key,
            path=state.path,
            offset=state.offset,
            label=photo.label,
            split=photo.split,
            bytes=state.bytes,
            digest=digest,
            modified=state.modified,
            vector=vector_D,
        )

    @property
    def complete(self) -> bool:
        return len(self.rows) + len(self.skipped) == len(self.missing)

    def add(
        self, read: LoadedBatch, vectors_BD: NDArray[Any], *, others: Mapping[str, Row]
    ) -> None:
        """Take over a batch of photographs and their vectors.

        `others` are rows by digest that may be of photographs with other names.
        """
        self.skipped += read.skipped
        for photo, digest, vector_D in zip(read.photos, read.digests, vectors_BD, strict=True):
            self.rows.append(self._row(photo, digest, vector_D))
        for photo, digest in read.seen:
            row = self.previous.get(photo.key)
            source = row if row is not None and row.digest == digest else others[digest]
            self.rows.append(self._renewed(source, photo))
        self.recognised += len(read.seen)

    def write(self, *, dim: int, dtype: str, fingerprint: str) -> ShardCounts:
        """Write the part unless it is up to date, and the list of what could not be read."""
        rows = {**self.absent, **self.unchanged, **{row.key: row for row in self.rows}}
        if not self.remove:
            unread = self.previous.keys() & {item.key for item in self.skipped}
            rows |= {key: self.previous[key] for key in unread}
        if self.rows or rows != self.previous or not self.path.exists():
            ordered = sorted(rows.values(), key=lambda row: row.key)
            write_part(self.path, ordered, dim=dim, dtype=dtype, fingerprint=fingerprint)
        write_skipped(skipped_file(self.path), self.skipped)
        return ShardCounts(
            photographs=self.count,
            embedded=len(self.rows) - self.recognised,
            kept=len(self.unchanged) + self.recognised,
            skipped=len(self.skipped),
        )


def file_state(photo: Photo) -> FileState:
    """The state of a photograph's file; bytes and time are zero if it has gone."""
    path = os.path.abspath(photo.path)  # noqa: PTH100 - keeps links
    offset = None if photo.size is None else photo.offset
    try:
        status = photo.path.stat()
    except OSError:
        return FileState(path, offset, 0, 0)
    size = status.st_size if photo.size is None else photo.size
    return FileState(path, offset, size, min(status.st_mtime_ns, 2**63 - 1))


def _sha256(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()
