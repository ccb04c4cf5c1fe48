"""Exact nearest neighbours by cosine similarity.

Axes: N photographs, D feature, Q queries, K answers of a query.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_ROWS = 1024  # so that they stay in the processor's cache
_BLOCK_SIMILARITIES = 1 << 24  # 64 MB
_ROUNDING = 2e-6  # more than the error of a fast float32 product, which differs from row to row


def unit_rows(vectors_ND: NDArray[Any]) -> NDArray[np.float32]:
    """A copy of the float16 or float32 rows [N, D], as float32 of length 1. They must be finite.

    A row of zeros stays as it is.
    """
    units_ND = np.empty(vectors_ND.shape, np.float32)
    for first in range(0, len(units_ND), _BLOCK_ROWS):
        block_BD = units_ND[first : first + _BLOCK_ROWS]
        block_BD[...] = vectors_ND[first : first + _BLOCK_ROWS]
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
    """Rows [Q, K] of the `top` photographs most similar to each query, and their cosines [Q, K].

    Best first; ties go to the lower row. Queries have length 1. K is smaller than `top` if fewer
    are allowed. Nothing is left out except what `allowed_N` forbids: a photograph finds itself.
    """
    count = min(top, len(vectors_ND) if allowed_N is None else int(allowed_N.sum()))
    rows_QK = np.empty((len(queries_QD), count), np.int64)
    scores_QK = np.empty((len(queries_QD), count), np.float32)
    step = max(1, _BLOCK_SIMILARITIES // max(1, len(vectors_ND)))
    for first in range(0, len(queries_QD) if count else 0, step):
        similarity_BN = queries_QD[first : first + step] @ vectors_ND.T
        if allowed_N is not None:
            similarity_BN[:, ~allowed_N] = -np.inf
        for query, similarity_N in enumerate(similarity_BN, start=first):
            place = len(similarity_N) - count
            last = np.partition(similarity_N, place)[place]
            candidates = np.flatnonzero(similarity_N >= last - _ROUNDING)
            rows_QK[query], scores_QK[query] = rank(
                vectors_ND, queries_QD[query], candidates, count
            )
    return rows_QK, scores_QK


def rank(
    vectors_ND: NDArray[np.float32],
    query_D: NDArray[np.float32],
    candidates: NDArray[np.int64],
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `count` most similar of the candidate rows, best first, and their cosines.

    Candidates are in ascending order; the cosines are computed in the same way for all.
    """
    scores = np.einsum("kd,d->k", vectors_ND[candidates], query_D, dtype=np.float64).astype(
        np.float32
    )
    order = np.argsort(-scores, kind="stable")[:count]
    return candidates[order], scores[order]
