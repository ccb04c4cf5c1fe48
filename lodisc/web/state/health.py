"""The collection in plain words: what is there, and what should be looked at."""

from collections.abc import Iterator
from typing import Literal

from lodisc.collection.grouping import load_groups
from lodisc.web import models
from lodisc.web.api.progress import describe_progress
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import State

Status = Literal["good", "look", "bad"]
MOST_SKIPPED = 0.05  # more is no longer chance
ORDER: tuple[Status, ...] = ("good", "look", "bad")


def describe_health(state: State) -> models.Health:
    """A verdict, and a sentence for everything that a person should know."""
    now = state.now()
    found = [_photographs(now), *_skipped(state, now), *_groups(state, now), *_encoder(state)]
    return models.Health(
        status=max((status for status, _ in found), key=ORDER.index),
        words=[words for _, words in found],
    )


def _photographs(now: Now) -> tuple[Status, str]:
    count, labelled = len(now.photos), int(now.is_labelled_N.sum())
    if not count:
        return "bad", "There are no photographs; run lodisc embed and lodisc index."
    return (
        "good",
        f"{count:,} photograph{'' if count == 1 else 's'}, {labelled:,} of them labelled.",
    )


def _skipped(state: State, now: Now) -> Iterator[tuple[Status, str]]:
    count = len(state.collection.skipped())
    if count:
        status: Status = "look" if count > MOST_SKIPPED * (count + len(now.photos)) else "good"
        yield (
            status,
            f"{count:,} file{'' if count == 1 else 's'} could not be read; they are listed with the reason.",
        )


def _groups(state: State, now: Now) -> Iterator[tuple[Status, str]]:
    try:
        grouping = load_groups(state.collection)
    except ValueError:
        yield "look", "The groups are damaged; group the photographs again."
        return
    if grouping is None and state.collection.files.groups.exists():
        yield (
            "look",
            "The groups were made from the vectors of another encoder; group the photographs again.",
        )
    elif now.groups is None:
        yield "good", "There are no groups yet."
    else:
        yield "good", f"{len(now.groups.described):,} groups."


def _encoder(state: State) -> Iterator[tuple[Status, str]]:
    """What the training of the encoder said of itself, and whether the encoder can be loaded."""
    name = state.collection.settings["encoder"]
    if state.trouble:
        yield (
            "bad",
            f"When the server began something was wrong ({state.trouble}); if uploads and looks do not work, start it again.",
        )
    tasks = describe_progress(state)
    for task in (*tasks.running, *tasks.finished):
        if task.kind == "training" and task.name == name and task.health is not None:
            status: Status = (
                "bad" if task.health.verdict in {"collapsing", "not learning"} else "good"
            )
            yield (
                status,
                f"The training of the encoder {name} was {task.health.verdict}: {task.health.advice}.",
            )
            return
    yield "good", f"The vectors are of {name}."
