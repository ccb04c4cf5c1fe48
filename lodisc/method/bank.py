"""A training step against a bank of all photographs, in which neighbours are positives.

The paper contrasts a query with the keys of its batch. Every other photograph is a negative there,
of whatever kind it is. Here a key is one [CLS] vector of every photograph, and the keys of its
mutual nearest neighbours are positives too. The tasks are the paper's: global, from whole views;
local, from regions of them.

Axes: V = 2 views, B photographs, S side in pixels, N photographs in the bank, M of them, D vector,
K positives, L layers, P patches.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lodisc.method.encoder import Encoder
from lodisc.method.lodisc import Step, by_view, follow, whole_and_recoloured
from lodisc.method.lora import merged
from lodisc.method.losses import Gather, alone, neighbour_loss
from lodisc.method.neighbours import Neighbourhood
from lodisc.method.regions import Regions

KEPT = 0.5
"""Share of a key that stays when its photograph is seen again."""


class BankLoDisc(nn.Module):
    """Student, bank of keys and momentum encoder, with the global and the local task.

    A query is a [CLS] feature of unit length. There are no heads: what is learnt is in the features
    themselves. The encoder is shifted first, so that its features are centred as the bank is.
    `objective`, `regions`, `local_weight`, `attention_from` and `gather` are as in `LoDisc`.
    """

    bank_ND: Tensor

    def __init__(
        self,
        encoder: Encoder,
        *,
        neighbourhood: Neighbourhood,
        regions: Regions,
        objective: str,
        local_weight: float,
        attention_from: str,
        temperature: float,
        gather: Gather = alone,
    ) -> None:
        super().__init__()
        if encoder.can_shift:
            encoder.shift(-neighbourhood.mean_D)
        self.encoder = encoder
        self.momentum_encoder = deepcopy(merged(encoder)).requires_grad_(False)
        self.register_buffer("bank_ND", neighbourhood.vectors_ND.clone())
        self.neighbourhood = neighbourhood
        self.regions, self.attention_from = regions, attention_from
        self.objective, self.local_weight = objective, local_weight
        self.temperature, self.gather = temperature, gather

    def update_momentum(self, momentum: float) -> None:
        """θ_k ← m·θ_k + (1 − m)·θ_q; call it once before every step."""
        follow(self.momentum_encoder, self.encoder, momentum)

    def forward(
        self, views_VB3SS: Tensor, *, noise_VBP: Tensor, photos_B: Tensor, others_M: Tensor
    ) -> Step:
        """The losses of two views of the same photographs [2, B, 3, S, S], as `LoDisc` takes them.

        `photos_B` are the positions of the photographs in the bank, and `others_M` those of the
        photographs that may be their negatives. The bank then takes in the queries.
        """
        whole, recoloured = whole_and_recoloured(self.encoder, views_VB3SS)
        loss_global = loss_local = torch.zeros((), device=whole.device)
        seen: tuple[Tensor, Tensor] | None = None
        if self.objective != "local":
            seen = self.encoder.forward_with_attention(whole)
            loss_global = self._loss(unit(seen[0]), photos_B, others_M)
        if self.objective != "global":
            rows = self._rows(whole, None if seen is None else seen[1])
            cut = self.regions.cut(self.encoder, recoloured, rows=rows, noise_VBP=noise_VBP)
            regional = self.encoder.forward_with_attention(cut.images, keep_BK=cut.keep_BK)
            loss_local = self._loss(unit(regional[0]), photos_B, others_M)
            seen = seen or regional
        assert seen is not None
        features, rows = seen
        queries = unit(features)
        weight = {"global": 0.0, "local": 1.0, "both": self.local_weight}[self.objective]
        keys_BD = self.bank_ND[photos_B]
        self._take_in(queries, photos_B)
        return Step(
            loss=loss_global + weight * loss_local,
            loss_global=loss_global.detach(),
            loss_local=loss_local.detach(),
            features_VBD=by_view(features).detach(),
            queries_VBD=by_view(queries).detach(),
            keys_VBD=torch.stack([keys_BD, keys_BD]),
            rows_BLP=rows[: len(rows) // 2],
        )

    @torch.no_grad()
    def _rows(self, whole: Tensor, students: Tensor | None) -> Tensor:
        """The attention to whole views [2·B, L, P], where the choice of patches depends on it.

        `students` is that of the student, if it has seen them: it costs nothing more.
        """
        if not self.regions.follow_attention:
            return torch.zeros(len(whole), 1, self.encoder.patches, device=whole.device)
        if self.attention_from == "momentum":
            return self.momentum_encoder.forward_with_attention(whole)[1]
        return self.encoder.forward_with_attention(whole)[1] if students is None else students

    def _loss(self, queries: Tensor, photos_B: Tensor, others_M: Tensor) -> Tensor:
        """The mean over both views [2·B, D]."""
        positives_BK, is_real_BK = self.neighbourhood.positives(photos_B)
        is_negative_BM = self.neighbourhood.negatives(photos_B, others_M)
        return neighbour_loss(
            queries,
            self.bank_ND[positives_BK].repeat(2, 1, 1),
            self.bank_ND[others_M],
            is_positive_BK=is_real_BK.repeat(2, 1),
            is_negative_BM=is_negative_BM.repeat(2, 1),
            temperature=self.temperature,
        )

    @torch.no_grad()
    def _take_in(self, queries: Tensor, photos_B: Tensor) -> None:
        """Move the keys of these photographs towards the mean query of their views."""
        seen_BD, _ = self.gather(by_view(queries).mean(dim=0))
        photos_B, _ = self.gather(photos_B)
        moved_BD = F.normalize(KEPT * self.bank_ND[photos_B] + (1 - KEPT) * seen_BD, dim=1)
        is_finite_B1 = moved_BD.isfinite().all(dim=1, keepdim=True)
        self.bank_ND[photos_B] = torch.where(is_finite_B1, moved_BD, self.bank_ND[photos_B])


def unit(features_BD: Tensor) -> Tensor:
    """Features of unit length, in fp32 or better."""
    exact = torch.promote_types(features_BD.dtype, torch.float32)
    return F.normalize(features_BD.to(exact), dim=1)
