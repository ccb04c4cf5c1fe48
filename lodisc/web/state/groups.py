"""The groups of the collection as the API and the pages describe them."""

from lodisc.collection.describe import GroupsDescription, describe_grouping
from lodisc.web import models
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State


def describe_groups(state: State) -> models.GroupsOut:
    """Every group: its size, its labels, its most typical and its least typical photographs."""
    snapshot = state.snapshot()
    description = description_of(snapshot)
    if snapshot.groups is None or description is None:
        return models.GroupsOut(
            k=None, grouping=None, criterion=None, tried=[], smoothed=False, groups=[]
        )
    return models.GroupsOut(
        k=description.k,
        grouping=snapshot.groups.membership_digest,
        criterion=description.criterion,
        tried=[list(values) for values in description.tried],
        smoothed=snapshot.groups.grouping.smoothed,
        groups=[
            models.GroupOut(
                group=group.group,
                size=group.size,
                title=group.title,
                label=group.label,
                label_count=group.label_count,
                labelled=group.labelled,
                representative=snapshot.photo(group.typical[0]),
                typical=[snapshot.photo(row) for row in group.typical],
                doubtful=[snapshot.photo(row) for row in group.doubtful],
            )
            for group in description.groups
        ],
    )


def description_of(snapshot: Snapshot) -> GroupsDescription | None:
    """As `lodisc group` prints it, without hidden ones; None before photographs are grouped."""
    if snapshot.groups is None:
        return None
    groups = snapshot.groups
    labels = [
        None if is_hidden else label
        for label, is_hidden in zip(snapshot.labels, snapshot.is_hidden_N, strict=True)
    ]
    return describe_grouping(groups.grouping, groups.groups, groups.group_N, labels)
