"""A collection on disk, opened: its photographs and vectors as the store has them now, its labels, its encoder.

C/
  photos.lance/   the photographs and their vectors, in LanceDB (`store.py`)
  labels.sqlite   what people typed, with its history (`labels.py`)
  groups.json     the last grouping (`groups.py`)
  skipped.jsonl   photographs that could not be read, and why
  encoders/HEX/   the encoder that made the vectors, a timm directory, and `embedding.json`, what it was made by
  cache/          thumbnails and maps; may be deleted
"""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lodisc.collection.labels import Labels
from lodisc.collection.store import Store
from lodisc.data.photo import Photo, Skipped, printable
from lodisc.embedding.parts import FINGERPRINT, vectors_of
from lodisc.errors import UserError
from lodisc.vectors.nearest import unit_rows

if TYPE_CHECKING:
    from lodisc.photo_encoder import PhotoEncoder

EMBEDDING = "embedding.json"
_BLOCK = 8192  # rows at a time


def photo_id(key: str) -> str:
    """Sixteen hex digits that stand for a key where a key can't: in addresses."""
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)
class Photos:
    """The photographs of a collection at one version of its store, sorted by key; it never changes."""

    version: str
    fingerprint: str
    """That of the encoder which made the vectors."""
    table: pa.Table
    """key, path, offset, folder, split, bytes, digest, modified."""
    vectors: NDArray[np.float32]
    """[N, D], rows of length 1."""

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def keys(self) -> list[str]:
        return self.table["key"].to_pylist()

    @cached_property
    def position(self) -> dict[str, int]:
        """The row of each key."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def ids(self) -> list[str]:
        """`photo_id` of each row."""
        return [photo_id(key) for key in self.keys]

    @cached_property
    def by_id(self) -> dict[str, int]:
        """The row of each id."""
        return {one: row for row, one in enumerate(self.ids)}

    def photo(self, row: int) -> Photo:
        """Where the bytes of the photograph in this row lie; its `read` raises `Unreadable`."""
        key, path, offset, size = (
            self.table[name][row].as_py() for name in ("key", "path", "offset", "bytes")
        )
        return (
            Photo(key, Path(path))
            if offset is None
            else Photo(key, Path(path), offset=offset, size=size)
        )


class Collection:
    """An opened collection; threads may share it. Raises `UserError` when the folder holds none."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "photos.lance").is_dir():
            raise UserError(
                f"{printable(path)} is no collection; make one with  lodisc index DIR --collection {printable(path)}"
            )
        self.store = Store(self.path)
        if not self.store.exists:
            raise UserError(
                f"{printable(path)} was not finished; run  lodisc index DIR --collection {printable(path)}  again"
            )
        self.labels = Labels(self.path / "labels.sqlite")
        self._photos: Photos | None = None
        self._encoder: tuple[str, PhotoEncoder] | None = None
        self._reading, self._loading = threading.Lock(), threading.Lock()

    def photos(self) -> Photos:
        """The photographs as the store has them now, read again only when it has changed."""
        with self._reading:
            if self._photos is None or self._photos.version != self.store.version:
                self._photos = _photos(*self.store.read())
            return self._photos

    @property
    def settings(self) -> dict[str, Any]:
        """What made the vectors: encoder, dim, image_size, data, and of a run also run and fusion."""
        path = encoder_folder(self.path, self.photos().fingerprint) / EMBEDDING
        try:
            settings: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(
                f"{printable(path)} is damaged ({error}); run  lodisc index  again"
            ) from None
        return settings

    def encoder(self, *, device: str = "auto") -> PhotoEncoder:
        """The encoder that made the vectors; loaded once, and again only when the vectors are of another."""
        from lodisc.encoders import load_encoder
        from lodisc.photo_encoder import PhotoEncoder

        with self._loading:
            fingerprint, name = self.photos().fingerprint, self.settings["encoder"]
            if self._encoder is None or self._encoder[0] != fingerprint:
                loaded = load_encoder(encoder_folder(self.path, fingerprint))
                self._encoder = fingerprint, PhotoEncoder(loaded, name=name, device=device)
            return self._encoder[1]

    def skipped(self) -> list[Skipped]:
        """The photographs that could not be read when they were embedded, and why."""
        try:
            lines = (self.path / "skipped.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Skipped(**json.loads(line)) for line in lines]


def encoder_folder(collection: Path, fingerprint: str) -> Path:
    """Where a collection keeps the encoder with this fingerprint."""
    return collection / "encoders" / fingerprint[:16]


def _photos(version: str, rows: pa.Table) -> Photos:
    order_N = pc.sort_indices(rows["key"]).to_numpy()
    place_N = np.empty(len(rows), np.int64)
    place_N[order_N] = np.arange(len(rows))
    vectors_ND = np.empty((len(rows), rows.schema.field("vector").type.list_size), np.float32)
    batches = rows.select(["vector"]).to_batches(
        max_chunksize=_BLOCK
    )  # so that the vectors are in memory once, not thrice

    def fill(first: int, batch: pa.RecordBatch) -> None:
        vectors_ND[place_N[first : first + len(batch)]] = unit_rows(
            vectors_of(pa.Table.from_batches([batch]))
        )

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(fill, accumulate(map(len, batches), initial=0), batches):
            pass
    return Photos(
        version=version,
        fingerprint=rows.schema.metadata[FINGERPRINT].decode(),
        vectors=vectors_ND,
        table=rows.drop_columns(["vector", "state"]).take(order_N).combine_chunks(),
    )
