"""The pages, with what is on their first screen; JavaScript in static/ brings them to life through the API."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse

from lodisc.web import models
from lodisc.web.api.collection import summarise
from lodisc.web.api.groups import describe_groups, description_of
from lodisc.web.api.progress import describe_progress
from lodisc.web.api.review import list_duplicates, list_skipped
from lodisc.web.api.similar import look_alikes
from lodisc.web.rendering import render
from lodisc.web.state.health import describe_health
from lodisc.web.state.listing import Wanted, list_photos
from lodisc.web.state.requested import UPLOADED, find
from lodisc.web.state.state import Opened, State

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

FIRST = 60  # photographs that come with the page
NEIGHBOURS = 24
SETS, SKIPPED = 40, 500  # on a page
MOST = 10  # entries of a filter before the rest folds away
STATES = {
    "all": "All photographs",
    "unlabelled": "Unlabelled",
    "labelled": "Labelled",
    "doubtful": "Doubtful",
    "outliers": "Outliers",
    "duplicates": "Near-duplicates",
    "skipped": "Skipped",
}
ORDERS = {"key": "By name", "doubt": "Most doubtful first", "typical": "Most typical first"}
FIRST_ORDER = {"doubtful": "Most doubtful first", "outliers": "Oddest first"}
NOTHING = {
    "all": (
        "No photographs yet",
        "Embed a folder of photographs and index it; then they are here.",
    ),
    "unlabelled": ("Every photograph has a label", "There is nothing left to do in this view."),
    "labelled": (
        "No labels yet",
        "Select photographs and label them, or go to Label and use the keys.",
    ),
    "doubtful": (
        "Nothing is doubtful",
        "Doubt shows once there are groups, or labels of two kinds.",
    ),
    "outliers": ("No outliers", "Outliers show in a collection of two photographs or more."),
    "duplicates": ("No near-duplicates", "No two photographs are nearly the same."),
    "skipped": ("Nothing was skipped", "Every photograph could be read."),
}


@dataclass(frozen=True)
class View:
    """What the browse page is asked for by its address; what makes no sense there is passed over."""

    state: str = "all"
    group: int | None = None
    label: str | None = None
    folder: str | None = None
    sort: str | None = None
    size: int = 3
    at: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """Read off an address."""
        state, sort = query.get("state", "all"), query.get("sort")
        return cls(
            state=state if state in STATES else "all",
            sort=sort if sort in get_args(models.Sort) else None,
            group=_whole(query.get("group"), most=2**31),
            label=query.get("label"),
            folder=query.get("folder"),
            size=_whole(query.get("size"), most=6) or cls.size,
            at=_whole(query.get("at"), most=2**31) or cls.at,
        )

    def link(self, **changes: Any) -> str:
        """The address of this view with some of it changed, from its start."""
        view = replace(self, **{"at": 0, **changes})
        said = {name: value for name, value in asdict(view).items() if value != getattr(View, name)}
        return "/" + (f"?{urlencode(said, errors='replace')}" if said else "")

    @property
    def wanted(self) -> Wanted:
        """The listing that it shows."""
        return Wanted(self.state, self.group, self.label, self.folder, self.sort)  # type: ignore[arg-type]


@router.get("/")
def browse(opened: Opened, request: Request) -> HTMLResponse:
    """The collection as a grid, or one of the lists beside it."""
    view = View.of(request.query_params)
    shared = _shared(opened, "browse")
    return render(
        "browse.html",
        **shared,
        **_filters(view, opened, shared["collection"]),
        **_listing(opened, view),
    )


@router.get("/similar/{id}")
def similar(opened: Opened, id: models.PhotoId) -> HTMLResponse:
    """The look-alikes of a photograph or an upload."""
    found = look_alikes(find(opened, id), top=NEIGHBOURS)
    return render(
        "similar.html",
        **_shared(opened, "similar"),
        query=found.query,
        similar=found.similar,
        uploaded=id.startswith(UPLOADED),
    )


@router.get("/look/{id}")
def look(id: models.PhotoId) -> RedirectResponse:
    """The former address of the look-alikes, for bookmarks."""
    return RedirectResponse(f"/similar/{id}", HTTPStatus.PERMANENT_REDIRECT)


@router.get("/label")
def label(opened: Opened) -> HTMLResponse:
    """Labelling by keys."""
    first = list_photos(opened, Wanted(state="unlabelled", sort="typical"), limit=1).photos
    return render("label.html", **_shared(opened, "label"), first=first[0] if first else None)


@router.get("/groups")
def groups(opened: Opened) -> HTMLResponse:
    """The groups as cards."""
    return render("groups.html", **_shared(opened, "groups"), groups=describe_groups(opened))


@router.get("/map")
def map(opened: Opened) -> HTMLResponse:
    """The map of the collection."""
    return render("map.html", **_shared(opened, "map"))


@router.get("/progress")
def progress(opened: Opened) -> HTMLResponse:
    """What is running, and how the collection is."""
    return render(
        "progress.html",
        **_shared(opened, "progress"),
        progress=describe_progress(opened),
        health=describe_health(opened),
    )


def _shared(state: State, page: str) -> dict[str, Any]:
    """What the frame of every page needs; `store` tells what a browser keeps of this collection from what it keeps of others."""
    store = blake2b(
        str(state.collection.path.resolve()).encode(errors="surrogateescape"), digest_size=6
    ).hexdigest()
    return {"page": page, "collection": summarise(state), "store": store}


def _filters(view: View, state: State, summary: models.Summary) -> dict[str, Any]:
    """What stands at the side of a view and above it."""
    counts = {
        "all": summary.photographs,
        "labelled": summary.labelled,
        "unlabelled": summary.photographs - summary.labelled,
        "skipped": summary.skipped,
    }
    chosen = (
        {"label": view.label, "group": view.group, "folder": view.folder}
        if view.state not in ("duplicates", "skipped")
        else {}
    )
    chips = [
        (f"{what.capitalize()} {value}", view.link(**{what: None}))
        for what, value in chosen.items()
        if value is not None
    ]
    first = FIRST_ORDER.get(view.state, ORDERS["key"])
    return {
        "view": view,
        "link": view.link,
        "title": STATES[view.state],
        "most": MOST,
        "chips": chips,
        "states": [(state, name, counts.get(state)) for state, name in STATES.items()],
        "facets": _facets(view, state, summary),
        "orders": [
            ("", first),
            *((value, name) for value, name in ORDERS.items() if name != first),
        ],
        "nothing": ("Nothing fits all of this", "Take one of the filters away.")
        if chips
        else NOTHING[view.state],
    }


def _facets(
    view: View, state: State, summary: models.Summary
) -> list[tuple[str, str, list[tuple[Any, str, int]]]]:
    """Labels, groups and folders: title, name in the address, and what there is to choose as (value, title, count)."""
    description = description_of(state.now())
    groups = [
        (one.group, f"{one.group} · {one.label}" if one.label else f"Group {one.group}", one.size)
        for one in (description.groups if description else [])
    ]
    folders = [(one.folder, one.folder, one.count) for one in summary.folders]
    return [
        ("Labels", "label", [(one.label, one.label, one.count) for one in summary.labels]),
        ("Groups", "group", groups),
        ("Folders", "folder", folders if len(folders) > 1 or view.folder is not None else []),
    ]


def _listing(state: State, view: View) -> dict[str, Any]:
    """The photographs of a view, or the sets of near-duplicates, or what was skipped."""
    empty: dict[str, Any] = {
        "photos": None,
        "sets": None,
        "skipped": None,
        "offset": 0,
        "earlier": None,
        "later": None,
    }
    if view.state == "duplicates":
        found = list_duplicates(state, offset=view.at, limit=SETS)
        return (
            empty
            | {"sets": found.sets, "total": found.total, "of_what": "sets"}
            | _pager(view, found.total, SETS)
        )
    if view.state == "skipped":
        left_out = list_skipped(state, offset=view.at, limit=SKIPPED)
        files = "file" if left_out.total == 1 else "files"
        return (
            empty
            | {"skipped": left_out.skipped, "total": left_out.total, "of_what": files}
            | _pager(view, left_out.total, SKIPPED)
        )
    listed = list_photos(state, view.wanted, offset=view.at, limit=FIRST)
    if view.at and not listed.photos:
        return _listing(state, replace(view, at=0))
    return empty | {
        "photos": listed.photos,
        "total": listed.total,
        "offset": view.at,
        "of_what": "",
    }


def _pager(view: View, total: int, step: int) -> dict[str, str | None]:
    return {
        "earlier": view.link(at=max(0, view.at - step)) if view.at else None,
        "later": view.link(at=view.at + step) if view.at + step < total else None,
    }


def _whole(text: str | None, *, most: int) -> int | None:
    """A whole number from an address; None for anything else."""
    return (
        min(most, int(text))
        if text is not None and text.isascii() and text.isdigit() and len(text) < 12
        else None
    )
