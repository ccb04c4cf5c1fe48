"""The linear probe on cached features: multinomial logistic regression.

Its regularisation strength is chosen on a part of train.

Axes: N photographs, D features, C classes.
"""

import numpy as np
import torch
from torch import Tensor

from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, class_mean_estimate, mean_estimates
from lodisc.vectors.logistic import WITHOUT_VALIDATION, centred, fit_path

STRENGTHS = tuple(10 ** (-exponent / 2) for exponent in range(4, 14))  # 1e-2 … 3e-7
PATIENCE = 2


def linear(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Top-1, top-5 and mean per-class accuracy of logistic regression.

    The features are of length 1 and centred on train. The strength is the best on a seeded,
    stratified fifth of train; the final fit uses all of train.
    """
    return accuracy_estimates(class_scores(arm, seed=seed), arm.test.labels, seed=seed)


def class_scores(arm: Arm, *, seed: int) -> Tensor:
    """The logits `[N, C]` of the probe for the test photographs."""
    train_ND, test_ND = centred(arm.train.vectors, arm.test.vectors)
    classes = len(arm.test.classes)
    strength = choose_strength(train_ND, arm.train.labels, classes=classes, seed=seed)
    ((_, weights, bias),) = fit_path(
        train_ND, arm.train.labels, classes=classes, strengths=[strength]
    )
    return test_ND @ weights + bias


def accuracy_estimates(scores_NC: Tensor, labels_N: Tensor, *, seed: int) -> dict[str, Estimate]:
    """Top-1, top-5 and mean per-class accuracy of class scores; ties go to the lower class."""
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
    """The strength with the best top-1 on a seeded, stratified fifth of the photographs.

    Ties go to the stronger one. The search goes from strong to weak and stops when two in a row are
    worse than the best. Returns 1e-4 where no class has two photographs.
    """
    validation_N = held_out(labels_N, seed=seed)
    if not validation_N.any():
        return WITHOUT_VALIDATION
    best, best_strength, worse = -1.0, STRENGTHS[0], 0
    for strength, weights, bias in fit_path(
        vectors_ND[~validation_N], labels_N[~validation_N], classes=classes, strengths=STRENGTHS
    ):
        predictions = (vectors_ND[validation_N] @ weights + bias).argmax(1)
        accuracy = (predictions == labels_N[validation_N]).double().mean().item()
        worse = worse + 1 if accuracy < best else 0
        if accuracy > best:
            best, best_strength = accuracy, strength
        if worse == PATIENCE:
            break
    return best_strength


def held_out(labels_N: Tensor, *, seed: int) -> Tensor:
    """The photographs to validate on, bool `[N]`: a fifth of every class, at least one of two."""
    rng = np.random.default_rng((seed, len(labels_N)))
    validation_N = torch.zeros(len(labels_N), dtype=torch.bool)
    for label in labels_N.unique():
        members = (labels_N == label).nonzero().flatten().numpy()
        share = 0 if len(members) == 1 else max(1, round(len(members) / 5))
        validation_N[torch.from_numpy(rng.permutation(members)[:share])] = True
    return validation_N
