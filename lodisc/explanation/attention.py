"""The attention of an encoder to a photograph, and its pivotal region.

The pivotal region is the quarter of the patches with the most attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lodisc.method.masking import pivotal_region
from lodisc.photo_encoder import PhotoEncoder


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Attention to a photograph `[rows, columns]`, which sums to 1, and its pivotal region."""

    attention: NDArray[np.float32]
    pivotal: NDArray[np.bool_]


def attention_maps(
    encoder: PhotoEncoder, images: Sequence[Image.Image], *, fusion: str = "product"
) -> list[AttentionMap]:
    """Fused attention and pivotal region of RGB images."""
    attention_NRC = encoder.attention(images, fusion=fusion)
    pivotal_NRC = pivotal_region(attention_NRC.flatten(1)).view_as(attention_NRC)
    return [
        AttentionMap(attention, pivotal)
        for attention, pivotal in zip(attention_NRC.numpy(), pivotal_NRC.numpy(), strict=True)
    ]
