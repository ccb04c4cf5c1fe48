"""One training step of LoDisc, as the paper's section 3 reads.

Axes: V = 2 views, B photographs, S side in pixels, L layers, P patches, K kept patches, D vector.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lodisc.method.encoder import Encoder
from lodisc.method.heads import AllReduce, predictor, projector
from lodisc.method.masking import FUSIONS, choose_patches, zero_patches
from lodisc.method.objective import Gather, alone, info_nce


@dataclass(frozen=True)
class Step:
    """What one step computed; everything but `loss` is detached."""

    loss: Tensor
    loss_global: Tensor
    loss_local: Tensor
    features_VBD: Tensor
    queries_VBD: Tensor
    keys_VBD: Tensor
    rows_BLP: Tensor
    """[CLS] attention in the first view, which chose the patches."""


class LoDisc(nn.Module):
    """Student f, h and momentum encoder f_k with the global and the local contrastive task.

    `objective` global is MoCo v3; local contrasts pivotal regions; both is LoDisc: L = L_g + λ·L_l. `direction` key masks the key
    as the paper does, query masks the query; with `positives` both, a region must find its own view beside the other one.
    `attention` is that of the momentum encoder, as in the paper, or of the student. `gather` and `all_reduce` reach the other
    processes, if there are any.
    """

    def __init__(
        self, encoder: Encoder, *, hidden_dim: int = 4096, out_dim: int = 256, objective: str = "both", local_weight: float = 1.0,
        direction: str = "key", positives: str = "other", attention: str = "momentum", mask: str = "pivotal", keep_ratio: float = 0.3,
        mask_mode: str = "drop", fusion: str = "product", temperature: float = 0.2, gather: Gather = alone,
        all_reduce: AllReduce | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder = encoder
        self.projector = projector(encoder.dim, hidden_dim=hidden_dim, out_dim=out_dim, all_reduce=all_reduce)
        self.predictor = predictor(hidden_dim=hidden_dim, out_dim=out_dim, all_reduce=all_reduce)
        self.momentum_encoder = deepcopy(encoder).requires_grad_(False)
        self.momentum_projector = deepcopy(self.projector).requires_grad_(False)
        self.objective, self.local_weight, self.direction = objective, local_weight, direction
        self.positives, self.attention = positives, attention
        self.mask, self.keep_ratio, self.mask_mode, self.fusion = mask, keep_ratio, mask_mode, fusion
        self.temperature, self.gather = temperature, gather

    @torch.no_grad()
    def update_momentum(self, momentum: float) -> None:
        """θ_k ← m·θ_k + (1 − m)·θ_q; call it once before every step."""
        for slow, fast in ((self.momentum_encoder, self.encoder), (self.momentum_projector, self.projector)):
            torch._foreach_lerp_(list(slow.parameters()), [p.detach() for p in fast.parameters()], 1 - momentum)

    def forward(self, views_VB3SS: Tensor, *, generator: torch.Generator) -> Step:
        """The losses of two views of the same photographs, bytes or normalised floats [2, B, 3, S, S].

        Two passes of the student and one whole-view pass of the momentum encoder, attention read from that same pass; one
        extra pass over the kept patches. Random masks draw from `generator`, which lives on the CPU.
        """
        images = self.encoder.normalise(views_VB3SS.flatten(0, 1))
        with torch.no_grad():
            key_features, rows = self.momentum_encoder.forward_with_attention(images)
            keys_VBD = self.momentum_projector(_by_view(key_features))
        if self.attention == "student":
            features, rows = self.encoder.forward_with_attention(images)
        else:
            features = self.encoder(images)
        features_VBD = _by_view(features)
        masks_key, masks_query = (self.objective != "global" and self.direction == side for side in ("key", "query"))

        loss_global = loss_local = torch.zeros((), device=images.device)
        if masks_query:
            local_features_VBD = _by_view(self._pivotal_features(self.encoder, images, rows, generator))
            queries_VBD, local_queries_VBD = self._queries(torch.cat([features_VBD, local_features_VBD])).split(2)
            loss_local = self._contrast_regions(local_queries_VBD, keys_VBD)
        else:
            queries_VBD = self._queries(features_VBD)
        if masks_key:
            with torch.no_grad():
                local_keys_VBD = self.momentum_projector(_by_view(self._pivotal_features(self.momentum_encoder, images, rows, generator)))
            loss_local = self._contrast_regions(queries_VBD, local_keys_VBD)
        if self.objective != "local":
            loss_global = self._contrast(queries_VBD, keys_VBD)
        weight = {"global": 0.0, "local": 1.0, "both": self.local_weight}[self.objective]
        return Step(
            loss=loss_global + weight * loss_local, loss_global=loss_global.detach(), loss_local=loss_local.detach(),
            features_VBD=features_VBD.detach(), queries_VBD=queries_VBD.detach(), keys_VBD=keys_VBD, rows_BLP=rows[: len(rows) // 2],
        )  # fmt: skip

    def _queries(self, features_VBD: Tensor) -> Tensor:
        """q = h(f(x)): projector and predictor, once over all views."""
        queries: Tensor = self.predictor(self.projector(features_VBD))
        return queries

    def _pivotal_features(self, encoder: Encoder, images: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Features of the views with only the kept patches, which the fused attention chose."""
        score = FUSIONS[self.fusion](rows)
        keep = choose_patches(score, mask=self.mask, keep_ratio=self.keep_ratio, grid=encoder.grid, generator=generator)
        if self.mask_mode == "zero":
            return encoder(zero_patches(images, keep, grid=encoder.grid))
        return encoder(images, keep_BK=keep)

    def _contrast(self, queries_VBD: Tensor, keys_VBD: Tensor) -> Tensor:
        """ctr(q, k') + ctr(q', k): each view's queries against the keys of the other."""
        crossed = zip(queries_VBD, keys_VBD.flip(0), strict=True)
        return torch.stack([info_nce(q, k, temperature=self.temperature, gather=self.gather) for q, k in crossed]).sum()

    def _contrast_regions(self, queries_VBD: Tensor, keys_VBD: Tensor) -> Tensor:
        """The local task: the other view is the positive, or with positives `both` the mean over it and the region's own view."""
        crossed = self._contrast(queries_VBD, keys_VBD)
        return crossed if self.positives == "other" else (crossed + self._contrast(queries_VBD, keys_VBD.flip(0))) / 2


def _by_view(features: Tensor) -> Tensor:
    """[2·B, D] to [2, B, D]."""
    return features.unflatten(0, (2, -1))
