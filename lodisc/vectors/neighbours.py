"""What nearness alone tells of a collection: photographs that are nearly the same, and those that are least like any other.

Axes: N photographs, D feature, B and C two blocks of them, S a sample, K nearest ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

ALIKE = 0.95
NEAREST = 5
SAMPLE = 16_384
_BLOCK = 2048  # rows at a time: when all are alike their pairs with as many others take 64 MB


def duplicates(
    vectors_ND: NDArray[np.float32],
    digests: Sequence[str],
    *,
    threshold: float = ALIKE,
    advance: Callable[[int], None] = lambda rows: None,
) -> list[list[int]]:
    """Sets of rows of near-duplicates, largest set first: equal digests, or a cosine of at least `threshold`, perhaps by way of a third.

    The default: of 1,500 photographs of birds no two different ones reach it, and 95 to 100 of 100 copies do that were encoded anew,
    halved in size, mirrored or turned by three degrees, by an encoder that was trained on birds; by its untouched start three
    quarters of those encoded anew and few of the others. `advance` is told how many rows have been compared. Vectors are of length 1.
    """
    firsts: dict[str, int] = {}
    pairs = [
        np.array(
            [(firsts.setdefault(digest, row), row) for row, digest in enumerate(digests)], np.int64
        ).reshape(-1, 2)
    ]
    for first in range(0, len(vectors_ND), _BLOCK):
        block_BD = vectors_ND[first : first + _BLOCK]
        for second in range(first, len(vectors_ND), _BLOCK):
            alike_P2 = np.argwhere(
                block_BD @ vectors_ND[second : second + _BLOCK].T >= threshold
            ) + (first, second)
            pairs.append(_joined(alike_P2))
        advance(len(block_BD))
    first_N, row_N = _joined(np.concatenate(pairs)).T
    order = np.argsort(first_N, kind="stable")
    sets = np.split(row_N[order], np.flatnonzero(np.diff(first_N[order])) + 1)
    return sorted(
        (rows.tolist() for rows in sets if len(rows) > 1), key=lambda rows: (-len(rows), rows)
    )


def _joined(pairs_P2: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row that is in a pair, once, behind the first row that pairs join it to, perhaps itself: as few pairs as join the same rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows_R, places_P2 = np.unique(pairs_P2, return_inverse=True)
    if not len(rows_R):
        return pairs_P2
    one, other = places_P2.reshape(-1, 2).T
    graph_RR = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(len(rows_R),) * 2)
    _, set_R = connected_components(graph_RR, directed=False)
    _, first_of_set = np.unique(set_R, return_index=True)
    return np.stack([rows_R[first_of_set[set_R]], rows_R], axis=1)


def outliers(vectors_ND: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
    """How unlike the others each photograph is, [N]: one minus the mean cosine to its five nearest ones.

    Those are sought among 16,384 by lot where there are more. Higher is odder; 0 where there is one photograph. Vectors are of length 1.
    """
    count = len(vectors_ND)
    sample_S = (
        np.arange(count)
        if count <= SAMPLE
        else np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))
    )
    nearest = min(NEAREST, len(sample_S) - 1)
    if nearest < 1:
        return np.zeros(count, np.float32)
    odd_N = np.empty(count, np.float32)
    itself_N = np.full(count, -1)
    itself_N[sample_S] = np.arange(len(sample_S))
    for first in range(0, count, _BLOCK):
        block = slice(first, first + _BLOCK)
        cosine_BS = vectors_ND[block] @ vectors_ND[sample_S].T
        inside_B = np.flatnonzero(itself_N[block] >= 0)
        cosine_BS[inside_B, itself_N[block][inside_B]] = -np.inf
        odd_N[block] = 1 - np.partition(cosine_BS, -nearest, axis=1)[:, -nearest:].mean(1)
    return odd_N
