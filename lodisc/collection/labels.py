"""The label of each photograph, with its history: what people typed, and names they accepted.

One SQLite file with a rollback journal, which is safe on any file system and leaves no other file
behind: a copy of it is a backup. Every call opens the file again, so that threads, forks and other
processes can share it, and a file that was restored from a backup is noticed.
"""

import os
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from lodisc.collection.label_tables import (
    ACCEPTED,
    ACCEPTED_LABELS,
    APPLICATION,
    FORMAT,
    NO_TEXTS,
    RENAMED,
    RENAMINGS,
    SCHEMA,
    apply,
    count_up,
    now,
    record,
    rename_in_history,
)
from lodisc.data.labels import plain_label
from lodisc.data.photo import printable
from lodisc.errors import UserError

PATIENCE = 30.0  # seconds to wait for another process that writes
_COLUMNS = "number, time, how, label, count, state"  # of an action
_DAMAGED = {
    0,  # text that is not UTF-8, which Python notices
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_ERROR,  # a table or column is missing
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}
"""Codes of errors that a file of this format cannot cause."""


Stamp = tuple[int, int, int, int]
"""Version, device, inode and time of change of a file of labels."""


class Busy(OSError):
    """Another program has locked the file for too long."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to labels, as a whole.

    `label` is "" if labels were removed, and None if there were several.
    """

    number: int
    time: str
    how: str
    label: str | None
    count: int
    undone: bool

    @property
    def words(self) -> str:
        """What was done, in plain words."""
        photographs = f"{self.count:,} photograph{'' if self.count == 1 else 's'}"
        if self.label:
            label = f"“{self.label}”"
        else:
            label = "Several labels" if self.label is None else "No label"
        return f"{label} on {photographs} ({self.how})"


class Labels:
    """The labels in the file `path`, which the first label creates.

    Several threads and processes may use it. When a call returns, its change is on the disk. Every
    call raises `UserError` for a file that is not a database of labels, and `OSError` for one that
    can't be read or written; neither changes the file. Another program that has locked the file is
    waited for, `patience` seconds to write and `read_patience` seconds to read; then `Busy`.
    """

    def __init__(
        self, path: str | Path, *, patience: float = PATIENCE, read_patience: float = PATIENCE
    ) -> None:
        self.path, self.patience, self.read_patience = Path(path), patience, read_patience
        self.last_write = object()
        """Another object after every write through these `Labels`."""
        self._cache: tuple[Stamp, dict[str, str], frozenset[str]] = ((0, 0, 0, 0), {}, frozenset())

    @property
    def version(self) -> int:
        """A number that grows with every change, by any process."""
        rows = self._read("SELECT number FROM version")
        return int(rows[0][0]) if rows else 0

    @property
    def stamp(self) -> Stamp:
        """Differs after every change, and for another file in this place, such as a backup."""
        version = self.version
        status = self.path.stat() if version else None
        return (version, status.st_dev, status.st_ino, status.st_mtime_ns) if status else (0,) * 4

    def current(self) -> dict[str, str]:
        """The label of every photograph that has one, by key."""
        return self.with_accepted_keys()[0]

    def with_accepted_keys(self) -> tuple[dict[str, str], frozenset[str]]:
        """The labels by key, and the keys of those that are accepted names, of one moment.

        An accepted name is the classifier's own word, from which it learns nothing. Giving the
        label once more by hand makes it a person's.
        """
        stamp = self.stamp
        if self._cache[0] != stamp:
            sql = "SELECT key, label FROM labels ORDER BY key"
            rows, accepted, others = self._read_all(sql, ACCEPTED_LABELS, NO_TEXTS) or ([],) * 3
            self._require_texts(cell for row in (*rows, *accepted, *others) for cell in row)
            self._cache = (stamp, dict(rows), frozenset(key for key, _ in accepted))
        _, labels, accepted_keys = self._cache
        return dict(labels), accepted_keys

    def accept(self, names: Mapping[str, str], *, where: str) -> int:
        """Make the names of unlabelled photographs their labels, as one action.

        `where` tells which, for the history: "from 90%". Returns how many changed.
        """
        return self.set_each(names, how=f"{ACCEPTED} {where}", only_unlabelled=True)

    def take_over(
        self, labels: Mapping[str, str | None], *, accepted_keys: Container[str], how: str
    ) -> int:
        """Labels from elsewhere, None to remove one, as one action; returns how many changed.

        Those that were accepted names there become accepted names where there is no label, as a
        second action, and nothing elsewhere. Raises `UserError` as `set` does, and changes nothing
        then.
        """
        names = {
            key: plain_label(label)
            for key, label in labels.items()
            if label is not None and key in accepted_keys
        }
        others = {key: label for key, label in labels.items() if key not in names}
        return self.set_each(others, how=how) + self.accept(names, where="elsewhere")

    def set(self, keys: Sequence[str], label: str | None, *, how: str = "typed") -> int:
        """Label photographs, or remove their labels, as one action; returns how many changed.

        An accepted name that is the same label changes, too: now a person has given it. The label
        is stripped, and composed (NFC) so that the same letters are the same label. Raises
        `UserError` for a label that is empty, is longer than 200 characters or has control
        characters.
        """
        assert not isinstance(keys, str)
        return self.set_each(dict.fromkeys(keys, label), how=how, confirms=True)

    def set_each(
        self,
        labels: Mapping[str, str | None],
        *,
        how: str,
        only_unlabelled: bool = False,
        confirms: bool = False,
    ) -> int:
        """Give each photograph its label, None to remove it, as one action.

        Returns how many changed; raises as `set` does. With `only_unlabelled`, a photograph that
        somebody has labelled in the meantime keeps its label. With `confirms`, an accepted name
        that is the same label becomes a person's.
        """
        plain = {
            label: None if label is None else plain_label(label) for label in set(labels.values())
        }
        targets = {_plain_key(key): plain[label] for key, label in labels.items()}
        with self._writing() as database:
            rows = [(key, self._label_of(database, key), label) for key, label in targets.items()]
            changes = [
                (key, before, after)
                for key, before, after in rows
                if not (only_unlabelled and before is not None)
                and (
                    before != after
                    or (confirms and before is not None and self._is_accepted(database, key))
                )
            ]
            if changes:
                database.execute("UPDATE actions SET state = 'dropped' WHERE state = 'undone'")
                record(database, changes, how=how, state="done", count=len(changes))
        return len(changes)

    def rename(self, label: str, new: str | None) -> int:
        """Give all photographs with a label another one, None to remove it; returns how many.

        The other one may be in use: then both are one. Accepted names stay accepted names: they are
        an action of their own, of the same moment, and undone together. Raises `UserError` as `set`
        does, and if no photograph has the label.
        """
        label, new = plain_label(label), None if new is None else plain_label(new)
        with self._writing() as database:
            sql = "SELECT key FROM labels WHERE label = ? ORDER BY key"
            keys = [key for (key,) in database.execute(sql, (label,)).fetchall()]
            self._require_texts(keys)
            if not keys:
                raise UserError(f"no photograph has the label “{label}”")
            if new == label:
                return 0
            accepted = [key for key in keys if new and self._is_accepted(database, key)]
            others = [key for key in keys if key not in {*accepted}]
            database.execute("UPDATE actions SET state = 'dropped' WHERE state = 'undone'")
            time = now()
            for some, how in (
                (others, RENAMINGS[0] if new else "label removed"),
                (accepted, RENAMINGS[1]),
            ):
                if some:
                    changes = [(key, label, new) for key in some]
                    count = len(some)
                    record(database, changes, how=how, state="done", count=count, time=time)
        return len(keys)

    def carry(
        self, moved: Mapping[str, str], *, replaced: Mapping[str, str] = MappingProxyType({})
    ) -> int:
        """Let labels and their history follow photographs renamed from old to new keys.

        Returns the number of labels that moved. All move at once, so that names may be swapped. A
        new key that already has a label keeps it, unless it is one of the `replaced`: those lose
        their labels, and their history goes under the key that they are mapped to. The keys change
        in earlier actions too, so that undo reaches the photograph under its new name. The renaming
        itself is in the history and can't be undone.
        """
        with self._writing() as database:
            renamed = {
                _plain_key(old): _plain_key(new)
                for old, new in {**moved, **replaced}.items()
                if new in moved or new in replaced or self._label_of(database, new) is None
            }
            carried = {
                new: label
                for old, new in renamed.items()
                if old not in replaced and (label := self._label_of(database, old)) is not None
            }
            targets = dict.fromkeys(renamed) | carried
            changes = [
                (key, self._label_of(database, key), label) for key, label in targets.items()
            ]
            rename_in_history(database, renamed)
            if carried:
                record(database, changes, how=RENAMED, state="fixed", count=len(carried))
        return len(carried)

    def undo(self) -> Action | None:
        """Undo the last action, exactly; returns it, or None if there is none."""
        return self._steps("done", "undone", order="DESC", columns="key, after, before")

    def redo(self) -> Action | None:
        """Redo the last undone action, exactly; returns it, or None if something was done since."""
        return self._steps("undone", "done", order="ASC", columns="key, before, after")

    def undoable(self) -> Action | None:
        """What `undo` would undo."""
        return self._first("WHERE state = 'done' ORDER BY number DESC")

    def redoable(self) -> Action | None:
        """What `redo` would redo."""
        return self._first("WHERE state = 'undone' ORDER BY number")

    def history(self, *, limit: int = 100) -> list[Action]:
        """The last actions, newest first, including those that were undone."""
        sql = f"SELECT {_COLUMNS} FROM actions ORDER BY number DESC LIMIT ?"
        return [self._action(row) for row in self._read(sql, max(0, limit))]

    def _first(self, condition: str) -> Action | None:
        rows = self._read(f"SELECT {_COLUMNS} FROM actions {condition} LIMIT 1")
        return self._action(rows[0]) if rows else None

    def _action(self, row: tuple[Any, ...]) -> Action:
        number, time, how, label, count, state = row
        self._require_texts([time, how, label, state])
        if not isinstance(count, int):
            raise self._damaged("a count is not a number")
        return Action(number, time, how, label, count, undone=state in ("undone", "dropped"))

    def _label_of(self, database: sqlite3.Connection, key: str) -> str | None:
        row = database.execute("SELECT label FROM labels WHERE key = ?", (key,)).fetchone()
        label: str | None = None if row is None else row[0]
        self._require_texts([label])
        return label

    def _is_accepted(self, database: sqlite3.Connection, key: str) -> bool:
        rows = database.execute(f"{ACCEPTED_LABELS} AND own.key = ?", (key,)).fetchall()
        self._require_texts(cell for row in rows for cell in row)
        return bool(rows)

    def _require_texts(self, values: Iterable[Any]) -> None:
        if not all(isinstance(value, str | None) for value in values):
            raise self._damaged("it holds what is not text")

    def _steps(self, state: str, next_state: str, *, order: str, columns: str) -> Action | None:
        """Undo or redo an action; of the two that rename a label, both."""
        with self._writing() as database:
            sql = f"SELECT {_COLUMNS} FROM actions WHERE state = ? ORDER BY number {order} LIMIT 2"
            rows = database.execute(sql, (state,)).fetchall()
            is_pair = len(rows) == 2 and len({time for _, time, *_ in rows}) == 1
            if not (is_pair and {how for _, _, how, *_ in rows} == {*RENAMINGS}):
                rows = rows[:1]
            actions = [self._step(database, row, next_state, columns=columns) for row in rows]
            if actions:
                count_up(database)
        return replace(actions[0], count=sum(a.count for a in actions)) if actions else None

    def _step(
        self, database: sqlite3.Connection, row: tuple[Any, ...], next_state: str, *, columns: str
    ) -> Action:
        sql = f"SELECT {columns} FROM changes WHERE action = ?"
        changes = database.execute(sql, (row[0],)).fetchall()
        self._require_texts(cell for change in changes for cell in change)
        # A photograph that got the name of another one (`carry`) has the changes of both:
        # those that don't fit belong to the other one
        own_changes = [
            (key, label)
            for key, expected, label in changes
            if self._label_of(database, key) == expected
        ]
        action = self._action((*row[:-1], next_state))
        apply(database, own_changes)
        database.execute("UPDATE actions SET state = ? WHERE number = ?", (next_state, row[0]))
        return action

    def _read(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query; an empty list if nothing was typed yet."""
        (rows,) = self._read_all(sql, values=values) or [[]]
        return rows

    def _read_all(self, *queries: str, values: Sequence[Any] = ()) -> list[list[tuple[Any, ...]]]:
        """The rows of queries of one moment; an empty list if nothing was typed yet."""
        if not self.path.exists():
            return []
        with self._open("rw", patience=self.read_patience) as database:
            database.execute("BEGIN")  # so that `_is_ours` and the queries see the same file
            if not self._is_ours(database):
                return []
            return [database.execute(sql, values).fetchall() for sql in queries]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: on the disk when the block ends, or rolled back."""
        with self._open("rwc", patience=self.patience) as database:
            database.execute("BEGIN IMMEDIATE")
            if not self._is_ours(database):
                for statement in SCHEMA.split(";"):
                    database.execute(statement)
            yield database
            database.execute("COMMIT")
        self.last_write = object()

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

    def _is_ours(self, database: sqlite3.Connection) -> bool:
        """Whether the file is a database of labels.

        An empty file is not; raises `UserError` for anything else.
        """
        application, format = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        if application == APPLICATION and format <= FORMAT:
            if database.execute("SELECT typeof(number) FROM version").fetchall() != [("integer",)]:
                raise self._damaged("it has no version")
            return True
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
        return False

    def _damaged(self, reason: str) -> UserError:
        return UserError(
            f"{printable(self.path)} is damaged ({reason}); restore a copy of it, "
            "or rescue the rows with `sqlite3 FILE .recover`"
        )

    def _explained(self, error: sqlite3.Error, *, words: str, patience: float) -> Exception:
        """What SQLite's error means, and what to do."""
        where, code = printable(self.path), getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return UserError(
                f"{where} is not a database of labels; move it away, it is not overwritten"
            )
        if code in _DAMAGED:
            return self._damaged(str(error))
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


def _plain_key(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{printable(key)} is not the key of a photograph: it is not UTF-8"
        ) from None
    return key
