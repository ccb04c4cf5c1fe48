"""Listings, and one photograph: what is known of it, its thumbnail and its picture."""

from datetime import UTC, datetime
from enum import IntEnum
from http import HTTPStatus
from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from PIL import ExifTags
from PIL.JpegImagePlugin import JpegImageFile
from starlette.exceptions import HTTPException

from lodisc.data.decode import Unreadable, decode, dimensions
from lodisc.web import models
from lodisc.web.state.listing import Wanted, list_photos
from lodisc.web.state.requested import Source, find, gone
from lodisc.web.state.state import Opened
from lodisc.web.state.thumbnails import decoding, picture, thumbnail

router = APIRouter(tags=["photographs"])
# Asked for again each time, as another file, or another collection on the same port, may have the same key
REVALIDATED = {"Cache-Control": "private, no-cache"}


class ThumbnailSize(IntEnum):
    """The shorter side in pixels."""

    SMALL = 160
    LARGE = 320


Offset = Annotated[int, Query(ge=0, le=10**9)]
Limit = Annotated[int, Query(ge=0, le=500)]
Text = Annotated[str | None, Query(max_length=1000)]


@router.get("/photos")
def photos(
    opened: Opened,
    state: Annotated[
        models.State,
        Query(description="What is doubtful, odd or there twice is listed in that order"),
    ] = "all",
    group: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    label: Text = None,
    folder: Text = None,
    sort: models.Sort | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> models.Photos:
    """List photographs for which all conditions hold."""
    return list_photos(
        opened, Wanted(state, group, label, folder, sort), offset=offset, limit=limit
    )


@router.get("/photos/{id}")
def photo(opened: Opened, id: models.PhotoId) -> models.PhotoDetail:
    """What is known of one photograph."""
    return detail(find(opened, id))


@router.get(
    "/photos/{id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}},
)
def thumbnail_of(
    opened: Opened, request: Request, id: models.PhotoId, size: ThumbnailSize = ThumbnailSize.SMALL
) -> Response:
    """A small picture: its shorter side has `size` pixels, and what is longer than three times that is cut."""
    source = find(opened, id)
    tag = f'"{source.digest}-{size}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**REVALIDATED, "ETag": tag})
    try:
        if source.row is None:
            with decoding:
                made = thumbnail(source.read(), size=size)
        else:
            made = opened.thumbnails.get(
                source.now.photos.photo(source.row), digest=source.digest, size=size
            )
    except Unreadable as error:
        raise gone(error) from None
    return Response(made, media_type="image/webp", headers={**REVALIDATED, "ETag": tag})


@router.get(
    "/photos/{id}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def picture_of(opened: Opened, request: Request, id: models.PhotoId) -> Response:
    """The picture, upright, without its metadata and at most 1600 pixels wide and high."""
    source = find(opened, id)
    tag = f'"{source.digest}-picture"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**REVALIDATED, "ETag": tag})
    try:
        with decoding:
            made = source.read() if source.row is None else picture(source.read())
    except Unreadable as error:
        raise gone(error) from None
    return Response(made, media_type="image/jpeg", headers={**REVALIDATED, "ETag": tag})


def detail(source: Source) -> models.PhotoDetail:
    """What is known of a photograph and of its file."""
    known: dict[str, Any] = source.photo.model_dump()
    if source.row is not None:
        table = source.now.photos.table
        modified = datetime.fromtimestamp(table["modified"][source.row].as_py() / 1e9, UTC)
        known |= {
            "bytes": table["bytes"][source.row].as_py(),
            "digest": source.digest,
            "modified": modified.isoformat(timespec="seconds"),
        }
    return models.PhotoDetail(**known, **_size(source))


def _size(source: Source) -> dict[str, Any]:
    """Width and height as the photograph is seen; nothing where it can't be read."""
    try:
        with decoding:
            width, height = upright_size(source.read())
    except (Unreadable, HTTPException):
        return {}
    return {"width": width, "height": height}


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height as `decode` gives them, of a JPEG from its header alone; raises `Unreadable`."""
    if not data.startswith(b"\xff\xd8"):
        return decode(data).size
    width, height = dimensions(data)
    try:
        lies = JpegImageFile(BytesIO(data)).getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF turns nothing
        lies = False
    return (height, width) if lies else (width, height)
