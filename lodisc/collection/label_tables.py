"""The tables in a file of labels, and what is written into them: labels, actions, their changes."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from lodisc.collection.label_actions import NO_ACCEPTANCE, Acceptance

FORMAT = 2
APPLICATION = 0x6C6F6469  # "lodi", which tells this file from other databases
SCHEMA = f"""
CREATE TABLE labels (key TEXT PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE actions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, how TEXT NOT NULL, label TEXT,
  count INTEGER NOT NULL, state TEXT NOT NULL, user TEXT
);
CREATE INDEX actions_by_state ON actions (state, number);
CREATE TABLE changes (
  action INTEGER NOT NULL REFERENCES actions, key TEXT NOT NULL, before TEXT, after TEXT,
  confidence REAL, encoder TEXT, rejected TEXT, PRIMARY KEY (action, key)
) WITHOUT ROWID;
CREATE INDEX changes_by_key ON changes (key);
CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (0);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT}
"""
UPGRADES = {
    1: """
ALTER TABLE actions ADD COLUMN user TEXT;
ALTER TABLE changes ADD COLUMN confidence REAL;
ALTER TABLE changes ADD COLUMN encoder TEXT;
ALTER TABLE changes ADD COLUMN rejected TEXT;
PRAGMA user_version = 2
"""
}
"""What makes the next format of a file, by its format."""
VIEWS = {
    1: """
CREATE TEMP VIEW actions AS SELECT *, NULL AS user FROM main.actions;
CREATE TEMP VIEW changes AS SELECT *, NULL AS confidence, NULL AS encoder, NULL AS rejected
  FROM main.changes
"""
}
"""What shows a file as it would be in the next format, and writes nothing into it."""
# The states of an action: `done`, `undone`, `dropped` (undone, then something else was done),
# `fixed` (done, and can't be undone)
ACCEPTED, REJECTED, RENAMED = "names accepted", "name rejected", "renamed"
RENAMINGS = ("label renamed", f"{ACCEPTED}, label renamed")
"""How a label gets another name: those of people, and accepted names, at the same time."""
ACCEPTED_LABELS = f"""
SELECT own.key, how
FROM actions JOIN changes AS own ON own.action = number
JOIN labels ON labels.key = own.key AND labels.label = own.after
WHERE state = 'done' AND how GLOB '{ACCEPTED}*' AND NOT EXISTS (
  SELECT 1 FROM changes AS later CROSS JOIN actions AS another ON another.number = later.action
  WHERE later.key = own.key AND later.after = own.after AND later.action > own.action
  AND another.state = 'done'
)
"""
"""Labels that an accepted name gave last. A key may have the changes of a photograph that had its
name before, so only changes that gave the present label count. CROSS JOIN looks up the few changes
of a key first, instead of all later actions."""
ORIGINS = """
SELECT labels.key, time, how, user, confidence, encoder
FROM labels JOIN changes ON changes.key = labels.key AND changes.after = labels.label
JOIN actions ON number = action
WHERE state = 'done'
"""
"""The actions that gave each photograph the label that it has."""
REJECTIONS = """
SELECT key, rejected FROM changes JOIN actions ON number = action
WHERE state = 'done' AND rejected IS NOT NULL
"""
"""Names that people rejected, with the keys of their photographs."""
LATER = """
SELECT 1 FROM changes JOIN actions ON number = action
WHERE key = ? AND action > ? AND state = 'done' AND rejected IS NULL LIMIT 1
"""
"""Whether something else was done to a label since an action."""
FORMER = """
SELECT after FROM changes JOIN actions ON number = action
WHERE key = ? AND action < ? AND state IN ('done', 'fixed') AND rejected IS NULL
ORDER BY action DESC LIMIT 1
"""
"""The label that a photograph had before an action, without what was undone since."""
NO_TEXTS = "SELECT 1 FROM actions WHERE typeof(how) != 'text' OR typeof(state) != 'text' LIMIT 1"


def record(
    database: sqlite3.Connection,
    changes: Sequence[tuple[str, str | None, str | None]],
    *,
    how: str,
    state: str,
    count: int,
    time: str | None = None,
    user: str | None = None,
    acceptances: Mapping[str, Acceptance] = MappingProxyType({}),
    rejected: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write an action into the history and apply its changes: (key, label before, label after).

    Its time is now unless it is given. `acceptances` by key tell how sure accepted names were;
    `rejected` are the names that photographs without a label do not have.
    """
    after = {label for _, _, label in changes} or {*rejected.values()}
    shared = (after.pop() or "") if len(after) == 1 else None
    sql = "INSERT INTO actions (time, how, label, count, state, user) VALUES (?, ?, ?, ?, ?, ?)"
    number = database.execute(sql, (time or now(), how, shared, count, state, user)).lastrowid
    columns = "action, key, before, after, confidence, encoder"
    database.executemany(
        f"INSERT INTO changes ({columns}) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, *change, *acceptances.get(change[0], NO_ACCEPTANCE)) for change in changes],
    )
    database.executemany(
        "INSERT INTO changes (action, key, rejected) VALUES (?, ?, ?)",
        [(number, key, name) for key, name in rejected.items()],
    )
    apply(database, [(key, label) for key, _, label in changes])
    count_up(database)


def now() -> str:
    """The time, as the history has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def rename_in_history(database: sqlite3.Connection, renamed: Mapping[str, str]) -> None:
    """Replace old keys by new ones, by way of temporary keys, so that names may be swapped.

    What a new key had before is of a photograph that has gone, and goes with it.
    """
    temporary = {old: f"\0{number}" for number, old in enumerate(renamed)}  # no key begins so
    database.executemany(
        "UPDATE changes SET key = ? WHERE key = ?",
        [(key, old) for old, key in temporary.items()],
    )
    database.executemany("DELETE FROM changes WHERE key = ?", [(new,) for new in renamed.values()])
    database.executemany(
        "UPDATE OR REPLACE changes SET key = ? WHERE key = ?",
        [(new, temporary[old]) for old, new in renamed.items()],
    )


def apply(database: sqlite3.Connection, labels: Sequence[tuple[str, str | None]]) -> None:
    database.executemany(
        "DELETE FROM labels WHERE key = ?", [(key,) for key, label in labels if label is None]
    )
    database.executemany(
        "INSERT OR REPLACE INTO labels VALUES (?, ?)",
        [pair for pair in labels if pair[1] is not None],
    )


def count_up(database: sqlite3.Connection) -> None:
    database.execute("UPDATE version SET number = number + 1")
