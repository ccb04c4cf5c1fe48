"""What the JSON API takes and returns about labels and the names learnt from them."""

from typing import Annotated

from pydantic import Field

from lodisc.web.models import CountOut, Model, PhotoId, PhotoOut, ProposedPhotoOut, Share

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Ids = list[Id]


class LabelsOut(Model):
    """All labels in use, and what undo and redo would do, in words."""

    labels: list[CountOut]
    undo: str | None
    redo: str | None


class VersionOut(Model):
    """The version of the labels, and of what is hidden."""

    version: str


class RenameIn(Model):
    """Another name for labels; null removes them from all photographs."""

    labels: list[Annotated[str, Field(max_length=1000)]] = Field(min_length=1, max_length=1000)
    to: str | None = Field(max_length=1000)


class LabelIn(Model):
    """Label photographs by their ids, or a whole group; null removes a label."""

    ids: Ids | None = Field(
        None, description="As many as the body of a request holds: some 440,000"
    )
    group: int | None = Field(None, ge=1, le=1_000_000)
    membership_digest: str | None = Field(
        None,
        alias="grouping",
        max_length=64,
        description="The grouping that the group was seen in; refused if the groups have changed",
    )
    label: str | None = Field(max_length=1000)


class ChangeOut(Model):
    """The effect of one action."""

    changed: int = Field(description="Number of photographs whose label changed, or was confirmed")
    undo: str | None = Field(description="What undo would take back, in words")
    unknown: int = Field(default=0, description="Number of photographs not in the collection")


class UndoOut(LabelsOut):
    """The action that was undone or redone, in words; null if there was none."""

    undone: str | None


class ActionOut(Model):
    """One action on labels."""

    number: int
    time: str = Field(description="ISO 8601 in UTC")
    how: str = Field(description="Where the labels came from: typed, import …")
    label: str | None = Field(
        description="Null if the action gave several labels, or removed labels"
    )
    count: int = Field(description="Number of photographs that it changed")
    user: str | None = Field(description="Who did it; null if that is not known")
    undone: bool
    text: str = Field(description="In words")


class HistoryOut(Model):
    """Actions on labels, newest first."""

    history: list[ActionOut]


class ImportOut(ChangeOut):
    """The effect of an import."""

    unknown_keys: list[str] = Field(description="The first keys that are not in the collection")
    notes: list[str] = Field(description="What to look at: labels and keys that may be slips")


class AccuracyOut(Model):
    """Share of names that are right, by cross-validation on labels that people gave."""

    value: Share
    low: Share = Field(description="Lower end of its 95 % interval")
    high: Share = Field(description="Upper end of its 95 % interval")
    n: int = Field(description="Number of photographs it was measured on")
    near_duplicates: int = Field(
        description="How many of these have a near-duplicate among those learnt from"
    )


class ThresholdOut(Model):
    """How many unlabelled photographs have a name with at least this confidence."""

    confidence: float
    count: int


class NewKindsOut(Model):
    """Photographs of kinds that have no label."""

    expected: float | None = Field(
        description="How many there are, to be expected; null with too few labels to tell"
    )
    likely: int = Field(description="How many are more likely so than not: state=new lists them")
    reason: str | None = Field(description="Why they can't be told, in words")


class NamesOut(Model):
    """The names that a classifier, trained on the labels of people, predicts for the others."""

    trained: bool
    reason: str | None = Field(
        description="Why there is no classifier, or why its accuracy is unknown, in words"
    )
    accuracy: AccuracyOut | None
    classes: list[str]
    proposals: list[ProposedPhotoOut] = Field(description="The photographs to label next")
    above: list[ThresholdOut]
    new_kinds: NewKindsOut


class AcceptIn(Model):
    """Accept names of unlabelled photographs: all from a confidence on, or some as they were seen.

    One of the two is given.
    """

    confidence: Share | None = Field(
        None, description="The lowest confidence of a name that is accepted"
    )
    names: dict[Id, str] | None = Field(
        None,
        max_length=200_000,
        description="Names by the ids of photographs; those that have another name now are left",
    )


class RejectIn(Model):
    """Names that photographs do not have."""

    names: dict[Id, str] = Field(
        min_length=1, max_length=200_000, description="Names by the ids of photographs"
    )


class AcceptOut(ChangeOut):
    """The effect of accepting names."""

    left: int = Field(
        default=0, description="Number of photographs that have a label or another name by now"
    )


class NewPhotoOut(Model):
    """A photograph that is not in the collection."""

    id: PhotoId
    look_alike: PhotoOut | None = Field(
        description="The most similar photograph that a person gave a label; where they gave "
        "labels of fewer than two kinds, the most similar of all; null in an empty collection"
    )
    similarity: float | None = Field(description="Cosine similarity with it; 1 means the same")


class NewPhotosIn(Model):
    """Photographs to be named together, by their ids."""

    ids: list[PhotoId] = Field(min_length=1, max_length=20_000)


class NewNameOut(Model):
    """The name of a photograph that is not in the collection."""

    id: PhotoId
    name: str | None = Field(
        description="The label that the classifier predicts; null where people have given labels "
        "of fewer than two kinds"
    )
    confidence: Share | None = Field(description="Calibrated probability that the name is right")
    new_kind: Share | None = Field(
        description="Calibrated probability that it is of a kind without a label; "
        "null with too few labels to tell"
    )
    likely_new: bool = Field(
        description="Whether it is more likely of a kind without a label than not"
    )


class NewNamesOut(Model):
    """Names of photographs that are not in the collection, without those that were forgotten."""

    names: list[NewNameOut]


class NamesTableRowIn(Model):
    """A row of the table of names; of a photograph that can't be read only `key` and `problem`."""

    key: str = Field(max_length=5000, description="Its path among the photographs to name")
    name: str | None = Field(None, max_length=1000)
    confidence: Share | None = None
    new_kind: Share | None = None
    look_alike: str | None = Field(
        None, max_length=5000, description="The key of its most similar photograph"
    )
    look_alike_label: str | None = Field(None, max_length=1000)
    similarity: Annotated[float, Field(ge=-1.001, le=1.001)] | None = None
    problem: str | None = Field(
        None, max_length=1000, description="Why the photograph can't be read"
    )


class NamesTableIn(Model):
    """The names of new photographs, in the order of the table."""

    names: list[NamesTableRowIn] = Field(max_length=20_000)
