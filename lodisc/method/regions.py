"""A region: the patches of a view that a mask keeps, chosen by attention fused over the layers or without it.

Axes: V views, B photographs, L layers, P patches, K kept patches, S side in pixels, D feature.
"""

from dataclasses import dataclass

from torch import Tensor

from lodisc.method.encoder import Encoder
from lodisc.method.masking import FUSIONS, choose_patches, zero_patches


@dataclass(frozen=True)
class Regions:
    """How regions are cut: the paper's attention fusion and location-wise mask, or another choice of patches."""

    mask: str
    """Which patches are kept, one of `masking.MASKS`; the paper keeps the `pivotal` ones."""
    keep_ratio: float
    """ρ: exactly ⌈ρ·P⌉ patches are kept."""
    fusion: str
    """How the attention rows of L layers become one map A, one of `masking.FUSIONS`."""
    mode: str
    """`drop` removes the other patches from the sequence; `zero` sets their pixels to 0."""

    def features(
        self, encoder: Encoder, views: Tensor, *, rows: Tensor, noise_VBP: Tensor
    ) -> Tensor:
        """The features [V·B, D] of normalised views [V·B, 3, S, S] of which only the region is seen.

        `rows` [V·B, L, P] is the attention that chooses, `noise_VBP` what random masks go by.
        """
        keep = choose_patches(
            FUSIONS[self.fusion].score(rows),
            mask=self.mask,
            keep_ratio=self.keep_ratio,
            grid=encoder.grid,
            noise_BP=noise_VBP.flatten(0, 1),
        )
        if self.mode == "zero":
            return encoder(zero_patches(views, keep, grid=encoder.grid))
        return encoder(views, keep_BK=keep)
