"""Few-shot: what 1, 5 or 10 labels a class are worth.

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
    """Top-1 with 1, 5 and 10 labelled photographs a class: mean and deviation over 10 seeded draws from train.

    The classifier is SimpleShot's nearest centroid (arXiv 1911.04623): features centred on train and of length 1, the class whose
    mean is the nearest. It has no setting to choose, as one or five labels leave none to choose with.
    """
    train_ND, test_ND = map(unit, centred(arm.train.vectors, arm.test.vectors))
    estimates = {}
    for shots in SHOTS:
        right_SN = np.stack(
            [
                _right(train_ND, test_ND, arm, draw(arm.train.labels, shots, seed=(seed, index)))
                for index in range(DRAWS)
            ]
        )
        estimates[f"shots{shots}"] = draws_estimate(right_SN, seed=seed)
    return estimates


def draw(labels_N: Tensor, shots: int, *, seed: tuple[int, int]) -> Tensor:
    """Positions of `shots` photographs of every class, all of those of a class that has fewer."""
    rng = np.random.default_rng(seed)
    members = (np.flatnonzero(labels_N.numpy() == label) for label in np.unique(labels_N.numpy()))
    return torch.from_numpy(
        np.concatenate([rng.permutation(indices)[:shots] for indices in members])
    )


def nearest_centroid(support_ND: Tensor, labels_N: Tensor, queries_QD: Tensor) -> Tensor:
    """Classes `[Q]` whose mean support feature is nearest to each query; of equal ones the first class."""
    classes, position_N = labels_N.unique(return_inverse=True)
    sums_CD = torch.zeros(len(classes), support_ND.shape[1]).index_add_(0, position_N, support_ND)
    return classes[torch.cdist(queries_QD, sums_CD / position_N.bincount()[:, None]).argmin(1)]


def _right(train_ND: Tensor, test_ND: Tensor, arm: Arm, drawn: Tensor) -> np.ndarray:
    predicted = nearest_centroid(train_ND[drawn], arm.train.labels[drawn], test_ND)
    return (predicted == arm.test.labels).numpy()
