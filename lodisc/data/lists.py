"""Photographs in a list: a .txt with one path a line, or a .csv or .tsv with path, label and split.

Paths are relative to the folder of the list. Where no row has a label or a split, they come from
the folders in a path. A .txt may have a label behind each path, as `a.jpg 0`.
"""

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lodisc.data.endings import is_photo
from lodisc.data.labels import label_in
from lodisc.data.layout import NEITHER, Listing, arrange
from lodisc.data.paths import MARKS, Place, Places, folded_form, plain
from lodisc.data.photo import Photo, Skipped, printable, reason_of
from lodisc.data.splits import Part, split_named
from lodisc.data.tables import not_utf8, read_table, read_text, refuse_line_break
from lodisc.errors import UserError

TABLES = (".csv", ".tsv")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_SEPARATORS = "\t;, "  # before a label, the safest first
_BETWEEN = re.compile(r"[\s;,|]+")
_MOST_BLANKS = 20  # in a path
_MOST_HINTS = 20  # in a list


class _Row(NamedTuple):
    """A row of a list, and what its path leads to."""

    line: int
    cells: dict[str, str]
    place: Place | None


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
    rows, notes = _with_splits(list(_rows(source, places)))
    reasons = _Reasons(source, places)
    entries: dict[str, _Entry] = {}
    skipped: list[Skipped] = []
    for row in rows:
        entry = _entry(source, row, places, reasons)
        if isinstance(entry, Skipped):
            skipped.append(entry)
        elif entry is not None:
            first = entries.setdefault(places.absolute(entry.photo.key), entry)
            if first is not entry:
                skipped.append(Skipped(entry.photo.key, _named_twice(first, entry)))
    has_parts = any(row.cells.get("split", "").strip() for row in rows)
    listing = _arrangement(entries, _folder_around(entries, places), has_parts=has_parts)
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


def _arrangement(entries: Mapping[str, _Entry], around: str | None, *, has_parts: bool) -> Listing:
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
            reason: [names[name].photo.key for name in others]
            for reason, others in listing.passed_over.items()
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


def _rows(source: Path, places: Places) -> Iterator[_Row]:
    if source.suffix.lower() in TABLES:
        for number, cells in read_table(source, columns=[{"path"}], stray=True):
            yield _row(number, [cells], cells, places)
        return
    text = read_text(source, stray=True)
    lines = text.split("\n") if "\n" in text else text.split("\r")
    for number, line in enumerate(lines, start=1):
        yield _row(number, *_readings(line.removesuffix("\r")), places)


def _row(
    line: int, readings: Iterable[dict[str, str]], fallback: dict[str, str], places: Places
) -> _Row:
    """The first reading of a line that leads somewhere, else `fallback`."""
    for cells in readings:
        place = places.find(cells["path"])
        if place and (place.is_file or "label" not in cells):
            return _Row(line, cells, place)
    return _Row(line, fallback, places.find_composed(fallback["path"]))


def _readings(line: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What a line of a .txt may say, the likeliest first, and what it says if none is right.

    A path alone, or a path and a label behind it; the likeliest paths end like a photograph.
    """
    text = line.strip(MARKS).rstrip(_SEPARATORS)
    readings = [{"path": line}]
    readings += [
        {"path": path, "label": label}
        for path, label in _halves(text)
        if not (label.startswith("#") or is_photo(label))
    ]
    readings += [{"path": text}] * (text != line)
    readings.sort(key=lambda cells: not is_photo(plain(cells["path"])))
    return readings, readings[0] if "label" in readings[0] else {"path": text}


def _halves(text: str) -> Iterator[tuple[str, str]]:
    """What stands before and behind a separator: one before a quoted label, else the last one."""
    for separator in _SEPARATORS:
        path, _, label = text.rpartition(separator)
        if text.endswith(('"', "'")):
            start, _, content = text[:-1].rpartition(text[-1])
            path, label = (start, content) if start.endswith(separator) else (path, label)
        if path:
            yield path.rstrip(_SEPARATORS), plain(label)


def _with_splits(rows: list[_Row]) -> tuple[list[_Row], list[str]]:
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


def _part(source: Path, row: _Row) -> Part | None:
    name = row.cells.get("split", "").strip()
    part = split_named(name)
    if name and part is None:
        raise UserError(
            f"{printable(source)}, line {row.line}: "
            f"the split {printable(name)} is neither train nor test"
        )
    return part


class _Reasons:
    """Why paths lead nowhere."""

    def __init__(self, source: Path, places: Places) -> None:
        self._folder, self._places = source.parent, places
        self._hints_left = _MOST_HINTS

    def of(self, name: str) -> str:
        """The reason for a path, or a hint at what was meant by it."""
        if _DRIVE.match(name):
            return "a path of Windows with its drive; make it relative to the list"
        try:
            (self._folder / name).stat()
        except (OSError, ValueError) as error:
            return self._other_case(name) or self._hint(name) or reason_of(error)
        return "not a file"

    def _other_case(self, name: str) -> str | None:
        twin = self._places.twin(name, folded_form)
        return f"no such file; there is {printable(twin)}, in other case" if twin else None

    def _hint(self, name: str) -> str | None:
        """What is there if a label stands beside the path; for the first few rows with blanks."""
        blanks = list(islice(_BETWEEN.finditer(name), _MOST_BLANKS))
        if not (blanks and self._hints_left):
            return None
        self._hints_left -= 1
        for between in reversed(blanks):
            front, back = name[: between.start()], name[between.end() :]
            if self._is_file(front):
                return (
                    f"{printable(front)} is there, but “{printable(back)}” follows it; "
                    "put a tab before a label, or save a table (.csv)"
                )
            if self._is_file(back):
                return f"{printable(back)} is there; put it before its label"
        return None

    def _is_file(self, name: str) -> bool:
        place = self._places.find(name) or self._places.find_composed(name)
        return place is not None and place.is_file


def _label_cell(source: Path, row: _Row) -> str:
    cell = row.cells.get("label", "").strip()
    if not _is_text(cell):
        raise not_utf8(source, line=row.line)
    refuse_line_break(cell, source, row.line, column="label")
    return cell


def _entry(source: Path, row: _Row, places: Places, reasons: _Reasons) -> _Entry | Skipped | None:
    """What a row says, or why it says nothing; None for a blank line and a comment."""
    part, cell = _part(source, row), _label_cell(source, row)
    photo = _photo(source, row, places, reasons)
    if not isinstance(photo, Photo):
        return photo
    try:
        return _Entry(photo, part, label_in(cell), "label" in row.cells)
    except UserError as error:
        return Skipped(photo.key, str(error))


def _photo(source: Path, row: _Row, places: Places, reasons: _Reasons) -> Photo | Skipped | None:
    """The photograph of a row, or why it cannot be read; None for a blank line and a comment."""
    name, place = row.cells["path"], row.place
    if place is not None:
        key, path = places.key(place.path), source.parent / place.path
        return Photo(key, path) if place.is_file else Skipped(key, "not a file")
    if not name.strip() or _is_comment(name):
        return None
    if not _is_text(name):
        raise not_utf8(source, line=row.line)
    refuse_line_break(name, source, row.line)
    return Skipped(posixpath.normpath(name), reasons.of(name))


def _is_comment(name: str) -> bool:
    return name.startswith("#") and (name[1:2] in MARKS or not is_photo(name.strip()))


def _is_text(name: str) -> bool:
    """Whether every byte was UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
