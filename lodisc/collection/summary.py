"""The labels of a collection at a glance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lodisc.console import out, table

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection

LAST = 5  # actions that are shown


def describe_labels(collection: Collection) -> dict[str, Any]:
    """Photographs by label, the accuracy of the probe that they train, and the last actions, ready for JSON."""
    from lodisc.collection.naming import name_photos  # loads torch

    photos, current = collection.photos(), collection.labels.current()
    labels = [current.get(key) for key in photos.keys]
    counts = Counter(label for label in labels if label is not None)
    named = name_photos(photos.vectors, labels)
    return {
        "photographs": len(photos), "labelled": counts.total(),
        "labels": dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        "accuracy": named.accuracy.to_dict() if named.accuracy else None, "reason": named.reason,
        "next": [photos.keys[row] for row in named.proposals],
        "history": [{"time": one.time, "what": one.words, "undone": one.undone} for one in collection.labels.history(limit=LAST)],
    }  # fmt: skip


def print_labels(described: dict[str, Any]) -> None:
    """Tables and two lines for people."""
    table("Labels", ["label", "photographs"], [[label, f"{count:,}"] for label, count in described["labels"].items()])
    accuracy = described["accuracy"]
    words = [f"{described['labelled']:,} of {described['photographs']:,} photographs have a label."]
    if accuracy:
        interval = f"{accuracy['low']:.0f} to {accuracy['high']:.0f}"
        words.append(f"They name {accuracy['value']:.0f} % of those left out rightly ({interval}, of {accuracy['n']:,}).")
    words += [f"{described['reason']}."] if described["reason"] else []
    words += [f"{one['time'][:16]}  {one['what']}{' (undone)' if one['undone'] else ''}" for one in described["history"]]
    out.print("\n".join(words), markup=False, soft_wrap=True)
