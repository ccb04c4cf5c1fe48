"""The photographs of a collection in LanceDB: one row each, found by key, and changed in one go.

A reader sees the state before a change or after it, whole; a change that is killed leaves the state before. Changes of several
processes follow one another.
"""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from lodisc.data.photo import printable
from lodisc.errors import UserError

TABLE = "photos"
ROW_STATE = "state"
OLD = timedelta(hours=1)  # a reader takes a second; versions older than this are given up
WITHOUT_LANCEDB = 'the collection needs LanceDB:  pip install "lodisc[collection]"'


class Change(NamedTuple):
    """How many rows a change added, replaced, left as they were and removed."""

    added: int
    replaced: int
    kept: int
    removed: int


class Store:
    """The LanceDB table in the folder of a collection; threads may share it. Raises `UserError` where LanceDB is not installed."""

    def __init__(self, folder: Path) -> None:
        try:
            import lancedb
        except ImportError:
            raise UserError(WITHOUT_LANCEDB) from None
        self.folder = folder
        self._database = lancedb.connect(
            str(folder.absolute())
        )  # it would take a `~` for somebody's home
        self._table: Any = None
        if self.exists:
            self._open()

    @property
    def exists(self) -> bool:
        """Whether there is a table; a folder that a killed creation left empty is none."""
        return any((self._place / "_versions").glob("*.manifest"))

    @property
    def _place(self) -> Path:
        return self.folder / f"{TABLE}.lance"

    @property
    def version(self) -> str:
        """Another one whenever the rows change, by whatever process, even if the collection was deleted and made anew.

        Raises `UserError` when it was deleted, or when LanceDB can't read it.
        """
        try:
            is_another = self._place.stat().st_ino != self._identity
        except FileNotFoundError:
            raise UserError(
                f"{printable(self.folder)} was deleted; make it anew with  lodisc index DIR --collection DIR"
            ) from None
        if is_another:
            self._open()
        with self._reading():
            self._table.checkout_latest()
            return f"{self._identity}-{self._table.version}"

    @property
    def table(self) -> Any:
        """LanceDB's own table, for its index and filters."""
        return self._table

    def read(self) -> tuple[str, pa.Table]:
        """The newest version and all its rows; raises as `version` does."""
        while True:
            version = self.version
            with self._reading():
                rows = self._table.to_arrow()
            if version == self.version:
                return version, rows

    def keys_and(self, column: str) -> dict[str, Any]:
        """One column by the key of its row."""
        with self._reading():
            rows = self._table.search().select(["key", column]).to_arrow()
        return dict(zip(rows["key"].to_pylist(), rows[column].to_pylist(), strict=True))

    def mirror(self, batches: Iterator[pa.RecordBatch], *, schema: pa.Schema) -> Change:
        """Make the rows these and no others: replaced where `state` differs, removed where the key is not among them.

        Where the schema or its metadata differs from the one there is, the whole table is replaced.
        """
        rows = pa.RecordBatchReader.from_batches(schema, batches)
        try:
            if (
                self._table is None
                or self._table.schema != schema
                or self._table.schema.metadata != schema.metadata
            ):
                return self._replace(rows)
            return self._merge(rows)
        except RuntimeError as error:
            raise OSError(
                f"{self.folder} could not be changed and is as it was ({str(error).splitlines()[0][:200]})"
            ) from None

    def _replace(self, rows: pa.RecordBatchReader) -> Change:
        removed = self._table.count_rows() if self._table is not None else 0
        mode = "overwrite" if self._place.exists() else "create"
        self._database.create_table(TABLE, rows, mode=mode)
        self._open()
        return Change(added=self._table.count_rows(), replaced=0, kept=0, removed=removed)

    def _merge(self, rows: pa.RecordBatchReader) -> Change:
        merge = self._table.merge_insert("key").when_matched_update_all(
            where=f"target.{ROW_STATE} != source.{ROW_STATE}"
        )
        done = merge.when_not_matched_insert_all().when_not_matched_by_source_delete().execute(rows)
        self._table.checkout_latest()
        return Change(
            added=done.num_inserted_rows,
            replaced=done.num_updated_rows,
            removed=done.num_deleted_rows,
            kept=self._table.count_rows() - done.num_inserted_rows - done.num_updated_rows,
        )

    def _open(self) -> None:
        with self._reading():
            self._table = self._database.open_table(TABLE)
        held = os.open(self._place, os.O_RDONLY)  # so that no other folder is given its number
        weakref.finalize(self._table, os.close, held)
        self._identity = os.fstat(held).st_ino

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Say in one line what LanceDB finds wrong with its files."""
        try:
            yield
        except RuntimeError as error:
            raise UserError(
                f"{printable(self._place)} can't be read ({str(error).splitlines()[0][:120]}); "
                "if it is damaged, delete it and run  lodisc index  again: labels stay"
            ) from None

    def tidy(self) -> None:
        """Put small files together and delete what no version needs, what killed changes left among it; call it while `writing`."""
        for leftover in (self._place / "data").glob(".tmp*"):
            leftover.unlink(missing_ok=True)
        self._table.optimize(cleanup_older_than=OLD, delete_unverified=True)
