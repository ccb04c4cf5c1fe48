"""Groups of photographs that look alike: spherical k-means, their number chosen by what it foretells of photographs left out.

Axes: N photographs, D feature, G groups.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lodisc.errors import UserError
from lodisc.vectors.components import principal_components
from lodisc.vectors.nearest import unit_rows

CRITERION = "held-out log-likelihood of a photograph, per feature"
MOST = 1000  # groups that are tried
SAMPLE = 20_000  # photographs that the number of groups is chosen by
SMALL = 5_000  # up to here two fifths of the photographs are left out, one after the other; above, one fifth
COMPONENTS = 64
STARTS = 3
ROUNDS = 50
STEP = 1.25  # beyond 12, each number of groups that is tried to the one before
GAIN = 0.95  # the rest is where k-means needs two groups for one kind
FLOOR = 1e-6  # of a variance: what float16 vectors of one photograph differ by
_BLOCK = 1 << 22  # similarities at a time


@dataclass(frozen=True, eq=False)
class Grouping:
    """What makes groups: a photograph is of the group whose centroid is nearest. Groups are numbered from 1, largest first."""

    centroids: NDArray[np.float32]
    """[G, D], of length 1; group 1 is the first row."""
    seed: int
    fingerprint: str
    """That of the encoder whose vectors were grouped."""
    tried: dict[int, tuple[float, float]] = field(default_factory=dict)
    """`CRITERION` by the number of groups, and the standard error of its distance to the best; empty when the number was given."""

    def __len__(self) -> int:
        return len(self.centroids)


class Group(NamedTuple):
    """One group: its number, how many photographs, the row nearest to the centroid, and the rows of the most doubtful ones."""

    group: int
    size: int
    representative: int
    doubtful: list[int]


def find_groups(
    vectors_ND: NDArray[np.float32],
    *,
    k: int | None = None,
    seed: int = 0,
    fingerprint: str = "",
    advance: Callable[[int], None] = lambda k: None,
) -> Grouping:
    """Group vectors of length 1 into `k` groups, or as many as `choose_k` finds; fewer where fewer of them differ.

    `advance` is told every number of groups that has been tried. Raises `UserError` for no vectors and for `k` below 1.
    """
    if not len(vectors_ND):
        raise UserError("there are no photographs to group")
    if k is not None and k < 1:
        raise UserError(f"--k must be at least 1, not {k}")
    tried = {} if k is not None else held_out_likelihoods(vectors_ND, seed=seed, advance=advance)
    fitted = _kmeans(principal_components(vectors_ND, COMPONENTS), k or choose_k(tried), seed=seed)
    centroids_GD = _spherical(vectors_ND, fitted.labels_)
    sizes_G = np.bincount(_nearest_two(vectors_ND, centroids_GD)[0], minlength=len(centroids_GD))
    order_G = np.argsort(-sizes_G, kind="stable")[: max(1, np.count_nonzero(sizes_G))]
    return Grouping(centroids_GD[order_G], seed, fingerprint, tried)


def choose_k(tried: dict[int, tuple[float, float]]) -> int:
    """The fewest groups that reach 95 % of the best value's gain over one group, or are no more than two standard errors below it."""
    best = max(value for value, _ in tried.values())
    enough = tried[1][0] + GAIN * (best - tried[1][0])
    return min(k for k, (value, error) in tried.items() if value >= min(enough, best - 2 * error))


def held_out_likelihoods(
    vectors_ND: NDArray[np.float32],
    *,
    seed: int = 0,
    advance: Callable[[int], None] = lambda k: None,
) -> dict[int, tuple[float, float]]:
    """How well k groups of four fifths of the photographs foretell the others, by k, with the standard error of the distance to the best.

    The groups are a mixture of round normal clouds with one variance v, p(x) = Σ_g (n_g / n) N(x; c_g, v), in the first P = 64
    principal components, and the value is the mean of log p(x) / P. It rises while a further group is real and falls when groups
    are chance; beyond 12, k grows by a quarter until it has fallen twice.
    """
    order = np.random.default_rng(seed).permutation(len(vectors_ND))[:SAMPLE]
    if len(order) < 5:
        return {1: (0.0, 0.0)}
    points_NP = principal_components(vectors_ND[order], COMPONENTS)
    folds = np.array_split(np.arange(len(order)), 5)[: 2 if len(order) <= SMALL else 1]
    scores: dict[int, NDArray[np.float64]] = {}
    for k in _numbers(max(1, min(MOST, len(order) // 4))):
        scores[k] = np.concatenate(
            [
                _log_likelihood(np.delete(points_NP, fold, 0), points_NP[fold], k=k, seed=seed)
                for fold in folds
            ]
        )
        advance(k)
        values = _values(scores)
        top = max(value for value, _ in values.values())
        if k * k > len(order) and all(
            top - value > 2 * error for value, error in list(values.values())[-2:]
        ):
            break
    return _values(scores)


def assign(
    vectors_ND: NDArray[np.float32], grouping: Grouping
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The group (1..G) of every photograph [N], and its doubt [N] in 0..1: distance to its centroid / distance to the second nearest one.

    A doubt of 1 is on the border of two groups; where there is one group only, nothing is in doubt.
    """
    first_N, near_N, second_N = _nearest_two(vectors_ND, grouping.centroids)
    if len(grouping) == 1:
        return first_N + 1, np.zeros(len(vectors_ND), np.float32)
    distance_N, further_N = (
        np.sqrt(np.maximum(2 - 2 * similarity_N, 0)) for similarity_N in (near_N, second_N)
    )
    return first_N + 1, np.divide(
        distance_N, further_N, out=np.ones_like(distance_N), where=further_N > 0
    )


def typical(
    vectors_ND: NDArray[np.float32], grouping: Grouping, group_N: NDArray[np.int64]
) -> NDArray[np.float32]:
    """How near each row lies to the middle of its group: the cosine with its centroid."""
    near_N: NDArray[np.float32] = np.einsum("nd,nd->n", vectors_ND, grouping.centroids[group_N - 1])
    return near_N


def describe(
    vectors_ND: NDArray[np.float32], grouping: Grouping, *, doubtful: int = 5
) -> list[Group]:
    """The groups that have photographs, by number; at most `doubtful` of each are named, the most doubtful first."""
    group_N, doubt_N = assign(vectors_ND, grouping)
    typical_N = typical(vectors_ND, grouping, group_N)
    groups = []
    for group in range(1, len(grouping) + 1):
        rows = np.flatnonzero(group_N == group)
        if len(rows):
            representative = int(rows[np.argmax(typical_N[rows])])
            others = rows[rows != representative]
            worst = others[np.argsort(-doubt_N[others], kind="stable")[:doubtful]]
            groups.append(Group(group, len(rows), representative, worst.tolist()))
    return groups


def _numbers(most: int) -> list[int]:
    """1, 2, 3 … 12 and then a quarter more each time, up to `most`."""
    numbers = [1]
    while (
        following := max(numbers[-1] + 1, round(numbers[-1] * STEP) if numbers[-1] >= 12 else 0)
    ) <= most:
        numbers.append(following)
    return numbers


def _values(scores: dict[int, NDArray[np.float64]]) -> dict[int, tuple[float, float]]:
    """The mean of each number's scores, and the standard error of its difference from the best mean."""
    best = scores[max(scores, key=lambda k: float(scores[k].mean()))]
    return {
        k: (float(each.mean()), float((best - each).std()) / math.sqrt(len(each)))
        for k, each in scores.items()
    }


def _log_likelihood(
    known_NP: NDArray[np.float32], unknown_MP: NDArray[np.float32], *, k: int, seed: int
) -> NDArray[np.float64]:
    """`log p(x) / P` of each unknown point under the k groups of the known ones."""
    from scipy.special import logsumexp

    fitted = _kmeans(known_NP, k, seed=seed)
    dim, centroids_GP = known_NP.shape[1], fitted.cluster_centers_
    share_G = np.bincount(fitted.labels_, minlength=len(centroids_GP)) / len(known_NP)
    variance = max(fitted.inertia_ / (dim * max(1, len(known_NP) - k)), FLOOR)
    squares_MG = (
        (centroids_GP**2).sum(1) - 2 * unknown_MP @ centroids_GP.T + (unknown_MP**2).sum(1)[:, None]
    )
    with np.errstate(divide="ignore"):  # a group of nothing
        mixture_M = logsumexp(
            np.log(share_G) - squares_MG.astype(np.float64) / (2 * variance), axis=1
        )
    return mixture_M / dim - math.log(2 * math.pi * variance) / 2


def _kmeans(points_NP: NDArray[np.float32], k: int, *, seed: int) -> Any:
    """The best of three starts, each on a core of its own: threads that wait for each other crawl beside a training."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    def from_start(start: int) -> Any:
        with threadpool_limits(1):
            return KMeans(
                min(k, len(points_NP)), n_init=1, max_iter=15, random_state=STARTS * seed + start
            ).fit(points_NP)

    with warnings.catch_warnings(), ThreadPoolExecutor(STARTS) as pool:
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer different photographs than groups
        return min(pool.map(from_start, range(STARTS)), key=lambda fitted: float(fitted.inertia_))


def _spherical(vectors_ND: NDArray[np.float32], group_N: NDArray[np.int64]) -> NDArray[np.float32]:
    """The centroids [G, D], means at length 1, at which photographs stop to change their groups; those that repeat another are left out."""
    from scipy.sparse import csr_array

    ones_N, first_N = np.ones(len(vectors_ND), np.float32), np.arange(len(vectors_ND) + 1)
    for _ in range(ROUNDS):
        member_NG = csr_array(
            (ones_N, group_N, first_N), shape=(len(vectors_ND), int(group_N.max()) + 1)
        )
        centroids_GD = _distinct(unit_rows(member_NG.T @ vectors_ND))
        before_N, group_N = group_N, _nearest_two(vectors_ND, centroids_GD)[0]
        if np.array_equal(before_N, group_N):
            break
    return centroids_GD


def _distinct(centroids_GD: NDArray[np.float32]) -> NDArray[np.float32]:
    """The centroids without those that repeat an earlier one."""
    same_GG = np.tril(centroids_GD @ centroids_GD.T > 1 - FLOOR, -1)
    return centroids_GD[~same_GG.any(1)]


def _nearest_two(
    vectors_ND: NDArray[np.float32], centroids_GD: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """The nearest centroid of each vector, its similarity, and that of the second nearest; with one centroid, of the same."""
    first_N = np.empty(len(vectors_ND), np.int64)
    near_N, second_N = np.empty(len(vectors_ND), np.float32), np.empty(len(vectors_ND), np.float32)
    step = max(1, _BLOCK // len(centroids_GD))
    for begin in range(0, len(vectors_ND), step):
        block = slice(begin, begin + step)
        similarity_BG = vectors_ND[block] @ centroids_GD.T
        first_N[block] = similarity_BG.argmax(1)
        near_N[block] = similarity_BG.max(1)
        second_N[block] = (
            np.partition(similarity_BG, -2, axis=1)[:, -2]
            if len(centroids_GD) > 1
            else near_N[block]
        )
    return first_N, near_N, second_N
