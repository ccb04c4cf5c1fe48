"""The linear probe on cached features: multinomial logistic regression, its strength chosen on a part of train.

Axes: N photographs, D features, C classes.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.evaluation.features import Arm, unit
from lodisc.evaluation.interval import Estimate, class_mean_estimate, mean_estimates

STRENGTHS = tuple(10 ** (-exponent / 2) for exponent in range(4, 14))  # from strong to weak: 1e-2 … 3e-7
WITHOUT_VALIDATION = 1e-4
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
    ((_, weights, bias),) = fit_path(train_ND, arm.train.labels, classes=classes, strengths=[strength])
    return test_ND @ weights + bias


def accuracy_estimates(scores_NC: Tensor, labels_N: Tensor, *, seed: int) -> dict[str, Estimate]:
    """Top-1, top-5 and mean per-class accuracy of class scores; of equal scores the first class is taken."""
    order_N5 = scores_NC.sort(dim=1, descending=True, stable=True).indices[:, :5]
    hits_N5 = (order_N5 == labels_N[:, None]).numpy()
    top1_N = hits_N5[:, 0]
    top1, top5 = mean_estimates(np.stack([top1_N, hits_N5.any(1)], axis=1), seed=seed)
    return {"top1": top1, "top5": top5, "mean_class": class_mean_estimate(top1_N, labels_N.numpy(), seed=seed)}


def centred(train_ND: Tensor, test_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets with rows of length 1, minus the mean of train, scaled so that the rows of train have length 1 on average."""
    train_ND, test_ND = unit(train_ND), unit(test_ND)
    mean_D = train_ND.mean(0)
    scale = (train_ND - mean_D).norm(dim=1).mean().clamp(min=1e-12)
    return (train_ND - mean_D) / scale, (test_ND - mean_D) / scale


def choose_strength(vectors_ND: Tensor, labels_N: Tensor, *, classes: int, seed: int) -> float:
    """The strength with the best top-1 on a seeded, stratified fifth of the photographs; of equal ones the strongest.

    Goes from strong to weak and ends when two in a row are worse than the best. Without a class of two photographs, 1e-4.
    """
    held_N = held_out(labels_N, seed=seed)
    if not held_N.any():
        return WITHOUT_VALIDATION
    best, chosen, worse = -1.0, STRENGTHS[0], 0
    for strength, weights, bias in fit_path(vectors_ND[~held_N], labels_N[~held_N], classes=classes, strengths=STRENGTHS):
        right = ((vectors_ND[held_N] @ weights + bias).argmax(1) == labels_N[held_N]).double().mean().item()
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


def fit_path(vectors_ND: Tensor, labels_N: Tensor, *, classes: int, strengths: Sequence[float]) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Yield `(strength, weights [D, C], bias [C])` that minimise `mean cross-entropy + strength / 2 · |weights|²`, each from the last.

    L-BFGS in the coordinates where Böhning's bound on the Hessian, `(XᵀX / N) / 2 + strength`, is the identity: a few dozen steps.
    """
    basis_DK = _basis(vectors_ND)
    design_NK = F.pad(vectors_ND @ basis_DK, (0, 1), value=1.0)
    bound_KK = design_NK.T @ design_NK / (2 * len(design_NK))
    penalised_K = torch.ones(len(bound_KK))
    penalised_K[-1] = 0.0
    solution_KC = torch.zeros(len(bound_KK), classes)
    for strength in strengths:
        solution_KC = _fit(design_NK, labels_N, bound_KK, strength * penalised_K, solution_KC)
        yield strength, basis_DK @ solution_KC[:-1], solution_KC[-1]


def _basis(vectors_ND: Tensor) -> Tensor:
    """Orthonormal directions that hold all of the vectors: fewer than D when there are more features than photographs."""
    count, dim = vectors_ND.shape
    return torch.linalg.qr(vectors_ND.T).Q if dim > count else torch.eye(dim)


def _fit(design_NK: Tensor, labels_N: Tensor, bound_KK: Tensor, penalty_K: Tensor, start_KC: Tensor) -> Tensor:
    root_KK = torch.linalg.cholesky((bound_KK + torch.diag(penalty_K + 1e-7)).double()).float()
    white_NK = torch.linalg.solve_triangular(root_KK, design_NK.T, upper=False).T.contiguous()
    white_KC = (root_KK.T @ start_KC).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [white_KC], max_iter=150, tolerance_grad=1e-5, tolerance_change=1e-7, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        weights_KC = torch.linalg.solve_triangular(root_KK.T, white_KC, upper=True)
        loss = F.cross_entropy(white_NK @ white_KC, labels_N) + (penalty_K @ weights_KC.square()).sum() / 2
        loss.backward()
        return loss

    optimiser.step(closure)
    return torch.linalg.solve_triangular(root_KK.T, white_KC.detach(), upper=True)
