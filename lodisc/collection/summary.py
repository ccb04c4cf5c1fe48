"""A collection at a glance: its labels, groups, near-duplicates and outliers, ready for JSON, and printed for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lodisc.collection.grouping import save_groups
from lodisc.console import progress_bar, stdout, table
from lodisc.data.photo import printable
from lodisc.vectors.clusters import CRITERION, find_groups, list_groups

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection

LAST = 5  # actions that are shown
MOST = 40  # rows of a table of groups or sets


def describe_labels(collection: Collection) -> dict[str, Any]:
    """Photographs by label, the accuracy of the probe that they train, and the last actions, ready for JSON."""
    from lodisc.vectors.classifier import predict_labels  # loads torch

    photos, current = collection.photos(), collection.labels.current()
    labels = [current.get(key) for key in photos.keys]
    counts = Counter(label for label in labels if label is not None)
    named = predict_labels(photos.vectors, labels)
    return {
        "photographs": len(photos),
        "labelled": counts.total(),
        "labels": dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        "accuracy": named.accuracy.to_dict() if named.accuracy else None,
        "reason": named.reason,
        "next": [photos.keys[row] for row in named.proposals],
        "history": [
            {"time": one.time, "what": one.words, "undone": one.undone}
            for one in collection.labels.history(limit=LAST)
        ],
    }


def print_labels(described: dict[str, Any]) -> None:
    """Tables and two lines for people."""
    table(
        "Labels",
        ["label", "photographs"],
        [[label, f"{count:,}"] for label, count in described["labels"].items()],
    )
    accuracy = described["accuracy"]
    words = [f"{described['labelled']:,} of {described['photographs']:,} photographs have a label."]
    if accuracy:
        interval = f"{accuracy['low']:.0f} to {accuracy['high']:.0f}"
        words.append(
            f"They name {accuracy['value']:.0f} % of those left out rightly ({interval}, of {accuracy['n']:,})."
        )
    words += [f"{described['reason']}."] if described["reason"] else []
    words += [
        f"{one['time'][:16]}  {one['what']}{' (undone)' if one['undone'] else ''}"
        for one in described["history"]
    ]
    stdout.print("\n".join(words), markup=False, soft_wrap=True)


def group(collection: Collection, *, k: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Group the photographs and keep the grouping in the collection; raises `ValueError` for `k` below 1."""
    photos = collection.photos()
    with progress_bar() as progress:
        bar = progress.add_task("Grouping", total=None, note="")
        grouping = find_groups(
            photos.vectors,
            k=k,
            seed=seed,
            fingerprint=photos.fingerprint,
            advance=lambda tried: progress.update(bar, advance=1, note=f"{tried} groups tried"),
        )
    save_groups(grouping, collection)
    labels = collection.labels.current()
    groups = [
        {
            "group": one.group,
            "photographs": one.size,
            "representative": photos.keys[one.representative],
            "label": labels.get(photos.keys[one.representative]),
            "doubtful": [photos.keys[row] for row in one.doubtful],
        }
        for one in list_groups(photos.vectors, grouping)
    ]
    described = {"photographs": len(photos), "seed": seed, "groups": groups}
    if grouping.likelihoods:
        described |= {
            "criterion": CRITERION,
            "tried": {str(k): value for k, (value, _) in grouping.likelihoods.items()},
        }
    return described


def print_groups(described: dict[str, Any]) -> None:
    """A table of the groups, largest first."""
    groups = described["groups"]
    rows = [
        [
            str(one["group"]),
            f"{one['photographs']:,}",
            printable(one["representative"]),
            _names(one["doubtful"]),
        ]
        for one in groups[:MOST]
    ]
    how = f"; their number by the {described['criterion']}" if "criterion" in described else ""
    table(
        f"{len(groups):,} groups of {described['photographs']:,} photographs{how}",
        ["", "photographs", "typical", "doubtful"],
        rows,
    )
    _say_rest(groups)


def describe_duplicates(collection: Collection) -> dict[str, Any]:
    """Sets of photographs that are nearly the same."""
    from lodisc.vectors.neighbours import duplicates

    photos = collection.photos()
    with progress_bar() as progress:
        bar = progress.add_task("Comparing", total=len(photos), note="")
        digests = photos.table["digest"].to_pylist()
        sets = duplicates(photos.vectors, digests, advance=lambda rows: progress.advance(bar, rows))
    return {
        "photographs": len(photos),
        "sets": [[photos.keys[row] for row in rows] for rows in sets],
    }


def print_duplicates(described: dict[str, Any]) -> None:
    """A table of the sets."""
    sets = described["sets"]
    rows = [[printable(keys[0]), f"{len(keys):,}", _names(keys[1:])] for keys in sets[:MOST]]
    table(f"{len(sets):,} sets of near-duplicates", ["photograph", "in the set", "others"], rows)
    _say_rest(sets)


def describe_outliers(collection: Collection, *, top: int) -> dict[str, Any]:
    """The photographs that are least like any other, oddest first."""
    import numpy as np

    from lodisc.vectors.neighbours import outliers

    photos = collection.photos()
    scores_N = outliers(photos.vectors)
    order = np.argsort(-scores_N, kind="stable")[:top].tolist()
    return {
        "photographs": len(photos),
        "outliers": [
            {"key": photos.keys[row], "score": round(float(scores_N[row]), 4)} for row in order
        ],
    }


def print_outliers(described: dict[str, Any]) -> None:
    """A table of the oddest ones."""
    rows = [[printable(one["key"]), f"{one['score']:.3f}"] for one in described["outliers"]]
    table("Least like any other", ["photograph", "oddness"], rows)


def _names(keys: list[str]) -> str:
    """The first few keys, by the last part of each."""
    few = ", ".join(printable(key.rsplit("/", 1)[-1]) for key in keys[:3])
    return few + (" …" if len(keys) > 3 else "")


def _say_rest(rows: list[Any]) -> None:
    if len(rows) > MOST:
        stdout.print(f"… and {len(rows) - MOST:,} more; --json has them all", markup=False)
