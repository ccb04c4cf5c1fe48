"""What `data check` and `data list` print for people."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lodisc.commands.printing import print_line
from lodisc.console import stdout, table
from lodisc.data.photo import printable

if TYPE_CHECKING:
    from lodisc.data.check import CheckResult
    from lodisc.data.datasets import DatasetEntry

MOST_ROWS = 10
INDENT = 15


def print_check(about: CheckResult) -> None:
    """Print what `lodisc.data.check.describe` returns."""
    stdout.print(printable(about["data"]), style="bold", markup=False)
    for name, values in _summary(about).items():
        if values:
            stdout.print(f"{name:<18}{printable(', '.join(values))}", markup=False)
    stdout.print()
    columns = ["train", "test"] if about["splits"] else ["photographs"]
    classes = [
        [name, *(str(counts.get(column, 0)) for column in columns)]
        for name, counts in about["classes"].items()
    ]
    _print_rows("classes", ["class", *columns], classes)
    skipped = [[photo["key"], photo["reason"]] for photo in about["skipped"]]
    _print_rows("skipped", ["photograph", "reason"], skipped)
    remarks = [
        [remark, f"{len(keys):,}", ", ".join(keys[:2])] for remark, keys in about["remarks"].items()
    ]
    _print_rows("unusual, but read", ["what", "photographs", "such as"], remarks)
    duplicates = about["duplicates"]
    apart = [
        [", ".join(f"{photo['label']}: {photo['key']}" for photo in photos)]
        for photos in duplicates["labelled_apart"]
    ]
    _print_rows("copies with different labels", ["labels and photographs"], apart)
    for title, sets in {
        "equal files": duplicates["within"],
        "equal in train and test": duplicates["across"],
    }.items():
        _print_rows(title, ["first", "others"], [_first_and_others(keys) for keys in sets])
    alike = [
        [pair["train"], pair["test"], f"{pair['likeness']:.3f}"] for pair in duplicates["near"]
    ]
    _print_rows("alike in train and test", ["train", "test", "likeness"], alike)
    twins = [
        [pair["first"], pair["second"], f"{pair['likeness']:.3f}"]
        for pair in duplicates["near_within"]
    ]
    title = "alike inside a split" if about["splits"] else "alike"
    _print_rows(title, ["first", "second", "likeness"], twins)


def _summary(about: CheckResult) -> dict[str, list[str]]:
    """The lines above the tables: their words, by the name at their beginning."""
    duplicates, splits = about["duplicates"], about["splits"]
    sides = {which: f"{width} x {height}" for which, (width, height) in about["size"].items()}
    lines = {
        "photographs": [
            f"{about['photographs']:,}",
            *(f"{count:,} {split}" for split, count in splits.items()),
        ],
        "skipped": [
            f"{len(about['skipped']):,}",
            *(f"{count:,} {reason}" for reason, count in about["reasons"].items()),
        ],
        "classes": [f"{len(about['classes']):,}"],
        "pixels": [],
        "equal files": [f"{len(duplicates['within']):,} groups" + " inside a split" * bool(splits)],
        "alike": [f"{len(duplicates['near_within']):,} pairs" + " inside a split" * bool(splits)],
        "across the split": [],
    }
    if about["unlabelled"]:
        lines["classes"].append(f"{about['unlabelled']:,} photographs without")
    if sides:
        lines["pixels"] = [
            f"{sides['smallest']} to {sides['largest']}",
            f"median {sides['median']}",
        ]
    if splits:
        equal, alike = len(duplicates["across"]), len(duplicates["near"])
        lines["across the split"] = [f"{equal:,} equal", f"{alike:,} alike"]
    return lines


def _first_and_others(keys: list[str]) -> list[str]:
    return [keys[0], ", ".join(keys[1:4]) + ", …" * (len(keys) > 4)]


def _print_rows(title: str, columns: list[str], rows: list[list[str]]) -> None:
    if rows:
        table(title, columns, [[printable(cell) for cell in row] for row in rows[:MOST_ROWS]])
        if len(rows) > MOST_ROWS:
            print_line(f"and {len(rows) - MOST_ROWS:,} more; --json lists them all")
        stdout.print()


def print_datasets(about: Mapping[str, DatasetEntry]) -> None:
    """Print what `lodisc.data.datasets.describe` returns, in 80 columns."""
    rows = []
    for name, dataset in about.items():
        lines = [f"{name:<{INDENT}}{dataset['title']}"]
        for text in (
            f"licence: {dataset['licence']}",
            f"get {dataset['download']}",
            dataset["page"],
        ):
            lines += textwrap.wrap(
                text,
                width=70,
                initial_indent=" " * INDENT,
                subsequent_indent=" " * INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
        rows.append(["\n".join(lines), str(dataset["classes"])])
    table("known data sets", ["what it is, and what to get by hand where", "classes"], rows)
