"""The state of the collection in plain words: a verdict, and what a person should check."""

from collections.abc import Iterator
from typing import Literal

from lodisc.collection.groups_file import load_groups
from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.web import models
from lodisc.web.state.labels import lock_note
from lodisc.web.state.progress import describe_progress
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import MOST_LOOKED_AT, State

Status = Literal["good", "warning", "bad"]
MOST_SKIPPED = 0.05  # a larger share of unreadable files is worth a warning
ORDER: tuple[Status, ...] = ("good", "warning", "bad")


def describe_health(state: State) -> models.HealthOut:
    """A verdict, and a sentence for everything that a person should know."""
    snapshot = state.snapshot()
    notes = [
        _photographs(snapshot),
        *_labels(state),
        *_hidden(state, snapshot),
        *_skipped(state, snapshot),
        *_missing(state, snapshot),
        *_groups(state, snapshot),
        *_encoder(state),
    ]
    return models.HealthOut(
        status=max((status for status, _ in notes), key=ORDER.index),
        words=[words for _, words in notes],
    )


def _photographs(snapshot: Snapshot) -> tuple[Status, str]:
    count, labelled = len(snapshot.photos), int(snapshot.is_labelled_N.sum())
    if not count:
        return "bad", "There are no photographs; run lodisc embed and lodisc index."
    plural = "" if count == 1 else "s"
    return "good", f"{count:,} photograph{plural}, {labelled:,} of them labelled."


def _labels(state: State) -> Iterator[tuple[Status, str]]:
    if note := lock_note(state):
        yield "warning", note


def _hidden(state: State, snapshot: Snapshot) -> Iterator[tuple[Status, str]]:
    try:
        state.collection.hidden.mask(snapshot.photos)
    except UserError as error:
        yield "warning", f"No photograph is hidden: {printable(str(error))}."
        return
    if count := int(snapshot.is_hidden_N.sum()):
        are = "photograph is" if count == 1 else "photographs are"
        yield "good", f"{count:,} {are} hidden; Browse lists them under Hidden."


def _skipped(state: State, snapshot: Snapshot) -> Iterator[tuple[Status, str]]:
    count = len(state.collection.skipped())
    if count:
        many = count > MOST_SKIPPED * (count + len(snapshot.photos))
        files = f"{count:,} file{'' if count == 1 else 's'}"
        yield (
            "warning" if many else "good",
            f"{files} could not be read; they are listed with the reason.",
        )


def _missing(state: State, snapshot: Snapshot) -> Iterator[tuple[Status, str]]:
    """Photographs whose file is not there any more."""
    count, example = state.missing(snapshot)
    if count:
        about = "About " if len(snapshot.photos) > MOST_LOOKED_AT else ""
        are = "photograph is" if count == 1 else "photographs are"
        yield (
            "warning",
            f"{about}{count:,} {are} not at their place any more, such as {printable(example)}; "
            "put them back, or run lodisc open or lodisc embed and lodisc index again.",
        )


def _groups(state: State, snapshot: Snapshot) -> Iterator[tuple[Status, str]]:
    try:
        grouping = load_groups(state.collection)
    except UserError:
        yield "warning", "The groups are damaged; group the photographs again."
        return
    if grouping is None and state.collection.files.groups.exists():
        yield (
            "warning",
            "The groups were made from the vectors of another encoder; "
            "group the photographs again.",
        )
    elif snapshot.groups is None:
        yield "good", "There are no groups yet."
    else:
        yield "good", f"{len(snapshot.groups.groups):,} groups."


def _encoder(state: State) -> Iterator[tuple[Status, str]]:
    """Whether the encoder could be loaded, and the verdict on its training."""
    name = state.collection.settings["encoder"]
    if state.trouble:
        yield (
            "bad",
            f"When the server started, something failed ({state.trouble}); "
            "if uploads or attention maps do not work, start it again.",
        )
    tasks = describe_progress(state)
    for task in (*tasks.running, *tasks.finished):
        if task.kind == "training" and task.name == name and task.health is not None:
            bad = task.health.verdict in {"collapsing", "not learning"}
            words = f"The training of the encoder {name} was {task.health.verdict}"
            yield "bad" if bad else "good", f"{words}: {task.health.advice}."
            return
    yield "good", f"Encoder: {name}."
