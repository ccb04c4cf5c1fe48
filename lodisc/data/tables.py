"""Tables and lists as people have them, of any system and spreadsheet.

UTF-8 or UTF-16; commas, semicolons or tabs; quotes, blank lines and comments; columns by their
usual names.
"""

import _csv
import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lodisc.data.paths import INVISIBLE, MARKS
from lodisc.data.photo import printable, reason_of
from lodisc.errors import UserError
from lodisc.files import read_bytes, replacing

COLUMNS = {
    "key": ("key",),
    "path": ("path", "file", "file_name", "filename", "filepath", "file_path", "image"),
    "label": ("label", "species", "class"),
    "accepted_name": ("accepted_name",),
    "genus": ("genus",),
    "split": ("split", "data_split"),
    "set": ("set", "subset", "partition", "phase", "fold"),
}
"""The usual names of each column, in the order in which they are taken."""
# Columns of which another one tells the folder, and those other ones.
_NAMES_ALONE = ("file", "file_name", "filename", "image")
_FOLDERS = {"relativepath", "relative_path", "folder", "directory", "dir", "subfolder"}
# Where a spreadsheet may begin a cell, at any separator, and what makes that cell a formula.
# Programs pass over blanks, quotes and invisible letters, and take wide signs for plain ones.
_START = r"(?:[^\S\t\r\n]|['\"\u200b-\u200f\u2060\ufeff])*[=+\-@＝＋－＠\t\r]"
_FORMULA = rf"(^|(?<=[;\t\r\n]))({_START})"
_GUARD = rf"(^|(?<=[;\t\r\n]))'({_START})"
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = ",;\t"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_AT_THE_END = "\0\x1a"  # where programs of DOS ended a text, or a disk its block


class Row(NamedTuple):
    """The cells of a line, by the names in `COLUMNS`; a missing cell is empty."""

    line: int
    cells: dict[str, str]


def read_table(path: Path, *, columns: Sequence[set[str]], stray: bool = False) -> Iterator[Row]:
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
        if all(group & places.keys() for group in columns):
            yield from _rows(reader, len(header), places, path)
            return
    names = ", and ".join(" or ".join(sorted(group)) for group in columns)
    raise UserError(
        f"{printable(path)}: the first line must name its columns: {names}; "
        "commas, semicolons or tabs between them"
    )


def read_text(path: Path, *, stray: bool = False) -> str:
    """The text of a file in UTF-8 or UTF-16, by its mark or by its bytes.

    Raises `UserError` for a workbook and for another encoding; with `stray`, bytes that are not
    UTF-8 stay as surrogates instead, as they do in the names of files.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise UserError(f"{printable(path)}: {reason_of(error)}") from None
    if data.startswith(_WORKBOOKS):
        raise UserError(f"{printable(path)} is a workbook; save it as “CSV UTF-8”")
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), None)
    if encoding is None and len(data) >= 4 and b"\0" in data[:4]:
        encoding = "utf-16-le" if data[1] == 0 else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8", "surrogateescape" if stray else "strict")
    except UnicodeError:
        if encoding in (None, "utf-8-sig"):
            raise not_utf8(path) from None
        raise UserError(
            f"{printable(path)} is damaged {encoding[:6].upper()}; save it again, as “CSV UTF-8”"
        ) from None
    return text.lstrip(INVISIBLE).rstrip(_AT_THE_END)


def not_utf8(path: Path, *, line: int | None = None) -> UserError:
    """The error for a text in the encoding of one country, which cannot be known."""
    where = "" if line is None else f", line {line},"
    kind = "UTF-8" if path.suffix.lower() == ".txt" else "“CSV UTF-8”"
    return UserError(f"{printable(path)}{where} is not UTF-8; save it as {kind}")


def refuse_line_break(cell: str, path: Path, line: int, *, column: str = "path") -> None:
    """Raise `UserError` for a cell that may have swallowed the lines below it."""
    if "\n" in cell or "\r" in cell:
        raise UserError(
            f"{printable(path)}, line {line}: the {column} {printable(cell)} has a line break; "
            "is a quote left open?"
        )


def _is_preamble(row: list[str]) -> bool:
    """Whether a line above the header says nothing: blank, a comment, or Excel's `sep=;`."""
    first = row[0].strip(MARKS).lower() if row else ""
    is_header = first.lstrip("# ") in {name for names in COLUMNS.values() for name in names}
    is_comment = first.startswith("#") and not is_header
    return not any(cell.strip() for cell in row) or is_comment or first.startswith("sep=")


def _places(header: Sequence[str], path: Path) -> dict[str, int]:
    """Where each column of `COLUMNS` stands."""
    names = [re.sub(r"[\s-]+", "_", name.strip(f"#{MARKS}").lower()) for name in header]
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
    if "label" in places and names[places["label"]] != "species":
        places.pop("genus", None)
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
        if any(cell.strip() for cell in row[width:]):
            raise UserError(
                f"{printable(path)}, line {line}: more cells than columns; is a text with a comma "
                "in quotes, or are there row names (R: row.names = FALSE)?"
            )
        cells = [_without_guard(cell) for cell in row] + [""] * (width - len(row))
        if any(cell.strip() for cell in cells):
            yield Row(line, _with_binomial({name: cells[at] for name, at in places.items()}))


def _with_binomial(cells: dict[str, str]) -> dict[str, str]:
    """The cells with the genus before its epithet: not before its own name, `P. leo`, `Lion`."""
    genus, species = cells.pop("genus", "").strip(), cells.get("label", "").strip()
    first = species.lstrip("× ").partition(" ")[0]
    is_epithet = first[:1].islower() and first[1:2] != "." and first != genus.lower()
    return {**cells, "label": f"{genus} {species}"} if genus and is_epithet else cells


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | float]]) -> None:
    """Write a table that Excel reads as it is; the file is replaced atomically.

    RFC 4180 in UTF-8 with a byte order mark. A text that a spreadsheet would take for a formula
    begins with ', which `read_table` removes. Commas stand between cells, in a .tsv file tabs.
    """
    with (
        replacing(path) as draft,
        draft.open("w", encoding="utf-8-sig", newline="") as stream,
    ):
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        writer = csv.writer(stream, delimiter=separator)
        writer.writerow(columns)
        writer.writerows(
            [with_guard(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
        )


def with_guard(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: ' stands before one; readers remove it."""
    return re.sub(_FORMULA, r"\1'\2", cell)


def _without_guard(cell: str) -> str:
    return re.sub(_GUARD, r"\1\2", cell)
