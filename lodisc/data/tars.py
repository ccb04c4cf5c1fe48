"""Photographs in uncompressed tars: indexed by name, offset and size, and read in place."""

import posixpath
import re
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lodisc.data.endings import HIDDEN, folders_of, is_photo, why_passed_over
from lodisc.data.layout import Listing, Passed, arrange
from lodisc.data.photo import Photo, Skipped, printable, reason_of
from lodisc.data.splits import division, parts_among, split_named, words_for_parts

MOST_NAME = 2**20  # bytes of the headers that tell one name
_NAME_HEADERS = {
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
}
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError)


def find_in_tars(tars: dict[str, Path]) -> Listing:
    """Index tars, given by their names in DATA.

    Keys begin with the name of the tar where two tars hold the same path. Tars that are called as
    folders which divide a data set divide it too, unless folders in them do.
    """
    passed_over: Passed = defaultdict(list)
    skipped: list[Skipped] = []
    tarred: dict[str, dict[str, Photo]] = {}
    for name, path in sorted(tars.items()):
        tarred[name] = {}
        for entry in _index_tar(path, passed_over):
            if isinstance(entry, Skipped):
                key = "/".join(filter(None, (name, entry.key))) or path.name
                skipped.append(replace(entry, key=key))
            else:  # of two members with one name the later counts, as when unpacking
                tarred[name][entry.key] = entry
    photos = _unpacked(tarred)
    times = Counter(photo.key for photo in photos)
    names = {path: name for name, path in tars.items()}
    listing = arrange(photos)
    for reason, keys in listing.passed_over.items():
        passed_over[reason] += keys
    placed = [
        replace(photo, key=f"{names[photo.path]}/{photo.key}") if times[photo.key] > 1 else photo
        for photo in listing.photos
    ]
    meanings = words_for_parts(map(_part, tars))
    if len(set(meanings.values())) > 1 and not any(photo.split for photo in placed):
        idle = min(name for name in tars if _part(name) in meanings)
        listing.notes.append(
            f"tars such as {printable(idle)} divide nothing; those do whose names differ in "
            "train, test and numbers alone"
        )
    return listing._replace(photos=placed, skipped=skipped, passed_over=passed_over)


def _unpacked(tarred: Mapping[str, Mapping[str, Photo]]) -> list[Photo]:
    """The photographs of each tar, with keys as if all were unpacked where they are."""
    tops = {name: _top(members) for name, members in tarred.items()}
    wrappers = {
        top
        for name, top in tops.items()
        if any(key.startswith(f"{top}train/") for key in tarred[name])
    }
    photos = {
        name: [
            replace(photo, key=key.removeprefix(tops[name] if tops[name] in wrappers else ""))
            for key, photo in members.items()
        ]
        for name, members in tarred.items()
    }
    inner = [
        replace(photo, key=posixpath.join(posixpath.dirname(name), photo.key))
        for name, members in photos.items()
        for photo in members
    ]
    if not parts_among(map(_part, tarred)) or _are_divided(inner):
        return inner
    return [
        replace(photo, key=posixpath.join(folder, photo.key))
        for name, members in photos.items()
        for folder in [_folder(name, members)]
        for photo in members
    ]


def _part(name: str) -> str:
    """What a tar is called, without the number of a shard."""
    stem = posixpath.splitext(posixpath.basename(name))[0]
    return re.sub(r"[-_.]?[0-9]+(-of-[0-9]+)?$", "", stem)


def _top(keys: Iterable[str]) -> str:
    """The folder that everything in a tar is in, with its slash; "" if there is none."""
    tops = {key.split("/")[0] for key in keys}
    return f"{tops.pop()}/" if len(tops) == 1 else ""


def _are_divided(photos: Iterable[Photo]) -> bool:
    """Whether folders say of each photograph which part it is of."""
    folders = [folders_of(photo.key) for photo in photos]
    divided = division(folders)
    return divided is not None and all(divided.part(path)[0] for path in folders)


def _folder(name: str, photos: Iterable[Photo]) -> str:
    """Where the photographs of a tar that is a part would be unpacked."""
    has_parts = all(split_named(photo.key.split("/")[0]) for photo in photos)
    return posixpath.join(posixpath.dirname(name), "" if has_parts else _part(name))


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
            files: dict[str, Photo] = {}
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # otherwise it keeps all headers
                key = _key(member.name)
                entry = _member_photo(path, key, member, length, files)
                if isinstance(entry, Photo):
                    files[key] = entry
                hidden = any(part.startswith(".") and part != ".." for part in key.split("/")[:-1])
                reason = why_passed_over(key)
                if member.isdir():
                    pass
                elif is_photo(key) and (hidden or reason):
                    passed_over[HIDDEN].append(key)
                elif reason and not hidden:
                    passed_over[reason].append(key)
                elif is_photo(key) and not posixpath.basename(key).startswith("."):
                    yield entry
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


def _member_photo(
    path: Path, key: str, member: tarfile.TarInfo, length: int, files: Mapping[str, Photo]
) -> Photo | Skipped:
    """A member as a photograph; a hard link has the bytes of the file before it that it names."""
    if member.islnk() and (file := files.get(_key(member.linkname))):
        return replace(file, key=key)
    if member.issym() or member.islnk():
        return Skipped(key, "link inside a tar")
    if not member.isreg() or member.issparse():
        return Skipped(key, "not a file")
    if member.size < 0 or member.offset_data + member.size > length:
        return Skipped(key, "truncated")
    return Photo(key, path, offset=member.offset_data, size=member.size)
