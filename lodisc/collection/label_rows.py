"""`LabelRows`: rows in a file of labels as what they mean, checked."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from lodisc.collection.label_actions import Acceptance, Action, Origin
from lodisc.collection.label_file import LabelFile
from lodisc.collection.label_tables import ACCEPTED_LABELS, FORMER, LATER, ORIGINS, REJECTIONS

ACTION = "number, time, how, label, count, state, user"
"""The columns of an action."""


def as_action(file: LabelFile, row: tuple[Any, ...]) -> Action:
    """The action in a row of `ACTION`."""
    number, time, how, label, count, state, user = row
    file.require_texts([time, how, label, state, user])
    if not isinstance(count, int):
        raise file.damaged("a count is not a number")
    return Action(number, time, how, label, count, user, undone=state in ("undone", "dropped"))


def as_origins(file: LabelFile, rows: Sequence[tuple[Any, ...]]) -> dict[str, Origin]:
    """The origins in rows of `ORIGINS`, the last of each key."""
    origins = {}
    for key, time, how, user, confidence, encoder in rows:
        file.require_texts([key, time, how, user, encoder])
        if not isinstance(confidence, float | None):
            raise file.damaged("a confidence is not a number")
        origins[key] = Origin(time, how, user, Acceptance(confidence, encoder))
    return origins


class LabelRows:
    """What an open database of labels says of photographs, within a transaction."""

    def __init__(self, file: LabelFile, database: sqlite3.Connection) -> None:
        self.file, self.database = file, database

    def label_of(self, key: str) -> str | None:
        """The label of a photograph."""
        return self._text("SELECT label FROM labels WHERE key = ?", key)

    def is_accepted(self, key: str) -> bool:
        """Whether the label of a photograph is an accepted name."""
        return self._text(f"{ACCEPTED_LABELS} AND own.key = ?", key) is not None

    def has_later(self, key: str, number: int) -> bool:
        """Whether something else was done to the label since an action."""
        return self.database.execute(LATER, (key, number)).fetchone() is not None

    def former(self, key: str, number: int) -> str | None:
        """The label that a photograph had before an action."""
        return self._text(FORMER, key, number)

    def keys_of(self, label: str) -> list[str]:
        """The keys of the photographs with a label."""
        sql = "SELECT key FROM labels WHERE label = ? ORDER BY key"
        keys = [key for (key,) in self.database.execute(sql, (label,)).fetchall()]
        self.file.require_texts(keys)
        return keys

    def origins_of(self, label: str) -> dict[str, Origin]:
        """Where a label comes from, by the key of its photographs."""
        sql = f"{ORIGINS} AND labels.label = ? ORDER BY number"
        return as_origins(self.file, self.database.execute(sql, (label,)).fetchall())

    def unlabelled_without(self, labels: Iterable[str]) -> list[str]:
        """The keys of photographs without a label for which one of these labels was rejected."""
        names = {*labels}
        rows = self.database.execute(REJECTIONS).fetchall()
        return [key for key, name in rows if name in names and self.label_of(key) is None]

    def _text(self, sql: str, *values: Any) -> str | None:
        """The text in the first row and its last column; None without a row."""
        row = self.database.execute(sql, values).fetchone() or (None,)
        self.file.require_texts(row)
        text: str | None = row[-1]
        return text
