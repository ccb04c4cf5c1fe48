"""Photographs in a folder for each label: names that any system takes, links or copies."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from lodisc.collection.names import safe_name, unlike_names
from lodisc.data.photo import Photo
from lodisc.files import LACKING, replacing


def folder_names(labels: Iterable[str], *, taken: str) -> dict[str, str]:
    """The folder of each label; none is called `taken`."""
    return unlike_names({label: safe_name(label) for label in labels}, taken=taken)


def places_by_label(
    labels: Mapping[str, str], *, taken: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The label of each folder, and the key of the photograph at each place, a path in the tree.

    `labels` are by key. `taken` is a name that no folder gets.
    """
    folders = folder_names(labels.values(), taken=taken)
    members: dict[str, dict[str, str]] = defaultdict(dict)
    for key, label in labels.items():
        members[label][key] = safe_name(key.rsplit("/", 1)[-1])
    places = {
        f"{folders[label]}/{name}": key
        for label, wishes in sorted(members.items())
        for key, name in unlike_names(wishes).items()
    }
    return {name: label for label, name in folders.items()}, places


def put_photo(photo: Photo, path: Path, *, link: bool = True) -> None:
    """Put a link to a photograph at a path, or a copy of it; raises `Unreadable`.

    A photograph in a tar gets a copy, and so does a file system without links, as that of a memory
    card. What is at the path is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, alone=True, durable=False) as draft:
        if photo.size is not None or not (link and _link(draft, photo.path)):
            draft.write_bytes(photo.read())


def _link(path: Path, target: Path) -> bool:
    """Whether there is now a link; False on a file system that has none."""
    try:
        path.symlink_to(os.path.abspath(target))  # noqa: PTH100 - keeps links
    except OSError as error:
        if error.errno in LACKING:
            return False
        raise
    return True
