"""One training step of LoDisc, as in section 3 of the paper (arXiv 2403.04066).

An image gives two views x and x'. Where the paper's terms are:

InstDisc, the global task    `losses.global_loss`; without a local task this is MoCo v3
LoDisc, the local task       `losses.masked_key_loss`; `masked_query_loss` masks the other side
momentum encoder f_k         `LoDisc.momentum_encoder`, `momentum_projector`, `update_momentum`
attention collection, a_l    `Encoder.forward_with_attention`, `AttentionRows`
fusion, A = ∏_l a_l          `masking.product`, one of `FUSIONS`
location-wise mask           `masking.pivotal`, one of `MASKS`; `Regions` applies it
ctr(q, k)                    `losses.info_nce`

Setting by setting; the values are those of lodisc/config.py:

| setting        | paper       | recipe paper | default (adapt) | why: pages of docs/results |
|----------------|-------------|--------------|-----------------|----------------------------|
| objective      | both        | both         | global          | neighbours.md, branches.md |
| keys           | batch       | batch        | auto            | neighbours.md              |
| masked_side    | key         | key          | query           | masked-side.md             |
| positives      | other       | other        | both            | masked-side.md             |
| mask           | pivotal     | pivotal      | pivotal         | published; masks.md        |
| keep_ratio     | 0.3 (code)  | 0.3          | 0.3             | published; keep-ratio.md   |
| mask_mode      | zero (code) | zero         | drop            | a shorter pass: speed.md   |
| recolour       | no          | False        | False           | recipe-history.md          |
| fusion         | product     | product      | product         | attention.md               |
| attention_from | momentum    | momentum     | momentum        | attention.md               |
| local_weight   | 1           | 1.0          | 1.0             | branches.md                |
| temperature    | 0.2         | 0.2          | 0.1             | suits a bank               |
| momentum       | 0.99        | 0.99         | 0.99            | as published               |
| min_crop       | 0.08        | 0.08         | 0.2             | suits small sets           |

Axes: V = 2 views (4 with those in other colours), B photographs, S side in pixels, L layers,
P patches, D vector.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lodisc.method.encoder import Encoder
from lodisc.method.heads import AllReduce, predictor, projector
from lodisc.method.lora import merged, merged_parameters
from lodisc.method.losses import (
    Gather,
    alone,
    global_loss,
    info_nce,
    masked_key_loss,
    masked_query_loss,
)
from lodisc.method.regions import Regions


@dataclass(frozen=True)
class Step:
    """The results of one step; only `loss` carries a gradient."""

    loss: Tensor
    """L = L_g + λ·L_l, or one of the two."""
    loss_global: Tensor
    """L_g; 0 without the global task."""
    loss_local: Tensor
    """L_l without its weight λ; 0 without the local task."""
    features_VBD: Tensor
    """[CLS] features of the student: of whole views, or of regions if it sees only regions."""
    queries_VBD: Tensor
    """h(f(·)) of the same views or regions."""
    keys_VBD: Tensor
    """f_k of the whole views; of a bank, the key of each photograph for both of its views."""
    rows_BLP: Tensor
    """[CLS] attention to the first view, which the masks `pivotal` and `least` go by; with a bank,
    the student's attention to what it sees of that view.
    """


class LoDisc(nn.Module):
    """Student f, predictor h and momentum encoder f_k, with the global and the local task.

    `objective`: global is L_g, which is MoCo v3; local is L_l; both is L_g + λ·L_l with
    λ = `local_weight`. `masked_side` is the side of the local task that sees only a region.
    `positives`: a region must match the other view, or both its own and the other view.
    `attention_from`: attention of the momentum encoder, as in the paper, or of the student.
    `gather` and `all_reduce` reach the other processes, if there are any.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        hidden_dim: int,
        out_dim: int,
        regions: Regions,
        objective: str,
        local_weight: float,
        masked_side: str,
        positives: str,
        attention_from: str,
        temperature: float,
        gather: Gather = alone,
        all_reduce: AllReduce | None = None,
    ) -> None:
        super().__init__()
        widths = {"hidden_dim": hidden_dim, "out_dim": out_dim}
        self.encoder = encoder
        self.projector = projector(encoder.dim, **widths, all_reduce=all_reduce)
        self.predictor = predictor(**widths, all_reduce=all_reduce)
        self.momentum_encoder = deepcopy(merged(encoder)).requires_grad_(False)
        self.momentum_projector = deepcopy(self.projector).requires_grad_(False)
        self.regions, self.attention_from = regions, attention_from
        self.objective, self.local_weight = objective, local_weight
        self.masked_side, self.positives = masked_side, positives
        self.temperature, self.gather = temperature, gather

    def update_momentum(self, momentum: float) -> None:
        """θ_k ← m·θ_k + (1 − m)·θ_q; call it once before every step."""
        follow(self.momentum_encoder, self.encoder, momentum)
        follow(self.momentum_projector, self.projector, momentum)

    def forward(self, views_VB3SS: Tensor, *, noise_VBP: Tensor) -> Step:
        """The losses of two views of the same photographs [2, B, 3, S, S].

        Views are bytes or normalised floats. [4, B, 3, S, S] holds two views, then both in other
        colours: regions are cut from the latter.
        The momentum encoder sees both views once; attention comes from that pass. The student sees
        both views once. The local task adds one pass over regions, of f_k with masked keys and of f
        with masked queries. With masked queries and `local`, the student sees only regions.
        Masks at random follow `noise_VBP`, uniform random numbers [2, B, P] on the CPU.
        """
        images, recoloured = whole_and_recoloured(self.encoder, views_VB3SS)
        k, rows = self._whole_keys(images)

        def see_region(encoder: Encoder) -> Tensor:
            cut = self.regions.cut(encoder, recoloured, rows=rows, noise_VBP=noise_VBP)
            return by_view(encoder(cut.images, keep_BK=cut.keep_BK))

        loss_global = loss_local = torch.zeros((), device=images.device)
        if not self._sees_regions_only:
            features = by_view(self.encoder(images))
            q = self.predictor(self.projector(features))
        if self.objective != "local":
            loss_global = global_loss(q, k, ctr=self._ctr)
        if self._region_is_on("query"):
            region_features = see_region(self.encoder)
            q_l = self.predictor(self.projector(region_features))
            loss_local = self._over_positives(masked_query_loss, q_l, k)
        if self._region_is_on("key"):
            with torch.no_grad():
                k_l = self.momentum_projector(see_region(self.momentum_encoder))
            loss_local = self._over_positives(masked_key_loss, q, k_l)
        if self._sees_regions_only:
            features, q = region_features, q_l
        weight = {"global": 0.0, "local": 1.0, "both": self.local_weight}[self.objective]
        return Step(
            loss=loss_global + weight * loss_local,
            loss_global=loss_global.detach(),
            loss_local=loss_local.detach(),
            features_VBD=features.detach(),
            queries_VBD=q.detach(),
            keys_VBD=k,
            rows_BLP=rows[: len(rows) // 2],
        )

    def _over_positives(self, loss: Callable[..., Tensor], q_VBD: Tensor, k_VBD: Tensor) -> Tensor:
        """`loss`; with positives `both` its mean over the other view's keys and the own view's."""
        if self.positives == "other":
            return loss(q_VBD, k_VBD, ctr=self._ctr)
        other = loss(q_VBD, k_VBD, ctr=self._ctr)
        own = loss(q_VBD, k_VBD.flip(0), ctr=self._ctr)
        return (other + own) / 2

    def _ctr(self, q_BD: Tensor, k_BD: Tensor) -> Tensor:
        return info_nce(q_BD, k_BD, temperature=self.temperature, gather=self.gather)

    @torch.no_grad()
    def _whole_keys(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """k = f_k(x) and k' = f_k(x') [2, B, D], and the attention rows [2·B, L, P]."""
        features, rows = self.momentum_encoder.forward_with_attention(images)
        keys_VBD = self.momentum_projector(by_view(features))
        if self.attention_from == "student":
            _, rows = self.encoder.forward_with_attention(images)
        return keys_VBD, rows

    def _region_is_on(self, side: str) -> bool:
        return self.objective != "global" and self.masked_side == side

    @property
    def _sees_regions_only(self) -> bool:
        return self.objective == "local" and self.masked_side == "query"


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """θ_k ← m·θ_k + (1 − m)·θ_q for all parameters; `slow` is `fast` with its adapters merged."""
    torch._foreach_lerp_(list(slow.parameters()), merged_parameters(fast), 1 - momentum)


def whole_and_recoloured(encoder: Encoder, views_VB3SS: Tensor) -> tuple[Tensor, Tensor]:
    """Both views, normalised [2·B, 3, S, S], and the images that regions are cut from."""
    images = encoder.normalise(views_VB3SS[:2].flatten(0, 1))
    if len(views_VB3SS) == 2:
        return images, images
    return images, encoder.normalise(views_VB3SS[2:].flatten(0, 1))


def by_view(features: Tensor) -> Tensor:
    """[2·B, D] to [2, B, D]."""
    return features.unflatten(0, (2, -1))
