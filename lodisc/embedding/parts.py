"""A Parquet part of an embedding: its rows, and how it is written and read."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lodisc.errors import UserError
from lodisc.files import replacing

FINGERPRINT = b"lodisc.encoder"  # the key of the encoder's fingerprint in a part's metadata


class Row(NamedTuple):
    """A photograph in a part: where it is, what its file was, and its vector."""

    key: str
    path: str
    offset: int | None
    """Where its bytes begin in the tar at `path`; None for a file of its own."""
    label: str | None
    split: str | None
    bytes: int
    digest: str
    modified: int
    """When its file was changed, in nanoseconds."""
    vector: np.ndarray[Any, Any]


def write_part(path: Path, rows: list[Row], *, dim: int, dtype: str, fingerprint: str) -> None:
    """Write a part atomically; the same rows give the same bytes."""
    schema = _schema(dim, dtype, fingerprint)
    columns = {name: [getattr(row, name) for row in rows] for name in Row._fields[:-1]}
    flat = np.concatenate([row.vector for row in rows]) if rows else np.zeros(0, dtype)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(dtype)), dim)
    arrays = [
        pa.array(columns[field.name], field.type) for field in schema if field.name != "vector"
    ]
    table = pa.Table.from_arrays([*arrays, vectors], schema=schema)
    with replacing(path, alone=True) as draft:  # a single process writes a shard
        pq.write_table(table, draft.absolute(), compression="zstd")


def read_part(path: Path, *, fingerprint: str) -> list[Row]:
    """The rows of a part; an empty list if it is damaged or missing.

    Raises `UserError` for a part of another encoder.
    """
    try:
        table = pq.read_table(path.absolute())
    except (OSError, pa.ArrowInvalid):
        return []
    if (table.schema.metadata or {}).get(FINGERPRINT) != fingerprint.encode():
        raise UserError(
            f"{path} was made by another encoder; embed into another folder, or delete it"
        )
    columns = [table[name].to_pylist() for name in Row._fields[:-1]]
    return [Row(*values) for values in zip(*columns, vectors_of(table), strict=True)]


def keys_of(path: Path) -> list[str]:
    """The keys in a part; an empty list if it is damaged."""
    try:
        keys: list[str] = pq.read_table(path.absolute(), columns=["key"])["key"].to_pylist()
    except (OSError, pa.ArrowInvalid):
        return []
    return keys


def vectors_of(table: pa.Table) -> np.ndarray[Any, Any]:
    """The vectors [N, D] of a table, without a copy if they are in one chunk."""
    column = table["vector"].combine_chunks()
    return (
        column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), column.type.list_size)
    )


def _schema(dim: int, dtype: str, fingerprint: str) -> pa.Schema:
    texts = dict.fromkeys(("key", "path", "label", "split", "digest"), pa.string())
    numbers = dict.fromkeys(("offset", "bytes", "modified"), pa.int64())
    vector = {"vector": pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), dim)}
    types = texts | numbers | vector
    fields = [(name, types[name]) for name in Row._fields]
    return pa.schema(fields, metadata={FINGERPRINT: fingerprint.encode()})
