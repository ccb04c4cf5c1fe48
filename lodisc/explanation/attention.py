"""Where an encoder looks: its fused attention and its pivotal region, the quarter of the patches with the most of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lodisc.method.masking import pivotal_region
from lodisc.photo_encoder import PhotoEncoder


@dataclass(frozen=True, eq=False)
class Look:
    """What an encoder makes of one photograph: attention `[rows, columns]` that sums to 1, and the patches of its pivotal region."""

    attention: NDArray[np.float32]
    pivotal: NDArray[np.bool_]


def look(
    encoder: PhotoEncoder, images: Sequence[Image.Image], *, fusion: str = "product"
) -> list[Look]:
    """Fused attention and pivotal region of RGB images."""
    maps_NRC = encoder.attention(images, fusion=fusion)
    kept_NRC = pivotal_region(maps_NRC.flatten(1)).view_as(maps_NRC)
    return [
        Look(attention, kept)
        for attention, kept in zip(maps_NRC.numpy(), kept_NRC.numpy(), strict=True)
    ]
