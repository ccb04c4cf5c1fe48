"""A Parquet part of an embedding: its rows, and how it is written and read."""

import logging
import re
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.files import replacing

logger = logging.getLogger("lodisc")

FINGERPRINT = b"lodisc.encoder"  # the key of the encoder's fingerprint in a part's metadata
PART_NAME = re.compile(r"part-(\d{5,}|tar-[0-9a-f]{8})\.parquet")
_NEVER_NULL = ("key", "path", "bytes", "digest", "modified", "vector")


class DamagedPart(ValueError):
    """A part whose rows cannot be believed; its text is the reason."""


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
    """Write a part atomically, with checksums; the same rows give the same bytes."""
    schema = _schema(dim, dtype, fingerprint)
    columns = {name: [getattr(row, name) for row in rows] for name in Row._fields[:-1]}
    flat = np.concatenate([row.vector for row in rows]) if rows else np.zeros(0, dtype)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(dtype)), dim)
    arrays = [
        pa.array(columns[field.name], field.type) for field in schema if field.name != "vector"
    ]
    table = pa.Table.from_arrays([*arrays, vectors], schema=schema)
    with replacing(path, alone=True) as draft:  # a single process writes a shard
        pq.write_table(table, draft.absolute(), compression="zstd", write_page_checksum=True)


def read_part(path: Path, *, fingerprint: str) -> list[Row]:
    """The rows of a part; an empty list if it is missing or damaged.

    Raises `UserError` for a part of another encoder.
    """
    try:
        table = read_table(path)
    except DamagedPart:
        return []
    if fingerprint_of(table) != fingerprint:
        raise UserError(
            f"{printable(path)} was made by another encoder; embed into another folder, or delete "
            "it"
        )
    columns = [table[name].to_pylist() for name in Row._fields[:-1]]
    return [Row(*values) for values in zip(*columns, vectors_of(table), strict=True)]


def set_aside_if_damaged(path: Path) -> None:
    """Rename a damaged part, so that it is written again and nothing in it is overwritten.

    Only for the process that writes the part.
    """
    if not path.exists():
        return
    try:
        read_table(path)
        return
    except DamagedPart as error:
        reason = error
    try:
        _require_file(path)
        vectors = f"its {pq.read_metadata(path.absolute()).num_rows:,} vectors"
    except (OSError, ValueError, pa.ArrowException):
        vectors = "its vectors"
    names = (f"_{path.name}.damaged{f'-{number}' if number > 1 else ''}" for number in count(1))
    aside = next(new for name in names if not (new := path.with_name(name)).exists())
    path.replace(aside)
    logger.warning(
        f"{printable(path)} is damaged ({reason}): {vectors} are made again from the photographs "
        f"that are there, those of others are lost; it is kept as {aside.name}."
    )


def read_table(path: Path) -> pa.Table:
    """The table of a part, its columns those of `Row`; raises `DamagedPart` with the reason."""
    _require_file(path)
    try:
        table = pq.read_table(path.absolute(), page_checksum_verification=True)
        _require_rows(table)
    except DamagedPart:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DamagedPart(str(error).splitlines()[0]) from None
    return table


def _require_rows(table: pa.Table) -> None:
    """Raise `DamagedPart` unless the columns are those of `Row`, each photograph once.

    Raises `ValueError` for texts that are not UTF-8.
    """
    table.validate(full=True)
    kind = table.schema.field("vector").type if "vector" in table.column_names else pa.null()
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type):
        raise DamagedPart("it has no vectors")
    schema = _schema(kind.list_size, kind.value_type.to_pandas_dtype(), "")
    if not table.schema.equals(schema, check_metadata=False):
        raise DamagedPart("its columns are not those of an embedding")
    if any(table[name].null_count for name in _NEVER_NULL):
        raise DamagedPart("it has empty cells")
    if pc.count_distinct(table["key"]).as_py() < len(table):
        raise DamagedPart("it names a photograph twice")
    if not np.isfinite(vectors_of(table)).all():
        raise DamagedPart("it holds vectors that are not finite")


def column_of(path: Path, name: str) -> dict[str, Any]:
    """A column of a part, by key; empty if it is damaged, missing or not a part."""
    try:
        _require_file(path)
        table = pq.read_table(
            path.absolute(), columns=list({"key", name}), page_checksum_verification=True
        )
        keys, values = table["key"].to_pylist(), table[name].to_pylist()
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return {}
    return dict(zip(keys, values, strict=True))


def fingerprint_of(table: pa.Table) -> str:
    """The fingerprint of the encoder that made a part."""
    fingerprint: bytes = (table.schema.metadata or {}).get(FINGERPRINT, b"")
    return fingerprint.decode(errors="replace")


def is_of_other_encoder(path: Path, *, fingerprint: str) -> bool:
    """Whether a part, which must not be damaged to say so, was made by another encoder."""
    try:
        _require_file(path)
        return fingerprint_of(pq.read_table(path.absolute(), columns=[])) != fingerprint
    except (OSError, ValueError, pa.ArrowException):
        return False


def _require_file(path: Path) -> None:
    """A pipe in place of a part would be waited for."""
    if path.exists() and not path.is_file():
        raise DamagedPart("it is not a file")


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
