"""`lodisc search`: the look-alikes of photographs, of the collection or of other files."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.describe import LookAlikeEntry, describe_look_alikes
from lodisc.collection.groups_file import load_groups
from lodisc.collection.lookalikes import (
    RecallEntry,
    look_alikes,
    measured_recall,
    same_kind_shares,
)
from lodisc.collection.row_labels import current_row_labels, predict
from lodisc.collection.where import rows_where
from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.vectors.clusters import assign
from lodisc.vectors.nearest import unit_rows

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos

logger = logging.getLogger("lodisc")


class SearchAnswer(TypedDict):
    """The look-alikes of one photograph, most alike first."""

    query: str
    found: list[LookAlikeEntry]


class SearchResult(TypedDict):
    """`lodisc search --json`"""

    photographs: int
    allowed: int | None
    """How many photographs meet the condition; None if there is no condition."""
    recall: RecallEntry | None
    """That of the index; None if the search was exact."""
    reason: str | None
    """Why nobody knows how likely a look-alike is of the same kind."""
    answers: list[SearchAnswer]


def look_up(
    collection: Collection,
    queries: Sequence[str],
    *,
    top: int = 12,
    where: str | None = None,
    device: str = "auto",
) -> SearchResult:
    """The `top` look-alikes of each photograph, given by its key in the collection or as a file.

    `where` is a condition in SQL that they must meet. A photograph of the collection is not among
    its own look-alikes. Raises `UserError` for what is neither a key nor a readable file, and for
    a condition that is not valid.
    """
    from lodisc.vectors.same_kind import learn_same_kind, not_told  # loads scipy

    photos = collection.photos()
    labels = collection.labels.current()
    from_people = current_row_labels(collection, photos).from_people
    vectors_QD = _vectors(collection, photos, queries, device=device)
    allowed_N = None if where is None else allowed_rows(collection, photos, where)
    rows_QK, scores_QK = look_alikes(
        collection, photos, vectors_QD, top=top + 1, allowed_N=allowed_N
    )
    same_kind = not_told("with --where")
    if allowed_N is None:
        same_kind = learn_same_kind(photos.vectors, from_people)
    answers = []
    for query, vector_D, rows_K, scores_K in zip(
        queries, vectors_QD, rows_QK, scores_QK, strict=True
    ):
        own = photos.position.get(query)
        others = (rows_K != (-1 if own is None else own)).nonzero()[0][:top]
        rows, scores = rows_K[others].tolist(), scores_K[others].tolist()
        shares = same_kind_shares(same_kind, photos, from_people, vector_D, rows, own=own)
        entries = describe_look_alikes(photos, labels, rows, scores, shares)
        answers.append(SearchAnswer(query=query, found=entries))
    recall = measured_recall(collection, photos) if allowed_N is None else None
    return SearchResult(
        photographs=len(photos),
        allowed=None if allowed_N is None else int(allowed_N.sum()),
        recall=recall.to_dict() if recall else None,
        reason=same_kind.reason,
        answers=answers,
    )


def allowed_rows(collection: Collection, photos: Photos, where: str) -> NDArray[np.bool_]:
    """Which photographs [N] meet a condition in SQL on columns, labels, groups and names."""
    labels, groups_N, names = collection.labels.current(), None, None
    if _mentions("group", where) and (grouping := load_groups(collection)) is not None:
        groups_N = assign(photos.grouped(grouping), grouping)[0]
    if _mentions("name", where):
        predictions = predict(photos, current_row_labels(collection, photos))
        if any(predictions.labels):
            names = [label or "" for label in predictions.labels]
    return rows_where(photos, labels, where, groups=groups_N, names=names)


def _mentions(column: str, where: str) -> bool:
    return re.search(rf"\b{column}\b", where, re.IGNORECASE) is not None


def _vectors(
    collection: Collection, photos: Photos, queries: Sequence[str], *, device: str
) -> NDArray[np.float32]:
    """The vectors [Q, D] of the queries, of length 1."""
    files = []
    for query in queries:
        row = photos.position.get(query)
        if row is not None:
            _note_file_of_that_name(query, photos.path(row))
        elif Path(query).is_file():
            files.append(query)
        else:
            raise UserError(
                f"{printable(query)} is neither the key of a photograph in "
                f"{printable(collection.path)} nor a file"
            )
    if not files:
        return photos.vectors[[photos.position[query] for query in queries]]
    embedded_FD = unit_rows(collection.encoder(device=device).embed(files).numpy())
    by_file = dict(zip(files, embedded_FD, strict=True))
    return np.stack(
        [
            by_file[query] if query in by_file else photos.vectors[photos.position[query]]
            for query in queries
        ]
    )


def _note_file_of_that_name(key: str, path: str) -> None:
    if Path(key).is_file() and Path(key).resolve() != Path(path).resolve():
        logger.info(
            "note: %s is taken for the photograph with that key; say ./%s for the file",
            printable(key),
            printable(key),
        )
