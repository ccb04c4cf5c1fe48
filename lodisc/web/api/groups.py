"""Groups: photographs that lie together."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from lodisc.collection.describe import GroupsDescription, describe_grouping
from lodisc.collection.grouping import save_groups
from lodisc.vectors.clusters import find_groups
from lodisc.web import models
from lodisc.web.errors import refusing
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import Opened, State

router = APIRouter(prefix="/groups", tags=["groups"])


@router.get("")
def groups(opened: Opened) -> models.Groups:
    """The groups, largest first; a new photograph belongs to the nearest at once."""
    return describe_groups(opened)


@router.post("")
def group(opened: Opened, wanted: models.Grouping) -> models.Groups:
    """Group all photographs anew. Labels stay as they are."""
    if not opened.grouping.acquire(blocking=False):
        raise HTTPException(
            HTTPStatus.CONFLICT, "The photographs are being grouped; wait until that is done"
        )
    try:
        photos = opened.now().photos
        with refusing():
            found = find_groups(photos.vectors, k=wanted.k, fingerprint=photos.fingerprint)
        save_groups(found, opened.collection)
    finally:
        opened.grouping.release()
    return describe_groups(opened)


def describe_groups(state: State) -> models.Groups:
    """Every group: size, most frequent label, most typical photograph, and those that fit least."""
    now = state.now()
    description = description_of(now)
    if now.groups is None or description is None:
        return models.Groups(k=None, grouping=None, criterion=None, tried=[], groups=[])
    return models.Groups(
        k=description.k,
        grouping=now.groups.digest,
        criterion=description.criterion,
        tried=[list(values) for values in description.tried],
        groups=[
            models.Group(
                group=group.group,
                size=group.size,
                label=group.label,
                labelled=group.labelled,
                representative=now.photo(group.representative),
                doubtful=[now.photo(row) for row in group.doubtful],
            )
            for group in description.groups
        ],
    )


def description_of(now: Now) -> GroupsDescription | None:
    """What `lodisc group` says about the groups too; None before there are any."""
    if now.groups is None:
        return None
    groups = now.groups
    return describe_grouping(groups.grouping, groups.described, groups.group_N, now.label_N)
