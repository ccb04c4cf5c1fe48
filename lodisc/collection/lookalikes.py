"""Look-alikes in a collection, and how likely they are of the same kind.

Search is exact, or by an index if there are more than a million photographs. The index (IVF)
proposes candidates, and exact cosines put them in order.

Axes: N photographs, D features, Q queries, K answers of a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypedDict, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lodisc.files import read_json, write_json
from lodisc.vectors.nearest import nearest, rank

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos
    from lodisc.vectors.same_kind import SameKind

EXACT_UP_TO = 1_000_000
PROBES = 20  # cells of the index that are searched
CANDIDATES = 5  # for each answer
QUERIES = 200  # photographs that the recall is measured with
TOP = 12


class RecallEntry(TypedDict):
    """What `recall.json` holds."""

    share: float
    queries: int
    photographs: int
    fingerprint: str


@dataclass(frozen=True)
class Recall:
    """The share of the TOP exact answers that the index finds, for randomly drawn photographs."""

    share: float
    queries: int
    photographs: int
    fingerprint: str

    def to_dict(self) -> RecallEntry:
        return cast(RecallEntry, asdict(self))

    @property
    def words(self) -> str:
        """What one should know about answers by an index."""
        return (
            f"The index finds {100 * self.share:.1f} % of the {TOP} exact look-alikes "
            f"({self.queries:,} photographs tried)."
        )


def build_index(collection: Collection, *, seed: int = 0) -> Recall | None:
    """Index the vectors of a collection too large for exact search, and measure the recall.

    Returns None for a smaller collection. Only for a process that holds the lock of the folder. If
    it is killed, the collection is searched exactly.
    """
    table = collection.store.table
    if table.count_rows() <= EXACT_UP_TO:
        return None
    from lancedb.index import IvfSq

    photos = collection.photos()
    if not any("vector" in index.columns for index in table.list_indices()):
        table.create_index("vector", config=IvfSq(distance_type="cosine"))
    rng = np.random.default_rng(seed)
    queries = np.sort(rng.choice(len(photos), min(QUERIES, len(photos)), replace=False))
    _, exact_QK = nearest(photos.vectors, photos.vectors[queries], top=TOP + 1)
    _, scores_QK = _by_index(collection, photos, photos.vectors[queries], top=TOP + 1)
    hits_QK = scores_QK[:, 1:] >= exact_QK[:, -1:] - 1e-6  # the first is the photograph itself
    recall = Recall(float(hits_QK.mean()), len(queries), len(photos), photos.fingerprint)
    write_json(collection.files.recall, recall.to_dict())
    return recall


def measured_recall(collection: Collection, photos: Photos) -> Recall | None:
    """The recall of the index that a collection is searched with; None if search is exact."""
    if len(photos) <= EXACT_UP_TO:
        return None
    try:
        recall = Recall(**read_json(collection.files.recall, kinds=get_type_hints(RecallEntry)))
    except (OSError, ValueError, TypeError):
        return None
    current = (photos.fingerprint, len(photos))
    return recall if (recall.fingerprint, recall.photographs) == current else None


def look_alikes(
    collection: Collection,
    photos: Photos,
    queries_QD: NDArray[np.float32],
    *,
    top: int,
    allowed_N: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """As `nearest`; by the index, if its recall was measured and `allowed_N` is None."""
    if allowed_N is not None or measured_recall(collection, photos) is None:
        return nearest(photos.vectors, queries_QD, top=top, allowed_N=allowed_N)
    return _by_index(collection, photos, queries_QD, top=top)


def same_kind_shares(
    same_kind: SameKind,
    photos: Photos,
    labels: Sequence[str | None],
    query_D: NDArray[np.float32],
    rows: Sequence[int],
    *,
    own: int | None,
) -> list[float | None]:
    """How likely each of these rows is of the same kind as the query, in row `own` if in any.

    `labels` are those that people gave, by row: 1 or 0 if both have one, which decides. None for
    all where nothing is learnt.
    """
    shares_K = same_kind.probabilities(photos.vectors, query_D, np.array(rows, int), own=own)
    if shares_K is None:
        return [None] * len(rows)
    shares: list[float | None] = np.round(shares_K, 4).tolist()
    label = None if own is None else labels[own]
    if label is None:
        return shares
    return [
        share if labels[row] is None else float(labels[row] == label)
        for row, share in zip(rows, shares, strict=True)
    ]


def _by_index(
    collection: Collection, photos: Photos, queries_QD: NDArray[np.float32], *, top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    count = min(top, len(photos))
    rows_QK = np.empty((len(queries_QD), count), np.int64)
    scores_QK = np.empty((len(queries_QD), count), np.float32)
    for query, query_D in enumerate(queries_QD):
        candidates = _candidates(collection, photos, query_D, limit=CANDIDATES * count)
        if len(candidates) < count:
            candidates = np.arange(len(photos))
        rows_QK[query], scores_QK[query] = rank(photos.vectors, query_D, candidates, count)
    return rows_QK, scores_QK


def _candidates(
    collection: Collection, photos: Photos, query_D: NDArray[np.float32], *, limit: int
) -> NDArray[np.int64]:
    """The rows that the index proposes, in ascending order."""
    search = (
        collection.store.table.search(query_D, vector_column_name="vector")
        .distance_type("cosine")
        .nprobes(PROBES)
        .select(["key", "_distance"])
        .limit(limit)
    )
    with collection.store.reading():
        keys = search.to_arrow()["key"].to_pylist()
    rows = [photos.position[key] for key in keys if key in photos.position]
    return np.sort(np.array(rows, np.int64))
