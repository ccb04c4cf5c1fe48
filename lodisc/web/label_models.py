"""What the JSON API takes and gives about labels, and about the names that are learnt from them."""

from typing import Annotated

from pydantic import Field

from lodisc.web.models import Count, Model, Photo, Share


class LabelText(Model):
    """All labels in use, and what undo and redo would do, in words."""

    labels: list[Count]
    undo: str | None
    redo: str | None


class Labelling(Model):
    """Label photographs by their ids, or a whole group; null takes a label away."""

    ids: list[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]] | None = Field(
        None, max_length=200_000
    )
    group: int | None = Field(None, ge=1, le=1_000_000)
    grouping: str | None = Field(
        None,
        max_length=64,
        description="That of the groups when this one was seen; refused when they are others now",
    )
    label: str | None = Field(max_length=1000)


class Changed(Model):
    """What one action did."""

    changed: int = Field(description="How many photographs have another label now")
    undo: str | None = Field(description="What undo would take back, in words")
    unknown: int = Field(default=0, description="How many of those named are not in the collection")


class Undone(LabelText):
    """What was undone or done again, in words; null where there was nothing."""

    undone: str | None


class HistoryEntry(Model):
    """One action on labels."""

    number: int
    time: str = Field(description="ISO 8601 in UTC")
    how: str = Field(description="How it came: typed, import …")
    label: str | None = Field(
        description="Null where they are several, or where labels were taken away"
    )
    count: int = Field(description="How many photographs it changed")
    undone: bool
    text: str = Field(description="In words")


class History(Model):
    """Actions on labels, newest first."""

    history: list[HistoryEntry]


class Imported(Changed):
    """What an import did."""

    unknown_keys: list[str] = Field(description="The first of those that are not in the collection")


class Accuracy(Model):
    """Share of names that are right, by cross-validation over the labelled photographs."""

    value: Share
    low: Share = Field(description="Lower end of its 95 % interval")
    high: Share = Field(description="Upper end")
    n: int = Field(description="How many photographs were asked")


class Above(Model):
    """How many unlabelled photographs are named with at least this confidence."""

    confidence: float
    count: int


class Names(Model):
    """What the probe has learnt from the labels."""

    trained: bool
    reason: str | None = Field(
        description="Why it is not trained, or why its accuracy can't be told, in words"
    )
    accuracy: Accuracy | None
    classes: list[str]
    proposals: list[Photo] = Field(description="What to label next")
    above: list[Above]


class Accept(Model):
    """Accept names from this confidence on."""

    confidence: Share
