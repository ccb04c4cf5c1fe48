"""Semi-supervised k-means: some photographs have labels, and stay in the group of their class.

As in Generalized Category Discovery (arXiv 2201.02609): the first K centroids are the
means of the labelled classes, the others are drawn among the unlabelled photographs.

Axes: L labelled and N unlabelled photographs, D features, K labelled classes, G groups, B a block.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

STARTS = 100
ROUNDS = 200
_BLOCK_DISTANCES = 1 << 22  # 16 MB


def semi_supervised_kmeans(
    labelled_LD: NDArray[np.float32],
    labels_L: NDArray[np.int64],
    unlabelled_ND: NDArray[np.float32],
    *,
    groups: int,
    seed: int = 0,
    starts: int = STARTS,
    advance: Callable[[], object] = lambda: None,
) -> NDArray[np.int64]:
    """The group `[N]`, in 0..G-1, of every unlabelled photograph; group k < K is class k.

    `labels_L` holds each of 0..K-1, and K is at most `groups`. `advance` is called after every
    start. The result is that of the start with the least inertia, the first of equals: the sum over
    all L + N photographs of the squared distance to the mean of their group. Where vectors are
    equal, groups may stay empty.
    """
    classes = int(labels_L.max()) + 1
    assert classes <= groups, "there are more labelled classes than groups"
    fixed_GD, fixed_G = _sums(labelled_LD, labels_L, groups)
    means_KD = fixed_GD[:classes] / fixed_G[:classes, None]
    squares_N = _nearest(unlabelled_ND, means_KD)[1]

    def from_start(start: int) -> tuple[NDArray[np.int64], float]:
        rng = np.random.default_rng((seed, start))
        new = _draw(unlabelled_ND, squares_N, groups - classes, rng)
        centroids_GD = np.concatenate([means_KD, unlabelled_ND[new]])
        settled = _settle(unlabelled_ND, centroids_GD, fixed_GD, fixed_G)
        advance()
        return settled

    return max(map(from_start, range(starts)), key=lambda result: result[1])[0]


def _draw(
    unlabelled_ND: NDArray[np.float32],
    squares_N: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """`count` rows by k-means++, as probable as their squared distance to the nearest centroid.

    `squares_N` is that distance at first. Where it is 0 for all, any row is as probable.
    """
    rows: list[int] = []
    for _ in range(count):
        cumulative_N = squares_N.cumsum(dtype=np.float64)
        if cumulative_N[-1] > 0:
            place = rng.random() * cumulative_N[-1]
            row = min(int(np.searchsorted(cumulative_N, place, side="right")), len(squares_N) - 1)
        else:
            row = int(rng.integers(len(squares_N)))
        rows.append(row)
        squares_N = np.minimum(squares_N, _nearest(unlabelled_ND, unlabelled_ND[row, None])[1])
    return rows


def _settle(
    unlabelled_ND: NDArray[np.float32],
    centroids_GD: NDArray[np.float32],
    fixed_GD: NDArray[np.float32],
    fixed_G: NDArray[np.float32],
) -> tuple[NDArray[np.int64], float]:
    """The groups `[N]` once none changes, and how compact they are: higher is less inertia.

    With S_g the sum and n_g the number of the photographs in group g, labelled ones included, the
    inertia is Σ|x|² − Σ_g |S_g|² / n_g. Only the second term differs between groupings.
    `fixed_GD` and `fixed_G` are the sums and numbers of the labelled photographs.
    """
    group_N, compactness = np.full(len(unlabelled_ND), -1), 0.0
    for _ in range(ROUNDS):
        before_N, group_N = group_N, _nearest(unlabelled_ND, centroids_GD)[0]
        if np.array_equal(before_N, group_N):
            break
        free_GD, free_G = _sums(unlabelled_ND, group_N, len(centroids_GD))
        sums_GD, sizes_G1 = fixed_GD + free_GD, (fixed_G + free_G)[:, None]
        means_GD = sums_GD / np.maximum(sizes_G1, 1)
        compactness = float((means_GD.astype(np.float64) * sums_GD).sum())
        centroids_GD = np.where(sizes_G1 > 0, means_GD, centroids_GD)
    return group_N, compactness


def _sums(
    vectors_ND: NDArray[np.float32], group_N: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The sum `[G, D]` and the number `[G]` of the vectors in each group."""
    ones_N = np.ones(len(group_N), np.float32)
    member_NG = csr_array((ones_N, group_N, np.arange(len(group_N) + 1)), (len(group_N), groups))
    sizes_G = np.bincount(group_N, minlength=groups).astype(np.float32)
    return member_NG.T @ vectors_ND, sizes_G


def _nearest(
    vectors_ND: NDArray[np.float32], centroids_GD: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest centroid `[N]` of each vector and its squared distance; ties: the lower one."""
    group_N = np.empty(len(vectors_ND), np.int64)
    squares_N = np.einsum("nd,nd->n", vectors_ND, vectors_ND)
    norms_G = np.einsum("gd,gd->g", centroids_GD, centroids_GD)
    step = max(1, _BLOCK_DISTANCES // len(centroids_GD))
    for first in range(0, len(vectors_ND), step):
        block = slice(first, first + step)
        distance_BG = norms_G - 2 * vectors_ND[block] @ centroids_GD.T
        group_N[block] = distance_BG.argmin(1)
        squares_N[block] += distance_BG.min(1)
    return group_N, np.maximum(squares_N, 0)
