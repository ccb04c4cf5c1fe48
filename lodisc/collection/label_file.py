"""`LabelFile`: the SQLite file of labels: opened for every call, checked, and its errors in words.

One file with a rollback journal, which is safe on any file system and leaves no other file behind:
a copy of it is a backup. Every call opens the file again, so that threads, forks and other
processes can share it, and a file that was restored from a backup is noticed.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lodisc.collection.label_tables import APPLICATION, FORMAT, SCHEMA, UPGRADES, VIEWS
from lodisc.data.photo import printable
from lodisc.errors import UserError

_DAMAGED = {
    0,  # text that is not UTF-8, which Python notices
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_ERROR,  # a table or column is missing
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}
"""Codes of errors that a file of this format cannot cause."""


class Busy(OSError):
    """Another program has locked the file for too long."""


class LabelFile:
    """The file `path`, which the first write creates.

    Another program that has locked it is waited for, `patience` seconds to write and
    `read_patience` seconds to read; then `Busy`. Raises `UserError` for a file that is not a
    database of labels, and `OSError` for one that can't be read or written; neither changes it.
    """

    def __init__(self, path: Path, *, patience: float, read_patience: float) -> None:
        self.path, self.patience, self.read_patience = path, patience, read_patience

    def read(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query; an empty list if nothing was typed yet."""
        (rows,) = self.read_all(sql, values=values) or [[]]
        return rows

    def read_all(self, *queries: str, values: Sequence[Any] = ()) -> list[list[tuple[Any, ...]]]:
        """The rows of queries of one moment; an empty list if nothing was typed yet."""
        if not self.path.exists():
            return []
        with self._open("rw", patience=self.read_patience) as database:
            database.execute("BEGIN")  # so that `_format` and the queries see the same file
            format = self._format(database)
            if format is None:
                return []
            for version in range(format, FORMAT):
                for statement in VIEWS[version].split(";"):
                    database.execute(statement)
            return [database.execute(sql, values).fetchall() for sql in queries]

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: on the disk when the block ends, or rolled back."""
        with self._open("rwc", patience=self.patience) as database:
            database.execute("BEGIN IMMEDIATE")
            format = self._format(database)
            changes = [SCHEMA] if format is None else [UPGRADES[v] for v in range(format, FORMAT)]
            for statement in ";".join(changes).split(";"):
                database.execute(statement)
            yield database
            database.execute("COMMIT")

    def require_texts(self, values: Iterable[Any]) -> None:
        """Raise `UserError` unless each value is text or None."""
        if not all(isinstance(value, str | None) for value in values):
            raise self.damaged("it holds what is not text")

    def damaged(self, reason: str) -> UserError:
        """The error for a file that holds what it can't hold."""
        return UserError(
            f"{printable(self.path)} is damaged ({reason}); restore a copy of it, "
            "or rescue the rows with `sqlite3 FILE .recover`"
        )

    @contextmanager
    def _open(self, mode: str, *, patience: float) -> Iterator[sqlite3.Connection]:
        address = f"file:{quote(os.fsencode(self.path))}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None)
            ) as database:
                database.execute("PRAGMA synchronous = EXTRA")
                yield database
        except sqlite3.Error as error:
            words = "" if mode == "rw" else "nothing was changed: "
            raise self._explained(error, words=words, patience=patience) from None

    def _format(self, database: sqlite3.Connection) -> int | None:
        """The format of the file, None if it is empty; raises `UserError` for other databases."""
        application, format = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        if application == APPLICATION and 1 <= format <= FORMAT:
            if database.execute("SELECT typeof(number) FROM version").fetchall() != [("integer",)]:
                raise self.damaged("it has no version")
            return int(format)
        if application == APPLICATION and format < 1:
            raise self.damaged("it has no format")
        if application == APPLICATION:
            raise UserError(
                f"{printable(self.path)} was written by a newer lodisc (format {format}); "
                "update lodisc to read it"
            )
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise UserError(
                f"{printable(self.path)} is a database of another program; "
                "move it away, it is not overwritten"
            )
        return None

    def _explained(self, error: sqlite3.Error, *, words: str, patience: float) -> Exception:
        """What SQLite's error means, and what to do."""
        where, code = printable(self.path), getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return UserError(
                f"{where} is not a database of labels; move it away, it is not overwritten"
            )
        if code in _DAMAGED:
            return self.damaged(str(error))
        kind = Busy if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else OSError
        advice = {
            sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
            sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
            sqlite3.SQLITE_CANTOPEN: (
                "the file can't be opened or created; "
                "check that its folder exists and that you may write to it"
            ),
            sqlite3.SQLITE_BUSY: (
                f"another program has kept it busy for {patience:g} seconds; "
                "end that program and try again"
            ),
        }.get(code, f"{error}; check whether the disk is full or failing")
        return kind(f"{where}: {words}{advice}")
