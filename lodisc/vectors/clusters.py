"""Groups of photographs that look alike, by spherical k-means.

The number of groups is chosen by the likelihood of held-out photographs.

Axes: N photographs, D features, P components, G groups, M held-out photographs, B a block.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lodisc.errors import UserError
from lodisc.vectors.components import principal_components
from lodisc.vectors.nearest import unit_rows

CRITERION = "held-out log-likelihood of a photograph, per feature"
MOST = 1000  # groups that are tried
SAMPLE = 20_000  # photographs that the number of groups is chosen by
FEW, SMALL = 500, 5_000  # up to here five or two folds of a fifth are held out in turn; above, one
COMPONENTS = 64
STARTS = 3
ROUNDS = 50
STEP = 1.25  # beyond 12, the factor from one number of groups to the next
GAIN = 0.95  # beyond it, k-means spends two groups on one kind
FLOOR = 1e-6  # of a variance: by so much float16 vectors of one photograph differ
_BLOCK_SIMILARITIES = 1 << 22


@dataclass(frozen=True, eq=False)
class Grouping:
    """Groups by their centroids: a photograph belongs to the group with the nearest centroid.

    New groups are numbered from 1, largest first.
    """

    centroids: NDArray[np.float32]
    """[G, D], of length 1, in the order of their numbers."""
    seed: int
    fingerprint: str
    """That of the encoder whose vectors were grouped."""
    smoothed: bool = False
    """Whether smoothed vectors were grouped; `assign` then takes smoothed ones too."""
    likelihoods: dict[int, tuple[float, float]] = field(default_factory=dict)
    """`CRITERION` and its standard error, by the number of groups that was tried.

    The standard error is that of the difference to the best. Empty when the number was given.
    """

    numbers: NDArray[np.int64] | None = None
    """The number of each group [G], ascending; by default 1..G."""

    def __len__(self) -> int:
        return len(self.centroids)

    @property
    def numbers_G(self) -> NDArray[np.int64]:
        return np.arange(1, len(self) + 1) if self.numbers is None else self.numbers


class Step(NamedTuple):
    """A part of grouping: it tries so many groups, or makes them, which is the last step."""

    k: int
    number: int
    """From 1."""
    most: int
    """There are no more steps; there are fewer once more groups no longer fit better."""

    @property
    def is_last(self) -> bool:
        return self.number == self.most


class Group(NamedTuple):
    """One group: number, number of photographs, most typical rows, most doubtful of the others."""

    group: int
    size: int
    typical: list[int]
    doubtful: list[int]


def find_groups(
    vectors_ND: NDArray[np.float32],
    *,
    smoothed_ND: NDArray[np.float32] | None = None,
    k: int | None = None,
    seed: int = 0,
    fingerprint: str = "",
    advance: Callable[[Step], None] = lambda step: None,
) -> Grouping:
    """Group vectors of length 1 into `k` groups, or into as many as `choose_k` finds.

    There are fewer if fewer vectors differ. If there are `smoothed_ND`, these are grouped, and the
    vectors only choose the number: smoothed ones lie in more heaps than there are kinds. `advance`
    is called before every step, and again within it; what it raises ends the grouping. Raises
    `UserError` if there are no vectors, and for `k` below 1.
    """
    if not len(vectors_ND):
        raise UserError("there are no photographs to group")
    if k is not None and k < 1:
        raise UserError(f"k must be at least 1, not {k}; leave it out to have it chosen")
    likelihoods = (
        {} if k is not None else held_out_likelihoods(vectors_ND, seed=seed, advance=advance)
    )
    is_smoothed = smoothed_ND is not None and smoothed_ND is not vectors_ND
    if smoothed_ND is not None:
        vectors_ND = smoothed_ND
    k = k or choose_k(likelihoods)
    steps = 1 if not likelihoods else len(_numbers_for(len(vectors_ND))) + 1
    last = Step(k, steps, steps)
    advance(last)
    points_NP = principal_components(vectors_ND, COMPONENTS)
    kmeans = _kmeans(points_NP, k, seed=seed)
    centroids_GD = _spherical(vectors_ND, kmeans.labels_, advance=lambda: advance(last))
    sizes_G = np.bincount(_nearest_two(vectors_ND, centroids_GD)[0], minlength=len(centroids_GD))
    order_G = np.argsort(-sizes_G, kind="stable")[: max(1, np.count_nonzero(sizes_G))]
    return Grouping(centroids_GD[order_G], seed, fingerprint, is_smoothed, likelihoods)


def choose_k(likelihoods: dict[int, tuple[float, float]]) -> int:
    """The fewest groups that are nearly as good as the best number.

    That is: they reach 95 % of its gain over one group, or lie within two standard errors of it.
    """
    best = max(value for value, _ in likelihoods.values())
    enough = likelihoods[1][0] + GAIN * (best - likelihoods[1][0])
    return min(
        k for k, (value, error) in likelihoods.items() if value >= min(enough, best - 2 * error)
    )


def held_out_likelihoods(
    vectors_ND: NDArray[np.float32],
    *,
    seed: int = 0,
    advance: Callable[[Step], None] = lambda step: None,
) -> dict[int, tuple[float, float]]:
    """The likelihood of held-out photographs under k groups of the others, by k.

    Each value comes with the standard error of its difference to the best. The groups are a
    mixture of round normal clouds with one variance v, p(x) = Σ_g (n_g / n) N(x; c_g, v), in the
    first P = 64 principal components, and the value is the mean of log p(x) / P. It rises while a
    further group is real and falls once groups are chance. Beyond 12, k grows by a quarter until
    the value has fallen twice. `advance` is as for `find_groups`.
    """
    order = np.random.default_rng(seed).permutation(len(vectors_ND))[:SAMPLE]
    if len(order) < 5:
        return {1: (0.0, 0.0)}
    points_NP = principal_components(vectors_ND[order], COMPONENTS)
    held_out = 5 if len(order) <= FEW else 2 if len(order) <= SMALL else 1
    folds = np.array_split(np.arange(len(order)), 5)[:held_out]
    scores: dict[int, NDArray[np.float64]] = {}
    numbers = _numbers_for(len(vectors_ND))
    for number, k in enumerate(numbers, start=1):
        fold_scores = []
        for fold in folds:
            advance(Step(k, number, len(numbers) + 1))
            fold_scores.append(
                _log_likelihood(np.delete(points_NP, fold, 0), points_NP[fold], k=k, seed=seed)
            )
        scores[k] = np.concatenate(fold_scores)
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
    """The number of the group [N] of every photograph, and its doubt [N] in 0..1.

    doubt = distance to its centroid / distance to the second nearest centroid. A doubt of 1 is on
    the border of two groups. With a single group, the doubt is 0.
    """
    first_N, near_N, second_N = _nearest_two(vectors_ND, grouping.centroids)
    group_N = grouping.numbers_G[first_N]
    if len(grouping) == 1:
        return group_N, np.zeros(len(vectors_ND), np.float32)
    distance_N, further_N = (
        np.sqrt(np.maximum(2 - 2 * similarity_N, 0)) for similarity_N in (near_N, second_N)
    )
    return group_N, np.divide(
        distance_N, further_N, out=np.ones_like(distance_N), where=further_N > 0
    )


def with_numbers_of(
    before: Grouping, grouping: Grouping, *, before_N: NDArray[np.int64], group_N: NDArray[np.int64]
) -> Grouping:
    """The grouping with the numbers of an earlier one, where most of a group's members stay.

    `before_N` and `group_N` are the groups of the same photographs in both. All others get the
    lowest numbers that are free, largest first.
    """
    numbers: dict[int, int] = {}
    sizes = dict(zip(*np.unique(before_N, return_counts=True), strict=True))
    pairs, shared_P = np.unique(np.stack([before_N, group_N], 1), axis=0, return_counts=True)
    order_P = np.argsort(-shared_P, kind="stable")
    for (old, new), shared in zip(pairs[order_P].tolist(), shared_P[order_P], strict=True):
        if new not in numbers and 2 * shared > sizes[old]:
            numbers[new] = old
    previous = set(numbers.values())
    free = (number for number in itertools.count(1) if number not in previous)
    for new in grouping.numbers_G.tolist():
        if new not in numbers:
            numbers[new] = next(free)
    numbers_G = np.array([numbers[new] for new in grouping.numbers_G.tolist()])
    order_G = np.argsort(numbers_G)
    return replace(grouping, centroids=grouping.centroids[order_G], numbers=numbers_G[order_G])


def typicality(
    vectors_ND: NDArray[np.float32], grouping: Grouping, group_N: NDArray[np.int64]
) -> NDArray[np.float32]:
    """How near each row lies to the middle of its group: the cosine [N] with its centroid."""
    cosine_N: NDArray[np.float32] = np.einsum(
        "nd,nd->n",
        vectors_ND,
        grouping.centroids[np.searchsorted(grouping.numbers_G, group_N)],
    )
    return cosine_N


def list_groups(
    vectors_ND: NDArray[np.float32],
    grouping: Grouping,
    *,
    typical: int = 6,
    doubtful: int = 5,
    allowed_N: NDArray[np.bool_] | None = None,
) -> list[Group]:
    """The groups that have photographs, by number; only those that `allowed_N` allows count.

    Each has its `typical` most typical rows, and the `doubtful` most doubtful of the others.
    """
    group_N, doubt_N = assign(vectors_ND, grouping)
    typicality_N = typicality(vectors_ND, grouping, group_N)
    groups = []
    for group in grouping.numbers_G.tolist():
        is_member_N = group_N == group
        rows = np.flatnonzero(is_member_N if allowed_N is None else is_member_N & allowed_N)
        if len(rows):
            rows = rows[np.argsort(-typicality_N[rows], kind="stable")]
            others = rows[typical:][::-1]  # where doubt is equal, the least typical come first
            worst = others[np.argsort(-doubt_N[others], kind="stable")[:doubtful]]
            groups.append(Group(group, len(rows), rows[:typical].tolist(), worst.tolist()))
    return groups


def _numbers_for(count: int) -> list[int]:
    """The numbers of groups to try for so many photographs: 1, 2, 3 … 12, then a quarter more."""
    most = max(1, min(MOST, min(SAMPLE, count) // 4))
    numbers = [1]
    while (
        following := max(numbers[-1] + 1, round(numbers[-1] * STEP) if numbers[-1] >= 12 else 0)
    ) <= most:
        numbers.append(following)
    return numbers


def _values(scores: dict[int, NDArray[np.float64]]) -> dict[int, tuple[float, float]]:
    """By k the mean of its scores, and the standard error of the difference to the best mean."""
    best = scores[max(scores, key=lambda k: float(scores[k].mean()))]
    return {
        k: (float(scores_M.mean()), float((best - scores_M).std()) / math.sqrt(len(scores_M)))
        for k, scores_M in scores.items()
    }


def _log_likelihood(
    train_NP: NDArray[np.float32], test_MP: NDArray[np.float32], *, k: int, seed: int
) -> NDArray[np.float64]:
    """`log p(x) / P` [M] of each test point under the k groups of the training points."""
    from scipy.special import logsumexp

    kmeans = _kmeans(train_NP, k, seed=seed)
    dim, centroids_GP = train_NP.shape[1], kmeans.cluster_centers_
    share_G = np.bincount(kmeans.labels_, minlength=len(centroids_GP)) / len(train_NP)
    variance = max(kmeans.inertia_ / (dim * max(1, len(train_NP) - k)), FLOOR)
    squares_MG = (
        (centroids_GP**2).sum(1) - 2 * test_MP @ centroids_GP.T + (test_MP**2).sum(1)[:, None]
    )
    with np.errstate(divide="ignore"):  # a group of nothing
        mixture_M = logsumexp(
            np.log(share_G) - squares_MG.astype(np.float64) / (2 * variance), axis=1
        )
    return mixture_M / dim - math.log(2 * math.pi * variance) / 2


def _kmeans(points_NP: NDArray[np.float32], k: int, *, seed: int) -> Any:
    """The best of three starts, each on one core: more threads crawl next to a running training."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    def from_start(start: int) -> Any:
        with threadpool_limits(1):
            random_state = (STARTS * seed + start) % 2**32
            model = KMeans(min(k, len(points_NP)), n_init=1, max_iter=15, random_state=random_state)
            return model.fit(points_NP)

    with warnings.catch_warnings(), ThreadPoolExecutor(STARTS) as pool:
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer different photographs than groups
        return min(pool.map(from_start, range(STARTS)), key=lambda kmeans: float(kmeans.inertia_))


def _spherical(
    vectors_ND: NDArray[np.float32], group_N: NDArray[np.int64], *, advance: Callable[[], None]
) -> NDArray[np.float32]:
    """The centroids [G, D], means scaled to length 1, once photographs no longer change groups.

    A centroid that repeats another one is left out. `advance` is called before every round.
    """
    from scipy.sparse import csr_array

    ones_N, first_N = np.ones(len(vectors_ND), np.float32), np.arange(len(vectors_ND) + 1)
    for _ in range(ROUNDS):
        advance()
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
    """Nearest centroid [N] of each vector, its similarity [N], and that of the second nearest [N].

    With a single centroid, both similarities are the same.
    """
    first_N = np.empty(len(vectors_ND), np.int64)
    near_N, second_N = np.empty(len(vectors_ND), np.float32), np.empty(len(vectors_ND), np.float32)
    step = max(1, _BLOCK_SIMILARITIES // len(centroids_GD))
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
