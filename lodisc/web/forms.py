"""Multipart forms with one file, read in memory and bounded.

FastAPI's own forms write large files to disk.
"""

import logging
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from lodisc.web.text import one_line

MOST_UPLOAD = 32 * 2**20  # bytes
LONGEST_NAME = 100
PHOTOGRAPH = {
    "type": "string",
    "format": "binary",
    "description": "A photograph of at most 32 MB and 64 million pixels",
}
"""The part `file` of a form with a photograph, as OpenAPI describes it."""
# A damaged form is answered; it is nothing for the terminal
logging.getLogger("python_multipart").setLevel(logging.ERROR)


class Form(NamedTuple):
    """The part `file` of a form, under a name for people to read, and the other parts."""

    name: str
    data: bytes
    fields: dict[str, str]


class _InMemory(MultiPartParser):
    spool_max_size = 2 * MOST_UPLOAD  # nothing is written to disk


def form_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """The part of an OpenAPI description that documents a form read by `read_form`."""
    schema = {
        "type": "object",
        "required": ["file"],
        "properties": properties,
        "additionalProperties": False,
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


async def read_form(request: Request, *, fields: set[str]) -> Form:
    """The form in a request: a part `file` and, if present, the `fields`; answers 4xx otherwise."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send a multipart form with a part named file"
        )
    form = await _parse(request, max_fields=len(fields))
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
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(MOST_UPLOAD))
    return Form(plain_name(file.filename or ""), data, others)


async def _parse(request: Request, *, max_fields: int) -> FormData:
    parser = _InMemory(request.headers, request.stream(), max_files=1, max_fields=max_fields)
    try:
        return await parser.parse()
    except HTTPException:
        raise
    except Exception:  # the parser raises many types for a damaged form
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The form is damaged") from None


def plain_name(filename: str) -> str:
    """The name of an uploaded file for people: one line, no folders, at most 100 letters."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return one_line(name)[:LONGEST_NAME] or "Your photograph"


def too_large(most: int) -> str:
    """The message for a body of more than `most` bytes."""
    return f"Too large: at most {most // 2**20} MB"
