"""Photographs in uncompressed tars: indexed by name, offset and size, and read in place."""

import posixpath
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from lodisc.data.photo import Photo, Skipped, is_photo, place, reason_of

_TAR_TROUBLE = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError)


def find_in_tars(tars: dict[str, Path]) -> Iterator[Photo | Skipped]:
    """Index tars, given by their names in DATA.

    Keys begin with the name of the tar where two tars hold the same path.
    """
    photos: list[tuple[str, Photo]] = []
    for name, path in sorted(tars.items()):
        folder = posixpath.dirname(name)
        members: dict[str, Photo] = {}
        for entry in _index_tar(path):
            if isinstance(entry, Skipped):
                yield replace(entry, key="/".join(filter(None, (name, entry.key))) or path.name)
            else:  # of two members with one name the later counts, as when unpacking
                members[entry.key] = entry
        wrapper = _wrapper(members)
        for key, photo in members.items():
            key = posixpath.join(folder, key.removeprefix(wrapper))
            photos.append((name, replace(photo, key=key)))
    splits = any(photo.key.startswith("train/") for _, photo in photos)
    times = Counter(photo.key for _, photo in photos)
    for name, photo in photos:
        if placed := place(photo, splits=splits):
            yield replace(placed, key=f"{name}/{placed.key}") if times[placed.key] > 1 else placed


def _wrapper(keys: Iterable[str]) -> str:
    """The folder around `train/`, if everything in the tar is in one."""
    tops = {key.split("/")[0] for key in keys}
    top = f"{tops.pop()}/" if len(tops) == 1 else ""
    return top if top and any(key.startswith(f"{top}train/") for key in keys) else ""


def _index_tar(path: Path) -> Iterator[Photo | Skipped]:
    """Names, offsets and sizes of the photographs in an uncompressed tar.

    Damage ends the index with a `Skipped`; no error is raised.
    """
    try:
        length = path.stat().st_size
        with tarfile.open(path, "r:", encoding="utf-8") as tar:
            end = -1
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # otherwise it keeps all headers
                key = posixpath.join(
                    *(part for part in ("", *member.name.split("/")) if part != ".")
                )
                hidden = any(part.startswith(".") and part != ".." for part in key.split("/"))
                if not hidden and is_photo(key) and not member.isdir():
                    yield _member_photo(path, key, member, length)
                if tar.offset <= end:
                    raise tarfile.ReadError("members that overlap")
                end = tar.offset
        with path.open("rb") as stream:
            stream.seek(max(end, 0))
            if stream.read(512).strip(b"\0"):
                yield Skipped("", "damaged tar: the rest cannot be read")
    except _TAR_TROUBLE as error:
        reason = (
            "truncated"
            if "unexpected end" in str(error)
            else reason_of(error)
            if isinstance(error, OSError)
            else "damaged"
        )
        yield Skipped("", f"{reason} tar: the rest cannot be read")


def _member_photo(path: Path, key: str, member: tarfile.TarInfo, length: int) -> Photo | Skipped:
    if member.issym() or member.islnk():
        return Skipped(key, "link inside a tar")
    if not member.isreg() or member.issparse():
        return Skipped(key, "not a file")
    if member.size < 0 or member.offset_data + member.size > length:
        return Skipped(key, "truncated")
    return Photo(key, path, offset=member.offset_data, size=member.size)
