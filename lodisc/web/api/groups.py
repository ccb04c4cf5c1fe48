"""Groups: photographs that lie together."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from lodisc.collection.grouping import save_groups
from lodisc.vectors.clusters import CRITERION, Group, find_groups
from lodisc.web import models
from lodisc.web.errors import refusing
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import Opened, State

router = APIRouter(prefix="/groups", tags=["groups"])


@router.get("")
def groups(opened: Opened) -> models.Groups:
    """The groups, largest first; a new photograph belongs to the nearest at once."""
    return describe_groups(opened)


@router.post("")
def group(opened: Opened, wanted: models.Grouping) -> models.Groups:
    """Group all photographs anew. Labels stay as they are."""
    if not opened.grouping.acquire(blocking=False):
        raise HTTPException(
            HTTPStatus.CONFLICT, "The photographs are being grouped; wait until that is done"
        )
    try:
        photos = opened.now().photos
        with refusing():
            found = find_groups(photos.vectors, k=wanted.k, fingerprint=photos.fingerprint)
        save_groups(found, opened.collection)
    finally:
        opened.grouping.release()
    return describe_groups(opened)


def describe_groups(state: State) -> models.Groups:
    """Every group with its size, the label of most of its members, its most typical member and those that fit least."""
    now = state.now()
    if now.groups is None:
        return models.Groups(k=None, grouping=None, criterion=None, tried=[], groups=[])
    described = [
        models.Group(
            group=one.group,
            size=one.size,
            label=label,
            labelled=labelled,
            representative=now.photo(one.representative),
            doubtful=[now.photo(row) for row in one.doubtful],
        )
        for one, label, labelled in named_groups(now)
    ]
    tried = [
        [k, value, error] for k, (value, error) in sorted(now.groups.grouping.likelihoods.items())
    ]
    criterion = CRITERION if tried else None
    return models.Groups(
        k=len(described),
        grouping=now.groups.digest,
        criterion=criterion,
        tried=tried,
        groups=described,
    )


def named_groups(now: Now) -> Iterator[tuple[Group, str | None, int]]:
    """Each group, largest first, with the label of most of its labelled members, and how many those are."""
    if now.groups is None:
        return
    labels: dict[int, Counter[str]] = defaultdict(Counter)
    for number, label in zip(now.groups.group_N.tolist(), now.label_N, strict=True):
        if label is not None:
            labels[number][label] += 1
    for one in sorted(now.groups.described, key=lambda one: -one.size):
        counts = labels[one.group]
        yield one, next(iter(counts.most_common(1)), (None, 0))[0], counts.total()
