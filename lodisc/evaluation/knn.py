"""Nearest-neighbour classification: 20 neighbours, weighted by similarity.

Axes: Q queries (test), N labelled photographs (train), K neighbours, C classes.
"""

import torch
from torch import Tensor

from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, mean_estimates
from lodisc.vectors.logistic import unit

NEIGHBOURS = 20
TEMPERATURE = 0.07
_BLOCK = 1 << 25  # similarities at a time: 128 MB


def knn(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Top-1 of the vote of the 20 most similar training photographs.

    Similarity is the cosine; the weight of a vote is `exp(similarity / 0.07)`.
    """
    (top1,) = mean_estimates((knn_predictions(arm) == arm.test.labels).numpy()[:, None], seed=seed)
    return {"top1": top1}


def knn_predictions(arm: Arm) -> Tensor:
    """The class `[Q]` for which the neighbours of each test photograph vote."""
    return vote(
        unit(arm.test.vectors),
        unit(arm.train.vectors),
        arm.train.labels,
        classes=len(arm.train.classes),
    )


def vote(
    queries_QD: Tensor,
    keys_ND: Tensor,
    labels_N: Tensor,
    *,
    classes: int,
    neighbours: int = NEIGHBOURS,
) -> Tensor:
    """Classes `[Q]` with the largest `sum of exp(similarity / 0.07)` over the neighbours.

    Ties go to the lower class. All keys vote where there are fewer than `neighbours`.
    """
    rows = max(1, _BLOCK // len(keys_ND))
    winners = [
        _vote_block(block, keys_ND, labels_N, classes, min(neighbours, len(keys_ND)))
        for block in queries_QD.split(rows)
    ]
    return torch.cat(winners)


def _vote_block(
    queries_QD: Tensor, keys_ND: Tensor, labels_N: Tensor, classes: int, neighbours: int
) -> Tensor:
    near_QK, index_QK = (queries_QD @ keys_ND.T).topk(neighbours, dim=1)
    weights_QK = (near_QK / TEMPERATURE).double().exp()
    votes_QC = torch.zeros(len(queries_QD), classes, dtype=torch.float64)
    return votes_QC.scatter_add_(1, labels_N[index_QK], weights_QK).argmax(1)
