"""The label of each photograph, with its history: what people typed, and names they accepted.

Each action keeps who did it. The last label of a photograph holds, whoever gave it.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lodisc.collection.label_actions import Acceptance, Action, Origin
from lodisc.collection.label_file import LabelFile
from lodisc.collection.label_rows import ACTION, LabelRows, as_action, as_origins
from lodisc.collection.label_tables import (
    ACCEPTED,
    ACCEPTED_LABELS,
    NO_TEXTS,
    ORIGINS,
    REJECTED,
    REJECTIONS,
    RENAMED,
    RENAMINGS,
    apply,
    count_up,
    now,
    record,
    rename_in_history,
)
from lodisc.data.labels import plain_label, plain_user
from lodisc.data.photo import printable
from lodisc.errors import UserError

PATIENCE = 30.0  # seconds to wait for another process that writes
NOBODY = ""
"""The user whose name is not known."""
_OWN = "(:user IS NULL OR user IS NULL OR user = :user)"
Stamp = tuple[int, int, int, int]
"""Version, device, inode and time of change of a file of labels."""


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
        self.path = Path(path)
        self._file = LabelFile(self.path, patience=patience, read_patience=read_patience)
        self.last_write = object()
        """Another object after every write through these `Labels`."""
        self._cache: tuple[Stamp, dict[str, str], frozenset[str]] = ((0, 0, 0, 0), {}, frozenset())

    @property
    def version(self) -> int:
        """A number that grows with every change, by any process."""
        rows = self._file.read("SELECT number FROM version")
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
            tables = self._file.read_all(sql, ACCEPTED_LABELS, NO_TEXTS)
            rows, accepted, others = tables or ([],) * 3
            self._file.require_texts(cell for row in (*rows, *accepted, *others) for cell in row)
            self._cache = (stamp, dict(rows), frozenset(key for key, _ in accepted))
        _, labels, accepted_keys = self._cache
        return dict(labels), accepted_keys

    def origins(self) -> dict[str, Origin]:
        """The action that gave each label, by key; without those whose history is not known."""
        return as_origins(self._file, self._file.read(f"{ORIGINS} ORDER BY number"))

    def origin(self, key: str) -> Origin | None:
        """The action that gave the label of one photograph."""
        rows = self._file.read(f"{ORIGINS} AND labels.key = ? ORDER BY number", key)
        return as_origins(self._file, rows).get(key)

    def accept(
        self,
        names: Mapping[str, str],
        *,
        where: str,
        acceptances: Mapping[str, Acceptance] = MappingProxyType({}),
        user: str | None = None,
    ) -> int:
        """Make the names of unlabelled photographs their labels, as one action.

        `where` tells which, for the history: "from 90%"; `acceptances` by key tell how sure they
        were. Returns how many changed.
        """
        how = f"{ACCEPTED} {where}"
        with self._writing() as rows:
            changes = [
                (key, None, label)
                for key, label in _plain(names).items()
                if rows.label_of(key) is None
            ]
            self._record(rows, changes, how=how, user=user, acceptances=acceptances)
        return len(changes)

    def reject(self, names: Mapping[str, str], *, user: str | None = None) -> int:
        """Keep that photographs without a label are not what these names say; returns how many.

        It changes no label, is an action that can be undone, and follows renamed photographs.
        """
        with self._writing() as rows:
            own = {
                key: name
                for key, name in _plain(names).items()
                if name is not None and rows.label_of(key) is None
            }
            self._record(rows, [], how=REJECTED, user=user, rejected=own)
        return len(own)

    def rejections(self) -> dict[str, frozenset[str]]:
        """The names that were rejected for each photograph, by key."""
        names: dict[str, set[str]] = {}
        rows = self._file.read(REJECTIONS)
        self._file.require_texts(cell for row in rows for cell in row)
        for key, name in rows:
            names.setdefault(key, set()).add(name)
        return {key: frozenset(rejected) for key, rejected in names.items()}

    def take_over(
        self,
        labels: Mapping[str, str | None],
        *,
        accepted_keys: Container[str],
        how: str,
        user: str | None = None,
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
        changed = self.set_each(others, how=how, user=user)
        return changed + self.accept(names, where="elsewhere", user=user)

    def set(
        self,
        keys: Sequence[str],
        label: str | None,
        *,
        how: str = "typed",
        user: str | None = None,
    ) -> int:
        """Label photographs, or remove their labels, as one action; returns how many changed.

        An accepted name that is the same label changes, too: now a person has given it. The label
        is stripped, and composed (NFC) so that the same letters are the same label. Raises
        `UserError` for a label that is empty, is longer than 200 characters or has control
        characters.
        """
        assert not isinstance(keys, str)
        return self.set_each(dict.fromkeys(keys, label), how=how, user=user, confirms=True)

    def set_each(
        self,
        labels: Mapping[str, str | None],
        *,
        how: str,
        user: str | None = None,
        only_unlabelled: bool = False,
        confirms: bool = False,
    ) -> int:
        """Give each photograph its label, None to remove it, as one action.

        Returns how many changed; raises as `set` does. With `only_unlabelled`, a photograph that
        somebody has labelled in the meantime keeps its label. With `confirms`, an accepted name
        that is the same label becomes a person's.
        """
        with self._writing() as rows:
            pairs = [(key, rows.label_of(key), label) for key, label in _plain(labels).items()]
            changes = [
                (key, before, after)
                for key, before, after in pairs
                if not (only_unlabelled and before is not None)
                and (before != after or (confirms and before is not None and rows.is_accepted(key)))
            ]
            self._record(rows, changes, how=how, user=user)
        return len(changes)

    def rename(self, labels: Sequence[str], new: str | None, *, user: str | None = None) -> int:
        """Give all photographs with one of these labels another one, None to remove it.

        Returns how many changed. The other one may be in use: then all are one. Accepted names stay
        accepted names: they are an action of their own, of the same moment, and undone together.
        Raises `UserError` as `set` does, and if no photograph has any of the labels.
        """
        assert not isinstance(labels, str)
        new = None if new is None else plain_label(new)
        olds = dict.fromkeys(map(plain_label, labels))
        with self._writing() as rows:
            labels_by_key = {key: label for label in olds for key in rows.keys_of(label)}
            if not labels_by_key:
                raise UserError(f"no photograph has the label “{'” or “'.join(olds)}”")
            changes = [(key, label, new) for key, label in labels_by_key.items() if label != new]
            is_accepted = {key for key in labels_by_key if new and rows.is_accepted(key)}
            origins = {
                key: origin for label in olds for key, origin in rows.origins_of(label).items()
            }
            time, how = now(), RENAMINGS[0] if new else "label removed"
            people = [change for change in changes if change[0] not in is_accepted]
            rejected = dict.fromkeys(rows.unlabelled_without(olds), new) if new else {}
            self._record(rows, people, how=how, user=user, time=time, rejected=rejected)
            self._record(
                rows,
                [change for change in changes if change[0] in is_accepted],
                how=RENAMINGS[1],
                user=user,
                time=time,
                acceptances={key: origin.acceptance for key, origin in origins.items()},
            )
        return len(changes)

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
        with self._writing() as rows:
            renamed = {
                _plain_key(old): _plain_key(new)
                for old, new in {**moved, **replaced}.items()
                if new in moved or new in replaced or rows.label_of(new) is None
            }
            carried = {
                new: label
                for old, new in renamed.items()
                if old not in replaced and (label := rows.label_of(old)) is not None
            }
            targets = dict.fromkeys(renamed) | carried
            changes = [(key, rows.label_of(key), label) for key, label in targets.items()]
            rename_in_history(rows.database, renamed)
            if carried:
                record(rows.database, changes, how=RENAMED, state="fixed", count=len(carried))
        return len(carried)

    def undo(self, *, user: str | None = None) -> Action | None:
        """Undo the last action, exactly; returns it, or None if there is none.

        A `user` undoes their own actions and those of nobody known, `NOBODY` the latter alone;
        None undoes what anybody did. What others have done to a photograph since stays.
        """
        return self._steps("done", "undone", user, order="DESC", columns="key, after, before")

    def redo(self, *, user: str | None = None) -> Action | None:
        """Redo the last undone action, exactly; returns it, or None if something was done since.

        Whose, as `undo`.
        """
        return self._steps("undone", "done", user, order="ASC", columns="key, before, after")

    def undoable(self) -> dict[str | None, Action]:
        """The last action by each user that can be undone; None is for those of nobody known."""
        return self._by_user("max", "done")

    def redoable(self) -> dict[str | None, Action]:
        """The action by each user that would be redone first."""
        return self._by_user("min", "undone")

    def history(self, *, limit: int = 100) -> list[Action]:
        """The last actions, newest first, including those that were undone."""
        sql = f"SELECT {ACTION} FROM actions ORDER BY number DESC LIMIT ?"
        return [as_action(self._file, row) for row in self._file.read(sql, max(0, limit))]

    def _by_user(self, extreme: str, state: str) -> dict[str | None, Action]:
        numbers = f"SELECT {extreme}(number) FROM actions WHERE state = ? GROUP BY user"
        rows = self._file.read(f"SELECT {ACTION} FROM actions WHERE number IN ({numbers})", state)
        return {action.user: action for action in (as_action(self._file, row) for row in rows)}

    @contextmanager
    def _writing(self) -> Iterator[LabelRows]:
        with self._file.writing() as database:
            yield LabelRows(self._file, database)
        self.last_write = object()

    def _record(
        self,
        rows: LabelRows,
        changes: Sequence[tuple[str, str | None, str | None]],
        *,
        how: str,
        user: str | None,
        time: str | None = None,
        acceptances: Mapping[str, Acceptance] = MappingProxyType({}),
        rejected: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Write what a person did, unless nothing changed; what they had undone is gone then."""
        user = None if user is None else plain_user(user)
        if not changes and not rejected:
            return
        sql = f"UPDATE actions SET state = 'dropped' WHERE state = 'undone' AND {_OWN}"
        rows.database.execute(sql, {"user": user or NOBODY})
        record(
            rows.database,
            changes,
            how=how,
            state="done",
            count=len(changes) or len(rejected),
            time=time,
            user=user,
            acceptances=acceptances,
            rejected=rejected,
        )

    def _steps(
        self, state: str, next_state: str, user: str | None, *, order: str, columns: str
    ) -> Action | None:
        """Undo or redo an action; of the two that rename a label, both."""
        user = user and plain_user(user)
        if not self.path.exists():
            return None
        with self._writing() as rows:
            order = f"ORDER BY number {order} LIMIT 2"
            sql = f"SELECT {ACTION} FROM actions WHERE state = :state AND {_OWN} {order}"
            pair = rows.database.execute(sql, {"state": state, "user": user}).fetchall()
            is_pair = len(pair) == 2 and len({time for _, time, *_ in pair}) == 1
            if not (is_pair and {how for _, _, how, *_ in pair} == {*RENAMINGS}):
                pair = pair[:1]
            actions = [self._step(rows, row, next_state, columns=columns) for row in pair]
            if actions:
                count_up(rows.database)
        return replace(actions[0], count=sum(a.count for a in actions)) if actions else None

    def _step(
        self, rows: LabelRows, row: tuple[Any, ...], next_state: str, *, columns: str
    ) -> Action:
        sql = f"SELECT {columns} FROM changes WHERE action = ?"
        changes = rows.database.execute(sql, (row[0],)).fetchall()
        self._file.require_texts(cell for change in changes for cell in change)
        # A photograph that got the name of another one (`carry`) has the changes of both:
        # those that don't fit belong to the other one. What others did since stays
        fitting = [
            (key, label)
            for key, expected, label in changes
            if rows.label_of(key) == expected
            and (next_state == "done" or not rows.has_later(key, row[0]))
        ]
        if next_state == "undone":
            fitting = [(key, rows.former(key, row[0])) for key, _ in fitting]
        number, time, how, label, _, _, user = row
        action = as_action(self._file, (number, time, how, label, len(fitting), next_state, user))
        apply(rows.database, fitting)
        rows.database.execute("UPDATE actions SET state = ? WHERE number = ?", (next_state, row[0]))
        return action


def _plain(labels: Mapping[str, str | None]) -> dict[str, str | None]:
    """The labels as they are written, each checked once."""
    plain = {label: None if label is None else plain_label(label) for label in {*labels.values()}}
    return {_plain_key(key): plain[label] for key, label in labels.items()}


def _plain_key(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{printable(key)} is not the key of a photograph: it is not UTF-8"
        ) from None
    return key
