"""The groups of the collection as the API and the pages describe them."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from lodisc.vectors.clusters import CRITERION, Group
from lodisc.web import models
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State


def describe_groups(state: State) -> models.GroupsOut:
    """Every group: its size, its most frequent label, its most typical and its doubtful members."""
    snapshot = state.snapshot()
    if snapshot.groups is None:
        return models.GroupsOut(k=None, grouping=None, criterion=None, tried=[], groups=[])
    groups = [
        models.GroupOut(
            group=group.group,
            size=group.size,
            label=label,
            labelled=labelled,
            representative=snapshot.photo(group.representative),
            doubtful=[snapshot.photo(row) for row in group.doubtful],
        )
        for group, label, labelled in labelled_groups(snapshot)
    ]
    tried = [
        [k, value, error] for k, (value, error) in sorted(snapshot.groups.grouping.tried.items())
    ]
    return models.GroupsOut(
        k=len(groups),
        grouping=snapshot.groups.membership_digest,
        criterion=CRITERION if tried else None,
        tried=tried,
        groups=groups,
    )


def labelled_groups(snapshot: Snapshot) -> Iterator[tuple[Group, str | None, int]]:
    """Each group, largest first, with its most frequent label and its number of labels."""
    if snapshot.groups is None:
        return
    labels: dict[int, Counter[str]] = defaultdict(Counter)
    for number, label in zip(snapshot.groups.group_N.tolist(), snapshot.labels, strict=True):
        if label is not None:
            labels[number][label] += 1
    for group in sorted(snapshot.groups.groups, key=lambda group: -group.size):
        counts = labels[group.group]
        yield group, next(iter(counts.most_common(1)), (None, 0))[0], counts.total()
