"""An open collection: its photographs and vectors, its labels and its encoder."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lodisc.collection.files import CollectionFiles
from lodisc.collection.hidden import HiddenPhotos
from lodisc.collection.labels import PATIENCE, Labels
from lodisc.collection.rows import BLOCK_ROWS, DESCRIPTION
from lodisc.collection.store import Store
from lodisc.data.check import read_skipped
from lodisc.data.photo import Photo, Skipped, printable
from lodisc.embedding.embedding import SETTING_KINDS, EmbeddingSettings
from lodisc.embedding.parts import FINGERPRINT, vectors_of
from lodisc.errors import UserError
from lodisc.files import read_json
from lodisc.vectors.nearest import unit_rows

if TYPE_CHECKING:
    from lodisc.photo_encoder import PhotoEncoder
    from lodisc.vectors.clusters import Grouping

FEWEST, MOST = 50, 30_000
"""So many photographs are smoothed: fewer have too few of a kind, and more would take too long."""


class CollectionSettings(EmbeddingSettings):
    """What a collection knows of the embedding that it mirrors."""

    parts: str
    """The folder of the embedding."""


def photo_id(key: str) -> str:
    """Sixteen hex digits for a key, to use in addresses."""
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def distinct_titles(keys: Sequence[str]) -> list[str]:
    """The last part of each key, and with it as many parts before it as tell it from other keys.

    They come behind a dot, where a narrow column cuts them off first.
    """
    parts = [(key.rstrip("/") or key).split("/") for key in keys]
    ends = [path[-1] for path in parts]
    unclear, depth = list(range(len(keys))), 1
    while unclear:
        counts = Counter(ends)
        unclear = [row for row in unclear if counts[ends[row]] > 1 and len(parts[row]) > depth]
        depth += 1
        for row in unclear:
            ends[row] = "/".join(parts[row][-depth:])
    return [
        end if folder == "" else f"{name} · {folder}"
        for end, path in zip(ends, parts, strict=True)
        for name, folder in [(path[-1], end[: -len(path[-1]) - 1])]
    ]


@dataclass(frozen=True, eq=False)
class Photos:
    """The photographs of a collection at one version of its store, sorted by key. Immutable."""

    version: str
    fingerprint: str
    """That of the encoder which made the vectors."""
    table: pa.Table
    """The columns of `DESCRIPTION`."""
    vectors: NDArray[np.float32]
    """[N, D], rows of length 1."""
    _smoothed: list[NDArray[np.float32]] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def smoothed(self) -> NDArray[np.float32]:
        """[N, D], by which photographs are named and grouped: each averaged with its nearest.

        Computed once.
        """
        with self._lock:
            if not self._smoothed:
                self._smoothed.append(smoothed(self.vectors))
            return self._smoothed[0]

    def grouped(self, grouping: Grouping) -> NDArray[np.float32]:
        """The vectors [N, D] that are near the centroids of a grouping: smoothed ones or not."""
        return self.smoothed if grouping.smoothed else self.vectors

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
        return {id: row for row, id in enumerate(self.ids)}

    @cached_property
    def titles(self) -> list[str]:
        """A short name of each row: that of its file, and as many folders as tell it from others.

        `0006.jpg`, or `0006.jpg · 017.Cardinal` where another folder has a `0006.jpg`, too.
        """
        return distinct_titles(self.keys)

    def path(self, row: int) -> str:
        """The file of the photograph in this row, or the tar in which it lies."""
        return str(self.table["path"][row].as_py())

    def photo(self, row: int) -> Photo:
        """The photograph in this row; its `read` raises `Unreadable`."""
        key, path = self.keys[row], Path(self.path(row))
        offset, size = (self.table[name][row].as_py() for name in ("offset", "bytes"))
        return Photo(key, path) if offset is None else Photo(key, path, offset=offset, size=size)


class Collection:
    """An open collection; threads may share it.

    `patience` and `read_patience` are those of its `Labels`, in seconds. Raises `UserError` if the
    folder does not hold a collection.
    """

    def __init__(
        self, path: str | Path, *, patience: float = PATIENCE, read_patience: float = PATIENCE
    ) -> None:
        self.path = Path(path)
        self.files = CollectionFiles(self.path)
        name = printable(path)
        if not self.files.photos.is_dir():
            raise UserError(
                f"{name} is not a collection; make one with  lodisc index DIR --collection {name}"
            )
        self.store = Store(self.path)
        if not self.store.exists:
            raise UserError(
                f"{name} was not finished; run  lodisc index DIR --collection {name}  again"
            )
        self.labels = Labels(self.files.labels, patience=patience, read_patience=read_patience)
        self.hidden = HiddenPhotos(self.files.hidden)
        self._photos: Photos | None = None
        self._encoder: tuple[tuple[str, str], PhotoEncoder] | None = None
        self._photos_lock, self._encoder_lock = threading.Lock(), threading.Lock()

    def photos(self) -> Photos:
        """The photographs as they are in the store, read again only after a change."""
        with self._photos_lock:
            if self._photos is None or self._photos.version != self.store.version:
                self._photos = _photos(*self.store.read())
            return self._photos

    @property
    def settings(self) -> CollectionSettings:
        """What made the vectors."""
        path = self.files.embedding_settings(self.photos().fingerprint)
        try:
            return cast(CollectionSettings, read_json(path, kinds=SETTING_KINDS))
        except (OSError, UserError) as error:
            raise UserError(f"{printable(str(error))}; run  lodisc index  again") from None

    def encoder(self, *, device: str = "auto") -> PhotoEncoder:
        """The encoder that made the vectors, on this device.

        It is loaded again only if the vectors are of another encoder, or for another device.
        Raises `UserError` if it is damaged.
        """
        with self._encoder_lock:
            fingerprint = self.photos().fingerprint
            if self._encoder is None or self._encoder[0] != (fingerprint, device):
                self._encoder = (fingerprint, device), self._load_encoder(fingerprint, device)
            return self._encoder[1]

    def _load_encoder(self, fingerprint: str, device: str) -> PhotoEncoder:
        from lodisc.embedding.embed import fingerprint_of
        from lodisc.encoders import load_encoder
        from lodisc.photo_encoder import PhotoEncoder

        folder, name = self.files.encoder(fingerprint), self.settings["encoder"]
        try:
            encoder = PhotoEncoder(load_encoder(folder), name=name, device=device)
            if fingerprint_of(encoder) != fingerprint:
                raise UserError(f"{folder} does not hold the encoder that made the vectors")
        except UserError as error:
            problem = printable(str(error).split(";")[0])
            raise UserError(
                f"{problem}; run  lodisc embed  and then  lodisc index  again"
            ) from None
        return encoder

    def skipped(self) -> list[Skipped]:
        """The photographs that could not be read when they were embedded, and why."""
        return read_skipped(self.files.skipped)


def smoothed(vectors_ND: NDArray[np.float32], *, count: int | None = None) -> NDArray[np.float32]:
    """Vectors [N, D] by which photographs are named: each averaged with its nearest.

    `smoothed` of `vectors.neighbours`. Where neighbours agree too little, and in a collection of
    fewer than `FEWEST` or more than `MOST` photographs, they are the vectors themselves. `count` is
    the size of the collection, by default N.
    """
    import torch

    from lodisc.vectors import neighbours

    if not FEWEST <= (len(vectors_ND) if count is None else count) <= MOST:
        return vectors_ND
    tensor_ND = torch.from_numpy(vectors_ND)
    if neighbours.agreement(tensor_ND) < neighbours.TRUSTED:
        return vectors_ND
    return neighbours.smoothed(tensor_ND).numpy()


def _photos(version: str, rows: pa.Table) -> Photos:
    order_N = pc.sort_indices(rows["key"]).to_numpy()
    place_N = np.empty(len(rows), np.int64)
    place_N[order_N] = np.arange(len(rows))
    vectors_ND = np.empty((len(rows), rows.schema.field("vector").type.list_size), np.float32)
    # In batches, so that the vectors are in memory once, not three times
    batches = rows.select(["vector"]).to_batches(max_chunksize=BLOCK_ROWS)

    def fill(first: int, batch: pa.RecordBatch) -> None:
        vectors_BD = vectors_of(pa.Table.from_batches([batch]))
        vectors_ND[place_N[first : first + len(batch)]] = unit_rows(vectors_BD)

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(fill, accumulate(map(len, batches), initial=0), batches):
            pass
    return Photos(
        version=version,
        fingerprint=rows.schema.metadata[FINGERPRINT].decode(),
        vectors=vectors_ND,
        table=rows.select(DESCRIPTION).take(order_N).combine_chunks(),
    )
