"""What the browse page shows: the filters at its side, and a page of a listing."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from lodisc.web import models
from lodisc.web.state.groups import description_of
from lodisc.web.state.labels import count_labels
from lodisc.web.state.listing import (
    ListingQuery,
    list_duplicates,
    list_photos,
    list_skipped,
    select_rows,
)
from lodisc.web.state.state import State
from lodisc.web.view import FIRST_ORDER, MOST_LIKE, NOTHING, ORDERS, STATES, View

FIRST = 60  # photographs that come with the page
SETS, SKIPPED = 40, 500  # on a page
MOST = 10  # entries of a filter before the rest is folded


def describe_filters(view: View, state: State, summary: models.SummaryOut) -> dict[str, Any]:
    """The filters at the side of a view, and its heading."""
    chips = [
        (_title_of_like(state, view) if name == "like" else text, view.link(**{name: None}))
        for name, (_, text) in view.filters.items()
        if view.is_grid
    ]
    first = MOST_LIKE if view.like else FIRST_ORDER.get(view.state, ORDERS["key"])
    other_orders = [(value, name) for value, name in ORDERS.items() if name != first]
    nothing_fits = ("No photographs match", "Remove a filter.")
    return {
        "view": view,
        "link": (view if view.is_grid else replace(view, state="all")).link,
        "query": urlencode(_listed(view), errors="replace"),
        "others": {
            name: str(value) for name, value in replace(view, q=None, at=0).parameters.items()
        },
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


def _listed(view: View) -> dict[str, Any]:
    """The query of a view, as the parameters of the address and of the API."""
    query = asdict(view.query)
    query["q"] = query.pop("text")
    return {
        name: value
        for name, value in query.items()
        if value is not None and value != getattr(ListingQuery, name, None)
    }


def _title_of_like(state: State, view: View) -> str:
    photos = state.collection.photos()
    return f"By likeness to {photos.titles[photos.by_id[view.like or '']]}"


def _states(
    view: View, state: State, summary: models.SummaryOut
) -> list[tuple[str, int | None, str, bool]]:
    """What may be shown: title, how many if that is quick to tell, address, whether it is shown.

    The filters stay, but for all photographs.
    """
    snapshot, grid = state.snapshot(), view if view.is_grid else View()
    counts: dict[str, int] = {
        "all": summary.photographs - summary.hidden,
        "skipped": summary.skipped,
    }
    states: tuple[models.StateFilter, ...] = ("labelled", "unlabelled", "hidden")
    for name in states:
        query = replace(grid.query, state=name, sort=None, like=None)
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
        without: dict[str, Any] = {"sort": None, "like": None, facet: None}
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


def describe_listing(state: State, view: View) -> dict[str, Any]:
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
        if view.at and not duplicates.sets:
            return describe_listing(state, replace(view, at=0))
        listing |= {
            "sets": duplicates.sets,
            "total": duplicates.total,
            "of_what": "set" if duplicates.total == 1 else "sets",
        }
        return listing | _pager(view, duplicates.total, SETS)
    if view.state == "skipped":
        skipped = list_skipped(state, offset=view.at, limit=SKIPPED)
        files = "file" if skipped.total == 1 else "files"
        listing |= {"skipped": skipped.skipped, "total": skipped.total, "of_what": files}
        return listing | _pager(view, skipped.total, SKIPPED)
    page = list_photos(state, view.query, offset=view.at, limit=FIRST)
    if view.at and not page.photos:
        return describe_listing(state, replace(view, at=0))
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
