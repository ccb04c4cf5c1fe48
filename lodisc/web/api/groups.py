"""Groups: photographs with similar vectors."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from lodisc.collection.groups_file import save_groups
from lodisc.vectors.clusters import find_groups
from lodisc.web import models
from lodisc.web.errors import refusing
from lodisc.web.parameters import Opened
from lodisc.web.state.groups import describe_groups

router = APIRouter(prefix="/groups", tags=["groups"])


@router.get("")
def groups(opened: Opened) -> models.GroupsOut:
    """The groups, largest first; a new photograph belongs to the nearest group at once."""
    return describe_groups(opened)


@router.post("")
def group(opened: Opened, request: models.GroupIn) -> models.GroupsOut:
    """Group all photographs again. Labels stay as they are."""
    if not opened.regroup_lock.acquire(blocking=False):
        raise HTTPException(
            HTTPStatus.CONFLICT, "The photographs are being grouped; wait until that is done"
        )
    try:
        photos = opened.snapshot().photos
        with refusing():
            grouping = find_groups(
                photos.vectors,
                smoothed_ND=photos.smoothed,
                k=request.k,
                fingerprint=photos.fingerprint,
            )
        save_groups(grouping, opened.collection)
    finally:
        opened.regroup_lock.release()
    return describe_groups(opened)
