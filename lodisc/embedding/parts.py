"""The Parquet parts of an embedding: what is in one, and how it is written and read.

Readers of Parquet take the folder as it is: they pass over names that begin with an underscore or a dot.

DIR/_embedding.json       what made the vectors: encoder and its fingerprint, their length and type, number of slices, run, DATA
DIR/_encoder/             the encoder itself, a timm directory
DIR/_progress.json        how far an `embed` is, or was when it ended
DIR/part-00007.parquet    key, path, offset, label, split, bytes, digest, modified, vector of a shard's photographs, sorted by key
DIR/_part-00007.jsonl     the photographs of the shard that could not be read, and why
DIR/_skipped.jsonl        what was left out before: no photograph by its name, or a name that is no text
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lodisc.data.photo import Skipped
from lodisc.errors import UserError
from lodisc.files import read_json_lines, replacing

SETTINGS, ENCODER, PROGRESS, SKIPPED = (
    "_embedding.json",
    "_encoder",
    "_progress.json",
    "_skipped.jsonl",
)
FINGERPRINT = b"lodisc.encoder"


class Row(NamedTuple):
    """A photograph in a part: where it is, what its file was, and its vector."""

    key: str
    path: str
    offset: int | None
    """Where its bytes begin in the tar at `path`; none for a file of its own."""
    label: str | None
    split: str | None
    bytes: int
    digest: str
    modified: int
    """When its file was changed, in nanoseconds."""
    vector: np.ndarray[Any, Any]


def write_part(path: Path, rows: list[Row], *, dim: int, dtype: str, fingerprint: str) -> None:
    """Write a part in one go: readers see the old one or the new one, whole, with the same bytes for the same rows."""
    columns = {name: [getattr(row, name) for row in rows] for name in Row._fields[:-1]}
    flat = np.concatenate([row.vector for row in rows]) if rows else np.zeros(0, dtype)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(dtype)), dim)
    arrays = [
        pa.array(columns[field.name], field.type)
        for field in _schema(dim, dtype, fingerprint)
        if field.name != "vector"
    ]
    table = pa.Table.from_arrays([*arrays, vectors], schema=_schema(dim, dtype, fingerprint))
    with replacing(path, alone=True) as draft:  # a shard is of one process
        pq.write_table(table, draft, compression="zstd")


def read_part(path: Path, *, fingerprint: str) -> list[Row]:
    """The rows of a part; none of one that is damaged or missing. Raises `UserError` for a part of another encoder."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        return []
    if (table.schema.metadata or {}).get(FINGERPRINT) != fingerprint.encode():
        raise UserError(
            f"{path} was made by another encoder; embed into another folder, or delete it"
        )
    columns = [table[name].to_pylist() for name in Row._fields[:-1]]
    return [Row(*values) for values in zip(*columns, vectors_of(table), strict=True)]


def keys_of(path: Path) -> list[str]:
    """The keys in a part; none of one that is damaged."""
    try:
        keys: list[str] = pq.read_table(path, columns=["key"])["key"].to_pylist()
    except (OSError, pa.ArrowInvalid):
        return []
    return keys


def vectors_of(table: pa.Table) -> np.ndarray[Any, Any]:
    """The vectors [N, D] of a part, without a copy where it is in one piece."""
    column = table["vector"].combine_chunks()
    return (
        column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), column.type.list_size)
    )


def record(part: Path) -> Path:
    """Where the photographs of a part that could not be read are listed."""
    return part.with_name(f"_{part.stem}.jsonl")


def skipped_in(folder: Path) -> list[Skipped]:
    """All photographs of an embedding that could not be read, sorted by key."""
    listed = [folder / SKIPPED, *(record(part) for part in folder.glob("part-*.parquet"))]
    entries = [entry for path in listed for entry in read_json_lines(path)]
    return sorted((Skipped(**entry) for entry in entries), key=lambda skipped: skipped.key)


def _schema(dim: int, dtype: str, fingerprint: str) -> pa.Schema:
    texts = dict.fromkeys(("key", "path", "label", "split", "digest"), pa.string())
    numbers = dict.fromkeys(("offset", "bytes", "modified"), pa.int64())
    vector = {"vector": pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), dim)}
    kinds = texts | numbers | vector
    fields = [(name, kinds[name]) for name in Row._fields]
    return pa.schema(fields, metadata={FINGERPRINT: fingerprint.encode()})
