"""Where photographs come from: a folder, a text or CSV list, tar shards. Finding reads names only, never a photograph.

DATA/wren/a.jpg                 label wren
DATA/train/wren/a.jpg           label wren, split train; beside `train` only `test` is read, and what else is there is said
DATA/a.jpg                      no label
birds.txt, birds.csv            one path a line; columns path, label, split
birds.tar, DATA/part-0.tar      read in place, as though unpacked where they lie; not beside photographs, which is said
DATA/runs/mine, DATA/birds      a run, an embedding or a collection in DATA holds no photographs
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
    ".heic",
    ".heif",
    ".jxl",
    ".cr2",
    ".cr3",
    ".nef",
    ".nrw",
    ".arw",
    ".dng",
    ".orf",
    ".rw2",
    ".raf",
    ".pef",
    ".srw",
}
KNOWN_BESIDE = {"val", "validation", "masks"}
OWN = (
    {"config.json", "start"},
    {"_embedding.json"},
    {"photos.lance"},
)  # what tells a run, an embedding and a collection


class Listing(NamedTuple):
    """What DATA holds, sorted by key."""

    photos: list[Photo]
    skipped: list[Skipped]


def find_photos(data: str | Path) -> Listing:
    """List the photographs of a folder, a .txt or .csv list, a .tar or a folder of them; a `UserError` says when there are none."""
    source = Path(data)
    kind = source.suffix.lower()
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError):
        is_folder = is_file = False
    if is_folder:
        found = _find_in_folder(source)
    elif is_file and kind in (".txt", ".csv"):
        found = find_in_list(source)
    elif is_file and kind == ".tar":
        found = find_in_tars({"": source})
    elif is_file:
        raise UserError(
            f"{printable(source)} is no folder, .txt or .csv list or uncompressed .tar; unpack it, or name its folder"
        )
    else:
        raise UserError(
            f"{printable(source)} does not exist; give a folder of photographs, a .txt or .csv list, or a .tar"
        )
    photos, skipped = _unique(found)
    if not photos:
        first = f"; {printable(skipped[0].key)} was skipped: {skipped[0].reason}" if skipped else ""
        looked_for = f".jpg, .png, .tif, .webp and {len(extensions()) - 4} other endings"
        raise UserError(f"no photographs in {printable(source)}; looked for {looked_for}{first}")
    return Listing(photos, skipped)


def split_photos(photos: Sequence[Photo], *, train_split: float | None, seed: int) -> list[Photo]:
    """Put a share of every class into `train` and the rest into `test`, by (seed, key) alone; at least one in each where a class has two.

    Without `train_split` the photographs come back as they are. Raises `UserError` when some are test already.
    """
    if train_split is None:
        return list(photos)
    if not 0 < train_split < 1:
        raise UserError(
            f"--train-split {train_split} is out of range; give a share between 0 and 1, such as 0.7"
        )
    if any(photo.split == "test" for photo in photos):
        raise UserError(
            f"--train-split {train_split}: the photographs are already divided into train and test; leave the flag out"
        )
    classes: dict[str | None, list[Photo]] = defaultdict(list)
    for photo in photos:
        classes[photo.label].append(photo)
    chosen: set[str] = set()
    for members in classes.values():
        members.sort(key=lambda photo: _digest(f"{seed}:{photo.key}"))
        count = max(1, min(len(members) - 1, round(train_split * len(members))))
        chosen.update(photo.key for photo in members[:count])
    return [replace(photo, split="train" if photo.key in chosen else "test") for photo in photos]


def training_photos(photos: Sequence[Photo]) -> list[Photo]:
    """Those of the split `train`, or all where there are no splits; a `UserError` says when `train` is empty."""
    if not any(photo.split for photo in photos):
        return list(photos)
    chosen = [photo for photo in photos if photo.split == "train"]
    if not chosen:
        raise UserError(
            f"none of the {len(photos)} photographs belongs to train; all of them are test"
        )
    return chosen


def fingerprint(photos: Sequence[Photo]) -> str:
    """A hex digest of keys, sizes in bytes, labels and splits, in order."""
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


def _unique(found: Iterable[Photo | Skipped]) -> Listing:
    photos: dict[str, Photo] = {}
    skipped = []
    for one in found:
        if isinstance(one, Skipped):
            skipped.append(one)
        elif one.key in photos:
            skipped.append(Skipped(one.key, "named twice"))
        else:
            photos[one.key] = one
    return Listing(
        [photos[key] for key in sorted(photos)],
        sorted(skipped, key=lambda one: (one.key, one.reason)),
    )


def _find_in_folder(root: Path) -> Iterator[Photo | Skipped]:
    splits = (root / "train").is_dir()
    tars: dict[str, Path] = {}
    unread: dict[str, list[str]] = defaultdict(list)
    empty = True
    for found in _walk(root, ["train", "test"] if splits else None, tars, unread):
        if isinstance(found, Skipped):
            yield found
        elif placed := place(found, splits=splits):
            empty = False
            yield placed
    if empty and tars:
        yield from find_in_tars(tars)
    elif tars:
        unread["tars beside photographs; name one as DATA"] = list(tars)
    for why_not, keys in unread.items():
        others = f" and {len(keys) - 3:,} more" if len(keys) > 3 else ""
        logger.info(
            f"note: not read in {printable(root)}: {', '.join(map(printable, keys[:3]))}{others}, {why_not}"
        )


def _walk(
    root: Path, only: list[str] | None, tars: dict[str, Path], unread: dict[str, list[str]]
) -> Iterator[Photo | Skipped]:
    """Everything below `root` that is named like a photograph; tars are put into `tars`. Links are followed, but never in a circle.

    What is passed over though people may take it for photographs is put into `unread`, by why.
    """
    waiting: list[tuple[str, str, frozenset[tuple[int, int]]]] = [
        (str(root), "", frozenset({_identity(root)}))
    ]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            yield Skipped(prefix or ".", reason_of(error))
            continue
        names = {entry.name for entry in entries}
        if prefix and any(own <= names for own in OWN):
            continue
        for entry in entries:
            key = prefix + entry.name
            kind = os.path.splitext(entry.name)[1].lower()
            if entry.name.startswith("."):
                continue
            try:
                if only and not prefix and entry.name not in only:
                    if entry.name not in KNOWN_BESIDE and (
                        entry.is_dir() or is_photo(entry.name) or kind == ".tar"
                    ):
                        unread["neither train nor test"].append(key)
                elif entry.is_dir():
                    identity = _identity(entry)
                    if identity in above:
                        yield Skipped(key, "link loop")
                    else:
                        waiting.append((entry.path, f"{key}/", above | {identity}))
                elif is_photo(entry.name):
                    yield (
                        Photo(key, Path(entry.path))
                        if entry.is_file()
                        else Skipped(key, _why_no_file(entry))
                    )
                elif kind == ".tar" and entry.is_file():
                    tars[key] = Path(entry.path)
                elif kind in FOREIGN:
                    unread[f"{kind} files, which lodisc can't decode; convert them to .jpg"].append(
                        key
                    )
            except OSError as error:
                yield Skipped(key, reason_of(error))


def _identity(folder: "Path | os.DirEntry[str]") -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _why_no_file(entry: "os.DirEntry[str]") -> str:
    entry.stat()  # raises the reason where the file behind a link is out of reach
    return "not a file"
