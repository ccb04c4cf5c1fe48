"""Look-alikes: the photographs whose vectors are nearest by cosine similarity.

Axes: N photographs, D feature, Q queries, K answers of a query.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 1024  # rows made unit at a time: they stay in the cache
_BLOCK = 1 << 24  # similarities at a time: 64 MB
_ROUNDING = (
    2e-6  # more than a fast float32 product of unit vectors is off, by something else in each row
)


def unit_rows(vectors_ND: NDArray[Any]) -> NDArray[np.float32]:
    """The float16 or float32 rows [N, D] as float32 of length 1, a copy; a row of zeros stays as it is. They must be finite."""
    units_ND = np.empty(vectors_ND.shape, np.float32)
    for first in range(0, len(units_ND), _ROWS):
        block_BD = units_ND[first : first + _ROWS]
        block_BD[...] = vectors_ND[first : first + _ROWS]
        squares_B = np.einsum("bd,bd->b", block_BD, block_BD)
        assert np.isfinite(squares_B).all(), "a vector is not finite"
        block_BD /= np.sqrt(np.where(squares_B > 0, squares_B, 1))[:, None]
    return units_ND


def nearest(
    vectors_ND: NDArray[np.float32],
    queries_QD: NDArray[np.float32],
    *,
    top: int,
    allowed_N: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows [Q, K] of the `top` photographs most similar to each query, best first, and their cosine similarities [Q, K].

    Exact: of equal similarities the lower row comes first. Queries are of length 1; K is smaller than `top` when no more are allowed.
    Nothing is left out but what `allowed_N` forbids: a photograph finds itself.
    """
    count = min(top, len(vectors_ND) if allowed_N is None else int(allowed_N.sum()))
    rows_QK = np.empty((len(queries_QD), count), np.int64)
    scores_QK = np.empty((len(queries_QD), count), np.float32)
    step = max(1, _BLOCK // max(1, len(vectors_ND)))
    for first in range(0, len(queries_QD) if count else 0, step):
        similarity_BN = queries_QD[first : first + step] @ vectors_ND.T
        if allowed_N is not None:
            similarity_BN[:, ~allowed_N] = -np.inf
        for query, similarity_N in enumerate(similarity_BN, start=first):
            last = np.partition(similarity_N, len(similarity_N) - count)[len(similarity_N) - count]
            candidates = np.flatnonzero(similarity_N >= last - _ROUNDING)
            rows_QK[query], scores_QK[query] = best(
                vectors_ND, queries_QD[query], candidates, count
            )
    return rows_QK, scores_QK


def best(
    vectors_ND: NDArray[np.float32],
    query_D: NDArray[np.float32],
    candidates: NDArray[np.int64],
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `count` most similar of some rows in ascending order, best first, and their cosine similarities, computed alike for all."""
    scores = np.einsum("kd,d->k", vectors_ND[candidates], query_D, dtype=np.float64).astype(
        np.float32
    )
    order = np.argsort(-scores, kind="stable")[:count]
    return candidates[order], scores[order]
