"""Names: what the probe, learnt from a few labels, calls the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray

from lodisc.web import label_models
from lodisc.web.api.labels import ActionId, undo_text
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import Opened, State

if TYPE_CHECKING:
    from lodisc.vectors.classifier import Accuracy

router = APIRouter(prefix="/names", tags=["names"])
STEPS = tuple(percent / 100 for percent in (*range(50, 100, 5), 99))
MOST_PROPOSED = 100


@router.get("")
def names(opened: Opened) -> label_models.Names:
    """Learn from all labels there are, unless that was done since the last one, and say what came of it."""
    return describe_names(opened)


@router.post("/accept")
def accept(
    opened: Opened, accepted: label_models.Accept, id: ActionId = None
) -> label_models.Changed:
    """Label all unlabelled photographs whose name is at least this sure with their name, as one action that can be undone."""
    return opened.once(id, lambda: _accept(opened, accepted))


def describe_names(state: State) -> label_models.Names:
    """What the probe has learnt, how right it is, and what to label next."""
    now, learnt = state.names()
    return label_models.Names(
        trained=len(learnt.classes) > 1,
        reason=learnt.reason,
        accuracy=_as_share(learnt.accuracy),
        classes=learnt.classes,
        proposals=[now.photo(row) for row in learnt.proposals[:MOST_PROPOSED]],
        above=_above(now, learnt.confidence),
    )


def _accept(state: State, accepted: label_models.Accept) -> label_models.Changed:
    now, learnt = state.names()
    named = {}
    for row in np.flatnonzero(~now.is_labelled_N & (learnt.confidence >= accepted.confidence)):
        name = learnt.labels[row]
        if name is not None:
            named[now.photos.keys[row]] = name
    changed = state.collection.labels.set_each(
        named, how=f"names accepted from {accepted.confidence:.0%}", only_unlabelled=True
    )
    return label_models.Changed(changed=changed, undo=undo_text(state))


def _as_share(percent: Accuracy | None) -> label_models.Accuracy | None:
    if percent is None:
        return None
    return label_models.Accuracy(
        value=percent.value / 100, low=percent.low / 100, high=percent.high / 100, n=percent.n
    )


def _above(now: Now, confidence_N: NDArray[np.float32]) -> list[label_models.Above]:
    unlabelled = confidence_N[~now.is_labelled_N]
    return [
        label_models.Above(confidence=step, count=int((unlabelled >= step).sum())) for step in STEPS
    ]
