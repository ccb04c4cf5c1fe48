"""Tables and lists as people have them, of any system and spreadsheet.

UTF-8 or UTF-16; commas, semicolons or tabs; quotes, blank lines and comments; columns by their
usual names.
"""

import _csv
import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lodisc.data.photo import printable, reason_of
from lodisc.errors import UserError
from lodisc.files import read_bytes

COLUMNS = {
    "key": ("key",),
    "path": ("path", "file", "file_name", "filename", "filepath", "file_path", "image"),
    "label": ("label", "species", "class"),
    "split": ("split",),
    "set": ("set", "subset"),
}
"""The usual names of each column, in the order in which they are taken."""
# Columns of which another one tells the folder, and those other ones.
_NAMES_ALONE = ("file", "file_name", "filename", "image")
_FOLDERS = {"relativepath", "relative_path", "folder", "directory", "dir", "subfolder"}
# Where a spreadsheet may begin a cell, at any separator, and what makes that cell a formula.
# Programs pass over blanks, quotes and invisible letters, and take wide signs for plain ones.
_START = r"(?:[^\S\t\r\n]|['\"\u200b-\u200f\u2060\ufeff])*[=+\-@＝＋－＠\t\r]"
_FORMULA = rf"(^|(?<=[;\t\r\n]))({_START})"
_GUARDED = rf"(^|(?<=[;\t\r\n]))'({_START})"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = ",;\t"


class Row(NamedTuple):
    """The cells of a line, by the names in `COLUMNS`; a missing cell is empty."""

    line: int
    cells: dict[str, str]


def read_table(path: Path, *, needed: Sequence[set[str]], stray: bool = False) -> Iterator[Row]:
    """The rows of a table with at least one of each set of columns.

    Blank lines are left out, and so are comments above the header. `stray` is as in `read_text`.
    Raises `UserError` that names the file and the line.
    """
    text = read_text(path, stray=stray)
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            header = next((row for row in reader if not _is_preamble(row)), [])
        except csv.Error:  # quotes that another separator makes sense of
            continue
        places = _places(header, path)
        if all(group & places.keys() for group in needed):
            yield from _rows(reader, len(header), places, path)
            return
    names = ", and ".join(" or ".join(sorted(group)) for group in needed)
    raise UserError(
        f"{printable(path)}: the first line must name its columns: {names}; "
        "commas, semicolons or tabs between them"
    )


def read_text(path: Path, *, stray: bool = False) -> str:
    """The text of a file in UTF-8 or UTF-16, by its mark or by its bytes.

    Raises `UserError` for another encoding; with `stray`, bytes that are no UTF-8 stay as
    surrogates instead, as they do in the names of files.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise UserError(f"{printable(path)}: {reason_of(error)}") from None
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and len(data) >= 4 and b"\0" in data[:4]:
        encoding = "utf-16-le" if data[1] == 0 else "utf-16-be"
    try:
        return data.decode(encoding or "utf-8", "surrogateescape" if stray else "strict")
    except UnicodeError:
        raise not_utf8(path) from None


def not_utf8(path: Path, *, line: int | None = None) -> UserError:
    """The error for a text in the encoding of one country, which cannot be known."""
    where = "" if line is None else f", line {line},"
    kind = "UTF-8" if path.suffix.lower() == ".txt" else "“CSV UTF-8”"
    return UserError(f"{printable(path)}{where} is not UTF-8; save it as {kind}")


def _is_preamble(row: list[str]) -> bool:
    """Whether a line above the header says nothing: blank, a comment, or Excel's `sep=;`."""
    first = row[0].strip().lower() if row else ""
    is_header = first.lstrip("# ") in {name for names in COLUMNS.values() for name in names}
    is_comment = first.startswith("#") and not is_header
    return not any(cell.strip() for cell in row) or is_comment or first.startswith("sep=")


def _places(header: Sequence[str], path: Path) -> dict[str, int]:
    """Where each column of `COLUMNS` stands."""
    names = [re.sub(r"[\s-]+", "_", name.strip("# ").lower()) for name in header]
    places = {}
    for column, aliases in COLUMNS.items():
        name = next((alias for alias in aliases if alias in names), None)
        if name is None:
            continue
        if names.count(name) > 1:
            raise UserError(f"{printable(path)}: the column {name} is there twice; leave one")
        places[column] = names.index(name)
        if column == "path" and name in _NAMES_ALONE and (folders := _FOLDERS & set(names)):
            raise UserError(
                f"{printable(path)}: a path stands in two columns, {min(folders)} and {name}; "
                "join them in one column, path"
            )
    return places


def _rows(reader: "_csv.Reader", width: int, places: dict[str, int], path: Path) -> Iterator[Row]:
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"{printable(path)}, line {line}: {printable(str(error))}; "
                "is a quote left open or not doubled?"
            ) from None
        if row is None:
            return
        if any(row[width:]):
            raise UserError(
                f"{printable(path)}, line {line}: more cells than columns; is a text with a comma "
                "in quotes, or are there row names (R: row.names = FALSE)?"
            )
        cells = [_unguarded(cell) for cell in row] + [""] * (width - len(row))
        if any(cell.strip() for cell in cells):
            yield Row(line, {name: cells[place] for name, place in places.items()})


def guarded(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: ' stands before one; readers remove it."""
    return re.sub(_FORMULA, r"\1'\2", cell)


def _unguarded(cell: str) -> str:
    return re.sub(_GUARDED, r"\1\2", cell)
