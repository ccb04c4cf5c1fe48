"""Batches of photographs, read and turned into views by worker processes.

The order depends on (seed, epoch) alone and every augmentation on (seed, epoch, index): both are
the same for any number of workers and after a resume.
"""

import math
import signal
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from lodisc.config import Fit
from lodisc.data.decode import Unreadable, decode
from lodisc.data.photo import Photo, Skipped, digest_of
from lodisc.data.thumbnails import Thumbnail, thumbnail
from lodisc.data.views import CENTRE_SCALE, two_views, whole_views
from lodisc.data.workers import require_room
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
        yield _received(views)


class Seen(NamedTuple):
    """A photograph, and the digest of the bytes from which its vector was made."""

    photo: Photo
    digest: str


Item = TypeVar("Item", bound=Photo | Seen)


class LoadedBatch(NamedTuple):
    """A batch of photographs that was read."""

    views: Tensor
    """Views of whole photographs, bytes [V, 3, S, S]."""
    counts: list[int]
    """How many views each photograph has: one, but for tiles."""
    photos: list[Photo]
    digests: list[str]
    """blake2b of the bytes of their files, in hexadecimal."""
    thumbnails: list[Thumbnail]
    """Of whole photographs, where they were asked for."""
    skipped: list[Skipped]
    """The photographs that could not be read."""
    seen: list[Seen]
    """The photographs that were not decoded, as their bytes are those of before."""


def means_of(features_VD: Tensor, counts: Sequence[int]) -> Tensor:
    """The mean feature [B, D] of the views of each photograph."""
    if len(counts) == len(features_VD):
        return features_VD
    return torch.stack([views.mean(0) for views in features_VD.split(list(counts))])


def batches_of(photos: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield `size` photographs at a time, in order; the last batch may be smaller."""
    for first in range(0, len(photos), size):
        yield photos[first : first + size]


def evaluation_batches(
    batches: Iterable[Sequence[Photo | Seen]],
    *,
    image_size: int,
    fit: Fit = "crop",
    workers: int = 0,
    known: Collection[str] = (),
    thumbnails: bool = False,
) -> Iterator[LoadedBatch]:
    """Read batches of photographs in order; unreadable ones are in `LoadedBatch.skipped`.

    A photograph that was seen is decoded only if its digest has changed, and no photograph is whose
    digest is `known`. `batches` is consumed a little ahead of what is yielded, so that the workers
    are always busy.
    """
    dataset = _WholeViews(image_size, fit, frozenset(known), thumbnails)
    for read in _load(dataset, batches, _stack_readable, workers=workers):
        yield read._replace(views=_received(read.views))


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
    if workers:
        require_room(workers)
    loader = DataLoader(
        dataset,
        batch_sampler=chain(first, remaining),
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_quiet_worker,
        prefetch_factor=3 if workers else None,
    )
    try:
        yield from _started(loader)
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        raise UserError(
            "a process that read photographs was ended, most likely for lack of memory; "
            "try again with fewer --workers"
        ) from None


def _started(loader: DataLoader[Any]) -> Iterator[Any]:
    """The batches of a loader, which tells of a worker that was ended when a batch is asked for.

    The handler that torch sets would raise wherever the main process is by then.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, handler)
    return batches


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


class _WholeViews(Dataset["_Read"]):
    """Indexed by the photograph itself."""

    def __init__(self, image_size: int, fit: Fit, known: frozenset[str], thumbnails: bool) -> None:
        self.image_size, self.fit, self.known = image_size, fit, known
        self.thumbnails = thumbnails

    def __getitem__(self, item: Photo | Seen) -> "_Read":
        photo, expected = item if isinstance(item, Seen) else (item, None)
        try:
            data = photo.read()
            digest = digest_of(data)
            if digest == expected or digest in self.known:
                return Seen(photo, digest)
            image = decode(data, at_least=most_pixels(self.image_size))
        except Unreadable as error:
            return Skipped(photo.key, str(error))
        views = whole_views(image, image_size=self.image_size, fit=self.fit)
        return views, photo, digest, [thumbnail(image)] if self.thumbnails else []


def decode_for(photo: Photo, *, image_size: int, min_crop: float = 1.0) -> Image.Image:
    """Decode a photograph, reduced to about the pixels that such views can show."""
    return decode(photo.read(), at_least=most_pixels(image_size, min_crop=min_crop))


def most_pixels(image_size: int, *, min_crop: float = 1.0) -> int:
    """The short side in pixels that is enough for views from `min_crop` of the area."""
    return int(CENTRE_SCALE * image_size / min_crop**0.5) + 1


Stacked = Tensor | NDArray[np.uint8]
"""A tensor in shared memory, or an array that goes through a pipe."""


def _stack(views: Sequence[Tensor], *, dim: int) -> Stacked:
    """The views as one tensor, which a worker puts into shared memory if there is room.

    A container has little of it. A worker that is refused there must say so itself: what goes wrong
    while a tensor is sent is lost, and the main process would wait for ever.
    """
    if get_worker_info() is None:
        return torch.stack(tuple(views), dim)
    shape = list(views[0].shape)
    shape.insert(dim, len(views))
    try:
        storage = views[0]._typed_storage()._new_shared(math.prod(shape), device="cpu")
    except RuntimeError:
        return torch.stack(tuple(views), dim).numpy()
    return torch.stack(tuple(views), dim, out=views[0].new(storage).resize_(shape))


def _received(views: Stacked) -> Tensor:
    return views if isinstance(views, Tensor) else torch.from_numpy(views)


def _stack_views(views: list[Tensor | Unreadable]) -> Stacked | Unreadable:
    unreadable = next((view for view in views if isinstance(view, Unreadable)), None)
    return unreadable or _stack([view for view in views if isinstance(view, Tensor)], dim=1)


_Read = tuple[Tensor, Photo, str, list[Thumbnail]] | Seen | Skipped


def _stack_readable(loaded: list[_Read]) -> LoadedBatch:
    skipped = [item for item in loaded if isinstance(item, Skipped)]
    seen = [item for item in loaded if isinstance(item, Seen)]
    readable = [item for item in loaded if not isinstance(item, Skipped | Seen)]
    if not readable:
        views = torch.empty(0, 3, 0, 0, dtype=torch.uint8)
        return LoadedBatch(views, [], [], [], [], skipped, seen)
    tiles, photos, digests, thumbnails = map(list, zip(*readable, strict=True))
    return LoadedBatch(
        views=cast(Tensor, _stack([view for several in tiles for view in several], dim=0)),
        counts=[len(several) for several in tiles],
        photos=photos,
        digests=digests,
        thumbnails=list(chain.from_iterable(thumbnails)),
        skipped=skipped,
        seen=seen,
    )
