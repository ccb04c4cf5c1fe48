"""The pages with the data of their first screen; the scripts in static/ ask the API for more."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import HTMLResponse, RedirectResponse

from lodisc.data.decode import extensions
from lodisc.web import models
from lodisc.web.parameters import Opened
from lodisc.web.rendering import percent, render
from lodisc.web.state.details import describe_photo
from lodisc.web.state.groups import describe_groups, description_of
from lodisc.web.state.health import describe_health
from lodisc.web.state.labels import count_labels, label_uses, version_text
from lodisc.web.state.learning import describe_learning
from lodisc.web.state.listing import (
    ListingQuery,
    list_duplicates,
    list_photos,
    list_skipped,
    select_rows,
)
from lodisc.web.state.progress import describe_progress
from lodisc.web.state.requested import UPLOADED, find
from lodisc.web.state.similar import look_alikes
from lodisc.web.state.state import State
from lodisc.web.state.summary import summarise

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
T = TypeVar("T")
ViewState = models.StateFilter | Literal["skipped"]

FIRST = 60  # photographs that come with the page
NEIGHBOURS = 24
SETS, SKIPPED = 40, 500  # on a page
MOST = 10  # entries of a filter before the rest is folded
STATES: dict[ViewState, str] = {
    "all": "All photographs",
    "unlabelled": "Unlabelled",
    "labelled": "Labelled",
    "named": "Suggested names",
    "accepted": "Accepted names",
    "doubtful": "Doubtful",
    "new": "Likely new kinds",
    "outliers": "Outliers",
    "duplicates": "Near-duplicates",
    "skipped": "Skipped",
}
ORDERS = {"key": "By name", "doubt": "Most doubtful first", "typical": "Most typical first"}
FIRST_ORDER: dict[ViewState, str] = {
    "named": "By suggested name, surest first",
    "accepted": ORDERS["doubt"],
    "doubtful": "Most doubtful first",
    "new": "Likeliest first",
    "outliers": "Oddest first",
}
NOTHING: dict[ViewState, tuple[str, str]] = {
    "all": (
        "No photographs yet",
        "Embed a folder of photographs and index it; then they are here.",
    ),
    "unlabelled": ("Every photograph has a label", "There is nothing left to do in this view."),
    "labelled": (
        "No labels yet",
        "Select photographs and label them, or go to Label and use the keys.",
    ),
    "named": (
        "No suggested names",
        "Photographs without a label have names once two kinds have labels.",
    ),
    "accepted": (
        "No accepted names",
        "Accept names that are sure enough on the Label page; then they are here, to look through.",
    ),
    "doubtful": (
        "Nothing is doubtful",
        "Doubt shows once there are groups, or labels of two kinds.",
    ),
    "new": (
        "No photograph is likely of a new kind",
        "They show once three kinds have two labels each, if there are any.",
    ),
    "outliers": ("No outliers", "Outliers show in a collection of two photographs or more."),
    "duplicates": ("No near-duplicates", "No two photographs are nearly the same."),
    "skipped": ("Nothing was skipped", "Every photograph could be read."),
}


@dataclass(frozen=True)
class View:
    """What the address of the browse page asks for; values that make no sense are ignored."""

    state: ViewState = "all"
    group: int | None = None
    label: str | None = None
    folder: str | None = None
    name: str | None = None
    above: float | None = None
    sort: models.SortOrder | None = None
    size: int = 3
    at: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """The view with this query string."""
        return cls(
            state=_choice(query.get("state"), STATES) or "all",
            sort=_choice(query.get("sort"), get_args(models.SortOrder)),
            group=_whole(query.get("group"), most=2**31),
            label=query.get("label"),
            folder=query.get("folder"),
            name=query.get("name"),
            above=_share(query.get("above")),
            size=_whole(query.get("size"), most=6) or cls.size,
            at=_whole(query.get("at"), most=2**31) or cls.at,
        )

    @property
    def is_grid(self) -> bool:
        """Whether it is a grid, which filters apply to."""
        return self.state not in ("duplicates", "skipped")

    @property
    def query(self) -> ListingQuery:
        """What the grid lists."""
        state: Any = self.state if self.is_grid else "all"
        return ListingQuery(
            state, self.group, self.label, self.folder, self.name, self.above, self.sort
        )

    @property
    def filters(self) -> dict[str, tuple[Any, str]]:
        """The filters that are set, and each in words."""
        words = {
            "label": f"Label {self.label}",
            "group": f"Group {self.group}",
            "folder": f"Folder {self.folder}",
            "name": f"Name {self.name}",
            "above": f"Confidence from {percent(self.above or 0)}",
        }
        values = {name: (getattr(self, name), text) for name, text in words.items()}
        return {name: pair for name, pair in values.items() if pair[0] is not None}

    def link(self, **changes: Any) -> str:
        """The address of this view with some changes, from its first photograph."""
        view = replace(self, **{"at": 0, **changes})
        query = {
            name: value for name, value in asdict(view).items() if value != getattr(View, name)
        }
        return "/" + (f"?{urlencode(query, errors='replace')}" if query else "")


@router.get("/")
def browse(opened: Opened, request: Request) -> HTMLResponse:
    """The collection as a grid, or its near-duplicates, or its skipped files."""
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
    return {
        "page": page,
        "collection": summarise(state),
        "store": store,
        "user": state.user,
        "is_shared": state.is_shared,
        "labels_version": version_text(state.snapshot().labels_stamp),
        "endings": sorted(extensions()),
    }


def _filters(view: View, state: State, summary: models.SummaryOut) -> dict[str, Any]:
    """The filters at the side of a view, and its heading."""
    chips = [
        (text, view.link(**{name: None}))
        for name, (_, text) in view.filters.items()
        if view.is_grid
    ]
    first = FIRST_ORDER.get(view.state, ORDERS["key"])
    other_orders = [(value, name) for value, name in ORDERS.items() if name != first]
    nothing_fits = ("No photographs match", "Remove a filter.")
    return {
        "view": view,
        "link": (view if view.is_grid else replace(view, state="all")).link,
        "query": urlencode(
            {
                name: value
                for name, value in asdict(view.query).items()
                if value is not None and value != getattr(ListingQuery, name)
            },
            errors="replace",
        ),
        "title": (
            ", ".join(text for text, _ in chips)
            if chips and view.state == "all"
            else STATES[view.state]
        ),
        "most": MOST,
        "chips": chips,
        "states": _states(view, state, summary),
        "facets": _facets(view, state, summary),
        "orders": [("", first), *other_orders],
        "nothing": nothing_fits if chips else NOTHING[view.state],
    }


def _states(
    view: View, state: State, summary: models.SummaryOut
) -> list[tuple[str, int | None, str, bool]]:
    """What may be shown: title, how many if that is quick to tell, address, whether it is shown.

    The filters stay, but for all photographs.
    """
    snapshot, grid = state.snapshot(), view if view.is_grid else View()
    counts: dict[str, int] = {"all": summary.photographs, "skipped": summary.skipped}
    for name in ("labelled", "unlabelled"):
        query = replace(grid.query, state=name, sort=None)
        counts[name] = len(select_rows(state, snapshot, query))
    without: dict[str, Any] = dict.fromkeys(grid.filters)
    unfiltered = replace(grid, **without)
    return [
        (
            title,
            counts.get(name),
            (unfiltered if name == "all" else grid).link(state=name),
            name == view.state and not (name == "all" and grid.filters),
        )
        for name, title in STATES.items()
    ]


def _facets(
    view: View, state: State, summary: models.SummaryOut
) -> list[tuple[str, str, list[tuple[Any, str, int]]]]:
    """Names, labels, groups, folders: title, name in the address, (value, title, count) of each.

    Counted are the photographs of the view, but for its filter of the same name.
    """
    snapshot = state.snapshot()

    def rows(facet: str) -> NDArray[np.int64]:
        without: dict[str, Any] = {"sort": None, facet: None}
        return select_rows(state, snapshot, replace(view.query, **without))

    labels = count_labels(snapshot.labels[row] for row in rows("label"))
    folders: Counter[str] = Counter()
    if len(summary.folders) > 1 or view.folder is not None:
        folders.update(name for name in snapshot.folder_N[rows("folder")] if name is not None)
    description = description_of(snapshot)
    sizes: Counter[int] = Counter()
    if snapshot.groups is not None:
        sizes.update(snapshot.groups.group_N[rows("group")].tolist())
    groups = [
        (
            group.group,
            f"{group.group} · {group.title}" if group.title else f"Group {group.group}",
            sizes[group.group],
        )
        for group in (description.groups if description else [])
        if sizes[group.group]
    ]
    names: list[tuple[Any, str, int]] = []
    if view.state == "named":
        counts = Counter(snapshot.name(row) for row in rows("name"))
        names = [(name, name, count) for name, count in sorted(counts.items()) if name is not None]
    return [
        ("Names", "name", names),
        ("Labels", "label", [(count.label, count.label, count.count) for count in labels]),
        ("Groups", "group", groups),
        ("Folders", "folder", [(name, name, count) for name, count in sorted(folders.items())]),
    ]


def _listing(state: State, view: View) -> dict[str, Any]:
    """The photographs of a view, or the sets of near-duplicates, or the skipped files."""
    listing: dict[str, Any] = {
        "photos": None,
        "sets": None,
        "skipped": None,
        "offset": 0,
        "earlier": None,
        "later": None,
    }
    if view.state == "duplicates":
        duplicates = list_duplicates(state, offset=view.at, limit=SETS)
        listing |= {"sets": duplicates.sets, "total": duplicates.total, "of_what": "sets"}
        return listing | _pager(view, duplicates.total, SETS)
    if view.state == "skipped":
        skipped = list_skipped(state, offset=view.at, limit=SKIPPED)
        files = "file" if skipped.total == 1 else "files"
        listing |= {"skipped": skipped.skipped, "total": skipped.total, "of_what": files}
        return listing | _pager(view, skipped.total, SKIPPED)
    page = list_photos(state, view.query, offset=view.at, limit=FIRST)
    if view.at and not page.photos:
        return _listing(state, replace(view, at=0))
    return listing | {
        "photos": page.photos,
        "total": page.total,
        "offset": view.at,
        "of_what": "",
    }


def _pager(view: View, total: int, step: int) -> dict[str, str | None]:
    return {
        "earlier": view.link(at=max(0, view.at - step)) if view.at else None,
        "later": view.link(at=view.at + step) if view.at + step < total else None,
    }


def _choice(text: str | None, choices: Iterable[T]) -> T | None:
    """The choice with this text; None if there is none."""
    return next((choice for choice in choices if choice == text), None)


def _share(text: str | None) -> float | None:
    """A share of 0..1 from an address, such as 0.9; None for anything else."""
    return float(text) if text is not None and re.fullmatch(r"0(\.\d{1,4})?|1", text) else None


def _whole(text: str | None, *, most: int) -> int | None:
    """A whole number from an address, at most `most`; None for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 11:
        return None
    return min(most, int(text))
