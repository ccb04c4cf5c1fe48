"""The rows of a collection: their columns, and the checksum of each, by which damage is noticed."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lodisc.embedding.parts import FINGERPRINT, vectors_of

CHECKSUM = "checksum"
_TEXTS = ("key", "path", "folder", "split", "digest")
_NUMBERS = ("offset", "bytes", "modified")
DESCRIPTION = (*_TEXTS, *_NUMBERS)
"""The columns of a row but its vector and its checksum."""
_NEVER_NULL = ("key", "path", "digest", "bytes", "modified", "vector")
BLOCK_ROWS = 8192


def photo_schema(*, dim: int, dtype: str, fingerprint: str) -> pa.Schema:
    """The columns of a collection; its metadata names the encoder that made the vectors."""
    texts = [(name, pa.string()) for name in (*_TEXTS, CHECKSUM)]
    numbers = [(name, pa.int64()) for name in _NUMBERS]
    vector = pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), dim)
    return pa.schema(
        [*texts, *numbers, ("vector", vector)], metadata={FINGERPRINT: fingerprint.encode()}
    )


def checksums(rows: pa.Table) -> Iterator[str]:
    """A digest of each row, its vector too."""
    columns = [rows[name].cast(pa.string()).cast(pa.binary()) for name in DESCRIPTION]
    texts = pc.binary_join_element_wise(
        *columns, b"\x1f", null_handling="replace", null_replacement=b"\0"
    )
    table = pa.table({"text": texts, "vector": rows["vector"]})
    for batch in table.to_batches(max_chunksize=BLOCK_ROWS):
        block = pa.Table.from_batches([batch])
        for text, vector_D in zip(block["text"].to_pylist(), vectors_of(block), strict=True):
            digest = blake2b(text, digest_size=16)
            digest.update(vector_D)
            yield digest.hexdigest()


def changed_rows(rows: pa.Table) -> NDArray[np.bool_]:
    """Whether each row is not as it was written; those of earlier versions have no checksum.

    Raises `ValueError` for a table that is not one of a collection.
    """
    _require_columns(rows)
    if CHECKSUM not in rows.column_names:
        return np.zeros(len(rows), np.bool_)
    pairs = zip(rows[CHECKSUM].to_pylist(), checksums(rows), strict=True)
    return np.fromiter((before != now for before, now in pairs), np.bool_, len(rows))


def _require_columns(rows: pa.Table) -> None:
    rows.validate(full=True)
    vector = rows.schema.field("vector").type if "vector" in rows.column_names else pa.null()
    if not pa.types.is_fixed_size_list(vector) or not pa.types.is_floating(vector.value_type):
        raise ValueError("it has no vectors")
    kinds = dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(_NUMBERS, pa.int64())
    if any(rows.schema.field(name).type != kind for name, kind in kinds.items()):
        raise ValueError("its columns are not those of a collection")
    if any(rows[name].null_count for name in _NEVER_NULL):
        raise ValueError("it has empty cells")
    if FINGERPRINT not in (rows.schema.metadata or {}):
        raise ValueError("it does not say which encoder made its vectors")
