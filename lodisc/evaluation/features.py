"""Frozen features of photographs: what every protocol starts from.

Axes: N photographs, D features, B batch, S side in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.console import progress_bar
from lodisc.data.loader import batches_of, evaluation_batches
from lodisc.data.photo import Photo, Skipped
from lodisc.photo_encoder import require_finite


class FeatureMaker(Protocol):
    """What can be measured: a `PhotoEncoder`, or anything else that turns uint8 photographs into features."""

    @property
    def image_size(self) -> int: ...
    def features(self, images: Tensor, /) -> Tensor: ...


class Pixels:
    """The raw pixels as features, `32 x 32 x 3` in 0..1: what a learnt feature must beat."""

    side = 32

    def __init__(self, image_size: int = 128) -> None:
        self.image_size = image_size

    def features(self, images: Tensor, /) -> Tensor:
        """uint8 `[B, 3, S, S]` to float32 `[B, 3072]`."""
        return (
            F.interpolate(
                images.float() / 255, (self.side, self.side), mode="bilinear", antialias=True
            )
            .flatten(1)
            .clamp(0, 1)
        )


@dataclass(frozen=True, eq=False)
class Features:
    """Features `vectors [N, D]` float32 on the CPU, not normalised, of the photographs that could be read.

    `labels [N]` int64 are positions in `classes`; -1 where a photograph has no label or one that is not in `classes`.
    """

    vectors: Tensor
    labels: Tensor
    classes: list[str]
    photos: list[Photo]
    skipped: list[Skipped]

    def __len__(self) -> int:
        return len(self.photos)

    def select(self, mask: Tensor) -> "Features":
        """The photographs where `mask [N]` is true."""
        chosen = [photo for photo, keep in zip(self.photos, mask.tolist(), strict=True) if keep]
        return replace(self, vectors=self.vectors[mask], labels=self.labels[mask], photos=chosen)


@dataclass(frozen=True, eq=False)
class Arm:
    """One encoder of a comparison, with its features of the labelled photographs to learn from and to be measured on."""

    name: str
    encoder: FeatureMaker
    train: Features
    test: Features


def extract(
    encoder: FeatureMaker,
    photos: Sequence[Photo],
    *,
    classes: Sequence[str],
    description: str,
    batch_size: int = 64,
    workers: int = 2,
) -> Features:
    """Features of the centre view of every photograph that can be read, in the given order; the others are in `skipped`.

    A `UserError` names the first photograph whose feature is not finite.
    """
    vectors: list[Tensor] = []
    readable: list[Photo] = []
    skipped: list[Skipped] = []
    with progress_bar() as progress:
        task = progress.add_task(description, total=len(photos), note="")
        for read in evaluation_batches(
            batches_of(photos, batch_size), image_size=encoder.image_size, workers=workers
        ):
            skipped += read.skipped
            if read.photos:
                vectors.append(encoder.features(read.views).float().cpu())
                require_finite(vectors[-1], [photo.key for photo in read.photos])
                readable += read.photos
            progress.update(task, advance=len(read.photos) + len(read.skipped))
    position = {name: index for index, name in enumerate(classes)}
    return Features(
        vectors=torch.cat(vectors) if vectors else torch.zeros(0, 0),
        labels=torch.tensor(
            [position.get(photo.label or "", -1) for photo in readable], dtype=torch.int64
        ),
        classes=list(classes),
        photos=readable,
        skipped=skipped,
    )
