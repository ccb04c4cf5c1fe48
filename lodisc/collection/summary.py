"""A collection at a glance: its labels, groups, near-duplicates and outliers, ready for JSON, and printed for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lodisc.collection.grouping import save_groups
from lodisc.console import progress_bar
from lodisc.vectors.clusters import CRITERION, describe, find_groups

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection

LAST = 5  # actions that are shown


def describe_labels(collection: Collection) -> dict[str, Any]:
    """Photographs by label, the accuracy of the probe that they train, and the last actions, ready for JSON."""
    from lodisc.vectors.classifier import name_photos  # loads torch

    photos, current = collection.photos(), collection.labels.current()
    labels = [current.get(key) for key in photos.keys]
    counts = Counter(label for label in labels if label is not None)
    named = name_photos(photos.vectors, labels)
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
        for one in describe(photos.vectors, grouping)
    ]
    described = {"photographs": len(photos), "seed": seed, "groups": groups}
    if grouping.tried:
        described |= {
            "criterion": CRITERION,
            "tried": {str(k): value for k, (value, _) in grouping.tried.items()},
        }
    return described


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
