"""What people typed: a label for each photograph, with everything that was ever done to it.

One SQLite file with a rollback journal, which is sound on any file system and leaves nothing beside the file: a copy of it is a backup.
Every call opens the file anew, so that threads, forks and other processes share it, and a file put back from a backup is seen.
"""

import os
import sqlite3
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lodisc.data.photo import printable
from lodisc.errors import UserError

FORMAT = 1
LONGEST = 200
PATIENCE = 30.0  # seconds to wait for another process that writes
_APPLICATION = 0x6C6F6469  # "lodi", which tells this file from other databases
_SCHEMA = f"""
CREATE TABLE labels (key TEXT PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE actions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, how TEXT NOT NULL, label TEXT, count INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE INDEX actions_by_state ON actions (state, number);
CREATE TABLE changes (
  action INTEGER NOT NULL REFERENCES actions, key TEXT NOT NULL, before TEXT, after TEXT, PRIMARY KEY (action, key)
) WITHOUT ROWID;
CREATE INDEX changes_by_key ON changes (key);
CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (0);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {FORMAT}
"""
# The states of an action: `done`, `undone`, `dropped` (undone, then something else was done) and `fixed` (done, and not to be undone).


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to labels as a whole; `label` is "" where labels were taken away and None where there were several."""

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
            return f"“{self.label}” on {photographs} ({self.how})"
        return f"{'Several labels on' if self.label is None else 'No label on'} {photographs} ({self.how})"


class Labels:
    """The labels in the file `path`, which comes into being with the first one; safe from several threads and processes.

    Whatever a call has returned from is on the disk. Every call raises `UserError` for a file that is no database of labels, and
    `OSError` for one that can't be read or written; neither changes the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._known: tuple[tuple[int, int, int], dict[str, str]] = ((0, 0, 0), {})

    @property
    def version(self) -> int:
        """A number that grows with every change, by whichever process."""
        rows = self._read("SELECT number FROM version")
        return int(rows[0][0]) if rows else 0

    def current(self) -> dict[str, str]:
        """The label of every photograph that has one, by key."""
        version = self.version
        status = (
            self.path.stat() if version else None
        )  # as a file that was put back counts its versions anew
        state = (version, status.st_ino, status.st_mtime_ns) if status else (0, 0, 0)
        if self._known[0] != state:
            self._known = (state, dict(self._read("SELECT key, label FROM labels ORDER BY key")))
        return dict(self._known[1])

    def set(self, keys: Sequence[str], label: str | None, *, how: str = "typed") -> int:
        """Give photographs a label, or take theirs away, as one action; returns how many changed.

        The label is stripped, and composed (NFC) so that the same letters are the same label. Raises `UserError` for one that is
        empty, longer than 200 characters or has control characters.
        """
        assert not isinstance(keys, str)
        return self.set_each(dict.fromkeys(keys, label), how=how)

    def set_each(
        self, labels: Mapping[str, str | None], *, how: str, only_unlabelled: bool = False
    ) -> int:
        """Give each photograph a label of its own, None to take it away, as one action; returns how many changed. Raises as `set` does.

        With `only_unlabelled` a photograph that somebody has labelled by now keeps its label.
        """
        plain = {
            label: None if label is None else plain_label(label) for label in set(labels.values())
        }
        wanted = {_plain_key(key): plain[label] for key, label in labels.items()}
        with self._writing() as database:
            changes = [(key, _label_of(database, key), label) for key, label in wanted.items()]
            changes = [
                change
                for change in changes
                if change[1] != change[2] and not (only_unlabelled and change[1] is not None)
            ]
            if changes:
                database.execute("UPDATE actions SET state = 'dropped' WHERE state = 'undone'")
                _record(database, changes, how=how, state="done", count=len(changes))
        return len(changes)

    def carry(self, moved: Mapping[str, str]) -> int:
        """Photographs were renamed from old to new keys: their labels and their history go with them; returns how many labels did.

        All move at once, so that names may be exchanged. A new key that has a label of its own keeps it. The keys change in earlier
        actions too, so that undo reaches the photograph under its new name; the renaming itself is in the history and is not undone.
        """
        with self._writing() as database:
            renamed = {
                _plain_key(old): _plain_key(new)
                for old, new in moved.items()
                if new in moved or _label_of(database, new) is None
            }
            carried = {
                new: label
                for old, new in renamed.items()
                if (label := _label_of(database, old)) is not None
            }
            wanted = dict.fromkeys(renamed) | carried
            changes = [(key, _label_of(database, key), label) for key, label in wanted.items()]
            aside = {old: f"\0{number}" for number, old in enumerate(renamed)}  # no key begins so
            database.executemany(
                "UPDATE changes SET key = ? WHERE key = ?",
                [(place, old) for old, place in aside.items()],
            )
            for old, new in renamed.items():
                database.execute(
                    "UPDATE OR IGNORE changes SET key = ? WHERE key = ?", (new, aside[old])
                )
            if carried:
                _record(database, changes, how="renamed", state="fixed", count=len(carried))
        return len(carried)

    def undo(self) -> Action | None:
        """Take the last action back, exactly; returns it, or None when there is none."""
        return self._step("done", "undone", order="DESC", change="key, after, before")

    def redo(self) -> Action | None:
        """Do again what was undone last, exactly; returns it, or None when there is none or something else was done since."""
        return self._step("undone", "done", order="ASC", change="key, before, after")

    def undoable(self) -> Action | None:
        """What `undo` would take back."""
        return self._first("WHERE state = 'done' ORDER BY number DESC")

    def redoable(self) -> Action | None:
        """What `redo` would do again."""
        return self._first("WHERE state = 'undone' ORDER BY number")

    def history(self, *, limit: int = 100) -> list[Action]:
        """The last actions, newest first, those that were undone among them."""
        return [
            _action(row)
            for row in self._read(
                f"SELECT {_COLUMNS} FROM actions ORDER BY number DESC LIMIT ?", max(0, limit)
            )
        ]

    def _first(self, which: str) -> Action | None:
        rows = self._read(f"SELECT {_COLUMNS} FROM actions {which} LIMIT 1")
        return _action(rows[0]) if rows else None

    def _step(self, state: str, then: str, *, order: str, change: str) -> Action | None:
        with self._writing() as database:
            sql = f"SELECT {_COLUMNS} FROM actions WHERE state = ? ORDER BY number {order} LIMIT 1"
            row = database.execute(sql, (state,)).fetchone()
            if row is None:
                return None
            changes = database.execute(
                f"SELECT {change} FROM changes WHERE action = ?", (row[0],)
            ).fetchall()
            # A photograph that took over the name of another one (`carry`) has changes of both: those that don't fit are not its own
            _apply(
                database,
                [
                    (key, label)
                    for key, expected, label in changes
                    if _label_of(database, key) == expected
                ],
            )
            database.execute("UPDATE actions SET state = ? WHERE number = ?", (then, row[0]))
            _count_up(database)
        return _action((*row[:-1], then))

    def _read(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query; none where nothing was typed yet."""
        if not self.path.exists():
            return []
        with self._open("rw") as database:
            database.execute("BEGIN")  # what `_is_ours` looks at must not change under it
            return database.execute(sql, values).fetchall() if _is_ours(database, self.path) else []

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which is on the disk when this ends, or undone as a whole."""
        with self._open("rwc") as database:
            database.execute("BEGIN IMMEDIATE")
            if not _is_ours(database, self.path):
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
            yield database
            database.execute("COMMIT")

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        place = f"file:{quote(os.fsencode(self.path))}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(place, uri=True, timeout=PATIENCE, isolation_level=None)
            ) as database:
                database.execute("PRAGMA synchronous = EXTRA")
                yield database
        except sqlite3.Error as error:
            raise _explained(error, self.path) from None


def plain_label(label: str) -> str:
    """A label as it is kept: stripped and composed. Raises `UserError` as `Labels.set` does."""
    plain = unicodedata.normalize("NFC", label.strip())
    if not plain:
        raise UserError("a label is empty; type a name, or take the label away")
    if len(plain) > LONGEST:
        raise UserError(
            f"a label has {len(plain)} characters ({plain[:20]}…); {LONGEST} are the most"
        )
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in plain):
        raise UserError(
            f"the label {printable(plain)} has line breaks, control characters or stray bytes; leave them out"
        )
    return plain


_COLUMNS = "number, time, how, label, count, state"


def _action(row: tuple[Any, ...]) -> Action:
    number, time, how, label, count, state = row
    return Action(number, time, how, label, count, undone=state in ("undone", "dropped"))


def _plain_key(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UserError(f"{printable(key)} is no key of a photograph: it is not UTF-8") from None
    return key


def _label_of(database: sqlite3.Connection, key: str) -> str | None:
    row = database.execute("SELECT label FROM labels WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _record(
    database: sqlite3.Connection,
    changes: Sequence[tuple[str, str | None, str | None]],
    *,
    how: str,
    state: str,
    count: int,
) -> None:
    """Write an action down and make its changes: key, label before, label after."""
    after = {label for _, _, label in changes}
    shared = (after.pop() or "") if len(after) == 1 else None
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    sql = "INSERT INTO actions (time, how, label, count, state) VALUES (?, ?, ?, ?, ?)"
    number = database.execute(sql, (time, how, shared, count, state)).lastrowid
    database.executemany(
        "INSERT INTO changes VALUES (?, ?, ?, ?)", [(number, *change) for change in changes]
    )
    _apply(database, [(key, label) for key, _, label in changes])
    _count_up(database)


def _apply(database: sqlite3.Connection, labels: Sequence[tuple[str, str | None]]) -> None:
    database.executemany(
        "DELETE FROM labels WHERE key = ?", [(key,) for key, label in labels if label is None]
    )
    database.executemany(
        "INSERT OR REPLACE INTO labels VALUES (?, ?)",
        [pair for pair in labels if pair[1] is not None],
    )


def _count_up(database: sqlite3.Connection) -> None:
    database.execute("UPDATE version SET number = number + 1")


def _is_ours(database: sqlite3.Connection, path: Path) -> bool:
    """Is there a database of labels? No for an empty file; a `UserError` for anything else."""
    application, form = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    if application == _APPLICATION and form <= FORMAT:
        return True
    if application == _APPLICATION:
        raise UserError(
            f"{printable(path)} was written by a newer lodisc (format {form}); update lodisc to read it"
        )
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise UserError(
            f"{printable(path)} is a database of another program; move it away, it is not overwritten"
        )
    return False


def _explained(error: sqlite3.Error, path: Path) -> Exception:
    """What to say instead of SQLite's words."""
    where, code = printable(path), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return UserError(f"{where} is no database of labels; move it away, it is not overwritten")
    if code == sqlite3.SQLITE_CORRUPT:
        return UserError(
            f"{where} is damaged; put a copy of it back, or rescue the rows with `sqlite3 FILE .recover`"
        )
    advice = {
        sqlite3.SQLITE_FULL: "the disk is full; free some room and do it again",
        sqlite3.SQLITE_READONLY: "the file or its folder may only be read",
        sqlite3.SQLITE_CANTOPEN: "the file can't be opened or made; see that its folder exists and may be written to",
        sqlite3.SQLITE_BUSY: f"another program has kept it busy for {PATIENCE:.0f} seconds; end that one and do it again",
    }.get(code, f"{error}; see whether the disk is full or failing")
    return OSError(f"{where}: nothing was changed: {advice}")
