"""Multinomial logistic regression on vectors.

Axes: N photographs, D features, C classes, K directions of the basis.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

WITHOUT_VALIDATION = 1e-4


def unit(vectors: Tensor) -> Tensor:
    """Rows of length 1, for cosine similarity; a row of zeros stays zero."""
    return F.normalize(vectors.float(), dim=1)


def centred(train_ND: Tensor, test_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets with rows of length 1, minus the mean of train, on one scale.

    The rows of train then have length 1 on average.
    """
    train_ND, test_ND = unit(train_ND), unit(test_ND)
    mean_D = train_ND.mean(0)
    scale = (train_ND - mean_D).norm(dim=1).mean().clamp(min=1e-12)
    return (train_ND - mean_D) / scale, (test_ND - mean_D) / scale


def fit_path(
    vectors_ND: Tensor, labels_N: Tensor, *, classes: int, strengths: Sequence[float]
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Yield `(strength, weights [D, C], bias [C])` for each strength, beginning at the last one.

    They minimise `mean cross-entropy + strength / 2 · |weights|²`. L-BFGS takes a few dozen steps
    in the coordinates in which Böhning's bound on the Hessian, `(XᵀX / N) / 2 + strength`, is the
    identity.
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
    """Orthonormal directions [D, K] that span the vectors; K = N if there are more features."""
    count, dim = vectors_ND.shape
    return torch.linalg.qr(vectors_ND.T).Q if dim > count else torch.eye(dim)


def _fit(
    design_NK: Tensor, labels_N: Tensor, bound_KK: Tensor, penalty_K: Tensor, start_KC: Tensor
) -> Tensor:
    root_KK = torch.linalg.cholesky((bound_KK + torch.diag(penalty_K + 1e-7)).double()).float()
    white_NK = torch.linalg.solve_triangular(root_KK, design_NK.T, upper=False).T.contiguous()
    white_KC = (root_KK.T @ start_KC).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [white_KC],
        max_iter=150,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        weights_KC = torch.linalg.solve_triangular(root_KK.T, white_KC, upper=True)
        loss = (
            F.cross_entropy(white_NK @ white_KC, labels_N)
            + (penalty_K @ weights_KC.square()).sum() / 2
        )
        loss.backward()
        return loss

    optimiser.step(closure)
    return torch.linalg.solve_triangular(root_KK.T, white_KC.detach(), upper=True)
