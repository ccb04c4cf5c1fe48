"""The attention of the encoder, and the similarity of the patches of two photographs."""

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from lodisc.web import models
from lodisc.web.parameters import Opened
from lodisc.web.state.requested import find_picture

router = APIRouter(tags=["look-alikes"])


@router.get("/photos/{id}/look")
def attention(opened: Opened, id: models.PhotoId) -> models.AttentionOut:
    """Attention and pivotal region of a photograph."""
    requested = find_picture(opened, id)
    return opened.encoder.encode(requested.name, requested.read).attention


@router.get("/pairs/{a}/{b}", responses={HTTPStatus.OK: {"model": models.PairOut}})
def pair(opened: Opened, a: models.PhotoId, b: models.PhotoId) -> Response:
    """The similarity of every patch of one photograph to every patch of another."""
    first, second = find_picture(opened, a), find_picture(opened, b)
    content = opened.encoder.pair((first.name, second.name), (first.read, second.read))
    return Response(content, media_type="application/json")
