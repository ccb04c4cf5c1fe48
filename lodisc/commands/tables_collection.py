"""What `embed`, `index`, `search`, `group` and `labels show` print for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lodisc.commands.printing import print_line
from lodisc.console import table
from lodisc.data.photo import printable

if TYPE_CHECKING:
    from lodisc.collection.describe import (
        DuplicatesResult,
        GroupsResult,
        LabelsResult,
        OutliersResult,
        PhotoEntry,
    )
    from lodisc.collection.index import IndexResult
    from lodisc.collection.lookalikes import RecallEntry
    from lodisc.collection.search import SearchResult
    from lodisc.embedding.embed import EmbedResult

MOST_ROWS = 40


def print_embedding(result: EmbedResult) -> None:
    """Print one line on what `lodisc.embed` did."""
    words = [f"{result['out']}: {result['embedded']:,} photographs embedded"]
    if result["kept"]:
        words.append(f", {result['kept']:,} were there already")
    if result["skipped"]:
        words.append(f", {result['skipped']:,} could not be read (listed in its _*.jsonl)")
    print_line("".join([*words, f"; {result['parts']} parts"]))
    if absent := result["absent"]:
        print_line(
            f"{absent:,} photographs are not there now; their vectors stay (--remove forgets them)"
        )


def print_indexing(result: IndexResult) -> None:
    """Print one line on what `lodisc.index` did, and one on the recall of an approximate index."""
    counts = ", ".join(
        f"{result[name]:,} {name}"
        for name in ("added", "replaced", "kept", "removed")
        if result[name]
    )
    words = [f"{printable(result['collection'])}: {result['photographs']:,} photographs ({counts})"]
    if carried := result["labels_carried"]:
        words.append(f"{carried:,} labels followed renamed photographs")
    if edited := result["labels_of_edited"]:
        words.append(
            f"{edited:,} labels stayed with files of the same name and other content: look at them"
        )
    if skipped := result["skipped"]:
        words.append(f"{skipped:,} could not be read, listed in skipped.jsonl")
    print_line("; ".join(words))
    _print_recall(result["recall"])


def print_lookalikes(result: SearchResult) -> None:
    """Print a table for each photograph that was asked for."""
    if result["allowed"] is not None:
        counts = f"{result['allowed']:,} of {result['photographs']:,}"
        print_line(f"{counts} photographs meet the condition.")
    _print_recall(result["recall"])
    for answer in result["answers"]:
        rows = [
            [
                printable(photo["key"]),
                f"{photo['score']:.3f}",
                "" if photo["same_kind"] is None else f"{int(100 * photo['same_kind'] + 1e-6)} %",
                photo["label"] or "",
            ]
            for photo in answer["found"]
        ]
        columns = ["photograph", "cosine", "same kind", "label"]
        table(f"Like {printable(answer['query'])}", columns, rows)
    if result["reason"]:
        print_line(f"{result['reason']}.")


def _print_recall(recall: RecallEntry | None) -> None:
    from lodisc.collection.lookalikes import Recall  # loads LanceDB

    if recall:
        print_line(Recall(**recall).words)


def print_labels(summary: LabelsResult) -> None:
    """Print the labels and their counts, how well they predict the rest, and the last actions."""
    rows = [[label, f"{count:,}"] for label, count in summary["labels"].items()]
    table("Labels", ["label", "photographs"], rows)
    print_line(f"{summary['labelled']:,} of {summary['photographs']:,} photographs have a label.")
    subject = "They"
    if accepted := summary["accepted"]:
        print_line(f"{accepted:,} of these are accepted names, from which nothing is learnt.")
        subject = "The others"
    if accuracy := summary["accuracy"]:
        interval = f"{accuracy['low']:.0f} to {accuracy['high']:.0f}"
        print_line(
            f"{subject} name {accuracy['value']:.0f} % of these kinds' own rightly "
            f"({interval}, of {accuracy['n']:,})."
        )
        if twins := accuracy["near_duplicates"]:
            print_line(
                f"Near-duplicates with the same label give {twins:,} of these away: "
                "the percentage may be too high."
            )
    if summary["reason"]:
        print_line(f"{summary['reason']}.")
    new_kinds = summary["new_kinds"]
    if new_kinds["expected"] is not None:
        rest = summary["photographs"] - summary["labelled"]
        print_line(
            f"Of the {rest:,} others about {new_kinds['expected']:,.0f} are of none of these "
            f"kinds; {new_kinds['likely']:,} are so more likely than not."
        )
    elif summary["labels"]:
        print_line(f"{new_kinds['reason']}.")
    for action in summary["history"]:
        undone = " (undone)" if action["undone"] else ""
        print_line(f"{action['time'][:16]}  {action['what']}{undone}")


def print_groups(summary: GroupsResult) -> None:
    """Print a table of the groups, largest first."""
    groups = summary["groups"]
    rows = [
        [
            str(group["group"]),
            f"{group['size']:,}",
            printable(group["representative"]["key"]),
            _first_few(group["doubtful"]),
        ]
        for group in groups[:MOST_ROWS]
    ]
    title = f"{len(groups):,} groups of {summary['photographs']:,} photographs"
    if summary["criterion"]:
        title += f"; their number by the {summary['criterion']}"
    if summary["smoothed"]:
        title += "; each vector averaged with its nearest"
    table(title, ["", "photographs", "typical", "doubtful"], rows)
    _print_rest(groups)


def print_duplicates(summary: DuplicatesResult) -> None:
    """Print a table of the sets of near-duplicates."""
    sets = summary["sets"]
    rows = [
        [
            printable(photos[0]["key"]),
            f"{len(photos):,}",
            f"{least:.3f}",
            ", ".join(_different_labels(photos)),
            ", ".join(printable(photo["key"]) for photo in photos[1:3]) + " …" * (len(photos) > 3),
        ]
        for photos, least in list(zip(sets, summary["least_alike"], strict=True))[:MOST_ROWS]
    ]
    title = f"{len(sets):,} sets of near-duplicates"
    columns = ["photograph", "in the set", "least alike", "labels that differ", "others"]
    table(title, columns, rows)
    _print_rest(sets)


def _different_labels(photos: list[PhotoEntry]) -> list[str]:
    """The labels in a set of near-duplicates, if there is more than one."""
    labels = sorted({printable(photo["label"]) for photo in photos if photo["label"]})
    return labels if len(labels) > 1 else []


def print_outliers(summary: OutliersResult) -> None:
    """Print a table of the photographs that are least like any other."""
    rows = [[printable(photo["key"]), f"{photo['score']:.3f}"] for photo in summary["outliers"]]
    table("Least like any other", ["photograph", "oddness"], rows)


def _first_few(photos: list[PhotoEntry]) -> str:
    """The first three photographs, by the last part of their keys."""
    few = ", ".join(printable(photo["key"].rsplit("/", 1)[-1]) for photo in photos[:3])
    return few + (" …" if len(photos) > 3 else "")


def _print_rest(rows: list[Any]) -> None:
    if len(rows) > MOST_ROWS:
        print_line(f"… and {len(rows) - MOST_ROWS:,} more; --json has them all")
