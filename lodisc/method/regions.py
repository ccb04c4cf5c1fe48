"""A region of a view: some of its patches, chosen by attention or at random.

Axes: B views in a batch, S side in pixels, L layers, P patches, K patches of the region, D feature.
"""

from dataclasses import dataclass

from torch import Tensor

from lodisc.method.encoder import Encoder
from lodisc.method.masking import FUSIONS, choose_patches, zero_patches


@dataclass(frozen=True)
class Regions:
    """How a region is cut from a view: the attention map A, the mask over it, and what happens to the rest.

    The paper: A = ∏_l a_l (`product`), the ⌈ρ·P⌉ patches with the highest A (`pivotal`), others `zero`.
    """

    mask: str
    """Which patches stay; a name in `MASKS`."""
    keep_ratio: float
    """ρ, the share of the patches that stay."""
    fusion: str
    """How the attention rows a_l become one map A; a name in `FUSIONS`."""
    mode: str
    """`drop` takes the other patches out of the sequence, `zero` sets their pixels to 0."""

    def cut(
        self, encoder: Encoder, images_B3SS: Tensor, rows_BLP: Tensor, *, noise_BP: Tensor
    ) -> Tensor:
        """The features [B, D] that an encoder gives the regions of normalised images.

        `rows_BLP` is the [CLS] attention to the views. Masks at random follow `noise_BP`, uniform
        random numbers on the CPU.
        """
        keep_BK = choose_patches(
            FUSIONS[self.fusion].score(rows_BLP),
            mask=self.mask,
            keep_ratio=self.keep_ratio,
            grid=encoder.grid,
            noise_BP=noise_BP,
        )
        if self.mode == "zero":
            return encoder(zero_patches(images_B3SS, keep_BK, grid=encoder.grid))
        return encoder(images_B3SS, keep_BK=keep_BK)
