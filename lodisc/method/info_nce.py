"""ctr(q, k), the contrastive loss of two sets of vectors; `lodisc.LoDisc` has the losses of a step.

Axes: N photographs of this process, M photographs of all processes, D vector.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Gather = Callable[[Tensor], tuple[Tensor, int]]
"""From the keys of this process [N, D]: all processes' keys [M, D], and the index of its first."""


def alone(keys_ND: Tensor) -> tuple[Tensor, int]:
    """The gather of a single process."""
    return keys_ND, 0


def info_nce(
    query_ND: Tensor, key_ND: Tensor, *, temperature: float, gather: Gather = alone
) -> Tensor:
    """InfoNCE: each query must match its own key among those of the whole batch.

    ctr(q, k) = 2τ · 1/N · Σ_i −log( exp(q̂_i·k̂_i/τ) / Σ_j exp(q̂_i·k̂_j/τ) ), rows of unit length.
    Keys carry no gradient.
    """
    exact = torch.promote_types(query_ND.dtype, torch.float32)
    keys_MD, first = gather(F.normalize(key_ND.detach().to(exact), dim=1))
    query_ND = F.normalize(query_ND.to(exact), dim=1)
    with torch.autocast(query_ND.device.type, enabled=False):
        logits_NM = query_ND @ keys_MD.T / temperature
    own_N = torch.arange(len(query_ND), device=query_ND.device) + first
    return 2 * temperature * F.cross_entropy(logits_NM, own_N)
