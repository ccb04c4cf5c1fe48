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

MOST, LEAST = 640, 50
"""The number of photographs in a sample, and the least that tell anything."""
MOST_BYTES = 1 << 28  # of views in memory
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


def sample_of(photos: Sequence[Photo]) -> list[Photo]:
    """At most `MOST` of the photographs, drawn at random, the same ones whenever it is called."""
    drawn = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0))[:MOST]
    return [photos[index] for index in sorted(drawn.tolist())]


def read_sample(photos: Sequence[Photo], *, image_size: int, fit: Fit, workers: int) -> Sample:
    """The sample of these photographs; of large views fewer, so that they fit in memory.

    Raises `UserError` for a photograph that cannot be read.
    """
    views, counts = list[Tensor](), list[int]()
    room = MOST_BYTES // (3 * image_size**2)
    batches = evaluation_batches(
        batches_of(sample_of(photos), _BATCH), image_size=image_size, fit=fit, workers=workers
    )
    total = -(-min(len(photos), MOST) // _BATCH)
    for batch in track(batches, description="Drawing a sample", total=total):
        if batch.skipped:
            raise UserError(f"{batch.skipped[0].key}: {batch.skipped[0].reason}")
        views.append(batch.views)
        counts += batch.counts
        room -= len(batch.views)
        if room < len(batch.views):
            break
    return Sample(torch.cat(views), counts)
