"""Photographs that are hidden from the listings, and shown again."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from lodisc.web.hidden_models import HiddenDuplicatesOut, HiddenIn, HiddenOut
from lodisc.web.parameters import ActionId, Opened
from lodisc.web.state.hiding import hide_duplicates
from lodisc.web.state.state import State

router = APIRouter(prefix="/hidden", tags=["hidden photographs"])


@router.post("")
def hide(opened: Opened, hidden_in: HiddenIn, id: ActionId = None) -> HiddenOut:
    """Hide photographs, or show them again; their files and labels stay as they are.

    Hidden ones are not on the map, in groups or among look-alikes, are not proposed for labelling,
    and are in no listing but state=hidden. They are known by their bytes, whatever their names.
    """
    return opened.answers.once(id, hidden_in.model_dump_json(), lambda: _hide(opened, hidden_in))


@router.post("/duplicates")
def hide_all_duplicates(opened: Opened, id: ActionId = None) -> HiddenDuplicatesOut:
    """Hide all but the best photograph of each set of near-duplicates.

    Best is what a person has labelled, then what has most bytes, then what comes first by key.
    """
    return opened.answers.once(
        id, "hide duplicates", lambda: HiddenDuplicatesOut(ids=hide_duplicates(opened))
    )


def _hide(state: State, hidden_in: HiddenIn) -> HiddenOut:
    photos = state.collection.photos()
    rows = [photos.by_id[id] for id in hidden_in.ids if id in photos.by_id]
    if hidden_in.ids and not rows:
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            "None of these photographs is in the collection any more; load the page again",
        )
    changed = state.collection.hidden.change(photos, rows, hidden=hidden_in.hidden)
    return HiddenOut(changed=changed, unknown=len(hidden_in.ids) - len(rows))
