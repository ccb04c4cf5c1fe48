"""What is said about a collection: its labels, groups, near-duplicates, outliers and look-alikes.

The `describe_*` functions are what the command line prints; the API says the same about groups.
The TypedDicts are the JSON of `--json`. A photograph has its key and its label in all of them.

Axes: N photographs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.groups_file import group_photos
from lodisc.collection.row_labels import current_row_labels, predict
from lodisc.console import progress_bar
from lodisc.vectors.clusters import CRITERION, Group, Grouping, assign, list_groups

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos
    from lodisc.vectors.classifier import Accuracy, Predictions
    from lodisc.vectors.new_kinds import NewKinds

LAST = 5  # actions in the history of labels
MOST_NEW = 24  # photographs of likely new kinds


class PhotoEntry(TypedDict):
    """A photograph of the collection."""

    key: str
    label: str | None
    """What a person called it, or the name that was accepted."""


class ScoredEntry(PhotoEntry):
    """A photograph with a score: of an outlier the oddness, of a look-alike the cosine."""

    score: float


class LookAlikeEntry(ScoredEntry):
    """A look-alike, and where it lies."""

    path: str
    same_kind: float | None
    """How likely it is of the same kind; 1 or 0 if people gave both a label."""


class AccuracyEntry(TypedDict):
    """In percent, with a 95 % interval, of `n` photographs."""

    value: float
    low: float
    high: float
    n: int
    near_duplicates: int
    """How many of the `n` have a near-duplicate among those that the classifier learnt from."""


class ActionEntry(TypedDict):
    """Something that was done to labels."""

    time: str
    what: str
    undone: bool


class NewKindsEntry(TypedDict):
    """Photographs of kinds that have no label."""

    expected: float | None
    """How many there are, to be expected; None with too few labels to tell."""
    likely: int
    """How many are more likely so than not."""
    first: list[str]
    """Keys of the likeliest of these."""
    reason: str | None
    """Why they can't be told."""


class LabelsResult(TypedDict):
    """`lodisc labels show --json`"""

    photographs: int
    labelled: int
    accepted: int
    """How many of the labels are accepted names, from which nothing is learnt."""
    labels: dict[str, int]
    """Photographs by label, most frequent first."""
    accuracy: AccuracyEntry | None
    """Of the predictions from these labels."""
    reason: str | None
    """Why there is no accuracy, or which labels it does not cover."""
    new_kinds: NewKindsEntry
    next: list[str]
    """Keys of photographs to label next, best first."""
    history: list[ActionEntry]
    """The last actions, newest first."""


class GroupEntry(TypedDict):
    """A group; see `GroupDescription`."""

    group: int
    size: int
    label: str | None
    label_count: int
    labelled: int
    title: str | None
    representative: PhotoEntry
    typical: list[PhotoEntry]
    doubtful: list[PhotoEntry]


class GroupsResult(TypedDict):
    """`lodisc group --json`; `k` to `groups` are as in `GET /api/groups`."""

    photographs: int
    seed: int
    k: int
    criterion: str | None
    tried: list[tuple[int, float, float]]
    smoothed: bool
    """Whether each vector was averaged with its nearest before it was grouped."""
    groups: list[GroupEntry]


class DuplicatesResult(TypedDict):
    """`lodisc search --duplicates --json`"""

    photographs: int
    total: int
    sets: list[list[PhotoEntry]]
    """Largest set first."""
    least_alike: list[float]
    """The lowest cosine between any two photographs of each set."""


class OutliersResult(TypedDict):
    """`lodisc search --outliers --json`"""

    photographs: int
    outliers: list[ScoredEntry]
    """Oddest first."""


@dataclass(frozen=True)
class GroupDescription:
    """One group, for people; photographs are given by their rows."""

    group: int
    size: int
    label: str | None
    """The most frequent label in the group; ties go to the label that comes first by key."""
    label_count: int
    """How many photographs of the group have that label."""
    labelled: int
    """How many photographs of the group have any label."""
    typical: list[int]
    """The photographs that fit best, the most typical first."""
    doubtful: list[int]
    """Those of the others that fit least, the most doubtful first."""

    @property
    def title(self) -> str | None:
        """The label of more than half of its photographs; None if no label has so many."""
        return self.label if 2 * self.label_count > self.size else None


@dataclass(frozen=True)
class GroupsDescription:
    """All groups that have photographs, for people, largest first."""

    k: int
    criterion: str | None
    """What the number of groups was chosen by; None if it was given."""
    tried: list[tuple[int, float, float]]
    """Every number of groups that was tried, its criterion, and the standard error."""
    groups: list[GroupDescription]


def describe_grouping(
    grouping: Grouping,
    groups: Iterable[Group],
    group_N: NDArray[np.int64],
    labels: Sequence[str | None],
) -> GroupsDescription:
    """Describe `list_groups` of the photographs with these groups and labels, row by row."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for number, label in zip(group_N.tolist(), labels, strict=True):
        if label is not None:
            counts[number][label] += 1
    descriptions = []
    for group in sorted(groups, key=lambda group: -group.size):
        label, count = next(iter(counts[group.group].most_common(1)), (None, 0))
        description = GroupDescription(
            group=group.group,
            size=group.size,
            label=label,
            label_count=count,
            labelled=counts[group.group].total(),
            typical=group.typical,
            doubtful=group.doubtful,
        )
        descriptions.append(description)
    tried = [(k, value, error) for k, (value, error) in sorted(grouping.likelihoods.items())]
    criterion = CRITERION if tried else None
    return GroupsDescription(len(descriptions), criterion, tried, descriptions)


def group_and_describe(
    collection: Collection, *, k: int | None = None, seed: int = 0
) -> GroupsResult:
    """Group the photographs, save the grouping, and describe it.

    Raises `UserError` for `k` below 1.
    """
    photos = collection.photos()
    grouping = group_photos(collection, photos, k=k, seed=seed)
    labels = collection.labels.current()
    description = describe_grouping(
        grouping,
        list_groups(photos.grouped(grouping), grouping),
        assign(photos.grouped(grouping), grouping)[0],
        [labels.get(key) for key in photos.keys],
    )
    entries = [
        GroupEntry(
            group=group.group,
            size=group.size,
            label=group.label,
            label_count=group.label_count,
            labelled=group.labelled,
            title=group.title,
            representative=_entry(photos, labels, group.typical[0]),
            typical=[_entry(photos, labels, row) for row in group.typical],
            doubtful=[_entry(photos, labels, row) for row in group.doubtful],
        )
        for group in description.groups
    ]
    return GroupsResult(
        photographs=len(photos),
        seed=seed,
        k=description.k,
        criterion=description.criterion,
        tried=description.tried,
        smoothed=grouping.smoothed,
        groups=entries,
    )


def describe_labels(collection: Collection) -> LabelsResult:
    """Photographs by label, the accuracy of the predictions from them, and the last actions."""
    photos = collection.photos()
    by_row = current_row_labels(collection, photos)
    labels = by_row.labels
    counts = Counter(label for label in labels if label is not None)
    predictions = predict(photos, by_row)
    accuracy = predictions.accuracy
    twins = near_duplicates_learnt_from(photos, labels, predictions)
    return LabelsResult(
        photographs=len(photos),
        labelled=counts.total(),
        accepted=int(by_row.accepted_N.sum()),
        labels=dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        accuracy=_accuracy_entry(accuracy, twins) if accuracy else None,
        reason=predictions.reason,
        new_kinds=_new_kinds_entry(photos, predictions.new_kinds),
        next=[photos.keys[row] for row in predictions.proposals],
        history=[
            ActionEntry(time=action.time, what=action.words, undone=action.undone)
            for action in collection.labels.history(limit=LAST)
        ],
    )


def near_duplicates_learnt_from(
    photos: Photos, labels: Sequence[str | None], predictions: Predictions
) -> int:
    """How many held-out photographs have a near-duplicate among those learnt from meanwhile.

    It has the same label: another one gives nothing away.
    """
    from lodisc.vectors.classifier import FOLDS
    from lodisc.vectors.duplicates import has_twin_elsewhere

    rows = np.flatnonzero(predictions.fold_N >= 0)
    folds = predictions.fold_N[rows]
    _, class_N = np.unique([labels[row] or "" for row in rows.tolist()], return_inverse=True)
    return int(has_twin_elsewhere(photos.vectors[rows], folds, class_N)[folds < FOLDS].sum())


def _new_kinds_entry(photos: Photos, new_kinds: NewKinds) -> NewKindsEntry:
    expected = new_kinds.expected
    return NewKindsEntry(
        expected=None if expected is None else round(expected, 1),
        likely=len(new_kinds.likely),
        first=[photos.keys[row] for row in new_kinds.likely[:MOST_NEW]],
        reason=new_kinds.reason,
    )


def _accuracy_entry(accuracy: Accuracy, twins: int) -> AccuracyEntry:
    return AccuracyEntry(
        value=round(accuracy.value, 3),
        low=round(accuracy.low, 3),
        high=round(accuracy.high, 3),
        n=accuracy.n,
        near_duplicates=twins,
    )


def describe_duplicates(collection: Collection) -> DuplicatesResult:
    """Sets of photographs that are nearly the same."""
    from lodisc.vectors.duplicates import duplicates, least_alike

    photos, labels = collection.photos(), collection.labels.current()
    with progress_bar() as progress:
        bar = progress.add_task("Comparing", total=len(photos), note="")
        digests = photos.table["digest"].to_pylist()
        sets = duplicates(photos.vectors, digests, advance=lambda rows: progress.advance(bar, rows))
    return DuplicatesResult(
        photographs=len(photos),
        total=len(sets),
        sets=[[_entry(photos, labels, row) for row in rows] for rows in sets],
        least_alike=[round(least_alike(photos.vectors, rows), 4) for rows in sets],
    )


def describe_outliers(collection: Collection, *, top: int) -> OutliersResult:
    """The `top` photographs that are least like any other."""
    from lodisc.vectors.duplicates import outliers

    photos, labels = collection.photos(), collection.labels.current()
    oddness_N = outliers(photos.vectors)
    rows = np.argsort(-oddness_N, kind="stable")[:top].tolist()
    return OutliersResult(
        photographs=len(photos),
        outliers=[
            ScoredEntry(**_entry(photos, labels, row), score=round(float(oddness_N[row]), 4))
            for row in rows
        ],
    )


def describe_look_alikes(
    photos: Photos,
    labels: Mapping[str, str],
    rows: Iterable[int],
    scores: Iterable[float],
    same_kind: Iterable[float | None],
) -> list[LookAlikeEntry]:
    """The photographs in these rows with their cosines and probabilities of the same kind."""
    return [
        LookAlikeEntry(
            **_entry(photos, labels, row),
            score=round(score, 4),
            path=photos.path(row),
            same_kind=share,
        )
        for row, score, share in zip(rows, scores, same_kind, strict=True)
    ]


def _entry(photos: Photos, labels: Mapping[str, str], row: int) -> PhotoEntry:
    key = photos.keys[row]
    return PhotoEntry(key=key, label=labels.get(key))
