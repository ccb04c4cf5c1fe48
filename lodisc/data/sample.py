"""A fixed sample of whole photographs, by which encoders are compared without labels.

Axes: N photographs, V views, S side in pixels, D features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lodisc.config import Fit
from lodisc.console import track
from lodisc.data.loader import batches_of, evaluation_batches, means_of
from lodisc.data.photo import Photo
from lodisc.errors import UserError

MOST = 640
"""The number of photographs in a sample."""
MOST_BYTES = 1 << 28  # of their views in memory, several times as much if all have tiles
_BATCH = 64


@dataclass(frozen=True)
class Sample:
    """The views of the photographs of a sample, in memory."""

    views_V3SS: Tensor
    """Bytes."""
    counts: list[int]
    """How many views each photograph has: one, but for tiles."""

    def __len__(self) -> int:
        return len(self.counts)

    def features(self, encoder: Callable[[Tensor], Tensor]) -> Tensor:
        """The features [N, D] that an encoder gives for these photographs, on the CPU."""
        batches = [
            encoder(views_B3SS).float().cpu() for views_B3SS in self.views_V3SS.split(_BATCH)
        ]
        return means_of(torch.cat(batches), self.counts)


def sample_of(photos: Sequence[Photo], *, image_size: int) -> list[Photo]:
    """At most `MOST` of the photographs, drawn at random, the same ones whenever it is called.

    Of large views there are fewer, so that they fit in memory.
    """
    most = min(MOST, MOST_BYTES // (3 * image_size**2))
    drawn = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0))[:most]
    return [photos[index] for index in sorted(drawn.tolist())]


def read_sample(photos: Sequence[Photo], *, image_size: int, fit: Fit, workers: int) -> Sample:
    """The views of `sample_of` these photographs.

    Raises `UserError` for a photograph that cannot be read.
    """
    views, counts = list[Tensor](), list[int]()
    sample = sample_of(photos, image_size=image_size)
    batches = evaluation_batches(
        batches_of(sample, _BATCH), image_size=image_size, fit=fit, workers=workers
    )
    total = -(-len(sample) // _BATCH)
    for batch in track(batches, description="Drawing a sample", total=total):
        if batch.skipped:
            photo = batch.skipped[0]
            raise UserError(
                f"{photo.key}: {photo.reason}; put the photograph back, or start a new run without"
            )
        views.append(batch.views)
        counts += batch.counts
    return Sample(torch.cat(views) if views else torch.zeros(0, 3, 1, 1), counts)
