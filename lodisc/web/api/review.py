"""Photographs that a person should check: near-duplicates, outliers, unreadable ones."""

from typing import Annotated

from fastapi import APIRouter, Query

from lodisc.web import models
from lodisc.web.parameters import Limit, Offset, Opened
from lodisc.web.state.listing import ListingQuery, list_duplicates, list_photos, list_skipped

router = APIRouter(tags=["what to look at"])


@router.get("/duplicates")
def duplicates(opened: Opened, offset: Offset = 0, limit: Limit = 100) -> models.DuplicatesOut:
    """Sets of photographs that are nearly the same, largest first."""
    return list_duplicates(opened, offset=offset, limit=limit)


@router.get("/outliers")
def outliers(opened: Opened, offset: Offset = 0, limit: Limit = 100) -> models.PhotosOut:
    """The photographs that are least like any other, oddest first."""
    return list_photos(opened, ListingQuery(state="outliers"), offset=offset, limit=limit)


@router.get("/skipped")
def skipped(
    opened: Opened, offset: Offset = 0, limit: Annotated[int, Query(ge=0, le=10_000)] = 1000
) -> models.SkippedOut:
    """The photographs that could not be read, and why."""
    return list_skipped(opened, offset=offset, limit=limit)
