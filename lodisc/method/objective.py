"""The contrastive loss.

Axes: N photographs of this process, Q of them with a query, M photographs of all processes, D vector.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Gather = Callable[[Tensor], tuple[Tensor, int]]
"""Takes this process's keys [N, D]; gives those of all processes [M, D] and where this process's begin."""


def alone(keys_ND: Tensor) -> tuple[Tensor, int]:
    """The gather of a single process."""
    return keys_ND, 0


def info_nce(query_QD: Tensor, key_ND: Tensor, *, temperature: float, every: int = 1, gather: Gather = alone) -> Tensor:
    """InfoNCE: each query must find its own key among those of the whole batch.

    ctr(q, k) = 2τ · 1/N · Σ_i −log( exp(q̂_i·k̂_i/τ) / Σ_j exp(q̂_i·k̂_j/τ) ), with rows of unit length. Keys carry no gradient.
    With `every` e, the queries are those of photographs 0, e, 2e, … alone: the sum is over these i, and their number stands for N.
    """
    exact = torch.promote_types(query_QD.dtype, torch.float32)
    keys_MD, first = gather(F.normalize(key_ND.detach().to(exact), dim=1))
    query_QD = F.normalize(query_QD.to(exact), dim=1)
    with torch.autocast(query_QD.device.type, enabled=False):
        logits_QM = query_QD @ keys_MD.T / temperature
    own_Q = torch.arange(len(query_QD), device=query_QD.device) * every + first
    return 2 * temperature * F.cross_entropy(logits_QM, own_Q)
