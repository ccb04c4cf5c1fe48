"""A fixed sample of photographs in two random views each, by which encoders are compared.

Axes: N photographs, S side in pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lodisc.console import track
from lodisc.data.loader import training_batches
from lodisc.data.photo import Photo

MOST, LEAST = 512, 50
"""The number of photographs in a sample, and the least that tell anything."""
MOST_BYTES = 1 << 28  # of views in memory
MIN_CROP = 0.2
_BATCH = 64


def sample_of(photos: Sequence[Photo], *, image_size: int) -> list[Photo]:
    """At most `MOST` of the photographs, drawn at random, the same in every run; fewer if large."""
    most = min(MOST, MOST_BYTES // (2 * 3 * image_size**2))
    drawn = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0))[:most]
    return [photos[index] for index in sorted(drawn.tolist())]


def view_pairs(photos: Sequence[Photo], *, image_size: int, workers: int) -> Tensor:
    """Two random views of every photograph, bytes [2, N, 3, S, S], as training makes them.

    They are the same whenever they are made, in an order of their own. Up to one in fifty is left
    out, so that batches are of one size. Raises `UserError` when a photograph cannot be read.
    """
    batches = -(-len(photos) // _BATCH)
    batch_size = len(photos) // batches
    pairs = training_batches(
        photos,
        seed=0,
        image_size=image_size,
        min_crop=MIN_CROP,
        batch_size=batch_size,
        steps=range(batches),
        workers=workers,
    )
    return torch.cat(list(track(pairs, description="Making views", total=batches)), dim=1)
