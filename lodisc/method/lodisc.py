"""One training step of LoDisc, as the paper's section 3 reads.

Axes: V = 2 views (4 with those in other colours), B photographs, S side in pixels, L layers, P patches, K kept patches, D vector.
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
    """Those of the whole views; of the regions where the student sees nothing else."""
    queries_VBD: Tensor
    keys_VBD: Tensor
    rows_BLP: Tensor
    """[CLS] attention to the first view, by which patches may be chosen."""


class LoDisc(nn.Module):
    """Student f, h and momentum encoder f_k with the global and the local contrastive task.

    `objective` global is MoCo v3; local contrasts regions, some of the patches, with whole views; both is the paper's L = L_g + λ·L_l.
    `masked_side` key masks the key as the paper does, query masks the query; with `positives` both, a region must find its own view
    beside the other one. `attention_from` is that of the momentum encoder, as in the paper, or of the student. `gather` and `all_reduce`
    reach the other processes, if there are any.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        hidden_dim: int,
        out_dim: int,
        objective: str,
        local_weight: float,
        masked_side: str,
        positives: str,
        attention_from: str,
        mask: str,
        keep_ratio: float,
        mask_mode: str,
        fusion: str,
        temperature: float,
        gather: Gather = alone,
        all_reduce: AllReduce | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector(
            encoder.dim, hidden_dim=hidden_dim, out_dim=out_dim, all_reduce=all_reduce
        )
        self.predictor = predictor(hidden_dim=hidden_dim, out_dim=out_dim, all_reduce=all_reduce)
        self.momentum_encoder = deepcopy(encoder).requires_grad_(False)
        self.momentum_projector = deepcopy(self.projector).requires_grad_(False)
        self.objective, self.local_weight, self.masked_side = objective, local_weight, masked_side
        self.positives, self.attention_from = positives, attention_from
        self.mask, self.keep_ratio, self.mask_mode, self.fusion = (
            mask,
            keep_ratio,
            mask_mode,
            fusion,
        )
        self.temperature, self.gather = temperature, gather

    @torch.no_grad()
    def update_momentum(self, momentum: float) -> None:
        """θ_k ← m·θ_k + (1 − m)·θ_q; call it once before every step."""
        for slow, fast in (
            (self.momentum_encoder, self.encoder),
            (self.momentum_projector, self.projector),
        ):
            torch._foreach_lerp_(
                list(slow.parameters()), [p.detach() for p in fast.parameters()], 1 - momentum
            )

    def forward(self, views_VB3SS: Tensor, *, noise_VBP: Tensor) -> Step:
        """The losses of two views of the same photographs, bytes or normalised floats [2, B, 3, S, S].

        [4, B, 3, S, S] is two views and then both in other colours: the regions are cut from these.
        The momentum encoder sees both views once, and attention is read from that same pass. The student sees both views; one extra
        pass is over the kept patches. The student of local only with masked queries sees nothing else. Random masks go by
        `noise_VBP`, uniform random numbers [2, B, P] on the CPU.
        """
        images = self.encoder.normalise(views_VB3SS[:2].flatten(0, 1))
        recoloured = (
            images
            if len(views_VB3SS) == 2
            else self.encoder.normalise(views_VB3SS[2:].flatten(0, 1))
        )
        with torch.no_grad():
            key_features, rows = self.momentum_encoder.forward_with_attention(images)
            keys_VBD = self.momentum_projector(_by_view(key_features))
            if self.attention_from == "student":
                _, rows = self.encoder.forward_with_attention(images)
        features, queries = {}, {}
        if self.objective != "local" or self._masks("key"):
            features["whole"] = _by_view(self.encoder(images))
        if self._masks("query"):
            features["region"] = self._region_features(self.encoder, recoloured, rows, noise_VBP)
        for name, features_VBD in features.items():
            queries[name] = self.predictor(self.projector(features_VBD))

        loss_global = loss_local = torch.zeros((), device=images.device)
        if self.objective != "local":
            loss_global = self._contrast(queries["whole"], keys_VBD)
        if self._masks("query"):
            loss_local = self._contrast_regions(queries["region"], keys_VBD)
        if self._masks("key"):
            with torch.no_grad():
                local_keys_VBD = self.momentum_projector(
                    self._region_features(self.momentum_encoder, recoloured, rows, noise_VBP)
                )
            loss_local = self._contrast_regions(queries["whole"], local_keys_VBD)
        weight = {"global": 0.0, "local": 1.0, "both": self.local_weight}[self.objective]
        shown = "whole" if "whole" in features else "region"
        return Step(
            loss=loss_global + weight * loss_local,
            loss_global=loss_global.detach(),
            loss_local=loss_local.detach(),
            features_VBD=features[shown].detach(),
            queries_VBD=queries[shown].detach(),
            keys_VBD=keys_VBD,
            rows_BLP=rows[: len(rows) // 2],
        )

    def _masks(self, side: str) -> bool:
        return self.objective != "global" and self.masked_side == side

    def _region_features(
        self, encoder: Encoder, images: Tensor, rows: Tensor, noise_VBP: Tensor
    ) -> Tensor:
        """Features [2, B, D] of images with only the patches that the mask keeps, by the fused attention to the views or without it."""
        score = FUSIONS[self.fusion](rows)
        keep = choose_patches(
            score,
            mask=self.mask,
            keep_ratio=self.keep_ratio,
            grid=encoder.grid,
            noise_BP=noise_VBP.flatten(0, 1),
        )
        if self.mask_mode == "zero":
            return _by_view(encoder(zero_patches(images, keep, grid=encoder.grid)))
        return _by_view(encoder(images, keep_BK=keep))

    def _contrast(self, queries_VBD: Tensor, keys_VBD: Tensor) -> Tensor:
        """ctr(q, k') + ctr(q', k): each view's queries against the keys of the other."""
        crossed = zip(queries_VBD, keys_VBD.flip(0), strict=True)
        return torch.stack(
            [info_nce(q, k, temperature=self.temperature, gather=self.gather) for q, k in crossed]
        ).sum()

    def _contrast_regions(self, queries_VBD: Tensor, keys_VBD: Tensor) -> Tensor:
        """The local task: the other view is the positive, or with positives `both` the mean over it and the region's own view."""
        crossed = self._contrast(queries_VBD, keys_VBD)
        return (
            crossed
            if self.positives == "other"
            else (crossed + self._contrast(queries_VBD, keys_VBD.flip(0))) / 2
        )


def _by_view(features: Tensor) -> Tensor:
    """[2·B, D] to [2, B, D]."""
    return features.unflatten(0, (2, -1))
