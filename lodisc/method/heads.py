"""Projector and predictor. Their BatchNorm takes statistics over all processes, within one view.

Axes: V views, B photographs, C channels.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

AllReduce = Callable[[Tensor], Tensor]
"""Sums a tensor over all processes, differentiably."""


class ViewBatchNorm(nn.Module):
    """BatchNorm of [V, B, C] over the photographs of each view, by the statistics of the batch.

    y = γ · (x − E_B[x]) / √(Var_B[x] + ε) + β, without γ and β where `affine` is false. With
    `all_reduce` the expectations are taken over all processes, on any device. There are no running
    statistics: heads are used only in training.
    """

    def __init__(
        self, channels: int, *, affine: bool = True, all_reduce: AllReduce | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.all_reduce = all_reduce
        self.eps = 1e-5

    def forward(self, x_VBC: Tensor) -> Tensor:
        x_VBC = x_VBC.to(torch.promote_types(x_VBC.dtype, torch.float32))
        centred_VBC = x_VBC - self._expectation(x_VBC)
        variance_V1C = self._expectation(centred_VBC.square())
        y_VBC = centred_VBC * (variance_V1C + self.eps).rsqrt()
        if self.weight is None or self.bias is None:
            return y_VBC
        return y_VBC * self.weight + self.bias

    def _expectation(self, x_VBC: Tensor) -> Tensor:
        if self.all_reduce is None:
            return x_VBC.mean(dim=1, keepdim=True)
        count = self.all_reduce(
            torch.full((1,), float(x_VBC.shape[1]), device=x_VBC.device, dtype=x_VBC.dtype)
        )
        return self.all_reduce(x_VBC.sum(dim=1, keepdim=True)) / count


def mlp(widths: list[int], *, all_reduce: AllReduce | None = None) -> nn.Sequential:
    """Linear layers from widths[0] to widths[-1], BatchNorm after each, ReLU between.

    The last BatchNorm is without affine.
    """
    layers: list[nn.Module] = []
    for index, (wide_in, wide_out) in enumerate(pairwise(widths)):
        final = index == len(widths) - 2
        layers += [
            nn.Linear(wide_in, wide_out, bias=False),
            ViewBatchNorm(wide_out, affine=not final, all_reduce=all_reduce),
        ]
        if not final:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def projector(
    dim: int, *, hidden_dim: int, out_dim: int, all_reduce: AllReduce | None = None
) -> nn.Sequential:
    """Three layers from the feature to the contrasted vector."""
    return mlp([dim, hidden_dim, hidden_dim, out_dim], all_reduce=all_reduce)


def predictor(
    *, hidden_dim: int, out_dim: int, all_reduce: AllReduce | None = None
) -> nn.Sequential:
    """Two layers from the projected query to the predicted key."""
    return mlp([out_dim, hidden_dim, out_dim], all_reduce=all_reduce)
