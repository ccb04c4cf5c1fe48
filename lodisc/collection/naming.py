"""`lodisc name`: names for photographs that are not in a collection, which stays as it is.

Axes: M new photographs, D features.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.names import safe_name
from lodisc.collection.new_names import LIKELY, labelled_look_alikes, name_together
from lodisc.collection.row_labels import current_row_labels
from lodisc.collection.sorted_folders import folder_names, put_photo
from lodisc.data.decode import Unreadable
from lodisc.data.endings import is_photo
from lodisc.data.photo import Photo, digest_of, printable, read_file
from lodisc.data.sources import find_photos, log_passed_over
from lodisc.data.tables import write_table
from lodisc.errors import UserError
from lodisc.vectors.nearest import unit_rows

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection

NEW_KIND = "none of these kinds"
"""The folder of photographs that are more likely of a kind without a label than not."""
COLUMNS = (
    "key",
    "path",
    "name",
    "confidence",
    "new_kind",
    "look_alike",
    "look_alike_label",
    "similarity",
    "problem",
)
PERIOD = 2.0
"""Seconds between two looks at a folder; a file that stays as it is for so long is read."""

logger = logging.getLogger("lodisc")


class NameEntry(TypedDict):
    """What is said of one photograph; of one that can't be read only `key`, `path`, `problem`."""

    key: str
    path: str
    name: str | None
    confidence: float | None
    """Calibrated probability that the name is right, 0 to 1."""
    new_kind: float | None
    """That it is of none of the labelled kinds; None with too few labels to tell."""
    look_alike: str | None
    """The key of the most similar photograph that a person gave a label."""
    look_alike_label: str | None
    similarity: float | None
    """Its cosine."""
    problem: str | None
    """Why the photograph can't be read."""


class NamingResult(TypedDict):
    """`lodisc name --json`"""

    out: str
    photographs: int
    named: int
    """Of kinds that have a label, more likely than not."""
    new_kinds: int
    """More likely of none of these kinds."""
    skipped: int
    """Photographs that can't be read; the table says why."""
    in_folders: int
    """Photographs that were put into folders, and were not there before."""
    names: list[NameEntry]


def name_photos(
    collection: Collection,
    sources: Sequence[str | Path],
    *,
    out: str | Path,
    copies: str | Path | None = None,
    links: str | Path | None = None,
    device: str = "auto",
) -> NamingResult:
    """Name photographs by the labels of a collection, and write a table of the names to `out`.

    `sources` are photographs, folders, lists and tars. Each photograph is named as if it were in
    the collection without a label. `copies` or `links` is a folder that gets a sub-folder for each
    name, with copies of the photographs or links to them; nothing there is replaced. Raises
    `UserError` for what can't be found, and where people have given labels of fewer than two kinds.
    """
    destination = _table(out)
    _require_what_it_takes(collection, sources, copies or links)
    photos, problems = _find(sources)
    names = _name(collection, photos, device=device)
    write_names([*names, *problems], destination)
    count = _sort(collection, names, photos, copies=copies, links=links)
    return _result([*names, *problems], destination, count)


def watch(
    collection: Collection,
    sources: Sequence[str | Path],
    *,
    out: str | Path,
    copies: str | Path | None = None,
    links: str | Path | None = None,
    device: str = "auto",
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[NamingResult]:
    """As `name_photos`, again and again: a result whenever photographs have come.

    A file is read once it has not changed for `PERIOD` seconds, so that a camera can finish it. A
    file that changes is named anew. `out` holds all that were named since the start. A source that
    is not there is waited for. Each time it is learnt anew from the labels as they are then.
    """
    destination = _table(out)
    _require_what_it_takes(collection, sources, copies or links)
    names: dict[str, NameEntry] = {}
    states_named: dict[str, tuple[int, int]] = {}
    states_before: dict[str, tuple[int, int]] = {}
    complaints: set[str] = set()
    write_names([], destination)
    while True:
        photos = {photo.key: photo for photo in _find(sources, complaints=complaints)[0]}
        states = {key: _state(photo.path) for key, photo in photos.items()}
        ready = [
            photos[key]
            for key, state in states.items()
            if state == states_before.get(key) and state != states_named.get(key)
        ]
        states_before = states
        if ready:
            entries = _name(collection, ready, device=device)
            names |= {entry["key"]: entry for entry in entries}
            states_named |= {photo.key: states[photo.key] for photo in ready}
            write_names(list(names.values()), destination)
            count = _sort(collection, entries, ready, copies=copies, links=links)
            yield _result(entries, destination, count)
        pause(PERIOD)


def _table(out: str | Path) -> Path:
    path = Path(out)
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise UserError(f"{printable(path)}: the table of names is a .csv or .tsv file")
    if not path.parent.is_dir():
        raise UserError(f"{printable(path.parent)}: no such folder")
    return path


def _require_what_it_takes(
    collection: Collection, sources: Sequence[str | Path], folder: str | Path | None
) -> None:
    _require_kinds(collection)
    _require_outside(folder, sources)


def _require_kinds(collection: Collection) -> None:
    kinds = set(current_row_labels(collection, collection.photos()).from_people) - {None}
    if len(kinds) < 2:
        lack = "labels of one kind alone" if kinds else "no labels that people gave"
        raise UserError(
            f"{printable(collection.path)} has {lack}; label photographs of two kinds first: "
            f"lodisc serve {printable(collection.path)}"
        )


def _require_outside(folder: str | Path | None, sources: Sequence[str | Path]) -> None:
    """Raise `UserError` if photographs that are sorted would be found again."""
    around = [Path(source).resolve() for source in sources if Path(source).is_dir()]
    if folder is not None and any(Path(folder).resolve().is_relative_to(root) for root in around):
        raise UserError(
            f"{printable(folder)} lies among the photographs to name; choose a folder elsewhere"
        )


def _find(
    sources: Sequence[str | Path], *, complaints: set[str] | None = None
) -> tuple[list[Photo], list[NameEntry]]:
    """The photographs of all sources, each once, and what can't be read.

    With several sources, a key begins with the name of its source. With `complaints`, a source that
    is empty, or away for a moment, is passed over, and each complaint is logged once.
    """
    photos: dict[str, Photo] = {}
    problems: dict[str, NameEntry] = {}
    for source in dict.fromkeys(map(Path, sources)):
        prefix = f"{source.as_posix()}/" if len(sources) > 1 else ""
        if source.is_file() and is_photo(source.name):
            key = prefix.rstrip("/") or source.name
            photos.setdefault(key, Photo(key, source))
            continue
        try:
            listing = find_photos(source)
        except UserError as error:
            if complaints is None:
                raise
            if str(error) not in complaints:
                complaints.add(str(error))
                logger.info("note: %s", error)
            continue
        if complaints is None:
            log_passed_over(source, listing)
        for photo in listing.photos:
            photos.setdefault(prefix + photo.key, replace(photo, key=prefix + photo.key))
        for item in listing.skipped:
            problems[prefix + item.key] = new_entry(prefix + item.key, problem=item.reason)
    return list(photos.values()), [entry for key, entry in problems.items() if key not in photos]


def _state(path: Path) -> tuple[int, int]:
    """When a file was changed and how large it is."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _name(collection: Collection, photos: Sequence[Photo], *, device: str) -> list[NameEntry]:
    """What is said of each photograph, in order."""
    _require_kinds(collection)
    from lodisc.evaluation.features import extract  # loads torch

    features = extract(
        collection.encoder(device=device),
        photos,
        classes=[],
        description="Reading photographs",
        workers=0,  # LanceDB, which is loaded by now, may not survive a fork
    )
    entries = {item.key: new_entry(item.key, problem=item.reason) for item in features.skipped}
    if len(features):
        vectors_MD = unit_rows(features.vectors.numpy())
        entries |= _predict(collection, [photo.key for photo in features.photos], vectors_MD)
    paths = {photo.key: printable(photo.path.absolute()) for photo in photos}
    return [{**entries[key], "path": path} for key, path in paths.items()]


def _predict(
    collection: Collection, keys: Sequence[str], vectors_MD: NDArray[np.float32]
) -> dict[str, NameEntry]:
    """What is said of each vector, by its key."""
    photos = collection.photos()
    by_row = current_row_labels(collection, photos)
    names = name_together(photos, by_row, vectors_MD)
    look_alikes = labelled_look_alikes(photos, by_row, vectors_MD)
    entries = {}
    for key, name, look_alike in zip(keys, names, look_alikes, strict=True):
        assert look_alike is not None, "there are labels of two kinds"
        row, cosine = look_alike
        entries[key] = new_entry(
            key,
            **name._asdict(),
            look_alike=photos.keys[row],
            look_alike_label=by_row.labels[row],
            similarity=cosine,
        )
    return entries


def new_entry(key: str, **facts: Any) -> NameEntry:
    """An entry with these facts, and None for the rest."""
    return cast(NameEntry, {**dict.fromkeys(COLUMNS), "key": printable(key), "path": "", **facts})


def is_likely_new(entry: NameEntry) -> bool:
    """Whether a photograph is more likely of none of the labelled kinds."""
    return entry["new_kind"] is not None and entry["new_kind"] >= LIKELY


def write_names(names: Sequence[NameEntry], path: Path) -> None:
    """Write the table of names, a .csv or .tsv file; its columns are `COLUMNS`."""
    entries = cast("Sequence[dict[str, Any]]", names)
    rows = ([entry[column] for column in COLUMNS] for entry in entries)
    write_table(path, COLUMNS, (["" if cell is None else cell for cell in row] for row in rows))


def _sort(
    collection: Collection,
    names: Sequence[NameEntry],
    photos: Sequence[Photo],
    *,
    copies: str | Path | None,
    links: str | Path | None,
) -> int:
    """Put the photographs into a folder for each name; returns how many came anew."""
    root = copies if links is None else links
    if root is None:
        return 0
    labels = {*collection.labels.current().values(), *(e["name"] for e in names if e["name"])}
    folders = folder_names(labels, taken=NEW_KIND)
    count = 0
    for entry, photo in zip(names, photos, strict=True):
        if entry["name"] is None:
            continue
        folder = NEW_KIND if is_likely_new(entry) else folders[entry["name"]]
        try:
            path = _free(Path(root) / folder / safe_name(photo.key.rsplit("/", 1)[-1]), photo)
            if path is not None:
                put_photo(photo, path, link=links is not None)
                count += 1
        except Unreadable as error:  # it has gone meanwhile, or another file is in the way
            logger.info("note: %s is not sorted: %s", printable(photo.key), error)
    return count


def _free(path: Path, photo: Photo) -> Path | None:
    """A free place like this one; None where the photograph itself is there already.

    Raises `Unreadable` where there is none.
    """
    digest = digest_of(photo.read())
    for candidate in (path, path.with_name(f"{path.stem}~{digest[:8]}{path.suffix}")):
        try:
            if digest_of(read_file(candidate)) == digest:
                return None
        except Unreadable:
            if not candidate.is_symlink() and not candidate.exists():
                return candidate
    raise Unreadable(f"{printable(path)} is in the way")


def _result(names: Sequence[NameEntry], out: Path, count: int) -> NamingResult:
    readable = [entry for entry in names if entry["problem"] is None]
    new = sum(map(is_likely_new, readable))
    return NamingResult(
        out=str(out),
        photographs=len(names),
        named=len(readable) - new,
        new_kinds=new,
        skipped=len(names) - len(readable),
        in_folders=count,
        names=list(names),
    )
