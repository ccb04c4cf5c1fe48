"""The losses of the global and the local task, of the contrastive loss ctr(q, k).

Axes: V = 2 views, N photographs of this process, M photographs of all processes, D vector.
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


Ctr = Callable[[Tensor, Tensor], Tensor]
"""ctr(q, k) of queries and keys [N, D], with its temperature and gather."""


def global_loss(q_VND: Tensor, k_VND: Tensor, *, ctr: Ctr) -> Tensor:
    """InstDisc, and MoCo v3: L_g = ctr(q, k') + ctr(q', k)."""
    (q, q_prime), (k, k_prime) = q_VND, k_VND
    return ctr(q, k_prime) + ctr(q_prime, k)


def masked_key_loss(q_VND: Tensor, k_l_VND: Tensor, *, ctr: Ctr) -> Tensor:
    """LoDisc as published, f_k sees the region: L_l = ctr(q, k'_l) + ctr(q', k_l)."""
    (q, q_prime), (k_l, k_l_prime) = q_VND, k_l_VND
    return ctr(q, k_l_prime) + ctr(q_prime, k_l)


def masked_query_loss(q_l_VND: Tensor, k_VND: Tensor, *, ctr: Ctr) -> Tensor:
    """The other side is masked, f sees the region: L_l = ctr(q_l, k') + ctr(q'_l, k)."""
    (q_l, q_l_prime), (k, k_prime) = q_l_VND, k_VND
    return ctr(q_l, k_prime) + ctr(q_l_prime, k)


def neighbour_loss(
    query_BD: Tensor,
    positive_BKD: Tensor,
    negative_MD: Tensor,
    *,
    is_positive_BK: Tensor,
    is_negative_BM: Tensor,
    temperature: float,
) -> Tensor:
    """Each query must match each of its positives before all of its negatives.

    1/B · Σ_i mean_{p ∈ P(i)} −log( exp(q_i·p/τ) / (exp(q_i·p/τ) + Σ_{n ∈ N(i)} exp(q_i·n/τ)) ),
    all of unit length. No positive is among the negatives of its query. Every query needs a
    positive.
    """
    with torch.autocast(query_BD.device.type, enabled=False):
        logits_BK = torch.einsum("bd,bkd->bk", query_BD, positive_BKD) / temperature
        logits_BM = query_BD @ negative_MD.T / temperature
        lowest = torch.finfo(logits_BM.dtype).min
        against_B1 = logits_BM.masked_fill(~is_negative_BM, lowest).logsumexp(dim=1, keepdim=True)
        losses_BK = torch.logaddexp(logits_BK, against_B1) - logits_BK
    losses_B = (losses_BK * is_positive_BK).sum(dim=1) / is_positive_BK.sum(dim=1)
    return losses_B.mean()
