"""Labels to and from the tables of spreadsheets, and from the sub-folders that photographs lie in."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lodisc.collection.labels import plain_label
from lodisc.console import note
from lodisc.data.photo import printable, reason_of
from lodisc.errors import UserError
from lodisc.files import replacing

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos
    from lodisc.vectors.classifier import Predictions

COLUMNS = ("key", "path", "folder", "label", "name", "confidence", "group")
FEW = 10  # unknown keys that are named
_SEPARATORS = ",;\t"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a cell a formula in a spreadsheet


def export_csv(
    collection: Collection, path: str | Path, *, learn: Callable[..., Predictions] | None = None
) -> int:
    """Write one line a photograph: key, path, folder, label, name and confidence by the probe, group; returns how many.

    RFC 4180 in UTF-8, with the mark by which Excel knows that; a text that a spreadsheet would take for a formula begins with ',
    which `import_csv` takes off again. Whatever `path` was is replaced, whole or not at all. `learn` stands in for `predict_labels`
    where its names are kept. Raises `UserError` for a folder that is not there.
    """
    destination = Path(path)
    if not destination.parent.is_dir():
        raise UserError(f"{printable(destination.parent)}: no such folder")
    with (
        replacing(destination) as draft,
        draft.open("w", encoding="utf-8-sig", newline="") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([_guarded(cell) for cell in row] for row in _rows(collection, learn))
    return len(collection.photos())


def import_csv(collection: Collection, path: str | Path, *, clear: bool = False) -> dict[str, Any]:
    """Take labels over from the columns `key` (or `path`, from the folder of the file on) and `label`, as one action.

    An empty label leaves a photograph as it is, so that a table from yesterday takes nothing away; with `clear` it takes the label
    away. UTF-8, with commas, semicolons or tabs between the cells; other columns are ignored. Returns the rows, how many labels
    changed, how many rows name no photograph of the collection (or, by a path, several), and the first of those. Raises
    `UserError`, and changes nothing, for other columns, a label that can't be one, or two labels for one photograph.
    """
    photos = collection.photos()
    wanted: dict[str, str | None] = {}
    unknown: list[str] = []
    rows = 0
    by_path: dict[str, str | None] = {}
    for line, row in _read(Path(path)):
        rows += 1
        key, label = row.get("key", ""), row["label"].strip() or None
        if not key and row.get("path"):
            by_path = by_path or _keys_by_path(photos)
            key = by_path.get(os.path.abspath(Path(path).parent / row["path"])) or row["path"]
        if key not in photos.position:
            unknown.append(key)
            continue
        if label is None and not clear:
            continue
        try:
            label = label and plain_label(label)
        except ValueError as error:
            raise UserError(f"{printable(path)}, line {line}: {error}") from None
        if wanted.setdefault(key, label) != label:
            raise UserError(
                f"{printable(path)}, line {line}: {printable(key)} has another label further up; leave one of them"
            )
    changed = collection.labels.set_each(wanted, how="imported from a table")
    return {
        "rows": rows,
        "changed": changed,
        "unknown": len(unknown),
        "unknown_keys": unknown[:FEW],
    }


def adopt_folders(collection: Collection) -> int:
    """Give photographs without a label the name of their sub-folder, as one action; returns how many got one.

    A name that can't be a label is left out, and said.
    """
    photos = collection.photos()
    folders = zip(photos.keys, photos.table["folder"].to_pylist(), strict=True)
    wanted: dict[str, str | None] = {}
    odd: dict[str, str] = {}
    for key, name in folders:
        try:
            if name:
                wanted[key] = plain_label(name)
        except ValueError as error:
            odd[name] = str(error)
    for name, why_not in odd.items():
        note(f"left out: the photographs in folders called “{printable(name[:40])}”: {why_not}")
    return collection.labels.set_each(wanted, how="from sub-folders", only_unlabelled=True)


def _rows(
    collection: Collection, learn: Callable[..., Predictions] | None
) -> Iterator[tuple[str, ...]]:
    from lodisc.collection.grouping import load_groups
    from lodisc.vectors.classifier import predict_labels  # loads torch
    from lodisc.vectors.clusters import assign

    photos, current = collection.photos(), collection.labels.current()
    labels = [current.get(key) for key in photos.keys]
    named = (learn or predict_labels)(photos.vectors, labels)
    grouping = load_groups(collection)
    groups = (
        assign(photos.vectors, grouping)[0].tolist()
        if grouping is not None
        else [None] * len(photos)
    )
    paths, folders = photos.table["path"].to_pylist(), photos.table["folder"].to_pylist()
    confidences = [
        f"{confidence:.4f}" if name else ""
        for name, confidence in zip(named.labels, named.confidence, strict=True)
    ]
    for row in zip(
        photos.keys, paths, folders, labels, named.labels, confidences, groups, strict=True
    ):
        yield tuple("" if cell is None else str(cell) for cell in row)


def _read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column of every row; raises `UserError` for what is no such table."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{printable(path)}: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise UserError(f"{printable(path)} is not UTF-8; save it as “CSV UTF-8”") from None
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            columns = [name.strip().lower() for name in next(reader, [])]
            if "label" in columns and {"key", "path"} & set(columns):
                yield from _cells(reader, columns, path)
                return
        except csv.Error as error:
            raise UserError(
                f"{printable(path)}, line {reader.line_num}: {error}; is it a table?"
            ) from None
    raise UserError(
        f"{printable(path)}: the first line must name its columns: key or path, and label"
    )


def _cells(reader: Any, columns: list[str], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    twice = next((name for name in ("key", "path", "label") if columns.count(name) > 1), None)
    if twice:
        raise UserError(f"{printable(path)}: the column {twice} is there twice; leave one")
    for row in reader:
        if any(row[len(columns) :]):
            raise UserError(
                f"{printable(path)}, line {reader.line_num}: more cells than columns; is a text with a comma in quotes?"
            )
        if any(row):
            cells = row + [""] * (len(columns) - len(row))
            yield (
                reader.line_num,
                {name: _unguarded(cell) for name, cell in zip(columns, cells, strict=False)},
            )


def _keys_by_path(photos: Photos) -> dict[str, str | None]:
    """The key of the photograph in a file; None for a tar, which holds several."""
    found: dict[str, str | None] = {}
    for key, path in zip(photos.keys, photos.table["path"].to_pylist(), strict=True):
        found[path] = None if path in found else key
    return found


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
