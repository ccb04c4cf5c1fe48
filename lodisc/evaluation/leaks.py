"""Test photographs that others give away: copies, and shots of one burst.

A figure over them says how well copies are found, not how well kinds are told apart.
"""

import shlex
from collections import Counter
from typing import NotRequired, TypedDict

from lodisc.data.thumbnails import most_alike
from lodisc.evaluation.features import Features


class Leaks(TypedDict):
    """How many photographs are, but for a few pixels, the same as another one."""

    in_train: int
    """Test photographs, as a training photograph; 0 where no protocol reads those."""
    in_test: int
    """Test photographs, as another test photograph."""
    labelled_apart: NotRequired[int]
    """Photographs of train and test, as one with another label; files of older versions lack it."""


def leaks(train: Features, test: Features) -> Leaks:
    """Count them, by their files and by their thumbnails."""
    trained, times = set(train.digests), Counter(test.digests)
    in_train = {row for row, digest in enumerate(test.digests) if digest in trained}
    in_test = {row for row, digest in enumerate(test.digests) if times[digest] > 1}
    rows = range(len(test))
    in_train |= {pair.query for pair in most_alike(test.thumbnails, train.thumbnails)}
    in_test |= {
        pair.query for pair in most_alike(test.thumbnails, test.thumbnails, unlike=(rows, rows))
    }
    return Leaks(
        in_train=len(in_train), in_test=len(in_test), labelled_apart=_labelled_apart(train, test)
    )


def _labelled_apart(train: Features, test: Features) -> int:
    digests, labels = train.digests + test.digests, [*train.labels.tolist(), *test.labels.tolist()]
    kinds = Counter(digest for digest, _ in set(zip(digests, labels, strict=True)))
    apart = {row for row, digest in enumerate(digests) if kinds[digest] > 1}
    thumbnails = train.thumbnails + test.thumbnails
    pairs = most_alike(thumbnails, thumbnails, unlike=(labels, labels))
    return len(apart | {pair.query for pair in pairs})


def in_words(leaks: Leaks, *, test: int, data: str) -> str:
    """What to say of leaks among this many test photographs, and how to list them; or ""."""
    places = {"a training one": leaks["in_train"], "another test one": leaks["in_test"]}
    counts = [
        f"{count:,} are nearly the same as {place}" for place, count in places.items() if count
    ]
    apart = leaks.get("labelled_apart", 0)
    words: list[str] = []
    if counts:
        copies = " and ".join(counts)
        words.append(f"of {test:,} test photographs {copies}, so metrics are too high")
    if apart:
        words.append(f"{apart:,} photographs are nearly the same as one of another class")
    if words:
        words.append(f"lodisc data check {shlex.quote(data)} lists them")
    return "; ".join(words)
