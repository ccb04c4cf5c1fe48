"""Labels to and from tables for spreadsheets, and from the sub-folders of photographs."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from lodisc.collection.labels import plain_label
from lodisc.data.photo import printable, reason_of
from lodisc.errors import UserError
from lodisc.files import replacing

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos
    from lodisc.vectors.classifier import Predictions

logger = logging.getLogger("lodisc")

COLUMNS = ("key", "path", "folder", "label", "name", "confidence", "group")
FEW = 10  # unknown keys in the result
_SEPARATORS = ",;\t"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a cell a formula in a spreadsheet


class CsvImportResult(TypedDict):
    """What an import of a table did; also what `lodisc labels import --json` prints."""

    rows: int
    changed: int
    """Labels that changed."""
    unknown: int
    """Rows that name no photograph of the collection or, by a path, several."""
    unknown_keys: list[str]
    """The first few of those."""


def export_csv(
    collection: Collection, path: str | Path, *, learn: Callable[..., Predictions] | None = None
) -> int:
    """Write one line for each photograph; returns the number of photographs.

    The columns are key, path, folder, label, predicted name and confidence, group. RFC 4180 in
    UTF-8 with a byte order mark, which Excel needs. A text that a spreadsheet would take for a
    formula begins with ', which `import_csv` removes. The file at `path` is replaced atomically.
    `learn` takes the place of `predict_labels`, for a caller with a cache. Raises `UserError` if
    the folder does not exist.
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


def import_csv(collection: Collection, path: str | Path, *, clear: bool = False) -> CsvImportResult:
    """Take labels over from the columns `key` (or `path`) and `label`, as one action.

    A relative path is relative to the folder of the file. An empty label leaves a photograph as it
    is, so that a table from yesterday removes nothing; with `clear` it removes the label. UTF-8,
    with commas, semicolons or tabs between the cells; other columns are ignored. Raises
    `UserError`, and changes nothing, for other columns, a label that is not valid, or two labels
    for one photograph.
    """
    photos = collection.photos()
    labels: dict[str, str | None] = {}
    unknown: list[str] = []
    rows = 0
    by_path: dict[str, str | None] = {}
    for line, row in _read(Path(path)):
        rows += 1
        key, label = row.get("key", ""), row["label"].strip() or None
        if not key and row.get("path"):
            by_path = by_path or _keys_by_path(photos)
            file = os.path.abspath(Path(path).parent / row["path"])  # noqa: PTH100 - keeps links
            key = by_path.get(file) or row["path"]
        if key not in photos.position:
            unknown.append(key)
            continue
        if label is None and not clear:
            continue
        try:
            label = label and plain_label(label)
        except UserError as error:
            raise UserError(f"{printable(path)}, line {line}: {error}") from None
        if labels.setdefault(key, label) != label:
            raise UserError(
                f"{printable(path)}, line {line}: {printable(key)} has another label further up; "
                "leave one of them"
            )
    changed = collection.labels.set_each(labels, how="imported from a table")
    return CsvImportResult(
        rows=rows, changed=changed, unknown=len(unknown), unknown_keys=unknown[:FEW]
    )


def adopt_folders(collection: Collection) -> int:
    """Label photographs without a label by their sub-folder, as one action; returns how many.

    Names that cannot be labels are skipped and reported.
    """
    photos = collection.photos()
    folders = zip(photos.keys, photos.table["folder"].to_pylist(), strict=True)
    labels: dict[str, str | None] = {}
    problems: dict[str, str] = {}
    for key, name in folders:
        try:
            if name:
                labels[key] = plain_label(name)
        except UserError as error:
            problems[name] = str(error)
    for name, problem in problems.items():
        logger.info(
            "left out: the photographs in folders called “%s”: %s", printable(name[:40]), problem
        )
    return collection.labels.set_each(labels, how="from sub-folders", only_unlabelled=True)


def _rows(
    collection: Collection, learn: Callable[..., Predictions] | None
) -> Iterator[tuple[str, ...]]:
    from lodisc.collection.groups_file import load_groups
    from lodisc.vectors.classifier import predict_labels  # loads torch
    from lodisc.vectors.clusters import assign

    photos, current = collection.photos(), collection.labels.current()
    labels = [current.get(key) for key in photos.keys]
    predictions = (learn or predict_labels)(photos.smoothed, labels)
    grouping = load_groups(collection)
    groups = (
        assign(photos.grouped(grouping), grouping)[0].tolist()
        if grouping is not None
        else [None] * len(photos)
    )
    confidences = [
        f"{confidence:.4f}" if name else ""
        for name, confidence in zip(predictions.labels, predictions.confidence, strict=True)
    ]
    columns = [
        photos.keys,
        photos.table["path"].to_pylist(),
        photos.table["folder"].to_pylist(),
        labels,
        predictions.labels,
        confidences,
        groups,
    ]
    for row in zip(*columns, strict=True):
        yield tuple("" if cell is None else str(cell) for cell in row)


def _read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column of every row; raises `UserError` for any other file."""
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
    repeated = next((name for name in ("key", "path", "label") if columns.count(name) > 1), None)
    if repeated:
        raise UserError(f"{printable(path)}: the column {repeated} is there twice; leave one")
    for row in reader:
        if any(row[len(columns) :]):
            raise UserError(
                f"{printable(path)}, line {reader.line_num}: more cells than columns; "
                "is a text with a comma in quotes?"
            )
        if any(row):
            cells = [_unguarded(cell) for cell in row] + [""] * (len(columns) - len(row))
            yield reader.line_num, dict(zip(columns, cells, strict=False))


def _keys_by_path(photos: Photos) -> dict[str, str | None]:
    """The key of the photograph in a file; None for a tar, which holds several."""
    keys: dict[str, str | None] = {}
    for key, path in zip(photos.keys, photos.table["path"].to_pylist(), strict=True):
        keys[path] = None if path in keys else key
    return keys


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
