"""The labels in use, and what undo and redo would do, in words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lodisc.collection.hidden import Stamp as HiddenStamp
from lodisc.collection.label_actions import Action, Origin
from lodisc.collection.labels import Stamp
from lodisc.data.paths import folded_form
from lodisc.web import label_models, models
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State


def describe_labels(state: State, user: str | None) -> label_models.LabelsOut:
    """All labels in use, most frequent first, and what undo and redo by a user would do."""
    redoable = _own(state.labelling().redoable, user)
    return label_models.LabelsOut(
        labels=count_labels(state.snapshot().labels),
        undo=undo_text(state, user),
        redo=min(redoable, key=_number).words if redoable else None,
    )


@dataclass(frozen=True)
class LabelUse:
    """How a label is used."""

    label: str
    count: int
    """Photographs that have it."""
    accepted: int
    """Of these, those by an accepted name."""
    suggested: int
    """Photographs without a label that it is suggested for."""
    example: models.PhotoOut
    """The most typical of the collection among those that have it, a hidden one only at need."""
    last: Origin | None
    """How it was given last."""


def label_uses(state: State) -> list[LabelUse]:
    """How each label is used, in the order of an alphabet."""
    snapshot = state.snapshot()
    rows_by_label: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(snapshot.labels):
        if label is not None:
            rows_by_label[label].append(row)
    suggested = Counter(map(snapshot.name, snapshot.named_rows.tolist()))
    origins = state.origins(snapshot)
    keys = snapshot.photos.keys
    typical_N = np.where(snapshot.is_hidden_N, -np.inf, snapshot.typical_N)
    return [
        LabelUse(
            label,
            len(rows),
            accepted=int(snapshot.by_row.accepted_N[rows].sum()),
            suggested=suggested[label],
            example=snapshot.photo(rows[int(typical_N[rows].argmax())]),
            last=max(
                (origins[keys[row]] for row in rows if keys[row] in origins),
                key=lambda origin: origin.time,
                default=None,
            ),
        )
        for label, rows in sorted(rows_by_label.items(), key=lambda item: folded_form(item[0]))
    ]


def count_labels(labels: Iterable[str | None]) -> list[models.CountOut]:
    """The number of photographs with each label, most frequent first, ties by label."""
    counts = Counter(label for label in labels if label is not None)
    return [
        models.CountOut(label=label, count=count)
        for label, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def lock_note(state: State) -> str | None:
    """What to know of the labels while another program locks them; None otherwise."""
    if not state.is_locked_out:
        return None
    return (
        f"Another program has locked {state.collection.files.labels.name}. Until it lets go, "
        "labels are shown as they were read last, if they were, and none can be given."
    )


def undo_text(state: State, user: str | None) -> str | None:
    """What undo by a user would take back, in words."""
    undoable = _own(state.labelling().undoable, user)
    return max(undoable, key=_number).words if undoable else None


def version_text(stamp: Stamp, hidden_stamp: HiddenStamp | None) -> str:
    """The version of the labels, and of what is hidden, for a page that compares it."""
    return ".".join(map(str, (*stamp, *(hidden_stamp or ()))))


def encoder_of(state: State, snapshot: Snapshot) -> str:
    """The encoder whose features names are learnt from, as the history keeps it: name and id."""
    return f"{state.collection.settings['encoder']} {snapshot.photos.fingerprint[:16]}"


def _own(actions: Mapping[str | None, Action], user: str | None) -> list[Action]:
    """Those that a user of the page undoes or redoes: their own, and those of nobody known."""
    return [action for action in actions.values() if action.user in (None, user)]


def _number(action: Action) -> int:
    return action.number
