"""Read every photograph once: skip what cannot be read, and describe the rest with its duplicates.

Axes: N photographs, T train, S test (a block), D pixels of a thumbnail.
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
from typing import NamedTuple, TypedDict, TypeVar

import numpy as np
from PIL import Image

from lodisc import console
from lodisc.data.decode import Unreadable, decode, dimensions
from lodisc.data.photo import Photo, Skipped, printable
from lodisc.data.sources import Listing, find_photos, log_passed_over, split_photos
from lodisc.errors import UserError
from lodisc.files import write_json_lines

FEW = 64  # fewer photographs are read before a second process has started
LIKENESS = 0.97
MOST_BITS_APART = 6

Result = TypeVar("Result")


@dataclass(frozen=True)
class CheckedPhotos:
    """The photographs that can be read, in order, and all that were skipped."""

    photos: list[Photo]
    skipped: list[Skipped]


class AlikePair(TypedDict):
    """Two photographs that look the same but are not equal files."""

    train: str
    test: str
    likeness: float
    """Correlation of their thumbnails, at most 1."""


class Duplicates(TypedDict):
    """Keys of photographs that are there more than once."""

    within: list[list[str]]
    """Sets of equal files inside a split."""
    across: list[list[str]]
    """Sets of equal files in train and test, those of train first."""
    near: list[AlikePair]
    """For a test photograph the train photograph most like it, most alike first."""


class CheckResult(TypedDict):
    """`lodisc data check --json`"""

    data: str
    photographs: int
    """How many can be read."""
    splits: dict[str, int]
    """Photographs by split; empty if DATA has no splits."""
    classes: dict[str, dict[str, int]]
    """Photographs by label, then by split, or by `photographs` if DATA has no splits."""
    unlabelled: int
    size: dict[str, tuple[int, int]]
    """Width and height in pixels of the `smallest`, `median` and `largest` photograph."""
    skipped: list[dict[str, str]]
    """`key` and `reason` of what cannot be read."""
    reasons: dict[str, int]
    """Skipped photographs by reason, most frequent first."""
    duplicates: Duplicates


def check_photos(listing: Listing, *, workers: int, max_skipped: float) -> CheckedPhotos:
    """Decode every photograph.

    Raises `UserError` when none can be read, or when more than the share `max_skipped` cannot.
    """
    photos, skipped = [], list(listing.skipped)
    reasons = _map(
        _reason_unreadable, listing.photos, workers=workers, description="checking photographs"
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
            f"{len(skipped)} of {total} photographs can't be read{first}; {advice}"
            "`lodisc data check DATA` lists them"
        )
    return CheckedPhotos(photos, skipped)


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write one JSON object a line, with `key` and `reason`, atomically."""
    write_json_lines(path, map(asdict, skipped))


def describe(
    data: str | Path, *, train_split: float | None = None, seed: int = 0, workers: int = 2
) -> CheckResult:
    """What would be read and skipped, classes, splits, sizes in pixels and duplicates, for JSON.

    Any number of photographs may be skipped. Raises `UserError` when DATA is missing, when it has
    splits of its own in spite of `train_split`, or when a setting is out of range.
    """
    if workers < 0:
        raise UserError(f"--workers {workers} is out of range; use 0 or more")
    listing = find_photos(data)
    log_passed_over(data, listing)
    listed = split_photos(listing.photos, train_split=train_split, seed=seed)
    scans, skipped = [], list(listing.skipped)
    for photo, scan in zip(
        listed, _map(_scan, listed, workers=workers, description="reading photographs"), strict=True
    ):
        if isinstance(scan, _Scan):
            scans.append((photo, scan))
        else:
            skipped.append(Skipped(photo.key, scan))
    photos = [photo for photo, _ in scans]
    return {
        "data": str(data),
        "photographs": len(photos),
        "splits": dict(
            sorted(Counter(photo.split for photo in photos if photo.split).items(), reverse=True)
        ),
        "classes": _classes(photos),
        "unlabelled": sum(photo.label is None for photo in photos),
        "size": _sizes([scan.size for _, scan in scans]),
        "skipped": [asdict(item) for item in skipped],
        "reasons": dict(Counter(item.reason for item in skipped).most_common()),
        "duplicates": _duplicates(scans),
    }


def _map(
    examine: Callable[[Photo], Result], photos: Sequence[Photo], *, workers: int, description: str
) -> Iterator[Result]:
    """Yield what `examine` returns for each photograph, in order, from `workers` processes.

    A few photographs are examined in this process.
    """
    if workers == 0 or len(photos) < FEW:
        yield from console.track(map(examine, photos), description=description, total=len(photos))
        return
    pool = ProcessPoolExecutor(workers, initializer=_quiet_worker)
    try:
        with warnings.catch_warnings():
            # Python warns of a fork with threads; the workers use nothing that the threads hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            chunk = max(1, min(32, len(photos) // (4 * workers)))
            results = pool.map(examine, photos, chunksize=chunk)
        yield from console.track(results, description=description, total=len(photos))
    except BrokenProcessPool:
        raise UserError(
            "a process that read photographs was ended, most likely for lack of memory; "
            "try again with --workers 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _quiet_worker() -> None:
    """Leave Ctrl-C to the main process, and drop its handlers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _reason_unreadable(photo: Photo) -> str | None:
    try:
        decode(photo.read(), at_least=16)
    except Unreadable as error:
        return str(error)
    return None


class _Scan(NamedTuple):
    """The size of a photograph, and what its duplicates have in common with it."""

    size: tuple[int, int]
    digest: bytes
    bits: int  # for each pixel of a 9 x 8 thumbnail: brighter than its right neighbour?
    thumbnail: bytes  # 16 x 16 grey


def _scan(photo: Photo) -> _Scan | str:
    """Read a photograph; the reason if it cannot be read."""
    try:
        data = photo.read()
        grey = decode(data, at_least=64).convert("L")
        small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
        bits = int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes())
        return _Scan(
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


def _duplicates(scans: Sequence[tuple[Photo, _Scan]]) -> Duplicates:
    """Equal files inside a split (`within`), in both (`across`), and nearly equal pairs (`near`).

    A pair is a test photograph and the train photograph that is most like it.
    """
    equal: dict[bytes, dict[str | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for photo, scan in scans:
        equal[scan.digest][photo.split].append(photo.key)
    within = [keys for by_split in equal.values() for keys in by_split.values() if len(keys) > 1]
    across = [
        [*by_split["train"], *by_split["test"]] for by_split in equal.values() if len(by_split) > 1
    ]
    equal_keys = {key for keys in across for key in keys}
    train = [(photo, scan) for photo, scan in scans if photo.split == "train"]
    test = [
        (photo, scan)
        for photo, scan in scans
        if photo.split == "test" and photo.key not in equal_keys
    ]
    return {"within": sorted(within), "across": sorted(across), "near": _near(train, test)}


def _near(
    train: Sequence[tuple[Photo, _Scan]],
    test: Sequence[tuple[Photo, _Scan]],
    *,
    block: int = 1024,
) -> list[AlikePair]:
    if not train or not test:
        return []
    pairs: list[AlikePair] = []
    train_TD, bits_T = _thumbnails(train)
    for first in range(0, len(test), block):
        test_SD, bits_S = _thumbnails(test[first : first + block])
        likeness_ST = test_SD @ train_TD.T
        rows, columns = np.nonzero(likeness_ST >= LIKENESS)
        apart = np.bitwise_count(bits_S[rows] ^ bits_T[columns]) > MOST_BITS_APART
        likeness_ST[rows[apart], columns[apart]] = 0
        for row, column in enumerate(likeness_ST.argmax(1)):
            if (likeness := float(likeness_ST[row, column])) >= LIKENESS:
                pairs.append(
                    {
                        "train": train[column][0].key,
                        "test": test[first + row][0].key,
                        "likeness": round(likeness, 4),
                    }
                )
    return sorted(pairs, key=lambda pair: -pair["likeness"])


def _thumbnails(scans: Sequence[tuple[Photo, _Scan]]) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails [N, D] of mean 0 and length 1, and their bits [N].

    Products of thumbnails are correlations; a thumbnail of one grey correlates with nothing.
    """
    pixels_ND = np.stack([np.frombuffer(scan.thumbnail, np.uint8) for _, scan in scans])
    pixels_ND = pixels_ND.astype(np.float32)
    pixels_ND -= pixels_ND.mean(1, keepdims=True)
    length_N1 = np.linalg.norm(pixels_ND, axis=1, keepdims=True)
    bits_N = np.array([scan.bits for _, scan in scans], np.uint64)
    return pixels_ND / np.maximum(length_N1, 1e-6), bits_N
