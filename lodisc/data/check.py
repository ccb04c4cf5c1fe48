"""Read every photograph once: skip what cannot be read, and describe the rest."""

import signal
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict, TypeVar

from lodisc import console
from lodisc.data.decode import Unreadable, decode, examine
from lodisc.data.layout import Listing
from lodisc.data.photo import Photo, Skipped, digest_of, printable
from lodisc.data.sources import find_photos, log_passed_over, split_photos
from lodisc.data.thumbnails import Thumbnail, most_alike, thumbnail
from lodisc.data.workers import end_with_parent, require_room
from lodisc.errors import UserError
from lodisc.files import read_json_lines, write_json_lines

FEW = 64  # fewer photographs are read before a second process has started

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


class TwinPair(TypedDict):
    """Two photographs of one split that look the same but are not equal files."""

    first: str
    second: str
    likeness: float
    """Correlation of their thumbnails, at most 1."""


class LabelledKey(TypedDict):
    """A photograph and its label."""

    key: str
    label: str | None


class Duplicates(TypedDict):
    """Photographs that are there more than once, by their keys."""

    within: list[list[str]]
    """Sets of equal files inside a split."""
    across: list[list[str]]
    """Sets of equal files in train and test, those of train first."""
    near: list[AlikePair]
    """For a test photograph the train photograph most like it, most alike first."""
    near_within: list[TwinPair]
    """For a photograph the one of its split most like it, most alike first; a pair once."""
    labelled_apart: list[list[LabelledKey]]
    """Sets of equal files, and pairs that look the same, with more than one label."""


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
    remarks: dict[str, list[str]]
    """Keys of the photographs that are read but unusual, by what is unusual in them."""
    passed_over: dict[str, list[str]]
    """Keys of what is not read, by the reason."""
    notes: list[str]
    """What is odd about folders and labels."""


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


def read_skipped(path: Path) -> list[Skipped]:
    """What `write_skipped` wrote; a `UserError` names a damaged line."""
    lines = read_json_lines(path, kinds={"key": str, "reason": str})
    return [Skipped(line["key"], line["reason"]) for line in lines]


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
        "remarks": _remarks(scans),
        "passed_over": listing.passed_over,
        "notes": listing.notes,
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
    require_room(workers)
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
    """Leave Ctrl-C to the main process, drop its handlers, and end with it."""
    end_with_parent()
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
    digest: str
    thumbnail: Thumbnail
    remarks: list[str]


def _scan(photo: Photo) -> _Scan | str:
    """Read a photograph; the reason if it cannot be read."""
    try:
        data = photo.read()
        image, size, remarks = examine(data, at_least=64)
        return _Scan(size, digest_of(data), thumbnail(image), remarks)
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


def _remarks(scans: Sequence[tuple[Photo, _Scan]]) -> dict[str, list[str]]:
    """Keys by remark, the most frequent remark first."""
    keys: dict[str, list[str]] = defaultdict(list)
    for photo, scan in scans:
        for remark in scan.remarks:
            keys[remark].append(photo.key)
    return dict(sorted(keys.items(), key=lambda item: (-len(item[1]), item[0])))


def _duplicates(scans: Sequence[tuple[Photo, _Scan]]) -> Duplicates:
    equal: dict[str, dict[str | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for photo, scan in scans:
        equal[scan.digest][photo.split].append(photo.key)
    within = [keys for by_split in equal.values() for keys in by_split.values() if len(keys) > 1]
    across = [
        [*by_split["train"], *by_split["test"]] for by_split in equal.values() if len(by_split) > 1
    ]
    equal_keys = {key for keys in across for key in keys}
    by_split: dict[str | None, list[tuple[Photo, _Scan]]] = defaultdict(list)
    for photo, scan in scans:
        by_split[photo.split].append((photo, scan))
    test = [(photo, scan) for photo, scan in by_split["test"] if photo.key not in equal_keys]
    twins = [pair for members in by_split.values() for pair in _near_within(members)]
    return {
        "within": sorted(within),
        "across": sorted(across),
        "near": _near(by_split["train"], test),
        "near_within": sorted(twins, key=lambda pair: -pair["likeness"]),
        "labelled_apart": _labelled_apart(scans),
    }


def _near(
    train: Sequence[tuple[Photo, _Scan]], test: Sequence[tuple[Photo, _Scan]]
) -> list[AlikePair]:
    """A pair is a test photograph and the train photograph that is most like it."""
    alike = most_alike([scan.thumbnail for _, scan in test], [scan.thumbnail for _, scan in train])
    pairs = [
        AlikePair(train=train[other][0].key, test=test[query][0].key, likeness=round(likeness, 4))
        for query, other, likeness in alike
    ]
    return sorted(pairs, key=lambda pair: -pair["likeness"])


def _near_within(scans: Sequence[tuple[Photo, _Scan]]) -> list[TwinPair]:
    likenesses = _unlike_pairs(scans, [scan.digest for _, scan in scans])
    return [
        TwinPair(first=scans[row][0].key, second=scans[other][0].key, likeness=likeness)
        for (row, other), likeness in likenesses.items()
    ]


def _labelled_apart(scans: Sequence[tuple[Photo, _Scan]]) -> list[list[LabelledKey]]:
    labelled = [(photo, scan) for photo, scan in scans if photo.label is not None]
    copies: dict[str, list[Photo]] = defaultdict(list)
    for photo, scan in labelled:
        copies[scan.digest].append(photo)
    sets = [photos for photos in copies.values() if len({photo.label for photo in photos}) > 1]
    sets += [
        [labelled[row][0], labelled[other][0]]
        for row, other in _unlike_pairs(labelled, [photo.label for photo, _ in labelled])
        if labelled[row][1].digest != labelled[other][1].digest
    ]
    return sorted(
        ([LabelledKey(key=photo.key, label=photo.label) for photo in photos] for photos in sets),
        key=lambda photos: photos[0]["key"],
    )


def _unlike_pairs(
    scans: Sequence[tuple[Photo, _Scan]], kinds: Sequence[Hashable]
) -> dict[tuple[int, int], float]:
    """The likeness of each photograph and the one of another kind most like it, by their rows."""
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    kind_of_row = [numbers[kind] for kind in kinds]
    thumbnails = [scan.thumbnail for _, scan in scans]
    return {
        (min(row, other), max(row, other)): round(likeness, 4)
        for row, other, likeness in most_alike(
            thumbnails, thumbnails, unlike=(kind_of_row, kind_of_row)
        )
    }
