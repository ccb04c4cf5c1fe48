"""Where photographs come from: a folder, a text or CSV list, tar shards.

Listing reads names only, never a photograph; `layout` tells what folders mean.

birds.txt, birds.csv          one path a line; columns path, label, split
birds.tar, DATA/part-0.tar    read in place, as if unpacked where they are; passed over next to
                              photographs
DATA/runs/mine, DATA/birds    runs, embeddings and collections in DATA are ignored
"""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from lodisc.data.decode import extensions
from lodisc.data.endings import HIDDEN, is_photo, why_passed_over
from lodisc.data.labels import odd_labels
from lodisc.data.layout import Listing, Passed, arrange
from lodisc.data.lists import TABLES, find_in_list
from lodisc.data.photo import Photo, Skipped, printable, reason_of
from lodisc.data.tars import find_in_tars
from lodisc.errors import UserError

logger = logging.getLogger("lodisc")

# The files by which a run, an embedding and a collection are recognised.
OWN = ({"config.json", "start"}, {"_embedding.json"}, {"photos.lance"})
MOST_EXAMPLES = 3


def find_photos(data: str | Path) -> Listing:
    """List the photographs of a folder, a .txt, .csv or .tsv list, a .tar or a folder of tars.

    They are sorted by key. Raises `UserError` when there are none.
    """
    source = Path(data)
    kind = source.suffix.lower()
    try:
        is_folder, is_file, exists = source.is_dir(), source.is_file(), source.exists()
    except (OSError, ValueError):
        is_folder = is_file = exists = False
    if is_folder:
        listing = _find_in_folder(source)
    elif is_file and kind in (".txt", *TABLES):
        listing = find_in_list(source)
    elif is_file and kind == ".tar":
        listing = find_in_tars({"": source})
    elif is_file:
        raise UserError(
            f"{printable(source)} is neither a folder, a .txt or .csv list nor an uncompressed "
            ".tar; unpack it, or name its folder"
        )
    elif exists:
        raise UserError(f"{printable(source)} is a pipe or a device; save what it gives as a file")
    else:
        raise UserError(
            f"{printable(source)} does not exist; "
            "give a folder of photographs, a .txt or .csv list, or a .tar"
        )
    photos = sorted(listing.photos, key=lambda photo: photo.key)
    skipped = sorted(listing.skipped, key=lambda item: (item.key, item.reason))
    if not photos:
        raise UserError(_none_found(source, listing))
    notes = odd_labels(photo.label for photo in photos)
    passed_over = {reason: sorted(keys) for reason, keys in listing.passed_over.items() if keys}
    return Listing(photos, skipped, passed_over, [*listing.notes, *notes])


def log_passed_over(data: str | Path, listing: Listing) -> None:
    """Log a line for each reason why something in DATA is not read, and each note."""
    for reason, keys in listing.passed_over.items():
        logger.info(f"note: not read in {printable(data)}: {_summary(keys)}: {reason}")
    for note in listing.notes:
        logger.info(f"note: in {printable(data)}: {note}")


def _summary(keys: Sequence[str]) -> str:
    """The outermost folders and files of these keys, with numbers."""
    tops = Counter(f"{key.split('/')[0]}/" if "/" in key else key for key in keys)
    names = [
        f"{printable(top)} ({count:,})" if top.endswith("/") else printable(top)
        for top, count in sorted(tops.items())
    ]
    rest = len(keys) - sum(tops[top] for top in sorted(tops)[:MOST_EXAMPLES])
    return ", ".join(names[:MOST_EXAMPLES]) + (f" and {rest:,} more" if rest else "")


def _none_found(source: Path, listing: Listing) -> str:
    looked_for = f".jpg, .png, .tif, .webp and {len(extensions()) - 4} other extensions"
    reasons = [f"{printable(item.key)} was skipped: {item.reason}" for item in listing.skipped[:1]]
    reasons += [
        f"{_summary(keys)}: {reason}" for reason, keys in listing.passed_over.items() if keys
    ][:1]
    return "; ".join((f"no photographs in {printable(source)}; looked for {looked_for}", *reasons))


def split_photos(photos: Sequence[Photo], *, train_split: float | None, seed: int) -> list[Photo]:
    """Put a share of every class into `train` and the rest into `test`, by (seed, key) alone.

    A class of two or more has at least one photograph in each. Without `train_split`, returns the
    photographs unchanged. Raises `UserError` when some are test already.
    """
    if train_split is None:
        return list(photos)
    if not 0 < train_split < 1:
        raise UserError(
            f"--train-split {train_split} is out of range; use a share between 0 and 1, such as 0.7"
        )
    if any(photo.split == "test" for photo in photos):
        raise UserError(
            f"--train-split {train_split}: the photographs are already divided into train and "
            "test; leave the flag out"
        )
    classes: dict[str | None, list[Photo]] = defaultdict(list)
    for photo in photos:
        classes[photo.label].append(photo)
    train_keys: set[str] = set()
    for members in classes.values():
        members.sort(key=lambda photo: _digest(f"{seed}:{photo.key}"))
        count = max(1, min(len(members) - 1, round(train_split * len(members))))
        train_keys.update(photo.key for photo in members[:count])
    return [
        replace(photo, split="train" if photo.key in train_keys else "test") for photo in photos
    ]


def training_photos(photos: Sequence[Photo]) -> list[Photo]:
    """The photographs of the split `train`, or all where there are no splits.

    Raises `UserError` when `train` is empty.
    """
    if not any(photo.split for photo in photos):
        return list(photos)
    train = [photo for photo in photos if photo.split == "train"]
    if not train:
        raise UserError(
            f"all {len(photos)} photographs are test and none is train; add photographs in train/"
        )
    return train


def fingerprint(photos: Sequence[Photo]) -> str:
    """A hexadecimal digest of keys, sizes in bytes, labels and splits, in order."""
    digest = blake2b(digest_size=16)
    for photo in photos:
        digest.update(f"{(photo.key, _size(photo), photo.label, photo.split)!r}\n".encode())
    return digest.hexdigest()


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _size(photo: Photo) -> int:
    if photo.size is not None:
        return photo.size
    try:
        return photo.path.stat().st_size
    except (OSError, ValueError):
        return -1


def _find_in_folder(root: Path) -> Listing:
    """The photographs of a folder, or of its tars."""
    passed_over: Passed = defaultdict(list)
    tars: dict[str, Path] = {}
    entries = list(_walk(root, tars, passed_over))
    photos = [entry for entry in entries if isinstance(entry, Photo)]
    skipped = [entry for entry in entries if isinstance(entry, Skipped)]
    listing = find_in_tars(tars) if tars and not photos else arrange(photos)
    if tars and photos:
        passed_over["tars next to photographs; name a tar as DATA"] += tars
    for reason, keys in listing.passed_over.items():
        passed_over[reason] += keys
    return listing._replace(skipped=[*skipped, *listing.skipped], passed_over=passed_over)


def _walk(root: Path, tars: dict[str, Path], passed_over: Passed) -> Iterator[Photo | Skipped]:
    """Everything below `root` that is named like a photograph.

    Links are followed, but never in a circle. Adds tars to `tars`, and to `passed_over` what is
    hidden and what people may take for photographs but is not read.
    """
    folders: list[tuple[str, str, bool, frozenset[tuple[int, int]]]] = [
        (str(root), "", False, frozenset({_identity(root)}))
    ]
    while folders:
        folder, prefix, is_hidden, above = folders.pop()
        try:
            with os.scandir(folder) as content:
                entries = sorted(content, key=lambda entry: entry.name)
        except OSError as error:
            if not is_hidden:
                yield Skipped(prefix or ".", reason_of(error))
            continue
        names = {entry.name for entry in entries}
        if prefix and any(own <= names for own in OWN):
            continue
        for entry in entries:
            key = prefix + entry.name
            hidden = is_hidden or entry.name.startswith(".")
            try:
                if entry.is_dir():
                    identity = _identity(entry)
                    if identity not in above:
                        folders.append((entry.path, f"{key}/", hidden, above | {identity}))
                    elif not hidden:
                        yield Skipped(key, "link loop")
                elif not hidden:
                    yield from _file(entry, key, tars, passed_over)
                elif is_hidden and is_photo(entry.name):
                    passed_over[HIDDEN].append(key)
                elif not is_hidden and (reason := why_passed_over(entry.name)):
                    passed_over[reason].append(key)
            except OSError as error:
                if not hidden:
                    yield Skipped(key, reason_of(error))


def _file(
    entry: "os.DirEntry[str]", key: str, tars: dict[str, Path], passed_over: Passed
) -> Iterator[Photo | Skipped]:
    """A photograph as it is; tars and photographs that lodisc cannot decode go into the dicts."""
    kind = Path(entry.name).suffix.lower()
    if is_photo(entry.name):
        if entry.is_file():
            yield Photo(key, Path(entry.path))
        else:
            yield Skipped(key, _reason_without_file(entry))
    elif kind == ".tar" and entry.is_file():
        tars[key] = Path(entry.path)
    elif reason := why_passed_over(entry.name):
        passed_over[reason].append(key)


def _identity(folder: "Path | os.DirEntry[str]") -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _reason_without_file(entry: "os.DirEntry[str]") -> str:
    entry.stat()  # raises the reason if the target of a link cannot be reached
    return "not a file"
