"""Photographs in a list: a .txt with one path a line, or a .csv or .tsv with path, label and split.

Paths are relative to the folder of the list. Without the columns `label` and `split`, both come
from the folders in a path. A .txt may have a label behind each path, as `a.jpg 0`.
"""

import os
import posixpath
import re
import stat
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lodisc.data.endings import is_photo
from lodisc.data.layout import NEITHER, Listing, arrange
from lodisc.data.photo import Photo, Skipped, printable, reason_of
from lodisc.data.splits import Part, split_named
from lodisc.data.tables import Row, not_utf8, read_table, read_text
from lodisc.errors import UserError

TABLES = (".csv", ".tsv")
_MARKS = " \t\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u200b\ufeff"  # copied along
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def find_in_list(source: Path) -> Listing:
    """The photographs in a list, and those that are missing.

    Raises `UserError`, with the line number, for an invalid table and for another encoding.
    """
    rows = _with_splits(_rows(source))
    photos: list[Photo] = []
    skipped: list[Skipped] = []
    has_labels = any("label" in row.cells for row in rows)
    labels: dict[str, str | None] = {}
    parts: dict[str, Part | None] = {}
    for row in rows:
        part, label = _part(source, row), _label(source, row)
        entry = _located(source, row)
        if isinstance(entry, Skipped):
            skipped.append(entry)
        elif entry is not None and entry.key in parts:
            other = ", with another label" if labels[entry.key] != label else ""
            skipped.append(Skipped(entry.key, f"named twice{other}"))
        elif entry is not None:
            photos.append(entry)
            parts[entry.key], labels[entry.key] = part, label
    listing = arrange(
        photos,
        parts=parts if any(row.cells.get("split", "").strip() for row in rows) else None,
        labels=labels if has_labels else None,
    )
    outside = listing.passed_over.pop(NEITHER, [])
    skipped += [Skipped(key, "neither in train nor in test") for key in outside]
    return listing._replace(skipped=skipped)


def _rows(source: Path) -> list[Row]:
    if source.suffix.lower() in TABLES:
        return list(read_table(source, needed=[{"path"}], stray=True))
    text = read_text(source, stray=True)
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return [
        Row(number, _cells(line.removesuffix("\r"))) for number, line in enumerate(lines, start=1)
    ]


def _cells(line: str) -> dict[str, str]:
    """The path in a line of a .txt, and the label if one follows it."""
    for separator in "\t;, ":
        path, _, label = line.strip(_MARKS).rpartition(separator)
        if is_photo(path.strip(_MARKS + "\"'")) and not (label.startswith("#") or is_photo(label)):
            return {"path": path, "label": label}
    return {"path": line}


def _with_splits(rows: list[Row]) -> list[Row]:
    """The rows with their split; a column called set tells it if it says nothing else."""
    sets = {row.cells.get("set", "").strip() for row in rows} - {""}
    if not sets or "split" in rows[0].cells or None in map(split_named, sets):
        return rows
    return [row._replace(cells={**row.cells, "split": row.cells["set"]}) for row in rows]


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
    label = unicodedata.normalize("NFC", row.cells.get("label", "").strip())
    if not _is_text(label):
        raise not_utf8(source, line=row.line)
    return label or None


def _located(source: Path, row: Row) -> Photo | Skipped | None:
    """The photograph of a row, or why it cannot be read; None for a blank line and a comment."""
    name = row.cells["path"]
    reason = "no such file or directory"
    for spelling in spellings(name):
        try:
            mode = (source.parent / spelling).stat().st_mode
        except (OSError, ValueError) as error:
            if spelling == name:
                reason = reason_of(error)
            continue
        key = _key(spelling, source.parent)
        if stat.S_ISREG(mode):
            return Photo(key, source.parent / spelling)
        return Skipped(key, "not a file")
    if not name.strip() or (name.startswith("#") and not is_photo(name.strip())):
        return None
    if not _is_text(name):
        raise not_utf8(source, line=row.line)
    if _DRIVE.match(name):
        reason = "a path of Windows with its drive; make it relative to the list"
    elif twin := _twin(source.parent / name.replace("\\", "/")):
        reason = f"no such file; there is {printable(twin)}, in other case"
    return Skipped(posixpath.normpath(name), reason)


def _key(name: str, folder: Path) -> str:
    """The path inside the folder of the list, if it leads there."""
    key, around = posixpath.normpath(name), os.path.abspath(folder)  # noqa: PTH100 - keeps links
    return posixpath.relpath(key, around) if key.startswith(f"{around}/") else key


def spellings(name: str) -> Iterator[str]:
    """A path as it is written, then as other systems would write it."""
    if not name.strip():
        return
    quoted = name.strip(_MARKS)
    has_quotes = len(quoted) > 2 and quoted[0] == quoted[-1] and quoted[0] in "\"'"
    plain = quoted[1:-1] if has_quotes else quoted
    for spelling in dict.fromkeys((name, quoted, plain, plain.replace("\\", "/"))):
        yield from dict.fromkeys(
            (
                spelling,
                unicodedata.normalize("NFC", spelling),
                unicodedata.normalize("NFD", spelling),
            )
        )


def _twin(path: Path) -> str | None:
    """The path of a file that differs in case alone."""
    parent = path.parent
    if not parent.is_dir():
        if parent == path or (other := _twin(parent)) is None:
            return None
        parent = Path(other)
    name = _names(parent).get(path.name.casefold())
    return None if name is None else str(parent / name)


@lru_cache(maxsize=64)
def _names(folder: Path) -> dict[str, str]:
    try:
        return {name.casefold(): name for name in os.listdir(folder)}  # noqa: PTH208 - names alone
    except OSError:
        return {}


def _is_text(name: str) -> bool:
    """Whether every byte was UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
