"""Where the encoder looks, and which patches of two photographs answer one another."""

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from lodisc.data.decode import Unreadable
from lodisc.web import models
from lodisc.web.state.requested import find, gone
from lodisc.web.state.state import Opened

router = APIRouter(tags=["look-alikes"])


@router.get("/photos/{id}/look")
def look(opened: Opened, id: models.PhotoId) -> models.Look:
    """Attention and pivotal region of a photograph."""
    source = find(opened, id)
    try:
        return opened.seer.look(source.name, source.read).look
    except Unreadable as error:
        raise gone(error) from None


@router.get("/pairs/{a}/{b}", responses={HTTPStatus.OK: {"model": models.Pair}})
def pair(opened: Opened, a: models.PhotoId, b: models.PhotoId) -> Response:
    """For each patch of one photograph, how much every patch of the other is like it."""
    sources = find(opened, a), find(opened, b)
    try:
        found = opened.seer.pair(
            (sources[0].name, sources[1].name), (sources[0].read, sources[1].read)
        )
    except Unreadable as error:
        raise gone(error) from None
    return Response(found, media_type="application/json")
