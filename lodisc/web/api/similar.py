"""Look-alikes: of a photograph of the collection, or of one that is uploaded and kept in memory only."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from lodisc.collection.lookalikes import look_alikes as nearest_in_collection
from lodisc.data.decode import Unreadable, dimensions
from lodisc.web import models
from lodisc.web.errors import one_line
from lodisc.web.security import MOST_UPLOAD
from lodisc.web.state.requested import Source, find
from lodisc.web.state.state import Opened, State
from lodisc.web.state.thumbnails import decoding, picture
from lodisc.web.state.uploads import Upload, upload_id

router = APIRouter(tags=["look-alikes"])
MOST_PIXELS = 64_000_000  # of an upload
MOST_ALIKE = 200
LONGEST_NAME = 100


def form_of(properties: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI is told of a multipart form that is read here, and not by FastAPI, to bound it and to keep it in memory."""
    schema = {
        "type": "object",
        "required": ["file"],
        "properties": properties,
        "additionalProperties": False,
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


FILE = {
    "type": "string",
    "format": "binary",
    "description": "A photograph of at most 32 MB and 64 million pixels",
}
TOP = {"type": "integer", "minimum": 1, "maximum": MOST_ALIKE, "default": 24}


class _InMemory(MultiPartParser):
    spool_max_size = 2 * MOST_UPLOAD  # so that nothing is written to the disk


@router.get("/photos/{id}/similar")
def similar(
    opened: Opened, id: models.PhotoId, top: Annotated[int, Query(ge=1, le=MOST_ALIKE)] = 24
) -> models.Similar:
    """The look-alikes of a photograph, which is not among them itself."""
    return look_alikes(find(opened, id), top=top)


@router.post("/similar", openapi_extra=form_of({"file": FILE, "top": TOP}))
async def similar_to_upload(opened: Opened, request: Request) -> models.Similar:
    """The look-alikes of an uploaded photograph; it is kept in memory for a while, so that its id works in other calls."""
    name, data, fields = await read_form(request, fields={"top"})
    top = fields.get("top", "24")
    if not (top.isascii() and top.isdigit() and len(top) < 4 and 1 <= int(top) <= MOST_ALIKE):
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"top: give a whole number from 1 to {MOST_ALIKE}"
        )
    return await run_in_threadpool(
        lambda: look_alikes(keep_upload(opened, data, name=name), top=int(top))
    )


def look_alikes(source: Source, *, top: int) -> models.Similar:
    """The `top` photographs most similar to one, which is not among them itself."""
    photos = source.now.photos
    found_QK = nearest_in_collection(
        source.state.collection, photos, source.vector[None], top=min(top + 1, len(photos))
    )
    ((rows, scores),) = zip(*found_QK, strict=True)
    found = [
        (int(row), float(score))
        for row, score in zip(rows, scores, strict=True)
        if row != source.row
    ][:top]
    alike = [
        models.Likeness(photo=source.now.photo(row), score=round(score, 4)) for row, score in found
    ]
    return models.Similar(query=source.photo, similar=alike)


def keep_upload(state: State, data: bytes, *, name: str) -> Source:
    """See an uploaded photograph with the encoder and keep both; answers 422 for what is no photograph that can be read."""
    id, now = upload_id(data), state.now()
    kept = state.uploads.get(id)
    if kept is None or kept.fingerprint != now.photos.fingerprint:
        try:
            width, height = dimensions(data)
            if width * height > MOST_PIXELS:
                raise Unreadable(
                    f"{width} x {height} pixels is too large; {MOST_PIXELS // 1_000_000} million are the most"
                )
            vector_D = state.seer.vector(data)
            with decoding:
                kept = Upload(id, name, picture(data), vector_D, now.photos.fingerprint)
        except Unreadable as error:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"The upload can't be read as a photograph: {error}",
            ) from None
        state.uploads.put(kept)
    return Source(state, now, None, kept)


async def read_form(request: Request, *, fields: set[str]) -> tuple[str, bytes, dict[str, str]]:
    """Name and bytes of the part `file` of a multipart form, and its other parts; answers 4xx for any other body."""
    if (
        request.headers.get("content-type", "").split(";")[0].strip().lower()
        != "multipart/form-data"
    ):
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send a multipart form with a part named file"
        )
    try:
        form: FormData = await _InMemory(
            request.headers, request.stream(), max_files=1, max_fields=len(fields)
        ).parse()
    except HTTPException:
        raise
    except Exception:  # the parser has many ways to say that a form is none
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The form is damaged") from None
    try:
        file = form.get("file")
        others = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        if not isinstance(file, UploadFile) or others.keys() - fields:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "Send a multipart form with one file, in a part named file",
            )
        data = await file.read()
    finally:
        await form.close()
    if len(data) > MOST_UPLOAD:
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Too large: at most {MOST_UPLOAD // 2**20} MB"
        )
    return plain_name(file.filename or ""), data, others


def plain_name(filename: str) -> str:
    """The name of an uploaded file, for people to read: on one line, without folders, not long."""
    return (
        one_line(filename.replace("\\", "/").rsplit("/", 1)[-1])[:LONGEST_NAME] or "Your photograph"
    )
