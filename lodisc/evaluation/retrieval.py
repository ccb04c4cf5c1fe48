"""Retrieval inside test: each photograph is a query for its class among all the others.

Axes: N photographs, D features, Q queries of a block, P positives of a query (padded), T ties.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from lodisc.errors import UserError
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, mean_estimates
from lodisc.vectors.logistic import unit
from lodisc.vectors.neighbours import smoothed

METRICS = ("rank1", "rank5", "map", "r_precision", "map_at_r")
_BLOCK = 1 << 22  # similarities at a time: 16 MB and a few copies, which fit into the cache


def retrieval(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Rank-1, Rank-5, mAP over all positives, R-precision and mAP@R by cosine similarity.

    The only photograph of a class has no positives: it is not a query, but stays in the gallery of
    the others. Raises `UserError` when that leaves no query. The intervals resample the queries.
    """
    scores_NM = retrieval_scores(arm.test.vectors, arm.test.labels)
    queries_N = scores_NM.isfinite().all(1)
    if not queries_N.any():
        raise UserError(
            "retrieval: no class has two test photographs, so no query has a match; "
            "leave the protocol out"
        )
    return dict(zip(METRICS, mean_estimates(scores_NM[queries_N].numpy(), seed=seed), strict=True))


def smoothed_retrieval(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """`retrieval` with each test vector averaged with its nearest, as `vectors.neighbours` does.

    It shows how well whole collections sort, not how well one new photograph is recognised.
    """
    vectors_ND = smoothed(arm.test.vectors)
    return retrieval(replace(arm, test=replace(arm.test, vectors=vectors_ND)), seed=seed)


def retrieval_scores(vectors_ND: Tensor, labels_N: Tensor) -> Tensor:
    """Scores of every query, float64 `[N, 5]` in the order of `METRICS`.

    With `rank_i` the rank of the i-th of the R positives of a query: `map = 1/R Σ_i i / rank_i`,
    `map_at_r` is the same sum over the `rank_i ≤ R`, and `r_precision = |{i: rank_i ≤ R}| / R`.
    NaN for the only photograph of a class. Ties go to the lower index.
    """
    units_ND = unit(vectors_ND)
    members_CP, sizes_C = _members(labels_N)
    rows = max(1, _BLOCK // len(units_ND))
    workers = torch.get_num_threads()
    with ThreadPoolExecutor(workers) as pool:
        blocks = [
            _scores(
                _positive_ranks(units_ND, queries, members_CP[labels_N[queries]], pool, workers),
                sizes_C[labels_N[queries]] - 1,
            )
            for queries in torch.arange(len(units_ND)).split(rows)
        ]
    return torch.cat(blocks)


def _members(labels_N: Tensor) -> tuple[Tensor, Tensor]:
    """The photographs of every class, `[C, P]` padded with -1, and their number `[C]`."""
    sizes_C = labels_N.bincount()
    order_N = labels_N.argsort(stable=True)
    place_N = torch.arange(len(labels_N)) - (sizes_C.cumsum(0) - sizes_C)[labels_N[order_N]]
    members_CP = torch.full((len(sizes_C), int(sizes_C.max())), -1)
    members_CP[labels_N[order_N], place_N] = order_N
    return members_CP, sizes_C


def _positive_ranks(
    units_ND: Tensor, queries_Q: Tensor, members_QP: Tensor, pool: ThreadPoolExecutor, workers: int
) -> Tensor:
    """Ranks, from 1, of the positives of each query, ascending, int64 `[Q, P]`.

    Past the last positive follow numbers larger than any rank.
    """
    count = len(units_ND)
    similarity_QN = units_ND[queries_Q] @ units_ND.T
    similarity_QN[torch.arange(len(queries_Q)), queries_Q] = -torch.inf
    sorted_QN = similarity_QN.clone()
    list(pool.map(lambda rows: rows.sort(axis=1), np.array_split(sorted_QN.numpy(), workers)))

    real_QP = (members_QP >= 0) & (members_QP != queries_Q[:, None])
    positive_QP = similarity_QN.gather(1, members_QP.clamp(min=0))
    after_QP = torch.searchsorted(sorted_QN, positive_QP, right=True)
    equal_QP = after_QP - torch.searchsorted(sorted_QN, positive_QP)
    ranks_QP = count - after_QP + 1
    tied = (real_QP & (equal_QP > 1)).nonzero()
    for query_T, place_T in (pairs.T for pairs in tied.split(len(queries_Q))):
        before_TN = similarity_QN[query_T] == positive_QP[query_T, place_T, None]
        before_TN &= torch.arange(count) < members_QP[query_T, place_T, None]
        ranks_QP[query_T, place_T] += before_TN.sum(1)
    return ranks_QP.masked_fill(~real_QP, 2 * count).sort(dim=1).values


def _scores(ranks_QP: Tensor, positives_Q: Tensor) -> Tensor:
    total_Q1 = positives_Q[:, None].double()
    count_P = torch.arange(1, ranks_QP.shape[1] + 1)
    precision_QP = torch.where(count_P <= total_Q1, count_P / ranks_QP.double(), 0.0)
    within_QP = ranks_QP <= total_Q1
    first_Q = ranks_QP[:, 0]
    scores_QM = torch.stack(
        [
            (first_Q == 1).double(),
            (first_Q <= 5).double(),
            precision_QP.sum(1) / total_Q1[:, 0],
            within_QP.sum(1) / total_Q1[:, 0],
            (precision_QP * within_QP).sum(1) / total_Q1[:, 0],
        ],
        dim=1,
    )
    return scores_QM.masked_fill(total_Q1 == 0, torch.nan)
