"""A region: the patches of a view that a mask keeps, chosen by fused attention or at random.

Axes: V views, B photographs, L layers, P patches, K kept patches, S side in pixels, D feature.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from lodisc.method.encoder import Encoder
from lodisc.method.masking import FUSIONS, choose_patches, zero_patches


class Cut(NamedTuple):
    """Regions as an encoder takes them."""

    images: Tensor
    """Normalised images [V·B, 3, S, S]."""
    keep_BK: Tensor | None
    """The patches that stay in the sequence; None for all of them."""


@dataclass(frozen=True)
class Regions:
    """How regions are cut: by the paper's fusion and location-wise mask, or by other choices."""

    mask: str
    """Which patches are kept, one of `masking.MASKS`; the paper keeps the `pivotal` ones."""
    keep_ratio: float
    """ρ: exactly ⌈ρ·P⌉ patches are kept."""
    fusion: str
    """How the attention rows of L layers become one map A, one of `masking.FUSIONS`."""
    mode: str
    """`drop` removes the other patches from the sequence; `zero` sets their pixels to 0."""

    @property
    def follow_attention(self) -> bool:
        """Whether the choice of patches depends on attention."""
        return self.mask in ("pivotal", "least")

    def cut(self, encoder: Encoder, views: Tensor, *, rows: Tensor, noise_VBP: Tensor) -> Cut:
        """The regions of normalised views [V·B, 3, S, S].

        `rows` [V·B, L, P] is the attention to the views. Masks at random follow `noise_VBP`.
        """
        keep = choose_patches(
            FUSIONS[self.fusion].score(rows),
            mask=self.mask,
            keep_ratio=self.keep_ratio,
            grid=encoder.grid,
            noise_BP=noise_VBP.flatten(0, 1),
        )
        if self.mode == "zero":
            return Cut(zero_patches(views, keep, grid=encoder.grid), None)
        return Cut(views, keep)
