"""Photographs in a list: a .txt with one path a line, or a .csv with path, label and split.

Paths are relative to the folder of the list. Without the columns `label` and `split`, both come
from the folders in a path.
"""

import csv
import io
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from lodisc.data.photo import Photo, Skipped, Split, place, printable, reason_of
from lodisc.errors import UserError

_OTHER_SPLITS = {"val", "validation"}


def find_in_list(source: Path) -> Iterator[Photo | Skipped]:
    """The photographs in a list, and those that are missing.

    Raises `UserError`, with the line number, for an invalid .csv.
    """
    text = _read_list(source)
    rows = (
        _csv_rows(source, text)
        if source.suffix.lower() == ".csv"
        else [{"path": line.rstrip("\r")} for line in text.split("\n")]
    )
    entries = [
        (Photo(posixpath.normpath(row["path"]), source.parent / row["path"]), row)
        for row in rows
        if row["path"].strip()
    ]
    by_column = any(row.get("split") for _, row in entries)
    splits = by_column or any(photo.key.startswith("train/") for photo, _ in entries)
    for photo, row in entries:
        if row.get("split") in _OTHER_SPLITS:
            continue
        placed = place(
            photo, splits=photo.key.startswith(("train/", "test/")) if by_column else splits
        )
        if placed and "label" in row:
            placed = replace(placed, label=row["label"] or None)
        if placed and by_column:
            placed = replace(placed, split=cast(Split | None, row["split"] or None))
        yield (
            _existing(placed)
            if placed and (placed.split or not splits)
            else Skipped(photo.key, "neither in train nor in test")
        )


def _read_list(source: Path) -> str:
    try:
        return source.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise UserError(f"{printable(source)}: {reason_of(error)}") from None


def _csv_rows(source: Path, text: str) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        if "path" not in reader.fieldnames:
            raise UserError(
                f"{printable(source)}: the first line must name the columns: "
                "path and, where known, label and split"
            )
        for row in reader:
            split = row.get("split", "").strip().lower()
            if split not in {"", "train", "test"} | _OTHER_SPLITS:
                raise UserError(
                    f"{printable(source)}, line {reader.line_num}: "
                    f"the split {printable(split)} is neither train nor test"
                )
            yield (
                row | {"split": split} | ({"label": row["label"].strip()} if "label" in row else {})
            )
    except csv.Error as error:
        raise UserError(f"{printable(source)}, line {reader.reader.line_num}: {error}") from None


def _existing(photo: Photo) -> Photo | Skipped:
    try:
        mode = photo.path.stat().st_mode
    except (OSError, ValueError) as error:
        return Skipped(photo.key, reason_of(error))
    return photo if stat.S_ISREG(mode) else Skipped(photo.key, "not a file")
