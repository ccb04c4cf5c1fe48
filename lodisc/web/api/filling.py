"""What `lodisc open` still reads."""

from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.parameters import Opened
from lodisc.web.state.filling import describe_filling

router = APIRouter(tags=["collection"])


@router.get("/filling")
def filling(opened: Opened) -> models.FillingOut | None:
    """How far `lodisc open` is in reading the photographs; null for `lodisc serve`."""
    if opened.filling is None:
        return None
    return describe_filling(opened.filling, photographs=len(opened.collection.photos()))
