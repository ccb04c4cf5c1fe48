"""Look-alikes of a photograph of the collection, or of an uploaded one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from lodisc.web import models
from lodisc.web.forms import PHOTOGRAPH, form_schema, read_form
from lodisc.web.parameters import Opened
from lodisc.web.state.requested import find
from lodisc.web.state.similar import add_upload, look_alikes

router = APIRouter(tags=["look-alikes"])
MOST_ALIKE = 200
TOP = {"type": "integer", "minimum": 1, "maximum": MOST_ALIKE, "default": 24}


@router.get("/photos/{id}/similar")
def similar(
    opened: Opened, id: models.PhotoId, top: Annotated[int, Query(ge=1, le=MOST_ALIKE)] = 24
) -> models.SimilarOut:
    """The look-alikes of a photograph, without the photograph itself."""
    return look_alikes(find(opened, id), top=top)


@router.post("/similar", openapi_extra=form_schema({"file": PHOTOGRAPH, "top": TOP}))
async def similar_to_upload(opened: Opened, request: Request) -> models.SimilarOut:
    """The look-alikes of an uploaded photograph.

    The upload stays in memory for a while, so that its id works in other calls.
    """
    form = await read_form(request, fields={"top"})
    top = _parse_top(form.fields.get("top", "24"))
    return await run_in_threadpool(
        lambda: look_alikes(
            add_upload(opened, form.data, name=form.name, memory=opened.uploads), top=top
        )
    )


def _parse_top(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_ALIKE:
        return int(text)
    raise HTTPException(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"top: give a whole number from 1 to {MOST_ALIKE}"
    )
