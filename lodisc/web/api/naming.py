"""Names of photographs that are not in the collection, which stays as it is."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from lodisc.collection.naming import new_entry, write_names
from lodisc.web import label_models
from lodisc.web.downloads import csv_file
from lodisc.web.forms import PHOTOGRAPH, form_schema, read_form
from lodisc.web.parameters import Opened
from lodisc.web.state.naming import add_new, name_new

router = APIRouter(prefix="/name", tags=["names"])


@router.post("", openapi_extra=form_schema({"file": PHOTOGRAPH}))
async def add(opened: Opened, request: Request) -> label_models.NewPhotoOut:
    """Upload a photograph that is to be named, and see what it looks like.

    It stays in memory for a while, so that its id works in other calls.
    """
    form = await read_form(request, fields=set())
    return await run_in_threadpool(add_new, opened, form.data, name=form.name)


@router.post("/together")
def name(opened: Opened, photos: label_models.NewPhotosIn) -> label_models.NewNamesOut:
    """Name uploaded photographs together, as lodisc name does.

    What is likely of a new kind is told by photographs that resemble it, so give all at once.
    """
    return name_new(opened, photos.ids)


@router.post("/table", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def names_table(table: label_models.NamesTableIn) -> Response:
    """Names of new photographs as the CSV file that lodisc name writes."""
    names = [new_entry(**row.model_dump()) for row in table.names]
    return csv_file("names", lambda path: write_names(names, path))
