"""Few-shot: the accuracy with 1, 5 or 10 labels a class.

Axes: N photographs, D features, C classes, S draws.
"""

import numpy as np
import torch
from torch import Tensor

from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, draws_estimate
from lodisc.vectors.logistic import centred, unit

SHOTS = (1, 5, 10)
DRAWS = 10


def fewshot(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Top-1 with 1, 5 and 10 labelled photographs a class.

    Mean and standard deviation over 10 seeded draws from train. The classifier is the nearest
    centroid of SimpleShot (arXiv 1911.04623) on features that are centred on train and of length 1.
    It has no hyperparameter, which one or five labels a class could not choose anyway.
    """
    train_ND, test_ND = map(unit, centred(arm.train.vectors, arm.test.vectors))
    estimates = {}
    for shots in SHOTS:
        hits_SN = np.stack(
            [
                _hits(train_ND, test_ND, arm, draw(arm.train.labels, shots, seed=(seed, index)))
                for index in range(DRAWS)
            ]
        )
        estimates[f"shots{shots}"] = draws_estimate(hits_SN, seed=seed)
    return estimates


def draw(labels_N: Tensor, shots: int, *, seed: tuple[int, int]) -> Tensor:
    """Positions of `shots` photographs of every class, or of all where a class has fewer."""
    rng = np.random.default_rng(seed)
    members = (np.flatnonzero(labels_N.numpy() == label) for label in np.unique(labels_N.numpy()))
    return torch.from_numpy(
        np.concatenate([rng.permutation(indices)[:shots] for indices in members])
    )


def nearest_centroid(support_ND: Tensor, labels_N: Tensor, queries_QD: Tensor) -> Tensor:
    """Classes `[Q]` whose mean support feature is nearest; ties go to the lower class."""
    classes, position_N = labels_N.unique(return_inverse=True)
    sums_CD = torch.zeros(len(classes), support_ND.shape[1]).index_add_(0, position_N, support_ND)
    return classes[torch.cdist(queries_QD, sums_CD / position_N.bincount()[:, None]).argmin(1)]


def _hits(train_ND: Tensor, test_ND: Tensor, arm: Arm, support: Tensor) -> np.ndarray:
    """Whether each test photograph is classified correctly from the photographs `support`."""
    predictions = nearest_centroid(train_ND[support], arm.train.labels[support], test_ND)
    return (predictions == arm.test.labels).numpy()
