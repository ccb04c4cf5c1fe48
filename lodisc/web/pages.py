"""The pages with the data of their first screen; the scripts in static/ ask the API for more."""

from dataclasses import replace
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse

from lodisc.data.decode import extensions
from lodisc.web import models
from lodisc.web.browse import describe_filters, describe_listing
from lodisc.web.parameters import Opened
from lodisc.web.rendering import render
from lodisc.web.state.details import describe_photo
from lodisc.web.state.groups import describe_groups
from lodisc.web.state.health import describe_health
from lodisc.web.state.labels import label_uses, version_text
from lodisc.web.state.learning import describe_learning
from lodisc.web.state.listing import ListingQuery, list_photos
from lodisc.web.state.progress import describe_progress
from lodisc.web.state.requested import UPLOADED, find
from lodisc.web.state.similar import look_alikes
from lodisc.web.state.state import State
from lodisc.web.state.summary import summarise
from lodisc.web.view import View

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
NEIGHBOURS = 24


@router.get("/")
def browse(opened: Opened, request: Request) -> HTMLResponse:
    """The collection as a grid, or its near-duplicates, or its skipped files."""
    view = View.of(request.query_params)
    if view.like not in opened.collection.photos().by_id:
        view = replace(view, like=None)
    shared = _shared(opened, "browse")
    return render(
        "browse.html",
        **shared,
        **describe_filters(view, opened, shared["collection"]),
        **describe_listing(opened, view),
    )


@router.get("/similar/{id}")
def similar(opened: Opened, id: models.PhotoId) -> HTMLResponse:
    """The look-alikes of a photograph or an upload."""
    requested = find(opened, id)
    nearest = look_alikes(requested, top=NEIGHBOURS)
    return render(
        "similar.html",
        **_shared(opened, "similar"),
        query=describe_photo(requested),
        similar=nearest.similar,
        reason=nearest.reason,
        uploaded=id.startswith(UPLOADED),
    )


@router.get("/look/{id}")
def look(id: models.PhotoId) -> RedirectResponse:
    """The former address of the look-alikes, for bookmarks."""
    return RedirectResponse(f"/similar/{id}", HTTPStatus.PERMANENT_REDIRECT)


@router.get("/label")
def label(opened: Opened) -> HTMLResponse:
    """Labelling with the keyboard."""
    first = list_photos(opened, ListingQuery(state="unlabelled", sort="typical"), limit=1).photos
    return render("label.html", **_shared(opened, "label"), first=first[0] if first else None)


@router.get("/labels")
def labels(opened: Opened) -> HTMLResponse:
    """All labels: how they are used; rename, make one, remove."""
    return render("labels.html", **_shared(opened, "labels"), uses=label_uses(opened))


@router.get("/groups")
def groups(opened: Opened) -> HTMLResponse:
    """The groups as cards."""
    return render(
        "groups.html",
        **_shared(opened, "groups"),
        groups=describe_groups(opened),
        grouping=opened.grouping_work.describe(),
    )


@router.get("/map")
def map(opened: Opened) -> HTMLResponse:
    """The map of the collection."""
    return render("map.html", **_shared(opened, "map"))


@router.get("/progress")
def progress(opened: Opened) -> HTMLResponse:
    """The trainings and embeddings, and the state of the collection."""
    return render(
        "progress.html",
        **_shared(opened, "progress"),
        progress=describe_progress(opened),
        learning=describe_learning(opened),
        health=describe_health(opened),
    )


def _shared(state: State, page: str) -> dict[str, Any]:
    """What the frame of every page needs; `store` separates collections in a browser's storage."""
    store = blake2b(
        str(state.collection.path.resolve()).encode(errors="surrogateescape"), digest_size=6
    ).hexdigest()
    snapshot = state.snapshot()
    return {
        "page": page,
        "collection": summarise(state),
        "store": store,
        "user": state.user,
        "is_shared": state.is_shared,
        "labels_version": version_text(snapshot.labels_stamp, snapshot.hidden_stamp),
        "endings": sorted(extensions()),
    }
