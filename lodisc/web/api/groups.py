"""Groups: photographs with similar vectors."""

from concurrent.futures import CancelledError
from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from lodisc.collection.learning import Busy
from lodisc.web import models
from lodisc.web.errors import refusing
from lodisc.web.parameters import Opened
from lodisc.web.state.grouping import CANCELLED
from lodisc.web.state.groups import describe_groups

router = APIRouter(prefix="/groups", tags=["groups"])


@router.get("")
def groups(opened: Opened) -> models.GroupsOut:
    """The groups, largest first; a new photograph belongs to the nearest group at once."""
    return describe_groups(opened)


@router.post("")
def group(opened: Opened, request: models.GroupIn) -> models.GroupsOut:
    """Group all photographs again, and answer once that is done. Labels stay as they are."""
    with refusing():
        try:
            outcome = opened.grouping_work.start(request.k)
        except Busy as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
    try:
        outcome.result()
    except CancelledError:
        raise HTTPException(HTTPStatus.CONFLICT, CANCELLED) from None
    return describe_groups(opened)


@router.get("/status")
def grouping_status(opened: Opened) -> models.GroupingOut:
    """How far the grouping is that was started last."""
    return opened.grouping_work.describe()


@router.post("/cancel")
def cancel_grouping(opened: Opened) -> models.GroupingOut:
    """End the grouping that runs; the groups stay as they were."""
    opened.grouping_work.cancel()
    return opened.grouping_work.describe()
