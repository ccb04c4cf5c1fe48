"""What should be looked at: near-duplicates, outliers, and photographs that could not be read."""

from typing import Annotated

from fastapi import APIRouter, Query

from lodisc.data.photo import printable
from lodisc.web import models
from lodisc.web.api.photos import Limit, Offset
from lodisc.web.state.listing import Wanted, list_photos
from lodisc.web.state.state import Opened, State

router = APIRouter(tags=["what to look at"])
MostSets = Annotated[int, Query(ge=0, le=500)]


@router.get("/duplicates")
def duplicates(opened: Opened, offset: Offset = 0, limit: MostSets = 100) -> models.Duplicates:
    """Sets of photographs that are nearly the same, largest first."""
    return list_duplicates(opened, offset=offset, limit=limit)


@router.get("/outliers")
def outliers(opened: Opened, offset: Offset = 0, limit: Limit = 100) -> models.Photos:
    """The photographs that are least like any other, oddest first."""
    return list_photos(opened, Wanted(state="outliers"), offset=offset, limit=limit)


@router.get("/skipped")
def skipped(
    opened: Opened, offset: Offset = 0, limit: Annotated[int, Query(ge=0, le=10_000)] = 1000
) -> models.Skipped:
    """The photographs that could not be read, and why."""
    return list_skipped(opened, offset=offset, limit=limit)


def list_duplicates(state: State, *, offset: int = 0, limit: int = 100) -> models.Duplicates:
    """A page of the sets of near-duplicates."""
    now = state.now()
    sets = state.duplicates(now)
    return models.Duplicates(
        total=len(sets),
        sets=[[now.photo(row) for row in rows] for rows in sets[offset : offset + limit]],
    )


def list_skipped(state: State, *, offset: int = 0, limit: int = 1000) -> models.Skipped:
    """A page of the photographs that could not be read; names that are no text are written out."""
    left_out = state.collection.skipped()
    page = [
        models.SkippedPhoto(key=printable(one.key), reason=one.reason)
        for one in left_out[offset : offset + limit]
    ]
    return models.Skipped(total=len(left_out), skipped=page)
