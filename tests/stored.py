"""Collections of given vectors, without photographs."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.embedding.embedding import Embedding
from lodisc.embedding.parts import Row, write_part


def write_settings(folder: Path, *, dim: int, fingerprint: str = "f" * 64) -> None:
    """The settings of an embedding of vectors by no encoder."""
    settings = {"encoder": "none", "fingerprint": fingerprint, "dim": dim, "dtype": "float32"}
    settings |= {"image_size": 224, "data": "/photos", "slices": 1}
    Embedding(folder).settings_file.write_text(json.dumps(settings))


def stored(
    folder: Path, vectors_ND: NDArray[np.float32], *, fingerprint: str = "f" * 64
) -> Collection:
    """A collection of these vectors in `folder / "C"`, in the order of the keys.

    A second call replaces the vectors.
    """
    parts, count, dim = folder / "vectors", *vectors_ND.shape
    Embedding(parts).encoder.mkdir(parents=True, exist_ok=True)
    write_settings(parts, dim=dim, fingerprint=fingerprint)
    rows = [
        Row(
            key=f"{row:06}.jpg",
            path=f"/photos/{row:06}.jpg",
            offset=None,
            label=None,
            split=None,
            bytes=1 + row,
            digest=str(row),
            modified=1,
            vector=vectors_ND[row],
        )
        for row in range(count)
    ]
    write_part(
        parts / "part-00000.parquet", rows, dim=dim, dtype="float32", fingerprint=fingerprint
    )
    index(parts, collection=folder / "C")
    return Collection(folder / "C")
