"""Photographs in a list: a .txt with one path a line, or a .csv or .tsv with path, label and split.

Paths are relative to the folder of the list. Where no row has a label or a split, they come from
the folders in a path. A .txt may have a label behind each path, as `a.jpg 0`.
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lodisc.data.endings import is_photo
from lodisc.data.labels import label_in
from lodisc.data.layout import NEITHER, Listing, arrange
from lodisc.data.paths import MARKS, Places, folded, plain
from lodisc.data.photo import Photo, Skipped, printable, reason_of
from lodisc.data.splits import Part, split_named
from lodisc.data.tables import Row, not_utf8, read_table, read_text, refuse_line_break
from lodisc.errors import UserError

TABLES = (".csv", ".tsv")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_SEPARATORS = "\t;, "  # before a label, the safest first
_BETWEEN = re.compile(r"[\s;,|]+")
_MOST_BLANKS = 20  # in a path


class _Entry(NamedTuple):
    """A photograph as the list describes it."""

    photo: Photo
    part: Part | None
    label: str | None
    has_cell: bool
    """Whether there is a place for a label."""


def find_in_list(source: Path) -> Listing:
    """The photographs in a list, and those that are missing.

    Raises `UserError`, with the line number, for an invalid table and for another encoding.
    """
    places = Places(source.parent)
    rows, notes = _with_splits(_rows(source, places))
    entries: dict[str, _Entry] = {}
    skipped: list[Skipped] = []
    for row in rows:
        part, label = _part(source, row), _label(source, row)
        photo = _located(source, row, places)
        if isinstance(photo, Skipped):
            skipped.append(photo)
        elif photo is not None:
            entry = _Entry(photo, part, label, "label" in row.cells)
            first = entries.setdefault(places.absolute(photo.key), entry)
            if first is not entry:
                skipped.append(Skipped(photo.key, _named_twice(first, entry)))
    has_parts = any(row.cells.get("split", "").strip() for row in rows)
    listing = _arranged(entries, _folder_around(entries, places), has_parts=has_parts)
    outside = listing.passed_over.pop(NEITHER, [])
    skipped += [Skipped(key, "neither in train nor in test") for key in outside]
    notes += _without_label(entries.values())
    if not (has_parts and any(entry.label for entry in entries.values())):
        notes += _outside(entries, places)
    return listing._replace(skipped=skipped, notes=[*listing.notes, *notes])


def _folder_around(entries: Collection[str], places: Places) -> str | None:
    """The folder around photographs that all lie outside that of the list."""
    if not entries or any(map(places.is_inside, entries)):
        return None
    return posixpath.commonpath(map(posixpath.dirname, entries))


def _outside(entries: Collection[str], places: Places) -> list[str]:
    """A note on photographs whose folders tell nothing, as others lie below the list."""
    count = sum(not places.is_inside(place) for place in entries)
    if count in (0, len(entries)):
        return []
    return [f"{count:,} outside the folder of the list: their folders are not asked"]


def _arranged(entries: Mapping[str, _Entry], around: str | None, *, has_parts: bool) -> Listing:
    """Photographs by their absolute paths, arranged as if the list lay in the folder `around`."""
    names = {
        entry.photo.key if around is None else posixpath.relpath(place, around): entry
        for place, entry in entries.items()
    }
    has_labels = any(entry.label for entry in entries.values())
    listing = arrange(
        [replace(entry.photo, key=name) for name, entry in names.items()],
        parts={name: entry.part for name, entry in names.items()} if has_parts else None,
        labels={name: entry.label for name, entry in names.items()} if has_labels else None,
    )
    return listing._replace(
        photos=[replace(photo, key=names[photo.key].photo.key) for photo in listing.photos],
        passed_over={
            reason: [names[name].photo.key for name in passed]
            for reason, passed in listing.passed_over.items()
        },
    )


def _without_label(entries: Collection[_Entry]) -> list[str]:
    """A note on rows without a label, where there is a place for it."""
    count = sum(entry.label is None for entry in entries)
    if not count or not any(entry.has_cell for entry in entries):
        return []
    if count == len(entries):
        return ["no row of the list has a label, so that folders tell it"]
    return [f"{count:,} of {len(entries):,} have no label in the list, so that they have none"]


def _named_twice(first: _Entry, second: _Entry) -> str:
    other = [
        f"another {name}"
        for name, differs in (
            ("label", first.label != second.label),
            ("split", first.part != second.part),
        )
        if differs
    ]
    return "named twice" + (f", with {' and '.join(other)}" if other else "")


def _rows(source: Path, places: Places) -> list[Row]:
    if source.suffix.lower() in TABLES:
        return list(read_table(source, needed=[{"path"}], stray=True))
    text = read_text(source, stray=True)
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return [
        Row(number, _cells(line.removesuffix("\r"), places))
        for number, line in enumerate(lines, start=1)
    ]


def _cells(line: str, places: Places) -> dict[str, str]:
    """The path in a line of a .txt, and the label if one follows it."""
    if places.find(line) is not None:
        return {"path": line}
    text = line.strip(MARKS).rstrip(_SEPARATORS)
    for path, label in _halves(text):
        is_label = not (label.startswith("#") or is_photo(label))
        if is_label and (is_photo(plain(path)) or places.is_file(path)):
            return {"path": path, "label": label}
    return {"path": text}


def _halves(text: str) -> Iterator[tuple[str, str]]:
    """What stands before and behind a separator: one before a quoted label, else the last one."""
    for separator in _SEPARATORS:
        path, _, label = text.rpartition(separator)
        if text.endswith(('"', "'")):
            start, _, quoted = text[:-1].rpartition(text[-1])
            path, label = (start, quoted) if start.endswith(separator) else (path, label)
        if path:
            yield path.rstrip(_SEPARATORS), plain(label)


def _with_splits(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """The rows with their split; a column called set tells it if no other column does."""
    sets = {row.cells.get("set", "").strip() for row in rows} - {""}
    if not any(map(split_named, sets)) or any(row.cells.get("split", "").strip() for row in rows):
        return rows, []
    if others := sorted(name for name in sets if split_named(name) is None):
        return rows, [
            f"a column with {printable(others[0])} beside train or test divides nothing; "
            "call it split, or leave such cells empty"
        ]
    return [row._replace(cells={**row.cells, "split": row.cells["set"]}) for row in rows], []


def _part(source: Path, row: Row) -> Part | None:
    name = row.cells.get("split", "").strip()
    part = split_named(name)
    if name and part is None:
        raise UserError(
            f"{printable(source)}, line {row.line}: "
            f"the split {printable(name)} is neither train nor test"
        )
    return part


def _label(source: Path, row: Row) -> str | None:
    cell = row.cells.get("label", "")
    if not _is_text(cell):
        raise not_utf8(source, line=row.line)
    try:
        return label_in(cell)
    except UserError as error:
        raise UserError(f"{printable(source)}, line {row.line}: {error}") from None


def _located(source: Path, row: Row, places: Places) -> Photo | Skipped | None:
    """The photograph of a row, or why it cannot be read; None for a blank line and a comment."""
    name = row.cells["path"]
    spelling = places.find(name)
    if spelling is not None:
        key, path = places.key(spelling), source.parent / spelling
        return Photo(key, path) if path.is_file() else Skipped(key, "not a file")
    if not name.strip() or _is_comment(name):
        return None
    if not _is_text(name):
        raise not_utf8(source, line=row.line)
    refuse_line_break(name, source, row.line)
    return Skipped(posixpath.normpath(name), _why_missing(source, name, places))


def _is_comment(name: str) -> bool:
    return name.startswith("#") and (name[1:2] in MARKS or not is_photo(name.strip()))


def _why_missing(source: Path, name: str, places: Places) -> str:
    if _DRIVE.match(name):
        return "a path of Windows with its drive; make it relative to the list"
    if twin := places.alike(name, folded):
        return f"no such file; there is {printable(twin)}, in other case"
    for between in reversed(list(islice(_BETWEEN.finditer(name), _MOST_BLANKS))):
        front, back = name[: between.start()], name[between.end() :]
        if places.is_file(front):
            return (
                f"{printable(front)} is there, but “{printable(back)}” follows it; "
                "put a tab before a label, or save a table (.csv)"
            )
        if places.is_file(back):
            return f"{printable(back)} is there; put it before its label"
    try:
        (source.parent / name).stat()
    except (OSError, ValueError) as error:
        return reason_of(error)
    return "no such file or directory"


def _is_text(name: str) -> bool:
    """Whether every byte was UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
