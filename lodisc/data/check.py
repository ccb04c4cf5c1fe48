"""Read every photograph once: leave out what can't be read, and describe what is there, with its duplicates.

Axes: N photographs, T train, S test (a block of them), D pixels of a thumbnail.
"""

import signal
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from lodisc import console
from lodisc.data.decode import Unreadable, decode, dimensions
from lodisc.data.photo import Photo, Skipped, printable
from lodisc.data.sources import Listing, find_photos, split_photos
from lodisc.errors import UserError
from lodisc.files import write_json_lines

FEW = 64  # so few are read before a second process has started
LIKENESS = 0.97
MOST_BITS_APART = 6

Result = TypeVar("Result")


@dataclass(frozen=True)
class Checked:
    """The photographs that can be read, in order, and all that was left out."""

    photos: list[Photo]
    skipped: list[Skipped]


def check_photos(listing: Listing, *, workers: int, max_skipped: float) -> Checked:
    """Decode every photograph; a `UserError` says when none is left, or more than the share `max_skipped` can't be read."""
    photos, skipped = [], list(listing.skipped)
    reasons = _each(
        _why_unreadable, listing.photos, workers=workers, description="checking photographs"
    )
    for photo, reason in zip(listing.photos, reasons, strict=True):
        if reason is None:
            photos.append(photo)
        else:
            skipped.append(Skipped(photo.key, reason))
    total = len(photos) + len(skipped)
    if not photos or len(skipped) > max_skipped * total:
        first = f" ({printable(skipped[0].key)}: {skipped[0].reason})" if skipped else ""
        advice = f"more than --max-skipped {max_skipped:g} allows; " if photos else ""
        raise UserError(
            f"{len(skipped)} of {total} photographs can't be read{first}; {advice}`lodisc data check DATA` lists them"
        )
    return Checked(photos, skipped)


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write one JSON object a line, with `key` and `reason`; atomically."""
    write_json_lines(path, map(asdict, skipped))


def describe(
    data: str | Path, *, train_split: float | None = None, seed: int = 0, workers: int = 2
) -> dict[str, Any]:
    """What would be read and skipped, classes, splits, sizes in pixels and duplicates, ready for JSON.

    However much is skipped, this goes on; a `UserError` says when DATA is missing, has splits of its own beside `train_split`,
    or when a setting is out of range.
    """
    if workers < 0:
        raise UserError(f"--workers {workers} is out of range; use 0 or more")
    listing = find_photos(data)
    splitting = split_photos(listing.photos, train_split=train_split, seed=seed)
    looks = list(_each(_look, splitting, workers=workers, description="looking at photographs"))
    seen = [
        (photo, look)
        for photo, look in zip(splitting, looks, strict=True)
        if isinstance(look, _Look)
    ]
    lost = [
        Skipped(photo.key, look)
        for photo, look in zip(splitting, looks, strict=True)
        if isinstance(look, str)
    ]
    skipped = [*listing.skipped, *lost]
    photos = [photo for photo, _ in seen]
    return {
        "data": str(data),
        "photographs": len(photos),
        "splits": dict(
            sorted(Counter(photo.split for photo in photos if photo.split).items(), reverse=True)
        ),
        "classes": _classes(photos),
        "unlabelled": sum(photo.label is None for photo in photos),
        "size": _sizes([look.size for _, look in seen]),
        "skipped": [asdict(one) for one in skipped],
        "reasons": dict(Counter(one.reason for one in skipped).most_common()),
        "duplicates": _duplicates(seen),
    }


def _each(
    examine: Callable[[Photo], Result], photos: Sequence[Photo], *, workers: int, description: str
) -> Iterator[Result]:
    """Yield what `examine` says of each photograph, in order, from `workers` processes; a few photographs are examined in this one."""
    if workers == 0 or len(photos) < FEW:
        yield from console.track(map(examine, photos), description=description, total=len(photos))
        return
    pool = ProcessPoolExecutor(workers, initializer=_quiet_worker)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # forking beside threads: the workers touch none of what those hold
            results = pool.map(
                examine, photos, chunksize=max(1, min(32, len(photos) // (4 * workers)))
            )
        yield from console.track(results, description=description, total=len(photos))
    except BrokenProcessPool:
        raise UserError(
            "a process that read photographs was ended, most likely for lack of memory; try again with --workers 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _quiet_worker() -> None:
    """Ctrl-C is the main process's to handle, and its handlers are not the worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _why_unreadable(photo: Photo) -> str | None:
    try:
        decode(photo.read(), at_least=16)
    except Unreadable as error:
        return str(error)
    return None


class _Look(NamedTuple):
    size: tuple[int, int]
    digest: bytes
    bits: int  # is each pixel of a 9 x 8 thumbnail brighter than the one to its right?
    thumbnail: bytes  # 16 x 16 grey


def _look(photo: Photo) -> _Look | str:
    """A photograph's size and what tells its duplicates, or why it can't be read."""
    try:
        data = photo.read()
        grey = decode(data, at_least=64).convert("L")
        small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
        bits = int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes())
        return _Look(
            dimensions(data),
            blake2b(data, digest_size=16).digest(),
            bits,
            grey.resize((16, 16), Image.Resampling.BOX).tobytes(),
        )
    except Unreadable as error:
        return str(error)


def _classes(photos: Sequence[Photo]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for photo in photos:
        if photo.label is not None:
            counts[photo.label][photo.split or "photographs"] += 1
    return {label: dict(sorted(counts[label].items(), reverse=True)) for label in sorted(counts)}


def _sizes(sizes: list[tuple[int, int]]) -> dict[str, tuple[int, int]]:
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return (
        {"smallest": ordered[0], "median": ordered[len(ordered) // 2], "largest": ordered[-1]}
        if ordered
        else {}
    )


def _duplicates(seen: Sequence[tuple[Photo, _Look]]) -> dict[str, list[Any]]:
    """Groups of equal files inside a split and across it, and for each test photograph the train photograph that is nearly the same."""
    equal: dict[bytes, dict[str | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for photo, look in seen:
        equal[look.digest][photo.split].append(photo.key)
    within = [keys for by_split in equal.values() for keys in by_split.values() if len(keys) > 1]
    across = [
        [*by_split["train"], *by_split["test"]] for by_split in equal.values() if len(by_split) > 1
    ]
    known = {key for keys in across for key in keys}
    train = [one for one in seen if one[0].split == "train"]
    test = [one for one in seen if one[0].split == "test" and one[0].key not in known]
    return {"within": sorted(within), "across": sorted(across), "near": _near(train, test)}


def _near(
    train: Sequence[tuple[Photo, _Look]], test: Sequence[tuple[Photo, _Look]], *, block: int = 1024
) -> list[dict[str, Any]]:
    if not train or not test:
        return []
    found = []
    train_TD, bits_T = _thumbnails(train)
    for first in range(0, len(test), block):
        test_SD, bits_S = _thumbnails(test[first : first + block])
        likeness_ST = test_SD @ train_TD.T
        rows, columns = np.nonzero(likeness_ST >= LIKENESS)
        apart = np.bitwise_count(bits_S[rows] ^ bits_T[columns]) > MOST_BITS_APART
        likeness_ST[rows[apart], columns[apart]] = 0
        for row, column in enumerate(likeness_ST.argmax(1)):
            if (likeness := float(likeness_ST[row, column])) >= LIKENESS:
                found.append(
                    {
                        "train": train[column][0].key,
                        "test": test[first + row][0].key,
                        "likeness": round(likeness, 4),
                    }
                )
    return sorted(found, key=lambda one: -one["likeness"])


def _thumbnails(seen: Sequence[tuple[Photo, _Look]]) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails [N, D] of mean 0 and length 1, so that products are correlations (flat ones are like nothing), and their bits [N]."""
    pixels_ND = np.stack([np.frombuffer(look.thumbnail, np.uint8) for _, look in seen]).astype(
        np.float32
    )
    pixels_ND -= pixels_ND.mean(1, keepdims=True)
    length_N = np.linalg.norm(pixels_ND, axis=1, keepdims=True)
    return pixels_ND / np.maximum(length_N, 1e-6), np.array(
        [look.bits for _, look in seen], np.uint64
    )
