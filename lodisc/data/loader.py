"""Batches of photographs, read and turned into views by worker processes.

The order depends on (seed, epoch) alone and every augmentation on (seed, epoch, index): both are
the same for any number of workers and after a resume.
"""

import signal
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lodisc.data.decode import Unreadable, decode
from lodisc.data.photo import Photo, Skipped
from lodisc.data.views import CENTRE_SCALE, centre_view, two_views
from lodisc.errors import UserError


@lru_cache(maxsize=2)
def epoch_order(count: int, *, seed: int, epoch: int) -> list[int]:
    """The order of the photographs in one epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


def places_of(
    step: int, *, count: int, seed: int, batch_size: int, rank: int = 0, world: int = 1
) -> list[tuple[int, int]]:
    """Epoch and index of each of `count` photographs in this process's share of a step's batch.

    The last, incomplete batch of an epoch is dropped.
    """
    share = batch_size // world
    epoch, batch = divmod(step, count // batch_size)
    first = batch * batch_size + rank * share
    return [
        (epoch, index)
        for index in epoch_order(count, seed=seed, epoch=epoch)[first : first + share]
    ]


def training_batches(
    photos: Sequence[Photo],
    *,
    seed: int,
    image_size: int,
    min_crop: float,
    batch_size: int,
    steps: range,
    recolour: bool = False,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[Tensor]:
    """Yield this process's share of the batch of each step: bytes [2, batch_size / world, 3, S, S].

    The first axis holds the two views, and with `recolour` both again in other colours. A batch of
    all processes holds `batch_size` photographs.
    Raises `UserError` when a photograph can no longer be read.
    """
    assert len(photos) >= batch_size and batch_size % world == 0

    def places() -> Iterator[list[tuple[int, int]]]:
        for step in steps:
            yield places_of(
                step,
                count=len(photos),
                seed=seed,
                batch_size=batch_size,
                rank=rank,
                world=world,
            )

    dataset = _TwoViews(
        photos, seed=seed, image_size=image_size, min_crop=min_crop, recolour=recolour
    )
    for views in _load(dataset, places(), _stack_views, workers=workers, pin_memory=pin_memory):
        if isinstance(views, Unreadable):
            raise UserError(f"{views}; put the photograph back, or start a new run without it")
        yield views


class LoadedBatch(NamedTuple):
    """A batch of photographs that was read."""

    views: Tensor
    """Centred views, bytes [B, 3, S, S]."""
    photos: list[Photo]
    digests: list[str]
    """blake2b of the bytes of their files, in hexadecimal."""
    skipped: list[Skipped]
    """The photographs that could not be read."""


def batches_of(photos: Sequence[Photo], size: int) -> Iterator[Sequence[Photo]]:
    """Yield `size` photographs at a time, in order; the last batch may be smaller."""
    for first in range(0, len(photos), size):
        yield photos[first : first + size]


def evaluation_batches(
    batches: Iterable[Sequence[Photo]], *, image_size: int, workers: int = 0
) -> Iterator[LoadedBatch]:
    """Read batches of photographs in order; unreadable ones are in `LoadedBatch.skipped`.

    `batches` is consumed a little ahead of what is yielded, so that the workers are always busy.
    """
    yield from _load(_CentreViews(image_size), batches, _stack_readable, workers=workers)


def _load(
    dataset: Dataset[Any],
    batches: Iterable[Any],
    collate: Any,
    *,
    workers: int,
    pin_memory: bool = False,
) -> Iterator[Any]:
    if workers < 0:
        raise UserError(f"--workers {workers} is out of range; use 0 or more")
    remaining = iter(batches)
    first = list(islice(remaining, workers))  # no more workers than batches
    workers = len(first)
    return iter(
        DataLoader(
            dataset,
            batch_sampler=chain(first, remaining),
            collate_fn=collate,
            num_workers=workers,
            pin_memory=pin_memory,
            worker_init_fn=_quiet_worker,
            prefetch_factor=3 if workers else None,
        )
    )


def _quiet_worker(_: int) -> None:
    """Use one thread, and leave signals to the process group to the main process."""
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class _TwoViews(Dataset[Tensor | Unreadable]):
    def __init__(
        self,
        photos: Sequence[Photo],
        *,
        seed: int,
        image_size: int,
        min_crop: float,
        recolour: bool,
    ) -> None:
        self.photos = photos
        self.seed = seed
        self.image_size = image_size
        self.min_crop = min_crop
        self.recolour = recolour

    def __getitem__(self, place: tuple[int, int]) -> Tensor | Unreadable:
        epoch, index = place
        photo = self.photos[index]
        try:
            image = decode_for(photo, image_size=self.image_size, min_crop=self.min_crop)
        except Unreadable as error:
            return Unreadable(f"{photo.key}: {error}")
        rng = np.random.default_rng([self.seed, epoch, index])
        return two_views(
            image, rng, image_size=self.image_size, min_crop=self.min_crop, recolour=self.recolour
        )


class _CentreViews(Dataset[tuple[Tensor, Photo, str] | Skipped]):
    """Indexed by the photograph itself."""

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size

    def __getitem__(self, photo: Photo) -> tuple[Tensor, Photo, str] | Skipped:
        try:
            data = photo.read()
            image = decode(data, at_least=most_pixels(self.image_size))
        except Unreadable as error:
            return Skipped(photo.key, str(error))
        return (
            centre_view(image, image_size=self.image_size),
            photo,
            blake2b(data, digest_size=16).hexdigest(),
        )


def decode_for(photo: Photo, *, image_size: int, min_crop: float = 1.0) -> Image.Image:
    """Decode a photograph, reduced to about the pixels that such views can show."""
    return decode(photo.read(), at_least=most_pixels(image_size, min_crop=min_crop))


def most_pixels(image_size: int, *, min_crop: float = 1.0) -> int:
    """The short side in pixels that is enough for views from `min_crop` of the area."""
    return int(CENTRE_SCALE * image_size / min_crop**0.5) + 1


def _stack_views(views: list[Tensor | Unreadable]) -> Tensor | Unreadable:
    unreadable = next((view for view in views if isinstance(view, Unreadable)), None)
    return unreadable or torch.stack([view for view in views if isinstance(view, Tensor)], dim=1)


def _stack_readable(loaded: list[tuple[Tensor, Photo, str] | Skipped]) -> LoadedBatch:
    skipped = [item for item in loaded if isinstance(item, Skipped)]
    readable = [item for item in loaded if not isinstance(item, Skipped)]
    if not readable:
        return LoadedBatch(torch.empty(0, 3, 0, 0, dtype=torch.uint8), [], [], skipped)
    views, photos, digests = zip(*readable, strict=True)
    return LoadedBatch(torch.stack(views), list(photos), list(digests), skipped)
