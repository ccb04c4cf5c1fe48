"""Look-alikes in collections of more than a million photographs: an IVF index proposes candidates, and exact cosines put them in order.

C/recall.json   what part of the exact answers the index finds, measured when it was made

Axes: N photographs, D feature, Q queries, K answers of a query.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lodisc.files import write_json
from lodisc.vectors.nearest import nearest, rank

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos

EXACT_UP_TO = 1_000_000
RECALL = "recall.json"
PROBES = 20  # cells of the index that are searched
CANDIDATES = 5  # for each answer
QUERIES = 200  # photographs that the recall is measured with
TOP = 12


class Recall(NamedTuple):
    """Of the TOP exact answers, the share that the index finds, for photographs drawn by lot."""

    share: float
    queries: int
    photographs: int
    fingerprint: str

    @property
    def words(self) -> str:
        """What one should know of answers by an index."""
        return f"The index finds {100 * self.share:.1f} % of the {TOP} exact look-alikes ({self.queries:,} photographs tried)."


def keep_index(collection: Collection, *, seed: int = 0) -> Recall | None:
    """Index the vectors of a collection that is too large for exact search, and measure the recall; none for a smaller one.

    Call it while `writing`. Killed, it leaves a collection that is searched exactly.
    """
    table = collection.store.table
    if table.count_rows() <= EXACT_UP_TO:
        return None
    from lancedb.index import IvfSq

    photos = collection.photos()
    if not any("vector" in index.columns for index in table.list_indices()):
        table.create_index("vector", config=IvfSq(distance_type="cosine"))
    queries = np.sort(
        np.random.default_rng(seed).choice(len(photos), min(QUERIES, len(photos)), replace=False)
    )
    _, exact_QK = nearest(photos.vectors, photos.vectors[queries], top=TOP + 1)
    _, found_QK = _by_index(collection, photos, photos.vectors[queries], top=TOP + 1)
    right_QK = found_QK[:, 1:] >= exact_QK[:, -1:] - 1e-6  # the first is the photograph itself
    recall = Recall(float(right_QK.mean()), len(queries), len(photos), photos.fingerprint)
    write_json(collection.path / RECALL, recall._asdict())
    return recall


def measured_recall(collection: Collection, photos: Photos) -> Recall | None:
    """The recall of the index that a collection is searched with; none where it is searched exactly."""
    if len(photos) <= EXACT_UP_TO:
        return None
    try:
        recall = Recall(**json.loads((collection.path / RECALL).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return (
        recall
        if (recall.fingerprint, recall.photographs) == (photos.fingerprint, len(photos))
        else None
    )


def look_alikes(
    collection: Collection,
    photos: Photos,
    queries_QD: NDArray[np.float32],
    *,
    top: int,
    allowed_N: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """As `nearest`, but by the index where `measured_recall` says that there is one and nothing is forbidden."""
    if allowed_N is not None or measured_recall(collection, photos) is None:
        return nearest(photos.vectors, queries_QD, top=top, allowed_N=allowed_N)
    return _by_index(collection, photos, queries_QD, top=top)


def _by_index(
    collection: Collection, photos: Photos, queries_QD: NDArray[np.float32], *, top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    count = min(top, len(photos))
    rows_QK, scores_QK = (
        np.empty((len(queries_QD), count), np.int64),
        np.empty((len(queries_QD), count), np.float32),
    )
    for query, query_D in enumerate(queries_QD):
        search = (
            collection.store.table.search(query_D, vector_column_name="vector")
            .distance_type("cosine")
            .nprobes(PROBES)
        )
        keys = (
            search.select(["key", "_distance"])
            .limit(CANDIDATES * count)
            .to_arrow()["key"]
            .to_pylist()
        )
        rows = np.sort([photos.position[key] for key in keys if key in photos.position]).astype(
            np.int64
        )
        if len(rows) < count:
            rows = np.arange(len(photos))
        rows_QK[query], scores_QK[query] = rank(photos.vectors, query_D, rows, count)
    return rows_QK, scores_QK
