"""Grouping in the background: how far it is, and its end before the time."""

import threading
import time
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from typing import Literal

from lodisc.collection.collection import Collection
from lodisc.collection.groups_file import save_groups
from lodisc.collection.learning import Busy
from lodisc.errors import UserError
from lodisc.vectors.clusters import Grouping, Step, find_groups
from lodisc.web import models
from lodisc.web.text import one_line, sentence

CANCELLED = "Grouping was cancelled; the groups are as they were"


class GroupingWork:
    """Groups a collection in a thread; safe from several threads."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._starting, self._computing = threading.Lock(), threading.Lock()
        self._task: _Task | None = None

    def start(self, k: int | None) -> Future[Grouping]:
        """Begin to group into `k` groups, or into as many as fit; the groups are then saved.

        The future is cancelled by `cancel`, and raises `UserError` where they can't be saved.
        Raises `Busy` while another one runs, and `UserError` if there are no photographs.
        """
        if not len(self.collection.photos()):
            raise UserError("There are no photographs to group")
        with self._starting:
            if self._task is not None and not self._task.outcome.done():
                raise Busy("The photographs are being grouped; wait until that is done")
            self._task = task = _Task(self.collection, k)
        threading.Thread(
            target=task.run, args=(self._computing,), name="grouping", daemon=True
        ).start()
        return task.outcome

    def cancel(self) -> None:
        """End it at once, unless the groups are being saved already."""
        if self._task is not None:
            self._task.outcome.cancel()

    def describe(self) -> models.GroupingOut:
        """How the grouping stands that was started last."""
        if self._task is None:
            return _over("none", "")
        return self._task.describe()


class _Task:
    """One grouping."""

    def __init__(self, collection: Collection, k: int | None) -> None:
        self.collection, self.k = collection, k
        # Pending while it can be cancelled, running while the groups are being saved
        self.outcome: Future[Grouping] = Future()
        self._step: Step | None = None
        self._began = time.monotonic()

    def run(self, computing: threading.Lock) -> None:
        """Group, one task at a time: one that is cancelled still computes until its step ends."""
        with computing, suppress(InvalidStateError):  # it was cancelled meanwhile
            try:
                self._advance(None)
                grouping = self._group()
            except Exception as error:  # of any kind: whoever waits for the outcome gets it
                self.outcome.set_exception(error)
            else:
                self.outcome.set_result(grouping)

    def _group(self) -> Grouping:
        photos = self.collection.photos()
        grouping = find_groups(
            photos.vectors,
            smoothed_ND=photos.smoothed,
            k=self.k,
            fingerprint=photos.fingerprint,
            advance=self._advance,
        )
        if not self.outcome.set_running_or_notify_cancel():
            raise CancelledError
        return save_groups(grouping, self.collection)

    def _advance(self, step: Step | None) -> None:
        if self.outcome.cancelled():
            raise CancelledError
        self._step = step

    def describe(self) -> models.GroupingOut:
        step, outcome = self._step, self.outcome
        if not outcome.done():
            return models.GroupingOut(
                state="running",
                step=step.number if step else 0,
                steps=step.most if step else 0,
                seconds=round(time.monotonic() - self._began, 1),
                words=_in_words(step),
            )
        if outcome.cancelled():
            return _over("cancelled", CANCELLED)
        error = outcome.exception()
        if error is not None:
            return _over("failed", one_line(str(error)) or type(error).__name__)
        return _over("saved", _count(len(outcome.result())))


def _over(state: Literal["none", "saved", "cancelled", "failed"], words: str) -> models.GroupingOut:
    words = words and sentence(words)
    return models.GroupingOut(state=state, step=0, steps=0, seconds=0, words=words)


def _in_words(step: Step | None) -> str:
    if step is None:
        return "Comparing the photographs."
    if step.is_last:
        return f"Making {_count(step.k)}."
    return f"Trying {_count(step.k)}, step {step.number} of at most {step.most}."


def _count(groups: int) -> str:
    return f"{groups:,} group{'' if groups == 1 else 's'}"
