"""One training step of LoDisc (arXiv 2403.04066, section 3).

Where the terms of the paper are:

instance discrimination (InstDisc), the global task   `LoDisc._global_loss`; alone it is MoCo v3
local discrimination (LoDisc), the local task         `LoDisc._masked_key_loss`
attention collection                                  `Encoder.forward_with_attention`
attention fusion, A = ∏_l a_l                         `masking.FUSIONS["product"]`
location-wise mask, pivotal region                    `masking.MASKS["pivotal"]`, `Regions`
momentum encoder f_k                                  `momentum_encoder`, `update_momentum`
projector, predictor h                                `heads`
contrastive loss ctr(q, k)                            `objective.info_nce`

What this software does otherwise by default, setting by setting:

setting       paper          recipe "paper"   default        why (pages of docs/results)
objective     both           both             local          default.md, branches.md
masked side   key            key              query          masked-side.md
positives     other view     other view       both views     masked-side.md
mask          pivotal        pivotal          random         masks.md
keep ratio ρ  0.3 (code)     0.3              0.75           keep-ratio.md
mask mode     zero (code)    zero             drop           as good, and about ρ times the cost
recolour      no             no               yes            recipe-history.md
fusion        product        product          product        attention.md
attention     momentum       momentum         momentum       attention.md
λ             1              1                (one loss)     branches.md
τ             0.2            0.2              0.2            as published

Axes: V = 2 views (4 with those in other colours), B photographs, S side in pixels, L layers, P patches, D vector.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lodisc.method.encoder import Encoder
from lodisc.method.heads import AllReduce, predictor, projector
from lodisc.method.objective import Gather, alone, info_nce
from lodisc.method.regions import Regions


@dataclass(frozen=True)
class Step:
    """What one step computed; everything but `loss` is detached."""

    loss: Tensor
    loss_global: Tensor
    loss_local: Tensor
    features_VBD: Tensor
    """The student's features of the whole views, or of the regions where it sees nothing else."""
    queries_VBD: Tensor
    keys_VBD: Tensor
    rows_BLP: Tensor
    """[CLS] attention to the first view, by which patches may be chosen."""


class LoDisc(nn.Module):
    """Student f, predictor h and momentum encoder f_k, with the global and the local contrastive task.

    `objective`: `global` is MoCo v3, `local` contrasts regions with whole views, `both` is the paper's L = L_g + λ·L_l with
    λ = `local_weight`. `masked_side`: which side of the local task sees a region, the `key` as in the paper or the `query`.
    `positives`: a region must find the `other` view, or `both`, its own too. `attention_from`: the encoder whose attention
    chooses the regions, `momentum` or `student`. `gather` and `all_reduce` reach the other processes, if there are any.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        regions: Regions,
        objective: str,
        local_weight: float,
        masked_side: str,
        positives: str,
        attention_from: str,
        temperature: float,
        hidden_dim: int,
        out_dim: int,
        gather: Gather = alone,
        all_reduce: AllReduce | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        widths = {"hidden_dim": hidden_dim, "out_dim": out_dim}
        self.projector = projector(encoder.dim, **widths, all_reduce=all_reduce)
        self.predictor = predictor(**widths, all_reduce=all_reduce)
        self.momentum_encoder = deepcopy(encoder).requires_grad_(False)
        self.momentum_projector = deepcopy(self.projector).requires_grad_(False)
        self.regions, self.objective, self.local_weight = regions, objective, local_weight
        self.masked_side, self.positives = masked_side, positives
        self.attention_from, self.temperature, self.gather = attention_from, temperature, gather

    @torch.no_grad()
    def update_momentum(self, momentum: float) -> None:
        """θ_k ← m·θ_k + (1 − m)·θ_q; call it once before every step."""
        pairs = (self.momentum_encoder, self.encoder), (self.momentum_projector, self.projector)
        for slow, fast in pairs:
            weights = [parameter.detach() for parameter in fast.parameters()]
            torch._foreach_lerp_(list(slow.parameters()), weights, 1 - momentum)

    def forward(self, views_VB3SS: Tensor, *, noise_VBP: Tensor) -> Step:
        """The losses of two views of the same photographs, bytes or normalised floats [2, B, 3, S, S].

        [4, B, 3, S, S] is two views and then both in other colours, from which the regions are cut.
        The momentum encoder sees both whole views once, and attention is read from that same pass. Random masks go by
        `noise_VBP`, uniform random numbers [2, B, P] on the CPU.
        """
        views = self.encoder.normalise(views_VB3SS[:2].flatten(0, 1))
        recoloured = views
        if len(views_VB3SS) == 4:
            recoloured = self.encoder.normalise(views_VB3SS[2:].flatten(0, 1))
        keys_VBD, rows = self._whole_keys(views)
        masks_key = self.objective != "global" and self.masked_side == "key"
        masks_query = self.objective != "global" and self.masked_side == "query"

        loss_global = loss_local = torch.zeros((), device=views.device)
        if masks_query:  # before the whole views, whose features are reported where both are seen
            region = self.regions.features(self.encoder, recoloured, rows=rows, noise_VBP=noise_VBP)
            features_VBD, queries_VBD = self._queries(region)
            loss_local = self._masked_query_loss(queries_VBD, keys_VBD)
        if self.objective != "local" or masks_key:
            features_VBD, queries_VBD = self._queries(self.encoder(views))
        if self.objective != "local":
            loss_global = self._global_loss(queries_VBD, keys_VBD)
        if masks_key:
            region_keys_VBD = self._region_keys(recoloured, rows, noise_VBP)
            loss_local = self._masked_key_loss(queries_VBD, region_keys_VBD)
        weight = {"global": 0.0, "local": 1.0, "both": self.local_weight}[self.objective]
        return Step(
            loss=loss_global + weight * loss_local,
            loss_global=loss_global.detach(),
            loss_local=loss_local.detach(),
            features_VBD=features_VBD.detach(),
            queries_VBD=queries_VBD.detach(),
            keys_VBD=keys_VBD,
            rows_BLP=rows[: len(rows) // 2],
        )

    def _global_loss(self, q_VBD: Tensor, k_VBD: Tensor) -> Tensor:
        """L_g = ctr(q, k') + ctr(q', k), with whole queries and whole keys."""
        (q, q2), (k, k2) = q_VBD, k_VBD
        return self._ctr(q, k2) + self._ctr(q2, k)

    def _masked_key_loss(self, q_VBD: Tensor, region_k_VBD: Tensor) -> Tensor:
        """The paper: L_l = ctr(q, k'_l) + ctr(q', k_l), with whole queries and the keys k_l of regions."""
        return self._local_loss(q_VBD, region_k_VBD)

    def _masked_query_loss(self, region_q_VBD: Tensor, k_VBD: Tensor) -> Tensor:
        """L_l = ctr(q_l, k') + ctr(q'_l, k), with the queries q_l of regions and whole keys."""
        return self._local_loss(region_q_VBD, k_VBD)

    def _local_loss(self, q_VBD: Tensor, k_VBD: Tensor) -> Tensor:
        """Each view against the other; with both positives the mean of that and of each view against itself."""
        (q, q2), (k, k2) = q_VBD, k_VBD
        crossed = self._ctr(q, k2) + self._ctr(q2, k)
        if self.positives == "other":
            return crossed
        own = self._ctr(q, k) + self._ctr(q2, k2)
        return (crossed + own) / 2

    def _ctr(self, q_BD: Tensor, k_BD: Tensor) -> Tensor:
        return info_nce(q_BD, k_BD, temperature=self.temperature, gather=self.gather)

    def _queries(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [2, B, D] of the student by view, and its queries h(g(f))."""
        features_VBD = _by_view(features)
        return features_VBD, self.predictor(self.projector(features_VBD))

    @torch.no_grad()
    def _whole_keys(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """The keys [2, B, D] of whole views, and the attention rows [2·B, L, P] that choose regions."""
        features, rows = self.momentum_encoder.forward_with_attention(views)
        if self.attention_from == "student":
            _, rows = self.encoder.forward_with_attention(views)
        return self.momentum_projector(_by_view(features)), rows

    @torch.no_grad()
    def _region_keys(self, views: Tensor, rows: Tensor, noise_VBP: Tensor) -> Tensor:
        """The keys [2, B, D] of regions."""
        encoder = self.momentum_encoder
        features = self.regions.features(encoder, views, rows=rows, noise_VBP=noise_VBP)
        return self.momentum_projector(_by_view(features))


def _by_view(features: Tensor) -> Tensor:
    """[2·B, D] to [2, B, D]."""
    return features.unflatten(0, (2, -1))
