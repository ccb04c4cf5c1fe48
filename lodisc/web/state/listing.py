"""Which photographs a listing holds, and in which order.

Axes: N photographs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodisc.data.photo import printable
from lodisc.web import models
from lodisc.web.state.hiding import best_first
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State

OUTLIER_SHARE, MOST_OUTLIERS = 0.02, 500


@dataclass(frozen=True)
class ListingQuery:
    """The conditions of a listing, which must all hold, and its order."""

    state: models.StateFilter = "all"
    group: int | None = None
    label: str | None = None
    folder: str | None = None
    name: str | None = None
    """That the classifier predicts."""
    above: float | None = None
    """The lowest confidence of its name."""
    text: str | None = None
    """Words that key, folder or label have."""
    like: str | None = None
    """The id of a photograph: it comes first, then the others by their likeness to it."""
    sort: models.SortOrder | None = None
    """By default by likeness, by key, or in the own order of a state (`_in_state`)."""


def list_photos(
    state: State, query: ListingQuery, *, offset: int = 0, limit: int = 100
) -> models.PhotosOut:
    """A page of a listing."""
    snapshot = state.snapshot()
    rows = select_rows(state, snapshot, query)
    page = [snapshot.photo(int(row)) for row in rows[offset : offset + limit]]
    return models.PhotosOut(total=len(rows), photos=page)


def list_duplicates(state: State, *, offset: int = 0, limit: int = 100) -> models.DuplicatesOut:
    """A page of the sets of near-duplicates."""
    snapshot = state.snapshot()
    sets = state.duplicates(snapshot)
    page = [
        [snapshot.photo(row) for row in best_first(snapshot, rows)]
        for rows in sets[offset : offset + limit]
    ]
    return models.DuplicatesOut(total=len(sets), sets=page)


def list_skipped(state: State, *, offset: int = 0, limit: int = 1000) -> models.SkippedOut:
    """A page of the photographs that could not be read; names that are not text are escaped."""
    skipped = state.collection.skipped()
    page = [
        models.SkippedPhotoOut(key=printable(photo.key), reason=photo.reason)
        for photo in skipped[offset : offset + limit]
    ]
    return models.SkippedOut(total=len(skipped), skipped=page)


def select_rows(state: State, snapshot: Snapshot, query: ListingQuery) -> NDArray[np.int64]:
    """The rows of all photographs that fit a query, in its order."""
    rows = _in_state(state, snapshot, query.state)
    rows = rows[snapshot.is_hidden_N[rows] == (query.state == "hidden")]
    if query.group is not None:
        groups = snapshot.groups
        rows = rows[:0] if groups is None else rows[groups.group_N[rows] == query.group]
    if query.label is not None:
        has_label = (snapshot.labels[row] == query.label for row in rows)
        rows = rows[np.fromiter(has_label, np.bool_, len(rows))]
    if query.folder is not None:
        rows = rows[snapshot.folder_N[rows] == query.folder]
    if query.name is not None:
        has_name = (snapshot.name(row) == query.name for row in rows)
        rows = rows[np.fromiter(has_name, np.bool_, len(rows))]
    if query.above is not None:
        rows = (
            rows[:0]
            if snapshot.names is None
            else rows[snapshot.names.confidence[rows] >= query.above]
        )
    if query.text is not None:
        rows = rows[state.text_search(snapshot).matches(query.text, snapshot.labels)[rows]]
    rank_N = _rank(state, snapshot, query)
    if rank_N is not None:
        return rows[np.argsort(-rank_N[rows], kind="stable")]
    return np.sort(rows) if query.sort == "key" else rows


def _rank(state: State, snapshot: Snapshot, query: ListingQuery) -> NDArray[Any] | None:
    """Numbers [N] by which the order of a query goes, largest first; None without them."""
    match query.sort:
        case "doubt":
            return snapshot.doubt_N
        case "typical":
            return snapshot.typical_N
        case "confidence" if snapshot.names is not None:
            return snapshot.names.confidence
        case "labelled":
            return state.label_order(snapshot)
        case "date":
            return state.dates.get(snapshot.photos)
        case None if query.like in snapshot.photos.by_id:
            return state.likeness(snapshot, snapshot.photos.by_id[query.like])
    return None


def outlier_rows(state: State, snapshot: Snapshot) -> NDArray[np.int64]:
    """The photographs least like any other, oddest first: 2 % of all, at most 500."""
    if len(snapshot.photos) < 2:
        return np.zeros(0, np.int64)
    count = min(MOST_OUTLIERS, int(np.ceil(OUTLIER_SHARE * len(snapshot.photos))))
    return np.argsort(-state.oddness(snapshot), kind="stable")[:count]


def _in_state(state: State, snapshot: Snapshot, name: models.StateFilter) -> NDArray[np.int64]:
    match name:
        case "labelled":
            return np.flatnonzero(snapshot.is_labelled_N)
        case "unlabelled":
            return np.flatnonzero(~snapshot.is_labelled_N)
        case "named":
            return snapshot.named_rows
        case "accepted":
            return snapshot.accepted_rows
        case "doubtful":
            return snapshot.doubtful
        case "new":
            return snapshot.likely_new_rows
        case "outliers":
            return outlier_rows(state, snapshot)
        case "duplicates":
            sets = state.duplicates(snapshot)
            return np.array([row for rows in sets for row in rows], dtype=np.int64)
    return np.arange(len(snapshot.photos))
