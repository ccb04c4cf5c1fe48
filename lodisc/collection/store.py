"""The photographs of a collection in LanceDB: one row each, by key, and changed atomically.

A reader sees the state before a change or after it. A change that is killed leaves the state
before. The changes of several processes follow one another.
"""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lodisc.collection.files import TABLE, CollectionFiles
from lodisc.collection.rows import BLOCK_ROWS, CHECKSUM, changed_rows
from lodisc.data.photo import printable
from lodisc.errors import UserError

OLD = timedelta(hours=1)  # older versions are deleted; a reader needs one for a second
WITHOUT_LANCEDB = 'the collection needs LanceDB:  pip install "lodisc[collection]"'

_WAY_OUT = f"if {TABLE}.lance is damaged, delete it and run  lodisc index  again: labels stay"
# LanceDB raises errors of many kinds for damaged files, and a `BaseException` when it panics
_OF_OTHERS = (UserError, OSError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit)


class Change(NamedTuple):
    """How many rows a change added, replaced, left unchanged and removed."""

    added: int
    replaced: int
    unchanged: int
    removed: int


class Contents(NamedTuple):
    """What is in the table."""

    digests: dict[str, str]
    """The digest of each photograph, by key, of all rows that are as they were written."""
    damaged: list[str]
    """The keys of the rows that are not."""


class Store:
    """The LanceDB table in the folder of a collection; threads may share it.

    Raises `UserError` if LanceDB is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import lancedb
        except ImportError:
            raise UserError(WITHOUT_LANCEDB) from None
        self.folder = folder
        # As an absolute path, since LanceDB takes a `~` for a home directory
        self._database = lancedb.connect(str(folder.absolute()))
        self._table: Any = None
        if self.exists:
            self._open()

    @property
    def exists(self) -> bool:
        """Whether there is a table; the empty folder of a killed creation does not count."""
        return any((self._path / "_versions").glob("*.manifest"))

    @property
    def _path(self) -> Path:
        return CollectionFiles(self.folder).photos

    @property
    def version(self) -> str:
        """Changes whenever the rows change, by any process, or another collection takes the place.

        Raises `UserError` if the collection was deleted, or if LanceDB can't read it.
        """
        try:
            was_replaced = self._path.stat().st_ino != self._identity
        except FileNotFoundError:
            raise UserError(
                f"{printable(self.folder)} was deleted; "
                "make it again with  lodisc index DIR --collection DIR"
            ) from None
        if was_replaced:
            self._open()
        with self.reading():
            self._table.checkout_latest()
            return f"{self._identity}-{self._table.version}"

    @property
    def table(self) -> Any:
        """LanceDB's own table, for its index and filters."""
        return self._table

    def read(self) -> tuple[str, pa.Table]:
        """The newest version and all its rows.

        Raises as `version` does, and `UserError` if a row is not as it was written.
        """
        while True:
            version = self.version
            with self.reading():
                rows = self._table.to_arrow()
                if changed := np.count_nonzero(changed_rows(rows)):
                    raise UserError(
                        f"{changed:,} rows of {printable(self._path)} changed after they were "
                        "written; run  lodisc index  again: labels stay"
                    )
            if version == self.version:
                return version, rows

    def contents(self) -> Contents:
        """The photographs in the table, also those of damaged rows; none if it is new."""
        digests: dict[str, str] = {}
        damaged: list[str] = []
        if not self.exists:
            return Contents(digests, damaged)
        with self.reading():
            for batch in self._table.search().to_batches(batch_size=BLOCK_ROWS):
                rows = pa.Table.from_batches([batch])
                changed_N = changed_rows(rows)
                damaged += rows.filter(pa.array(changed_N))["key"].to_pylist()
                sound = rows.filter(pa.array(~changed_N))
                keys, values = (sound[name].to_pylist() for name in ("key", "digest"))
                digests.update(zip(keys, values, strict=True))
        return Contents(digests, damaged)

    def mirror(
        self, batches: Iterator[pa.RecordBatch], *, schema: pa.Schema, anew: bool = False
    ) -> Change:
        """Make the table hold these rows and no others.

        A row is replaced if its checksum differs, and removed if its key is not among them. If
        the schema or its metadata differs, or `anew`, the whole table is replaced. Raises
        `OSError` if LanceDB can't do so; the table is then as before.
        """
        rows = pa.RecordBatchReader.from_batches(schema, batches)
        try:
            if (
                anew
                or self._table is None
                or self._table.schema != schema
                or self._table.schema.metadata != schema.metadata
            ):
                return self._replace(rows)
            return self._merge(rows)
        except _OF_OTHERS:
            raise
        except BaseException as error:
            raise OSError(
                f"{printable(self.folder)} could not be changed and is as before "
                f"({_reason(error)}); {_WAY_OUT}"
            ) from None

    def _replace(self, rows: pa.RecordBatchReader) -> Change:
        removed = self._table.count_rows() if self._table is not None else 0
        mode = "overwrite" if self._path.exists() else "create"
        self._database.create_table(TABLE, rows, mode=mode)
        self._open()
        return Change(added=self._table.count_rows(), replaced=0, unchanged=0, removed=removed)

    def _merge(self, rows: pa.RecordBatchReader) -> Change:
        merge = self._table.merge_insert("key").when_matched_update_all(
            where=f"target.{CHECKSUM} != source.{CHECKSUM}"
        )
        merge = merge.when_not_matched_insert_all().when_not_matched_by_source_delete()
        result = merge.execute(rows)
        self._table.checkout_latest()
        return Change(
            added=result.num_inserted_rows,
            replaced=result.num_updated_rows,
            removed=result.num_deleted_rows,
            unchanged=self._table.count_rows() - result.num_inserted_rows - result.num_updated_rows,
        )

    def _open(self) -> None:
        with self.reading():
            self._table = self._database.open_table(TABLE)
        handle = os.open(self._path, os.O_RDONLY)  # so that no other folder gets its inode number
        weakref.finalize(self._table, os.close, handle)
        self._identity = os.fstat(handle).st_ino

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn LanceDB's error about damaged files into a `UserError` of one line."""
        try:
            yield
        except _OF_OTHERS:
            raise
        except BaseException as error:
            raise UserError(
                f"{printable(self._path)} can't be read ({_reason(error)}); {_WAY_OUT}"
            ) from None

    def tidy(self) -> None:
        """Merge small files, and delete what no version needs and what killed changes left.

        Only for a process that holds the lock of the folder (`files.locked`).
        """
        for path in (self._path / "data").glob(".tmp*"):
            path.unlink(missing_ok=True)
        with self.reading():
            self._table.optimize(cleanup_older_than=OLD, delete_unverified=True)


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
