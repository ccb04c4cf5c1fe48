"""Which photographs a listing holds, and in which order.

Axes: N photographs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lodisc.web import models
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import State

ODD_SHARE, MOST_ODD = 0.02, 500


@dataclass(frozen=True)
class Wanted:
    """What a listing is asked for; every condition must hold."""

    state: models.State = "all"
    group: int | None = None
    label: str | None = None
    folder: str | None = None
    sort: models.Sort | None = None
    """By default by key; what is doubtful, odd or there twice comes in that order."""


def list_photos(
    state: State, wanted: Wanted, *, offset: int = 0, limit: int = 100
) -> models.Photos:
    """A page of the photographs that are wanted."""
    now = state.now()
    rows = rows_wanted(state, now, wanted)
    return models.Photos(
        total=len(rows), photos=[now.photo(int(row)) for row in rows[offset : offset + limit]]
    )


def rows_wanted(state: State, now: Now, wanted: Wanted) -> NDArray[np.int64]:
    """The rows of all photographs that are wanted, in order."""
    rows = _in_state(state, now, wanted.state)
    if wanted.group is not None:
        rows = (
            rows[now.groups.group_N[rows] == wanted.group] if now.groups is not None else rows[:0]
        )
    if wanted.label is not None:
        rows = rows[
            np.fromiter((now.label_N[row] == wanted.label for row in rows), np.bool_, len(rows))
        ]
    if wanted.folder is not None:
        rows = rows[now.folder_N[rows] == wanted.folder]
    match wanted.sort:
        case "key":
            return np.sort(rows)
        case "doubt" if now.doubt_N is not None:
            return rows[np.argsort(-now.doubt_N[rows], kind="stable")]
        case "typical":
            return rows[np.argsort(-now.typical_N[rows], kind="stable")]
    return rows


def odd_rows(state: State, now: Now) -> NDArray[np.int64]:
    """The photographs that are least like any other, oddest first: one in fifty, at most 500."""
    count = min(MOST_ODD, int(np.ceil(ODD_SHARE * len(now.photos)))) if len(now.photos) > 1 else 0
    return (
        np.argsort(-state.oddness(now), kind="stable")[:count] if count else np.zeros(0, np.int64)
    )


def _in_state(state: State, now: Now, name: models.State) -> NDArray[np.int64]:
    match name:
        case "labelled":
            return np.flatnonzero(now.is_labelled_N)
        case "unlabelled":
            return np.flatnonzero(~now.is_labelled_N)
        case "doubtful":
            return now.doubtful
        case "outliers":
            return odd_rows(state, now)
        case "duplicates":
            return np.array([row for rows in state.duplicates(now) for row in rows], dtype=np.int64)
    return np.arange(len(now.photos))
