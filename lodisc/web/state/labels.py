"""The labels in use, and what undo and redo would do, in words."""

from collections import Counter
from collections.abc import Iterable

from lodisc.web import label_models, models
from lodisc.web.state.state import State


def describe_labels(state: State) -> label_models.LabelsOut:
    """All labels in use, most frequent first, and what undo and redo would do."""
    redoable = state.labelling().redoable
    return label_models.LabelsOut(
        labels=count_labels(state.snapshot().labels),
        undo=undo_text(state),
        redo=redoable.words if redoable else None,
    )


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


def undo_text(state: State) -> str | None:
    """What undo would take back, in words."""
    action = state.labelling().undoable
    return action.words if action else None
