"""Photographs in uncompressed tars: indexed by name, offset and size, and read in place."""

import posixpath
import re
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from lodisc.data.endings import HIDDEN, is_photo, why_passed_over
from lodisc.data.layout import Listing, Passed, are_splits, arrange, split_named
from lodisc.data.photo import Photo, Skipped, reason_of

MOST_NAME = 2**20  # bytes of the headers that tell one name
_NAME_HEADERS = {
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
}
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError)


def find_in_tars(tars: dict[str, Path]) -> Listing:
    """Index tars, given by their names in DATA.

    Keys begin with the name of the tar where two tars hold the same path. Tars called train and
    test are as folders of these names.
    """
    photos: list[Photo] = []
    skipped: list[Skipped] = []
    passed_over: Passed = defaultdict(list)
    parts = {name: _part(name) for name in tars}
    are_parts = len(set(parts.values())) > 1 and are_splits(parts.values())
    for name, path in sorted(tars.items()):
        folder = posixpath.dirname(name)
        members: dict[str, Photo] = {}
        for entry in _index_tar(path, passed_over):
            if isinstance(entry, Skipped):
                key = "/".join(filter(None, (name, entry.key))) or path.name
                skipped.append(replace(entry, key=key))
            else:  # of two members with one name the later counts, as when unpacking
                members[entry.key] = entry
        wrapper = _wrapper(members)
        if are_parts and not all(split_named(key.split("/")[0]) for key in members):
            folder = posixpath.join(folder, parts[name])
        for key, photo in members.items():
            key = posixpath.join(folder, key.removeprefix(wrapper))
            photos.append(replace(photo, key=key))
    times = Counter(photo.key for photo in photos)
    names = {path: name for name, path in tars.items()}
    listing = arrange(photos)
    for reason, keys in listing.passed_over.items():
        passed_over[reason] += keys
    placed = [
        replace(photo, key=f"{names[photo.path]}/{photo.key}") if times[photo.key] > 1 else photo
        for photo in listing.photos
    ]
    return listing._replace(photos=placed, skipped=skipped, passed_over=passed_over)


def _part(name: str) -> str:
    """What a tar is called, without the number of a shard."""
    return re.sub(r"[-_.]?[0-9]+$", "", posixpath.splitext(posixpath.basename(name))[0])


def _wrapper(keys: Iterable[str]) -> str:
    """The folder around `train/`, if everything in the tar is in one."""
    tops = {key.split("/")[0] for key in keys}
    top = f"{tops.pop()}/" if len(tops) == 1 else ""
    return top if top and any(key.startswith(f"{top}train/") for key in keys) else ""


class _Member(tarfile.TarInfo):
    """A member whose name and other facts are not longer than a name can be.

    tarfile reads them into memory as a whole, however long they claim to be.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _NAME_HEADERS and self.size > MOST_NAME:
            raise tarfile.ReadError("a name that is too long")
        return super()._proc_member(tar)  # type: ignore[misc]


def _index_tar(path: Path, passed_over: Passed) -> Iterator[Photo | Skipped]:
    """Names, offsets and sizes of the photographs in an uncompressed tar.

    Adds what is not read to `passed_over`. Damage ends the index with a `Skipped`; no error is
    raised.
    """
    try:
        length = path.stat().st_size
        with tarfile.open(path, "r:", encoding="utf-8", tarinfo=_Member) as tar:
            end = -1
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # otherwise it keeps all headers
                key = _key(member.name)
                hidden = any(part.startswith(".") and part != ".." for part in key.split("/")[:-1])
                reason = why_passed_over(key)
                if member.isdir():
                    pass
                elif is_photo(key) and (hidden or reason):
                    passed_over[HIDDEN].append(key)
                elif reason and not hidden:
                    passed_over[reason].append(key)
                elif is_photo(key) and not posixpath.basename(key).startswith("."):
                    yield _member_photo(path, key, member, length)
                if tar.offset <= end:
                    raise tarfile.ReadError("members that overlap")
                end = tar.offset
        with path.open("rb") as stream:
            stream.seek(max(end, 0))
            if stream.read(512).strip(b"\0"):
                yield Skipped("", "damaged tar: the rest cannot be read")
    except _TAR_ERRORS as error:
        reason = (
            "truncated"
            if "unexpected end" in str(error)
            else reason_of(error)
            if isinstance(error, OSError)
            else "damaged"
        )
        yield Skipped("", f"{reason} tar: the rest cannot be read")


def _key(name: str) -> str:
    """The name of a member, which may have been packed on Windows."""
    name = name if "/" in name else name.replace("\\", "/")
    return posixpath.join(*(part for part in ("", *name.split("/")) if part != "."))


def _member_photo(path: Path, key: str, member: tarfile.TarInfo, length: int) -> Photo | Skipped:
    if member.issym() or member.islnk():
        return Skipped(key, "link inside a tar")
    if not member.isreg() or member.issparse():
        return Skipped(key, "not a file")
    if member.size < 0 or member.offset_data + member.size > length:
        return Skipped(key, "truncated")
    return Photo(key, path, offset=member.offset_data, size=member.size)
