"""Listings, and one photograph: its details, its thumbnail and its picture."""

from enum import IntEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from lodisc.web import models
from lodisc.web.parameters import Limit, Offset, Opened
from lodisc.web.state.details import describe_photo
from lodisc.web.state.listing import ListingQuery, list_photos
from lodisc.web.state.requested import find, find_picture
from lodisc.web.state.thumbnails import picture, thumbnail

router = APIRouter(tags=["photographs"])
# Validated each time: another file, or another collection on the same port, may have the same key
REVALIDATED = {"Cache-Control": "private, no-cache"}


class ThumbnailSize(IntEnum):
    """The shorter side in pixels."""

    SMALL = 160
    LARGE = 320


Text = Annotated[str | None, Query(max_length=1000)]


@router.get("/photos")
def photos(
    opened: Opened,
    state: Annotated[
        models.StateFilter,
        Query(
            description="Suggested and accepted names, doubtful ones, those that are likely of a "
            "new kind, outliers and duplicates come in an order of their own"
        ),
    ] = "all",
    group: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    label: Text = None,
    folder: Text = None,
    name: Annotated[
        str | None, Query(max_length=1000, description="The label that the classifier predicts")
    ] = None,
    above: Annotated[
        float | None, Query(ge=0, le=1, description="The lowest confidence of its name")
    ] = None,
    q: Annotated[
        str | None,
        Query(max_length=1000, description="Words that its key, folder or label has, in any order"),
    ] = None,
    like: Annotated[
        str | None,
        Query(
            pattern="^[0-9a-f]{16}$",
            description="The id of a photograph: it comes first, then the others by their "
            "likeness to it, unless another order is asked for; an unknown id changes nothing",
        ),
    ] = None,
    sort: models.SortOrder | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> models.PhotosOut:
    """List the photographs for which all conditions hold."""
    query = ListingQuery(state, group, label, folder, name, above, q, like, sort)
    return list_photos(opened, query, offset=offset, limit=limit)


@router.get("/dates")
def dates(opened: Opened) -> models.DatesOut:
    """How far the server is in reading when photographs were taken; sort=date begins it.

    Until all are read, the times of the files count.
    """
    done, total = opened.dates.progress
    return models.DatesOut(done=done, total=total)


@router.get("/photos/{id}")
def photo(opened: Opened, id: models.PhotoId) -> models.PhotoDetailOut:
    """The facts about one photograph."""
    return describe_photo(find(opened, id))


@router.get(
    "/photos/{id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}},
)
def thumbnail_of(
    opened: Opened, request: Request, id: models.PhotoId, size: ThumbnailSize = ThumbnailSize.SMALL
) -> Response:
    """A small picture whose shorter side has `size` pixels.

    Its longer side has at most three times that; the rest is cut off.
    """
    requested = find_picture(opened, id)
    tag = f'"{requested.digest}-{size}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**REVALIDATED, "ETag": tag})
    if requested.row is None:
        with opened.decoding_slots:
            webp = thumbnail(requested.read(), size=size)
    else:
        file = requested.photos.photo(requested.row)
        webp = opened.thumbnails.get(file, digest=requested.digest, size=size)
    return Response(webp, media_type="image/webp", headers={**REVALIDATED, "ETag": tag})


@router.get(
    "/photos/{id}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def picture_of(opened: Opened, request: Request, id: models.PhotoId) -> Response:
    """The picture, upright, without metadata, at most 1600 pixels wide and high."""
    requested = find_picture(opened, id)
    tag = f'"{requested.digest}-picture"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**REVALIDATED, "ETag": tag})
    with opened.decoding_slots:
        data = requested.read()
        jpeg = data if requested.row is None else picture(data)
    return Response(jpeg, media_type="image/jpeg", headers={**REVALIDATED, "ETag": tag})
