"""Names: the labels that a classifier, trained on a few labels, predicts for the rest."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from lodisc.collection.label_actions import Acceptance
from lodisc.web import label_models
from lodisc.web.errors import refusing
from lodisc.web.parameters import ActionId, Opened, User
from lodisc.web.state.labels import encoder_of, undo_text
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State

if TYPE_CHECKING:
    from lodisc.vectors.classifier import Predictions
    from lodisc.vectors.new_kinds import NewKinds

router = APIRouter(prefix="/names", tags=["names"])
THRESHOLDS = tuple(percent / 100 for percent in (*range(50, 100, 5), 99))
MOST_PROPOSED = 100


@router.get("")
def names(opened: Opened) -> label_models.NamesOut:
    """Train on the labels that people gave, if they changed, and describe the result."""
    return describe_names(opened)


@router.post("/accept")
def accept(
    opened: Opened, user: User, accepted: label_models.AcceptIn, id: ActionId = None
) -> label_models.AcceptOut:
    """Make names labels, of unlabelled photographs: all from a confidence on, or those given.

    It is one action that can be undone. Nothing is learnt from labels that came so.
    """
    if (accepted.confidence is None) == (accepted.names is None):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Give one of confidence and names")
    request = accepted.model_dump_json()
    return opened.answers.once(id, request, lambda: _accept(opened, user, accepted))


@router.post("/reject")
def reject(
    opened: Opened, user: User, rejected: label_models.RejectIn, id: ActionId = None
) -> label_models.ChangeOut:
    """Keep that photographs without a label are not what these names say.

    They are not named so again; the next likely name takes the place. It can be undone.
    """
    return opened.answers.once(
        id, rejected.model_dump_json(), lambda: _reject(opened, user, rejected)
    )


def describe_names(state: State) -> label_models.NamesOut:
    """The classes, the accuracy of the names, and the photographs to label next."""
    snapshot, predictions = state.names()
    proposals = state.proposals(snapshot, predictions)
    return label_models.NamesOut(
        trained=len(predictions.classes) > 1,
        reason=predictions.reason,
        accuracy=_accuracy(state, snapshot, predictions),
        classes=predictions.classes,
        proposals=[snapshot.proposed(row) for row in proposals[:MOST_PROPOSED]],
        above=_above(snapshot, predictions.confidence),
        new_kinds=_new_kinds(snapshot, predictions.new_kinds),
    )


def _accept(
    state: State, user: str | None, accepted: label_models.AcceptIn
) -> label_models.AcceptOut:
    snapshot, predictions = state.names()
    keys = snapshot.photos.keys
    names = {
        row: name
        for row in np.flatnonzero(snapshot.awaits_label_N).tolist()
        if (name := predictions.labels[row]) is not None
    }
    if accepted.names is None:
        least = accepted.confidence or 0
        rows = {row: name for row, name in names.items() if predictions.confidence[row] >= least}
        where = f"from {least:.0%}"
    else:
        by_id = snapshot.photos.by_id
        rows = {by_id[id]: name for id, name in accepted.names.items() if id in by_id}
        where = "after a look"
    rows_with_that_name = [row for row, name in rows.items() if names.get(row) == name]
    encoder = encoder_of(state, snapshot)
    changed = state.collection.labels.accept(
        {keys[row]: names[row] for row in rows_with_that_name},
        where=where,
        acceptances={
            keys[row]: Acceptance(float(predictions.confidence[row]), encoder)
            for row in rows_with_that_name
        },
        user=user,
    )
    return label_models.AcceptOut(
        changed=changed,
        undo=undo_text(state, user),
        unknown=len(accepted.names or rows) - len(rows),
        left=len(rows) - changed,
    )


def _reject(
    state: State, user: str | None, rejected: label_models.RejectIn
) -> label_models.ChangeOut:
    photos = state.snapshot().photos
    names = {
        photos.keys[photos.by_id[id]]: name
        for id, name in rejected.names.items()
        if id in photos.by_id
    }
    with refusing():
        changed = state.collection.labels.reject(names, user=user)
    return label_models.ChangeOut(
        changed=changed, undo=undo_text(state, user), unknown=len(rejected.names) - len(names)
    )


def _accuracy(
    state: State, snapshot: Snapshot, predictions: Predictions
) -> label_models.AccuracyOut | None:
    percent = predictions.accuracy
    if percent is None:
        return None
    return label_models.AccuracyOut(
        value=percent.value / 100,
        low=percent.low / 100,
        high=percent.high / 100,
        n=percent.n,
        near_duplicates=state.near_duplicates(snapshot, predictions),
    )


def _new_kinds(snapshot: Snapshot, new_kinds: NewKinds) -> label_models.NewKindsOut:
    return label_models.NewKindsOut(
        expected=new_kinds.expected,
        likely=len(snapshot.likely_new_rows),
        reason=new_kinds.reason,
    )


def _above(
    snapshot: Snapshot, confidence_N: NDArray[np.float32]
) -> list[label_models.ThresholdOut]:
    unlabelled = confidence_N[snapshot.awaits_label_N]
    return [
        label_models.ThresholdOut(confidence=step, count=int((unlabelled >= step).sum()))
        for step in THRESHOLDS
    ]
