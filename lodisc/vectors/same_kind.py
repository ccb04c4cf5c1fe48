"""The probability that a look-alike is of the same kind, learnt from the labels of a collection.

It rests on three facts about a photograph and its look-alike, which need no labels:

    cosine    x·y minus the mean cosine of x with its 10 nearest
    overlap   the share of its 10 nearest that both have; the same of the 30 nearest

The labels say how much these tell, by the pairs that a person is shown: a labelled photograph and
another one among its `depth` nearest of all. The nearest *labelled* photographs would be too far
away, and random pairs farther still.

Axes: N photographs, D features, L labelled ones, Q queries, K look-alikes, P pairs, F facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lodisc.vectors.binary_logistic import fit_binary, platt_targets

NEAR, FAR = 10, 30
"""Lengths of the neighbour lists that are compared."""
DEPTHS = (24, 48, 96, 200)
"""How many nearest count as shown: the first depth that gives `WANTED` pairs, or else the last."""
WANTED, FEWEST = 50, 30
"""Pairs of the same kind to learn from, and as many of different kinds."""
MOST_QUERIES, MOST_PAIRS = 1000, 2000
COMPARISONS = 2 * 10**8
"""About so many cosines are computed at most, however large the collection."""
MOST_WEIGHT = 4.0
RIDGE = 1.0
CONSTANT = 1e-4
"""A fact that deviates by less tells nothing."""
MOST_PHOTOGRAPHS = 1_000_000
"""Of more, the lists that the facts compare would take longer than the look-alikes themselves."""
_BLOCK = 1 << 22  # similarities at a time: 16 MB

Facts = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SameKind:
    """Logistic regression on the facts of a pair; no weight is negative."""

    reason: str | None
    """Why there are no probabilities, in plain words."""
    weights_F: Facts
    bias: float
    bounds: tuple[float, float]
    """The least and the greatest probability that so many pairs allow."""

    def probabilities(
        self,
        vectors_ND: NDArray[np.float32],
        query_D: NDArray[np.float32],
        rows_K: Rows,
        *,
        own: int | None = None,
    ) -> NDArray[np.float64] | None:
        """For each of these rows [K], how likely it is of the same kind as the query.

        `own` is the row of the query, if it is one of the N. None where there is a reason.
        """
        if self.reason is not None:
            return None
        own_Q = np.array([-1 if own is None else own])
        lists_QK, cosines_QK = _nearest_others(vectors_ND, query_D[None], own_Q, FAR)
        near_QK, _ = _nearest_others(vectors_ND, vectors_ND[rows_K], rows_K, FAR)
        facts_PF = _facts(
            vectors_ND[rows_K] @ query_D,
            np.repeat(lists_QK, len(rows_K), axis=0),
            np.repeat(cosines_QK, len(rows_K), axis=0),
            near_QK,
        )
        return np.clip(expit(facts_PF @ self.weights_F + self.bias), *self.bounds)


def learn_same_kind(
    vectors_ND: NDArray[np.float32], labels: Sequence[str | None], *, seed: int = 0
) -> SameKind:
    """Learn from the labels; rows have length 1, or are zero.

    The labels are a fair sample of the shown pairs of different kinds: they hold the share
    ρ = (L − 1) / (N − 1) of them. They are none of those of the same kind, because people label
    as many of each kind, and not all kinds. With T shown pairs of labelled photographs, of which
    the labels say that S are of the same kind and D are not, about D / ρ are not, and T − D / ρ
    are. So a pair of the same kind has the weight (ρT − D) / S, within ¼ and 4.
    """
    kind_N = _kinds(labels)
    rng = np.random.default_rng((seed, len(labels)))
    labelled = np.flatnonzero(kind_N >= 0)
    if len(vectors_ND) > MOST_PHOTOGRAPHS:
        return not_told(f"of more than {MOST_PHOTOGRAPHS:,} photographs")
    if len(labelled) < 2:
        return _nothing_learnt(0, 0)
    most = max(100, COMPARISONS // len(vectors_ND))  # neighbour lists
    queries = np.sort(rng.permutation(labelled)[: min(MOST_QUERIES, most // 2)])
    lists_QK, cosines_QK = _nearest_others(vectors_ND, vectors_ND[queries], queries, DEPTHS[-1])
    queries_P, ranks_P, is_same_P, depth = _shown_pairs(kind_N, queries, lists_QK)
    same, different = int(is_same_P.sum()), int((~is_same_P).sum())
    if min(same, different) < FEWEST:
        return _nothing_learnt(same, different)
    share = (len(labelled) - 1) / (len(vectors_ND) - 1)
    weight = (share * len(queries) * depth - different) / same
    weight = min(max(weight, 1 / MOST_WEIGHT), MOST_WEIGHT)

    sample = rng.permutation(len(is_same_P))[: min(MOST_PAIRS, most // 2)]
    queries_P, ranks_P, is_same_P = queries_P[sample], ranks_P[sample], is_same_P[sample]
    others, places_P = np.unique(lists_QK[queries_P, ranks_P], return_inverse=True)
    near_QK, _ = _nearest_others(vectors_ND, vectors_ND[others], others, FAR)
    facts_PF = _facts(
        cosines_QK[queries_P, ranks_P],
        lists_QK[queries_P, :FAR],
        cosines_QK[queries_P],
        near_QK[places_P],
    )
    return _fit(facts_PF, is_same_P, np.where(is_same_P, weight, 1.0))


def not_told(where: str) -> SameKind:
    """No probabilities, with the place where there are none as the reason."""
    return _without(f"How likely they are of the same kind is not told {where}")


def _kinds(labels: Sequence[str | None]) -> Rows:
    """A number for each label [N]; -1 for none."""
    numbers: dict[str, int] = {}
    return np.array(
        [-1 if label is None else numbers.setdefault(label, len(numbers)) for label in labels],
        np.int64,
    )


def _nothing_learnt(same: int, different: int) -> SameKind:
    reason = (
        f"How likely a look-alike is of the same kind is known once {FEWEST} labelled look-alikes "
        f"are of the same kind and {FEWEST} are not; so far {same:,} are and {different:,} are not"
    )
    return _without(reason)


def _without(reason: str) -> SameKind:
    return SameKind(reason, np.zeros(3), 0.0, (0.0, 1.0))


def _shown_pairs(
    kind_N: Rows, queries: Rows, lists_QK: Rows
) -> tuple[Rows, Rows, NDArray[np.bool_], int]:
    """Query and rank [P] of every labelled look-alike, whether it is of the query's kind, depth."""
    kinds_QK = kind_N[lists_QK]
    is_same_QK = kinds_QK == kind_N[queries][:, None]
    is_labelled_QK = kinds_QK >= 0
    for depth in DEPTHS:
        same = int(is_same_QK[:, :depth].sum())
        if min(same, int(is_labelled_QK[:, :depth].sum()) - same) >= WANTED:
            break
    depth = min(depth, lists_QK.shape[1])
    queries_P, ranks_P = np.nonzero(is_labelled_QK[:, :depth])
    return queries_P, ranks_P, is_same_QK[queries_P, ranks_P], depth


def _nearest_others(
    vectors_ND: NDArray[np.float32], queries_QD: NDArray[np.float32], own_Q: Rows, count: int
) -> tuple[Rows, NDArray[np.float32]]:
    """Rows [Q, K] of the nearest photographs but the query's own, best first, and their cosines.

    `own_Q` is -1 for a query that is none of the photographs. Ties have no certain order.
    """
    count = min(count, len(vectors_ND) - int((own_Q >= 0).any()))
    rows_QK = np.empty((len(queries_QD), count), np.int64)
    cosines_QK = np.empty((len(queries_QD), count), np.float32)
    step = max(1, _BLOCK // max(1, len(vectors_ND)))
    for first in range(0, len(queries_QD) if count else 0, step):
        block = slice(first, first + step)
        similarity_BN = queries_QD[block] @ vectors_ND.T
        (inside,) = np.nonzero(own_Q[block] >= 0)
        similarity_BN[inside, own_Q[block][inside]] = -2
        best_BK = np.argpartition(similarity_BN, -count, axis=1)[:, -count:]
        cosines_BK = np.take_along_axis(similarity_BN, best_BK, axis=1)
        order_BK = np.argsort(-cosines_BK, axis=1, kind="stable")
        rows_QK[block] = np.take_along_axis(best_BK, order_BK, axis=1)
        cosines_QK[block] = np.take_along_axis(cosines_BK, order_BK, axis=1)
    return rows_QK, cosines_QK


def _facts(
    cosines_P: NDArray[np.float32],
    lists_PK: Rows,
    cosines_PK: NDArray[np.float32],
    other_lists_PK: Rows,
) -> Facts:
    """The facts [P, F] of pairs with these cosines.

    `lists_PK` and `cosines_PK` are the nearest of the queries, `other_lists_PK` those of their
    look-alikes.
    """
    relative_P = cosines_P - cosines_PK[:, :NEAR].mean(axis=1)
    overlaps = [_overlap(lists_PK, other_lists_PK, count) for count in (NEAR, FAR)]
    return np.stack([relative_P, *overlaps], axis=1).astype(np.float64)


def _overlap(a_PK: Rows, b_PK: Rows, count: int) -> Facts:
    """The share [P] of the first `count` rows that both lists have."""
    both_PK = np.sort(np.concatenate([a_PK[:, :count], b_PK[:, :count]], axis=1), axis=1)
    shared_P = (both_PK[:, 1:] == both_PK[:, :-1]).sum(axis=1)
    return shared_P / min(count, a_PK.shape[1])


def _fit(facts_PF: Facts, is_same_P: NDArray[np.bool_], weight_P: NDArray[np.float64]) -> SameKind:
    """Weights and bias that minimise the weighted cross-entropy and a ridge.

    Facts have mean 0 and deviation 1 meanwhile. The targets are Platt's, for the weights of both
    sides. They are the bounds too: few pairs that the facts part without an error do not make
    certainty.
    """
    mean_F = np.average(facts_PF, axis=0, weights=weight_P)
    deviation_F = facts_PF.std(axis=0)
    scale_F = np.where(deviation_F > CONSTANT, deviation_F, np.inf)
    same, different = float(weight_P[is_same_P].sum()), float(weight_P[~is_same_P].sum())
    low, high = platt_targets(same, different)
    solution = fit_binary(
        (facts_PF - mean_F) / scale_F,
        np.where(is_same_P, high, low),
        weight_P,
        ridge=[RIDGE] * facts_PF.shape[1] + [0.0],
        least=0.0,
    )
    weights_F = solution[:-1] / scale_F
    return SameKind(None, weights_F, float(solution[-1] - weights_F @ mean_F), (low, high))
