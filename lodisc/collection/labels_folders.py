"""A collection's labels as folders of links, to look through and to sort in a file manager.

OUT/wren/0001.jpg   a link to a photograph with the label wren; for one that lies in a tar, the file itself
OUT/_labels.json    the label of each folder and the key of each link, as they were written
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lodisc.collection.labels import plain_label
from lodisc.data.decode import Unreadable
from lodisc.data.photo import is_photo, printable, reason_of
from lodisc.errors import UserError
from lodisc.files import read_json, replacing, write_json

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos

INDEX = "_labels.json"
FORMAT = 1
FEW = 10  # files that are named
_LONGEST = 180  # bytes of a name, which leaves room for what tells it from others
_LONGEST_SUFFIX = 20
_UNSAFE = re.compile(r'[/\\:*?"<>|]')
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # by Windows


def export_tree(
    collection: Collection, out: str | Path, *, named: float | None = None
) -> dict[str, Any]:
    """Link every labelled photograph into the folder of its label; with `named` also those that the probe names so surely (0..1).

    Again, it brings the tree up to date and leaves alone what it did not write. Returns how many photographs have a label, how many
    links are new, how many were removed, and which photographs in tars can't be read. Raises `UserError`, and changes nothing, for
    a folder that holds something else, and for a tree in which photographs were moved by hand and not imported since.
    """
    folder, photos = Path(out), collection.photos()
    index = _read_index(folder)
    if index is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{printable(folder)} is not empty and is no earlier export; choose another folder"
        )
    folders, wanted = _plan(_labels_to_show(collection, photos, named))
    index = index or {"folders": {}, "links": {}}
    found = dict(_find(folder, photos, index))
    _require_imported(collection, folder, index, found)
    other = {
        place: key
        for place, key in found.items()
        if (wanted.get(place) != key if key else place in index["links"])
    }
    stale = [place for place, key in other.items() if _is_ours(folder / place, photos, key)]
    new = [place for place, key in wanted.items() if found.get(place) != key]
    for place in new:
        if place not in stale and os.path.lexists(folder / place):
            raise UserError(f"{printable(folder / place)} is in the way; move it out of the tree")
    for place in stale:
        (folder / place).unlink()
    for emptied in {(folder / place).parent for place in stale}:
        if not any(emptied.iterdir()):
            emptied.rmdir()
    _write_index(folder, {"format": FORMAT, "folders": folders, "links": wanted})
    unreadable = [wanted[place] for place in new if not _put(folder / place, photos, wanted[place])]
    return {
        "photographs": len(wanted),
        "added": len(new) - len(unreadable),
        "removed": len(stale),
        "unreadable": unreadable,
    }


def import_tree(collection: Collection, folder: str | Path) -> dict[str, Any]:
    """Take the labels over from a tree of links, or of copies: each photograph gets the name of its folder, as one action.

    A link is told by where it points, a file by its content. A photograph that is not there keeps its label; what lies in no folder
    says nothing. Returns how many photographs were found, how many labels changed, and how many files are none of the collection,
    with the first of those. Raises `UserError`, and changes nothing, for a photograph in two folders and for a name that is no label.
    """
    root, photos = Path(folder), collection.photos()
    if not root.is_dir():
        raise UserError(
            f"{printable(root)} is no folder; give one that has a folder for each label"
        )
    index = _read_index(root) or {"folders": {}, "links": {}}
    wanted: dict[str, str] = {}
    seen: dict[str, str] = {}
    unknown: list[str] = []
    for place, key in _find(root, photos, index):
        if key is None:
            unknown.append(place)
            continue
        label = _label_of(place, index, root)
        if wanted.setdefault(key, label) != label:
            raise UserError(
                f"{printable(root)}: {printable(place)} and {printable(seen[key])} are the same photograph; remove one of them"
            )
        seen[key] = place
    changed = collection.labels.set_each(wanted, how="imported from folders")
    return {
        "photographs": len(wanted),
        "changed": changed,
        "unknown": len(unknown),
        "unknown_files": unknown[:FEW],
    }


def safe_name(text: str) -> str:
    """A name for a file or folder on any system: no separators, control characters or reserved names, not hidden, not too long."""
    name = "".join(
        "_" if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter
        for letter in _UNSAFE.sub("_", text)
    )
    stem, suffix = os.path.splitext(name)
    stem, suffix = (stem, suffix) if len(suffix.encode()) <= _LONGEST_SUFFIX else (name, "")
    name = (
        stem.encode()[: _LONGEST - len(suffix.encode())].decode(errors="ignore") + suffix
    ).rstrip(" .")
    return f"_{name}" if not name or name.startswith((".", " ")) or _TAKEN.fullmatch(name) else name


def unlike_names(wishes: Mapping[str, str], *, taken: str = "") -> dict[str, str]:
    """For each key of `wishes` its value, and more where another one has the same name but for capitals and accents' codes."""
    folded = {_folded(taken)}
    names: dict[str, str] = {}
    for key, wish in sorted(wishes.items()):
        name, stem, suffix = wish, *os.path.splitext(wish)
        attempt = 0
        while _folded(name) in folded:
            name = (
                f"{stem}~{blake2b(f'{attempt}{key}'.encode(), digest_size=4).hexdigest()}{suffix}"
            )
            attempt += 1
        folded.add(_folded(name))
        names[key] = name
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _labels_to_show(collection: Collection, photos: Photos, named: float | None) -> dict[str, str]:
    if named is not None and not 0 <= named <= 1:
        raise UserError(
            f"--named {named} is out of range; give a confidence between 0 and 1, such as 0.9"
        )
    current = collection.labels.current()
    labels = {key: current[key] for key in photos.keys if key in current}
    if named is not None:
        from lodisc.vectors.classifier import predict_labels  # loads torch

        learnt = predict_labels(photos.vectors, [current.get(key) for key in photos.keys])
        for key, name, confidence in zip(
            photos.keys, learnt.labels, learnt.confidence, strict=True
        ):
            if name is not None and confidence >= named:
                labels.setdefault(key, name)
    return labels


def _plan(labels: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The label of each folder, and the key of the photograph at each place in the tree."""
    folders = unlike_names({label: safe_name(label) for label in labels.values()}, taken=INDEX)
    members: dict[str, dict[str, str]] = defaultdict(dict)
    for key, label in labels.items():
        members[label][key] = safe_name(key.rsplit("/", 1)[-1])
    wanted = {
        f"{folders[label]}/{name}": key
        for label, wishes in sorted(members.items())
        for key, name in unlike_names(wishes).items()
    }
    return {name: label for label, name in folders.items()}, wanted


def _find(root: Path, photos: Photos, index: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Every link or photograph in a folder of the tree, by its place, and its key; None for one that is not of the collection."""
    paths, offsets, digests = (
        photos.table[name].to_pylist() for name in ("path", "offset", "digest")
    )
    by_path = {
        path: key
        for key, path, offset in zip(photos.keys, paths, offsets, strict=True)
        if offset is None
    }
    by_digest: dict[str, list[str]] = defaultdict(list)
    for key, digest in zip(photos.keys, digests, strict=True):
        by_digest[digest].append(key)
    for directory, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            place = path.relative_to(root).as_posix()
            written = index["links"].get(place)
            if (
                "/" not in place
                or not (path.is_symlink() or is_photo(name))
                or name.startswith(".")
            ):
                continue
            if path.is_symlink():
                target = os.path.abspath(Path(directory, path.readlink()))
                yield place, by_path.get(target, written if written in photos.position else None)
            else:
                keys = by_digest.get(_digest(path), [])
                yield place, keys[0] if len(keys) == 1 else written if written in keys else None


def _label_of(place: str, index: Mapping[str, Any], root: Path) -> str:
    name = place.split("/")[0]
    try:
        return str(index["folders"].get(name) or plain_label(name))
    except ValueError as error:
        raise UserError(f"{printable(root / name)}: {error}") from None


def _require_imported(
    collection: Collection, folder: Path, index: Mapping[str, Any], found: Mapping[str, str | None]
) -> None:
    current = collection.labels.current()
    moved = [place for place, key in found.items() if key and index["links"].get(place) != key]
    lost = [
        place
        for place in moved
        if current.get(str(found[place])) != _label_of(place, index, folder)
    ]
    if lost:
        photographs = "1 photograph was" if len(lost) == 1 else f"{len(lost)} photographs were"
        what = f"{photographs} moved by hand, {printable(lost[0])} to begin with"
        raise UserError(
            f"{printable(folder)}: {what}; import the tree first, or choose another folder"
        )


def _is_ours(path: Path, photos: Photos, key: str | None) -> bool:
    """May it be removed? A link may, and a file that can be read from its tar again."""
    return path.is_symlink() or (
        key is not None and photos.photo(photos.position[key]).size is not None
    )


def _put(path: Path, photos: Photos, key: str) -> bool:
    """Put a photograph at a place in the tree; no when it can't be read."""
    photo = photos.photo(photos.position[key])
    path.parent.mkdir(exist_ok=True)
    try:
        with replacing(path, alone=True) as draft:
            if photo.size is None:
                draft.symlink_to(photo.path)
            else:
                draft.write_bytes(photo.read())
    except Unreadable:
        return False
    return True


def _digest(path: Path) -> str:
    """As in the collection; "" for what can't be read."""
    try:
        return blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""


def _read_index(folder: Path) -> dict[str, Any] | None:
    try:
        index = read_json(folder / INDEX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{printable(folder / INDEX)}: {reason_of(error)}") from None
    known = (
        isinstance(index, dict)
        and index.get("format") == FORMAT
        and [index.get("folders"), index.get("links")]
    )
    if not known or not all(
        isinstance(part, dict) and all(isinstance(value, str) for value in part.values())
        for part in known
    ):
        raise UserError(
            f"{printable(folder / INDEX)} is none of this lodisc; delete it, or choose another folder"
        )
    return {"folders": known[0], "links": known[1]}


def _write_index(folder: Path, index: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / INDEX, index)
