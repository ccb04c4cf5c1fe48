"""A collection's labels as a tree of links, to browse and to sort in a file manager.

OUT/wren/0001.jpg   a link to a photograph with the label wren; a copy of it if it lies in a tar,
                    or if the file system has no links
OUT/_labels.json    the label of each folder and the key of each link, when they were written
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

from lodisc.collection.row_labels import current_row_labels, predict
from lodisc.collection.sorted_folders import places_by_label, put_photo
from lodisc.data.decode import Unreadable
from lodisc.data.endings import is_photo, why_left_out
from lodisc.data.labels import plain_label
from lodisc.data.layout import Listing, Passed
from lodisc.data.photo import digest_of, printable, read_file, reason_of
from lodisc.data.sources import log_passed_over
from lodisc.errors import UserError
from lodisc.files import read_json, write_json

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos

INDEX = "_labels.json"
FORMAT = 1
FEW = 10  # unknown files in the result


class TreeIndex(TypedDict):
    """What `_labels.json` holds."""

    format: NotRequired[int]
    folders: dict[str, str]
    """The label of each folder."""
    links: dict[str, str]
    """The key of the photograph at each place, a path in the tree."""
    names: NotRequired[dict[str, str]]
    """Those of the links that are names, accepted or not, and no labels of people."""


class TreeExportResult(TypedDict):
    """What an export did; also what `lodisc labels export --json` prints."""

    photographs: int
    """Photographs in the tree."""
    added: int
    removed: int
    unreadable: list[str]
    """Keys of photographs that can't be copied, as they can't be read."""
    left: list[str]
    """Places of files that stay in their old folder, as there may be no other copy."""


class TreeImportResult(TypedDict):
    """What an import did; also what `lodisc labels import --json` prints."""

    photographs: int
    changed: int
    """Labels that changed."""
    unknown: int
    """Files that are not of the collection."""
    unknown_files: list[str]
    """The first few of those."""


def export_tree(
    collection: Collection, out: str | Path, *, named: float | None = None
) -> TreeExportResult:
    """Link every labelled photograph into the folder of its label.

    With `named`, also link photographs whose predicted label has at least this confidence (0..1).
    A second export brings the tree up to date and leaves alone what it did not write. A file that
    may be the only copy of a photograph moves to its new folder, or stays. Raises
    `UserError`, and changes nothing, for a folder that holds something else, and for a tree in
    which photographs were moved by hand and not imported since.
    """
    folder, photos = Path(out), collection.photos()
    index = _read_index(folder)
    if index is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{printable(folder)} is not empty and is not an earlier export; choose another folder"
        )
    labels, name_keys = _labels_to_export(collection, photos, named)
    folders, links = places_by_label(labels, taken=INDEX)
    names = {place: key for place, key in links.items() if key in name_keys}
    index = index or TreeIndex(folders={}, links={})
    present = dict(_scan(folder, photos, index, defaultdict(list)))
    _require_imported(collection, folder, index, present)
    stale = _stale_places(folder, photos, index, present, links)
    new = [place for place, key in links.items() if present.get(place) != key]
    for place in new:
        if place not in stale and os.path.lexists(folder / place):
            raise UserError(f"{printable(folder / place)} is in the way; move it out of the tree")
    only_copies = {
        place: key
        for place in stale
        if (key := present[place]) and _is_only_copy(folder / place, photos, key)
    }
    _remove(folder, set(stale) - set(only_copies))
    new_places = {key: place for place, key in links.items()}
    left = _move(folder, {place: new_places.get(key) for place, key in only_copies.items()})
    for place in left:  # the next export tries again
        folders.setdefault(place.split("/")[0], _label_of(place, index, folder))
    names |= {place: only_copies[place] for place in left if place in index.get("names", {})}
    written = links | {place: only_copies[place] for place in left}
    _write_index(folder, TreeIndex(format=FORMAT, folders=folders, links=written, names=names))
    new = [place for place in new if place not in left]
    unreadable = [links[place] for place in new if not _put(folder / place, photos, links[place])]
    return TreeExportResult(
        photographs=len(links),
        added=len(new) - len(unreadable),
        removed=len(stale) - len(left),
        unreadable=unreadable,
        left=left,
    )


def import_tree(
    collection: Collection, folder: str | Path, *, user: str | None = None
) -> TreeImportResult:
    """Label each photograph in a tree of links, or of copies, by its folder, as one action.

    Names that lie where they were exported become accepted ones where there is no label, as another
    action.

    A link is recognised by its target, a file by its content. A photograph that is not in the tree
    keeps its label; what lies in no folder is ignored, and what a system put there. Raises
    `UserError`, and changes nothing, for a photograph in two folders and for a name that cannot be
    a label.
    """
    root, photos = Path(folder), collection.photos()
    if not root.is_dir():
        raise UserError(
            f"{printable(root)} is not a folder; give one that has a sub-folder for each label"
        )
    index = _read_index(root) or TreeIndex(folders={}, links={})
    labels: dict[str, str] = {}
    places: dict[str, str] = {}
    names = index.get("names", {})
    accepted_keys: set[str] = set()
    unknown: list[str] = []
    passed_over: Passed = defaultdict(list)
    for place, key in _scan(root, photos, index, passed_over):
        if key is None:
            unknown.append(place)
            continue
        label = _label_of(place, index, root)
        if labels.setdefault(key, label) != label:
            raise UserError(
                f"{printable(root)}: {printable(place)} and {printable(places[key])} are the same "
                "photograph; remove one of them"
            )
        places[key] = place
        if names.get(place) == key:
            accepted_keys.add(key)
    log_passed_over(root, Listing([], [], passed_over, []))
    changed = collection.labels.take_over(
        labels, accepted_keys=accepted_keys, how="imported from folders", user=user
    )
    return TreeImportResult(
        photographs=len(labels),
        changed=changed,
        unknown=len(unknown),
        unknown_files=unknown[:FEW],
    )


def _labels_to_export(
    collection: Collection, photos: Photos, named: float | None
) -> tuple[dict[str, str], set[str]]:
    """The labels by key, and the keys of those that are names."""
    if named is not None and not 0 <= named <= 1:
        raise UserError(
            f"--named {named} is out of range; give a confidence between 0 and 1, such as 0.9"
        )
    by_row = current_row_labels(collection, photos)
    labels = {
        key: label
        for key, label in zip(photos.keys, by_row.labels, strict=True)
        if label is not None
    }
    accepted = zip(photos.keys, by_row.accepted_N, strict=True)
    name_keys = {key for key, is_accepted in accepted if is_accepted}
    if named is not None:
        predictions = predict(photos, by_row)
        for key, label, confidence in zip(
            photos.keys, predictions.labels, predictions.confidence, strict=True
        ):
            if label is not None and confidence >= named and key not in labels:
                labels[key] = label
                name_keys.add(key)
    return labels, name_keys


def _scan(
    root: Path, photos: Photos, index: TreeIndex, passed_over: Passed
) -> Iterator[tuple[str, str | None]]:
    """The place and key of every link or photograph in a folder of the tree.

    The key is None for what is not of the collection. Adds to `passed_over` what is hidden, and
    what systems put there.
    """
    by_path, by_digest = _keys_by_path(photos), _keys_by_digest(photos)
    for place in _photographs(root, index, passed_over):
        path, written = root / place, index["links"].get(place)
        if path.is_symlink():
            target = os.path.abspath(path.parent / path.readlink())  # noqa: PTH100 - one link only
            yield place, by_path.get(target, written if written in photos.position else None)
        else:
            keys = by_digest.get(_digest(path), [])
            yield place, keys[0] if len(keys) == 1 else written if written in keys else None


def _photographs(root: Path, index: TreeIndex, passed_over: Passed) -> Iterator[str]:
    """The places of links and photographs in the sub-folders of a tree, in order."""
    for directory, folders, names in os.walk(root):
        around = Path(directory).relative_to(root)
        folders[:] = [
            name
            for name in sorted(folders)
            if not _is_left_out(f"{(around / name).as_posix()}/", index, passed_over)
        ]
        for name in sorted(names) if around.parts else []:
            place = (around / name).as_posix()
            if (is_photo(name) or (root / place).is_symlink()) and not _is_left_out(
                place, index, passed_over
            ):
                yield place


def _is_left_out(place: str, index: TreeIndex, passed_over: Passed) -> bool:
    """Whether a file, or a folder with all in it, is hidden or put there by a system."""
    folder, _, inner = place.partition("/")
    reason = why_left_out(inner if folder in index["folders"] else place)
    if reason:
        passed_over[reason].append(place)
    return reason is not None


def _keys_by_path(photos: Photos) -> dict[str, str]:
    """The key of each photograph that has a file of its own."""
    paths, offsets = (photos.table[name].to_pylist() for name in ("path", "offset"))
    rows = zip(photos.keys, paths, offsets, strict=True)
    return {path: key for key, path, offset in rows if offset is None}


def _keys_by_digest(photos: Photos) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for key, digest in zip(photos.keys, photos.table["digest"].to_pylist(), strict=True):
        keys[digest].append(key)
    return keys


def _label_of(place: str, index: TreeIndex, root: Path) -> str:
    name = place.split("/")[0]
    try:
        return index["folders"].get(name) or plain_label(name)
    except UserError as error:
        raise UserError(f"{printable(root / name)}: {error}") from None


def _require_imported(
    collection: Collection, folder: Path, index: TreeIndex, present: Mapping[str, str | None]
) -> None:
    current = collection.labels.current()
    lost = [
        place
        for place, key in present.items()
        if key
        and index["links"].get(place) != key
        and current.get(key) != _label_of(place, index, folder)
    ]
    if lost:
        photographs = "1 photograph was" if len(lost) == 1 else f"{len(lost)} photographs were"
        raise UserError(
            f"{printable(folder)}: {photographs} moved by hand, such as {printable(lost[0])}; "
            "import the tree first, or choose another folder"
        )


def _stale_places(
    folder: Path,
    photos: Photos,
    index: TreeIndex,
    present: Mapping[str, str | None],
    links: Mapping[str, str],
) -> list[str]:
    """The places that earlier exports wrote and that are to hold something else, or nothing."""
    others = {
        place: key
        for place, key in present.items()
        if (links.get(place) != key if key else place in index["links"])
    }
    return [
        place
        for place, key in others.items()
        if _is_ours(folder / place, photos, key, written=index["links"].get(place))
    ]


def _remove(folder: Path, places: Iterable[str]) -> None:
    """Remove files, and the folders that this empties."""
    paths = [folder / place for place in places]
    for path in paths:
        path.unlink()
    _remove_empty({path.parent for path in paths})


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        if not any(folder.iterdir()):
            folder.rmdir()


def _move(folder: Path, moves: Mapping[str, str | None]) -> list[str]:
    """Move files of the tree; returns those that have no new place, or whose new one is taken."""
    left = dict(moves)
    while free := {
        old: new for old, new in left.items() if new and not os.path.lexists(folder / new)
    }:
        for old, new in free.items():
            (folder / new).parent.mkdir(exist_ok=True)
            (folder / old).rename(folder / new)
            del left[old]
        _remove_empty({(folder / old).parent for old in free})
    return list(left)


def _is_only_copy(path: Path, photos: Photos, key: str) -> bool:
    """Whether this is a file whose photograph the collection can't read elsewhere."""
    if path.is_symlink():
        return False
    photo = photos.photo(photos.position[key])
    try:
        return photo.path.samefile(path) or photo.read() != read_file(path)
    except (OSError, Unreadable):
        return True


def _is_ours(path: Path, photos: Photos, key: str | None, *, written: str | None) -> bool:
    """Whether exports put it here: a link, what was `written` here, or a file from a tar."""
    return path.is_symlink() or (
        key is not None and (key == written or photos.photo(photos.position[key]).size is not None)
    )


def _put(path: Path, photos: Photos, key: str) -> bool:
    """Put a photograph at a place in the tree, unless it is there; False if it can't be read."""
    if os.path.lexists(path):  # `_move` has moved it here
        return True
    try:
        put_photo(photos.photo(photos.position[key]), path)
    except Unreadable:
        return False
    return True


def _digest(path: Path) -> str:
    """The digest as in the collection; "" for a file that can't be read."""
    try:
        return digest_of(read_file(path))
    except Unreadable:
        return ""


def _read_index(folder: Path) -> TreeIndex | None:
    try:
        index = read_json(folder / INDEX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{printable(folder / INDEX)}: {reason_of(error)}") from None
    if not _is_index(index):
        raise UserError(
            f"{printable(folder / INDEX)} is not of this lodisc; "
            "delete it, or choose another folder"
        )
    return cast(TreeIndex, index)


def _is_index(content: object) -> bool:
    """Whether the content of a JSON file is a `TreeIndex` of this format."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return False
    return all(
        isinstance(part, dict) and all(isinstance(value, str) for value in part.values())
        for part in (content.get("folders"), content.get("links"), content.get("names", {}))
    )


def _write_index(folder: Path, index: TreeIndex) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / INDEX, index)
