"""Frozen features of photographs: the input of every protocol.

Axes: N photographs, D features, B batch, S side in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.config import Fit
from lodisc.console import progress_bar
from lodisc.data.loader import batches_of, evaluation_batches, means_of
from lodisc.data.photo import Photo, Skipped
from lodisc.data.thumbnails import Thumbnail
from lodisc.photo_encoder import require_finite


class FeatureMaker(Protocol):
    """Anything that turns uint8 photographs into features, such as a `PhotoEncoder`."""

    @property
    def image_size(self) -> int: ...
    @property
    def fit(self) -> Fit: ...
    def features(self, images: Tensor, /) -> Tensor: ...


class Pixels:
    """The raw pixels as features, `32 x 32 x 3` in 0..1: a baseline for learnt features."""

    side = 32
    fit: Fit = "crop"

    def __init__(self, image_size: int = 128) -> None:
        self.image_size = image_size

    def features(self, images: Tensor, /) -> Tensor:
        """uint8 `[B, 3, S, S]` to float32 `[B, 3072]`."""
        size = (self.side, self.side)
        small = F.interpolate(images.float() / 255, size, mode="bilinear", antialias=True)
        return small.flatten(1).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Features:
    """Features of the photographs that could be read.

    `vectors [N, D]` are float32 on the CPU and not normalised. `labels [N]` int64 are positions in
    `classes`, or -1 where the label of a photograph is missing or not in `classes`.
    """

    vectors: Tensor
    labels: Tensor
    classes: list[str]
    photos: list[Photo]
    skipped: list[Skipped]
    digests: list[str] = field(default_factory=list)
    """Of the bytes of each photograph's file, where they were read."""
    thumbnails: list[Thumbnail] = field(default_factory=list)
    """Of each whole photograph, where they were asked for."""

    def __len__(self) -> int:
        return len(self.photos)

    def select(self, mask: Tensor) -> "Features":
        """The photographs where `mask [N]` is true."""
        photos = [photo for photo, keep in zip(self.photos, mask.tolist(), strict=True) if keep]
        return replace(self, vectors=self.vectors[mask], labels=self.labels[mask], photos=photos)


@dataclass(frozen=True, eq=False)
class Arm:
    """An encoder in a comparison, and its features of the labelled train and test photographs."""

    name: str
    encoder: FeatureMaker
    train: Features
    test: Features


def extract_arm(
    name: str,
    encoder: FeatureMaker,
    train: Sequence[Photo],
    test: Sequence[Photo],
    *,
    classes: Sequence[str],
    batch_size: int = 64,
    workers: int = 2,
    with_thumbnails: bool = False,
) -> Arm:
    """The features of an encoder on train and test; raises as `extract`."""
    train_features, test_features = (
        extract(
            encoder,
            photos,
            classes=classes,
            batch_size=batch_size,
            workers=workers,
            description=f"{name}: {split} photographs",
            with_thumbnails=with_thumbnails,
        )
        for split, photos in (("training", train), ("test", test))
    )
    return Arm(name, encoder, train_features, test_features)


def extract(
    encoder: FeatureMaker,
    photos: Sequence[Photo],
    *,
    classes: Sequence[str],
    description: str,
    batch_size: int = 64,
    workers: int = 2,
    with_thumbnails: bool = False,
) -> Features:
    """Features of the centre views of all readable photographs, in the given order.

    The others are in `skipped`. Raises `UserError` when a feature is not finite.
    """
    vectors: list[Tensor] = []
    digests: list[str] = []
    thumbnails: list[Thumbnail] = []
    readable: list[Photo] = []
    skipped: list[Skipped] = []
    with progress_bar() as progress:
        task = progress.add_task(description, total=len(photos), note="")
        for batch in evaluation_batches(
            batches_of(photos, batch_size),
            image_size=encoder.image_size,
            fit=encoder.fit,
            workers=workers,
            thumbnails=with_thumbnails,
        ):
            skipped += batch.skipped
            if batch.photos:
                features = encoder.features(batch.views).float().cpu()
                vectors.append(means_of(features, batch.counts))
                require_finite(vectors[-1], [photo.key for photo in batch.photos])
                readable += batch.photos
                digests += batch.digests
                thumbnails += batch.thumbnails
            progress.update(task, advance=len(batch.photos) + len(batch.skipped))
    position = {name: index for index, name in enumerate(classes)}
    labels = [position.get(photo.label or "", -1) for photo in readable]
    return Features(
        vectors=torch.cat(vectors) if vectors else torch.zeros(0, 0),
        labels=torch.tensor(labels, dtype=torch.int64),
        classes=list(classes),
        photos=readable,
        skipped=skipped,
        digests=digests,
        thumbnails=thumbnails,
    )
