"""Where photographs come from: a folder, a text or CSV list, tar shards.

Listing reads names only, never a photograph.

DATA/wren/a.jpg               label wren
DATA/train/wren/a.jpg         label wren, split train; next to `train` only `test` is read, and
                              anything else is passed over
DATA/a.jpg                    no label
birds.txt, birds.csv          one path a line; columns path, label, split
birds.tar, DATA/part-0.tar    read in place, as if unpacked where they are; passed over next to
                              photographs
DATA/runs/mine, DATA/birds    runs, embeddings and collections in DATA are ignored
"""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from lodisc.data.decode import extensions
from lodisc.data.lists import find_in_list
from lodisc.data.photo import Photo, Skipped, is_photo, place, printable, reason_of
from lodisc.data.tars import find_in_tars
from lodisc.errors import UserError

logger = logging.getLogger("lodisc")

FOREIGN = {
    *(".heic", ".heif", ".jxl"),
    *(".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"),
}
"""Extensions of photographs that Pillow cannot decode."""
KNOWN_BESIDE = {"val", "validation", "masks"}
# The files by which a run, an embedding and a collection are recognised.
OWN = ({"config.json", "start"}, {"_embedding.json"}, {"photos.lance"})
MOST_EXAMPLES = 3


class Listing(NamedTuple):
    """What DATA holds, sorted by key."""

    photos: list[Photo]
    skipped: list[Skipped]
    passed_over: dict[str, list[str]]
    """Keys that people may take for photographs but that are not read, by the reason."""


def find_photos(data: str | Path) -> Listing:
    """List the photographs of a folder, a .txt or .csv list, a .tar or a folder of tars.

    Raises `UserError` when there are none.
    """
    source = Path(data)
    kind = source.suffix.lower()
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError):
        is_folder = is_file = False
    passed_over: dict[str, list[str]] = defaultdict(list)
    if is_folder:
        entries = _find_in_folder(source, passed_over)
    elif is_file and kind in (".txt", ".csv"):
        entries = find_in_list(source)
    elif is_file and kind == ".tar":
        entries = find_in_tars({"": source})
    elif is_file:
        raise UserError(
            f"{printable(source)} is neither a folder, a .txt or .csv list nor an uncompressed "
            ".tar; unpack it, or name its folder"
        )
    else:
        raise UserError(
            f"{printable(source)} does not exist; "
            "give a folder of photographs, a .txt or .csv list, or a .tar"
        )
    photos, skipped = _unique(entries)
    if not photos:
        first = f"; {printable(skipped[0].key)} was skipped: {skipped[0].reason}" if skipped else ""
        looked_for = f".jpg, .png, .tif, .webp and {len(extensions()) - 4} other extensions"
        raise UserError(f"no photographs in {printable(source)}; looked for {looked_for}{first}")
    return Listing(photos, skipped, dict(passed_over))


def log_passed_over(data: str | Path, listing: Listing) -> None:
    """Log a line for each reason why something in DATA is not read."""
    for reason, keys in listing.passed_over.items():
        more = f" and {len(keys) - MOST_EXAMPLES:,} more" if len(keys) > MOST_EXAMPLES else ""
        examples = ", ".join(map(printable, keys[:MOST_EXAMPLES]))
        logger.info(f"note: not read in {printable(data)}: {examples}{more}: {reason}")


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


def _unique(entries: Iterable[Photo | Skipped]) -> tuple[list[Photo], list[Skipped]]:
    photos: dict[str, Photo] = {}
    skipped = []
    for entry in entries:
        if isinstance(entry, Skipped):
            skipped.append(entry)
        elif entry.key in photos:
            skipped.append(Skipped(entry.key, "named twice"))
        else:
            photos[entry.key] = entry
    return (
        [photos[key] for key in sorted(photos)],
        sorted(skipped, key=lambda item: (item.key, item.reason)),
    )


def _find_in_folder(root: Path, passed_over: dict[str, list[str]]) -> Iterator[Photo | Skipped]:
    """The photographs of a folder, or of its tars; adds to `passed_over`."""
    splits = (root / "train").is_dir()
    tars: dict[str, Path] = {}
    empty = True
    for entry in _walk(root, ["train", "test"] if splits else None, tars, passed_over):
        if isinstance(entry, Skipped):
            yield entry
        elif placed := place(entry, splits=splits):
            empty = False
            yield placed
    if empty and tars:
        yield from find_in_tars(tars)
    elif tars:
        passed_over["tars next to photographs; name a tar as DATA"] = list(tars)


def _walk(
    root: Path, only: list[str] | None, tars: dict[str, Path], passed_over: dict[str, list[str]]
) -> Iterator[Photo | Skipped]:
    """Everything below `root` that is named like a photograph.

    `only` names the folders of `root` to enter. Links are followed, but never in a circle. Adds
    tars to `tars`, and to `passed_over` what people may take for photographs but is not read.
    """
    folders: list[tuple[str, str, frozenset[tuple[int, int]]]] = [
        (str(root), "", frozenset({_identity(root)}))
    ]
    while folders:
        folder, prefix, above = folders.pop()
        try:
            with os.scandir(folder) as content:
                entries = sorted(content, key=lambda entry: entry.name)
        except OSError as error:
            yield Skipped(prefix or ".", reason_of(error))
            continue
        names = {entry.name for entry in entries}
        if prefix and any(own <= names for own in OWN):
            continue
        for entry in entries:
            key = prefix + entry.name
            if entry.name.startswith("."):
                continue
            try:
                if only and not prefix and entry.name not in only:
                    if _seems_to_hold_photos(entry):
                        passed_over["neither train nor test"].append(key)
                elif entry.is_dir():
                    identity = _identity(entry)
                    if identity in above:
                        yield Skipped(key, "link loop")
                    else:
                        folders.append((entry.path, f"{key}/", above | {identity}))
                else:
                    yield from _file(entry, key, tars, passed_over)
            except OSError as error:
                yield Skipped(key, reason_of(error))


def _seems_to_hold_photos(entry: "os.DirEntry[str]") -> bool:
    """Whether people may think that what stands next to `train` is read."""
    if entry.name in KNOWN_BESIDE:
        return False
    return entry.is_dir() or is_photo(entry.name) or _extension(entry) == ".tar"


def _file(
    entry: "os.DirEntry[str]", key: str, tars: dict[str, Path], passed_over: dict[str, list[str]]
) -> Iterator[Photo | Skipped]:
    """A photograph as it is; tars and photographs that lodisc cannot decode go into the dicts."""
    kind = _extension(entry)
    if is_photo(entry.name):
        if entry.is_file():
            yield Photo(key, Path(entry.path))
        else:
            yield Skipped(key, _reason_without_file(entry))
    elif kind == ".tar" and entry.is_file():
        tars[key] = Path(entry.path)
    elif kind in FOREIGN:
        passed_over[f"lodisc cannot decode {kind} files; convert them to .jpg"].append(key)


def _extension(entry: "os.DirEntry[str]") -> str:
    return Path(entry.name).suffix.lower()


def _identity(folder: "Path | os.DirEntry[str]") -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _reason_without_file(entry: "os.DirEntry[str]") -> str:
    entry.stat()  # raises the reason if the target of a link cannot be reached
    return "not a file"
