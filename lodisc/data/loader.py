"""Batches of photographs, read and turned into views by worker processes.

Order is f(seed, epoch) and every augmentation f(seed, epoch, index): the same for any number of workers and after a resume.
"""

import signal
from collections.abc import Iterable, Iterator, Sequence
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
from lodisc.data.views import centre_view, two_views
from lodisc.errors import UserError


def epoch_order(count: int, *, seed: int, epoch: int) -> list[int]:
    """The order of the photographs in one epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


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
    """Yield for each step this process's share of the batch: two views, bytes [2, batch_size / world, 3, S, S]; with `recolour` four.

    A batch of all processes holds `batch_size` photographs; an epoch's last, incomplete batch is left out. Raises `UserError`
    when a photograph can no longer be read.
    """
    share = batch_size // world
    per_epoch = len(photos) // batch_size
    assert per_epoch > 0 and batch_size % world == 0

    def indices() -> Iterator[list[tuple[int, int]]]:
        order, drawn = [], -1
        for step in steps:
            epoch, batch = divmod(step, per_epoch)
            if epoch != drawn:
                order, drawn = epoch_order(len(photos), seed=seed, epoch=epoch), epoch
            first = batch * batch_size + rank * share
            yield [(epoch, index) for index in order[first : first + share]]

    dataset = _TwoViews(
        photos, seed=seed, image_size=image_size, min_crop=min_crop, recolour=recolour
    )
    for views in _load(dataset, indices(), _stack_views, workers=workers, pin_memory=pin_memory):
        if isinstance(views, Unreadable):
            raise UserError(f"{views}; put the photograph back, or start a new run without it")
        yield views


class Read(NamedTuple):
    """A batch of photographs as they were read."""

    views: Tensor
    """Centred views, bytes [B, 3, S, S]."""
    photos: list[Photo]
    digests: list[str]
    """blake2b of the bytes of their files, in hex."""
    skipped: list[Skipped]
    """Those that could not be read."""


def batches_of(photos: Sequence[Photo], size: int) -> Iterator[Sequence[Photo]]:
    """So many photographs at a time, in their order; the last batch may be smaller."""
    for first in range(0, len(photos), size):
        yield photos[first : first + size]


def evaluation_batches(
    batches: Iterable[Sequence[Photo]], *, image_size: int, workers: int = 0
) -> Iterator[Read]:
    """Read batches of photographs in order; a batch lacks those that can't be read.

    Of `batches` a few more are taken than are read, so that the workers always have something to do.
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
        raise UserError(f"--workers {workers} is out of range; 0 reads without further processes")
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
    """One thread a worker; signals to the whole process group are the main process's to handle."""
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
        self.photos, self.seed, self.image_size, self.min_crop, self.recolour = (
            photos,
            seed,
            image_size,
            min_crop,
            recolour,
        )

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
    """Decode a photograph at no more than the size that views of `image_size` from `min_crop` of its area can show."""
    return decode(photo.read(), at_least=most_pixels(image_size, min_crop=min_crop))


def most_pixels(image_size: int, *, min_crop: float = 1.0) -> int:
    """The short side that is enough for views of `image_size` from `min_crop` of the area."""
    return int(1.14 * image_size / min_crop**0.5) + 1


def _stack_views(views: list[Tensor | Unreadable]) -> Tensor | Unreadable:
    unreadable = next((view for view in views if isinstance(view, Unreadable)), None)
    return unreadable or torch.stack([view for view in views if isinstance(view, Tensor)], dim=1)


def _stack_readable(loaded: list[tuple[Tensor, Photo, str] | Skipped]) -> Read:
    skipped = [one for one in loaded if isinstance(one, Skipped)]
    readable = [one for one in loaded if not isinstance(one, Skipped)]
    if not readable:
        return Read(torch.empty(0, 3, 0, 0, dtype=torch.uint8), [], [], skipped)
    views, photos, digests = zip(*readable, strict=True)
    return Read(torch.stack(views), list(photos), list(digests), skipped)
