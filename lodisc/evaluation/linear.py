"""The linear probe on cached features: multinomial logistic regression, its strength chosen on a part of train.

Axes: N photographs, D features, C classes.
"""

import numpy as np
import torch
from torch import Tensor

from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, class_mean_estimate, mean_estimates
from lodisc.vectors.logistic import WITHOUT_VALIDATION, centred, fit_path

STRENGTHS = tuple(
    10 ** (-exponent / 2) for exponent in range(4, 14)
)  # from strong to weak: 1e-2 … 3e-7
PATIENCE = 2


def linear(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Top-1, top-5 and mean per-class accuracy of logistic regression on features of length 1, centred on train.

    The strength is the best on a seeded, stratified fifth of train; the fit with it is on all of train.
    """
    return accuracy_estimates(class_scores(arm, seed=seed), arm.test.labels, seed=seed)


def class_scores(arm: Arm, *, seed: int) -> Tensor:
    """What the probe gives every class, `[N, C]`, for the test photographs."""
    train_ND, test_ND = centred(arm.train.vectors, arm.test.vectors)
    classes = len(arm.test.classes)
    strength = choose_strength(train_ND, arm.train.labels, classes=classes, seed=seed)
    ((_, weights, bias),) = fit_path(
        train_ND, arm.train.labels, classes=classes, strengths=[strength]
    )
    return test_ND @ weights + bias


def accuracy_estimates(scores_NC: Tensor, labels_N: Tensor, *, seed: int) -> dict[str, Estimate]:
    """Top-1, top-5 and mean per-class accuracy of class scores; of equal scores the first class is taken."""
    order_N5 = scores_NC.sort(dim=1, descending=True, stable=True).indices[:, :5]
    hits_N5 = (order_N5 == labels_N[:, None]).numpy()
    top1_N = hits_N5[:, 0]
    top1, top5 = mean_estimates(np.stack([top1_N, hits_N5.any(1)], axis=1), seed=seed)
    return {
        "top1": top1,
        "top5": top5,
        "mean_class": class_mean_estimate(top1_N, labels_N.numpy(), seed=seed),
    }


def choose_strength(vectors_ND: Tensor, labels_N: Tensor, *, classes: int, seed: int) -> float:
    """The strength with the best top-1 on a seeded, stratified fifth of the photographs; of equal ones the strongest.

    Goes from strong to weak and ends when two in a row are worse than the best. Without a class of two photographs, 1e-4.
    """
    held_N = held_out(labels_N, seed=seed)
    if not held_N.any():
        return WITHOUT_VALIDATION
    best, chosen, worse = -1.0, STRENGTHS[0], 0
    for strength, weights, bias in fit_path(
        vectors_ND[~held_N], labels_N[~held_N], classes=classes, strengths=STRENGTHS
    ):
        right = (
            ((vectors_ND[held_N] @ weights + bias).argmax(1) == labels_N[held_N])
            .double()
            .mean()
            .item()
        )
        worse = worse + 1 if right < best else 0
        if right > best:
            best, chosen = right, strength
        if worse == PATIENCE:
            break
    return chosen


def held_out(labels_N: Tensor, *, seed: int) -> Tensor:
    """The photographs to validate on, bool `[N]`: a fifth of every class, at least one where the class has two."""
    rng = np.random.default_rng((seed, len(labels_N)))
    held_N = torch.zeros(len(labels_N), dtype=torch.bool)
    for label in labels_N.unique():
        members = (labels_N == label).nonzero().flatten().numpy()
        share = 0 if len(members) == 1 else max(1, round(len(members) / 5))
        held_N[torch.from_numpy(rng.permutation(members)[:share])] = True
    return held_N
