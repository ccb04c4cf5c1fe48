"""What the JSON API takes and returns; the descriptions are its documentation."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
PhotoId = Annotated[
    str,
    Field(
        pattern=r"^(upload-)?[0-9a-f]{16}$",
        description="16 hex digits, or upload- and 16 hex digits",
    ),
]
StateFilter = Literal[
    "all",
    "labelled",
    "unlabelled",
    "named",
    "accepted",
    "doubtful",
    "new",
    "outliers",
    "duplicates",
    "hidden",
]
SortOrder = Literal["key", "doubt", "typical", "confidence", "labelled", "date"]


class Model(BaseModel):
    """A JSON object; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PhotoOut(Model):
    """A photograph of the collection, or an upload; an upload has only an id, a key and a title."""

    id: str = Field(description="Its id in all other calls")
    key: str = Field(description="Its path inside the folder of photographs")
    title: str = Field(
        description="Its file name, with its folder where another photograph has the same"
    )
    folder: str | None = Field(
        None, description="The folder it lay in when it was embedded, if that names a class"
    )
    split: str | None = Field(None, description="train or test, if the folder has these parts")
    label: str | None = Field(None, description="The label that a person gave it, or accepted")
    is_accepted: bool = Field(
        False, description="Whether the label is an accepted name, from which nothing is learnt"
    )
    group: int | None = Field(None, description="Number of its group; null without groups")
    name: str | None = Field(
        None, description="The label that the classifier predicts; null before there is one"
    )
    confidence: float | None = Field(
        None, description="Calibrated probability that the name is right, 0 to 1"
    )
    new_kind: float | None = Field(
        None,
        description="Calibrated probability that it is of a kind without a label, 0 to 1; "
        "null with too few labels to tell",
    )
    likely_new: bool = Field(
        False, description="Whether it is more likely of a kind without a label than not"
    )
    doubt: float | None = Field(
        None,
        description="How doubtful its name is, 0 to 1; without names, how doubtful its group is. "
        "For a labelled photograph, the confidence of a name that contradicts the label; "
        "for an accepted name that, or what it was before, whichever is more",
    )


class SuggestionOut(Model):
    """A label that a photograph may have."""

    label: str
    confidence: Share = Field(description="Calibrated probability that it is right")


class ProposedPhotoOut(PhotoOut):
    """A photograph with the labels that it may have."""

    suggestions: list[SuggestionOut] = Field(
        [], description="The likeliest labels, likeliest first; empty before there is a classifier"
    )


class OriginOut(Model):
    """The action that gave a photograph its label."""

    time: str = Field(description="ISO 8601 in UTC")
    how: str = Field(description="Where the label came from: typed, names accepted …")
    user: str | None = Field(description="Who did it; null if that is not known")
    confidence: float | None = Field(
        description="That an accepted name had when it was accepted, 0 to 1"
    )
    encoder: str | None = Field(
        description="Name and id of the encoder that an accepted name was learnt with"
    )
    text: str = Field(description="The same in words")


class PhotoDetailOut(ProposedPhotoOut):
    """A photograph with the facts about its label and its file."""

    origin: OriginOut | None = Field(
        None, description="Where its label comes from; null without one, or if it is not known"
    )

    path: str | None = Field(None, description="Its file, or the tar in which it lies")
    bytes: int | None = Field(None, description="Size of its file")
    digest: str | None = Field(None, description="Digest of its bytes")
    modified: str | None = Field(None, description="When its file was changed, ISO 8601 in UTC")
    taken: str | None = Field(
        None, description="When it was taken, ISO 8601 by the clock of the camera; null if unknown"
    )
    width: int | None = Field(
        None, description="In pixels, upright; null if the file can't be read"
    )
    height: int | None = Field(
        None, description="In pixels, upright; null if the file can't be read"
    )
    trouble: str | None = Field(
        None, description="Why its file can't be read, in words; null if it can"
    )


class PhotosOut(Model):
    """A page of a listing."""

    total: int = Field(description="Number of photographs in the whole listing")
    photos: list[PhotoOut]


class CountOut(Model):
    """A label and the number of photographs that have it."""

    label: str
    count: int


class FolderCountOut(Model):
    """A folder and the number of photographs in it."""

    folder: str
    count: int


class EncoderOut(Model):
    """The encoder that made the vectors."""

    name: str
    dim: int = Field(description="Length of a vector")
    image_size: int = Field(description="Side of its input image in pixels")


class FillingOut(Model):
    """How far `lodisc open` is in reading the photographs."""

    phase: Literal["looking", "embedding", "grouping", "finished", "failed"]
    done: int = Field(description="Photographs that have a vector")
    total: int
    seconds_left: float | None
    photographs: int = Field(description="Photographs that the collection holds by now")
    words: str = Field(description="The same in a sentence")


class SummaryOut(Model):
    """The collection in numbers."""

    name: str
    photographs: int
    labelled: int
    labels: list[CountOut] = Field(description="Most frequent first")
    folders: list[FolderCountOut]
    groups: int | None = Field(description="Number of groups; null without groups")
    hidden: int = Field(description="Number of photographs that are hidden; the others count them")
    skipped: int = Field(description="Number of photographs that could not be read")
    encoder: EncoderOut
    version: str = Field(
        description="Changes whenever photographs, labels, groups or what is hidden change"
    )
    note: str | None = Field(description="Why labels are old or lacking; null if they are not")
    filling: FillingOut | None = Field(
        description="What lodisc open still reads; null if nothing, and without lodisc open"
    )


class LikenessOut(Model):
    """A photograph and its similarity."""

    photo: PhotoOut
    score: float = Field(description="Cosine similarity; 1 means the same")
    same_kind: Share | None = Field(
        description="Calibrated probability that both are of the same kind, learnt from "
        "labels that people gave; 1 or 0 if both have one; null if it is not known"
    )


class SimilarOut(Model):
    """The look-alikes of a photograph, most similar first."""

    query: PhotoOut
    similar: list[LikenessOut]
    reason: str | None = Field(
        description="Why no probability of the same kind is known; null if it is"
    )


class AttentionOut(Model):
    """The attention of the encoder over the part of a photograph that it sees."""

    rows: int
    columns: int
    attention: list[list[float]] = Field(
        description="Attention of each patch, as a share of the largest"
    )
    pivotal: list[list[bool]] = Field(
        description="Whether a patch is in the pivotal region, the quarter with most attention"
    )
    box: list[float] = Field(
        min_length=4,
        max_length=4,
        description="Left, top, right, bottom of the part seen, as shares of the picture",
    )


class PairOut(Model):
    """Similarity of the patches of two photographs."""

    a: AttentionOut
    b: AttentionOut
    similarity: list[list[float]] = Field(
        description="Cosine of patch i of a and patch j of b; patches are counted row by row"
    )


class GroupOut(Model):
    """Photographs with similar vectors."""

    group: int
    size: int
    title: str | None = Field(
        description="The label of more than half of its photographs; null if no label has so many"
    )
    label: str | None = Field(description="The most frequent label in the group")
    label_count: int = Field(description="How many of its photographs have that label")
    labelled: int
    representative: PhotoOut = Field(description="The most typical photograph")
    typical: list[PhotoOut] = Field(description="The most typical ones, that one first")
    doubtful: list[PhotoOut] = Field(description="Those of the others that fit least")


class GroupsOut(Model):
    """The groups of the collection; k is null before photographs are grouped."""

    k: int | None
    membership_digest: str | None = Field(
        alias="grouping",
        description="Changes whenever a photograph comes, goes or changes its group",
    )
    criterion: str | None = Field(description="How k was chosen; null if a person chose it")
    tried: list[list[float]] = Field(
        description="Each k that was tried, its value (more is better), and the standard error"
    )
    smoothed: bool = Field(
        description="Whether each vector was averaged with its nearest before it was grouped"
    )
    groups: list[GroupOut]


class GroupingOut(Model):
    """The grouping that was started last."""

    state: Literal["none", "running", "saved", "cancelled", "failed"]
    step: int = Field(description="The step that runs, from 1; 0 before the first")
    steps: int = Field(description="There are no more steps; often fewer numbers are tried")
    seconds: float = Field(description="How long it has run, or ran")
    words: str = Field(description="How it stands, in a sentence")


class GroupIn(Model):
    """The number of groups to make; null lets the criterion choose."""

    k: int | None = Field(None, ge=1, le=100_000)


class MapStatusOut(Model):
    """Whether to ask for the map again."""

    making: str | None = Field(
        description="Method of a better map that is being made; null if there is none to wait for"
    )


class MapOut(MapStatusOut):
    """Position of each photograph on a map that puts look-alikes close together; parallel lists."""

    method: str
    ids: list[str]
    x: list[float]
    y: list[float]
    group: list[int | None]
    label: list[str | None]
    folder: list[str | None]
    confidence: list[float | None] = Field(
        description="Calibrated probability that the predicted name is right, 0 to 1; null where "
        "there is no name. It is as of the last time that names were learnt"
    )


class DatesOut(Model):
    """How far the server is in reading when photographs were taken."""

    done: int
    total: int = Field(description="0 before anybody asked for the order by date")


class DuplicatesOut(Model):
    """Sets of photographs that are nearly the same, largest first, each with its best in front."""

    total: int
    sets: list[list[PhotoOut]]


class SkippedPhotoOut(Model):
    """A photograph that could not be read."""

    key: str
    reason: str


class SkippedOut(Model):
    """All photographs that could not be read."""

    total: int
    skipped: list[SkippedPhotoOut]


class VerdictOut(Model):
    """How a training goes."""

    verdict: str
    advice: str


class TaskOut(Model):
    """A training or an embedding: running, stopped or finished."""

    kind: Literal["training", "embedding"]
    name: str
    state: Literal["running", "stopped", "finished"]
    done: int
    total: int
    unit: str = Field(description="What done and total count: steps or photographs")
    seconds_left: float | None
    health: VerdictOut | None
    outcome: str | None = Field(description="What a finished training came to, in sentences")
    figures: dict[str, float] = Field(description="Its last metrics by name")
    curve: list[list[float]] = Field(description="Pairs of step and loss, at most 200 of them")


class ProgressOut(Model):
    """The trainings and embeddings of the photographs of this collection."""

    running: list[TaskOut]
    finished: list[TaskOut] = Field(description="Those that are finished or stopped")


class UsableEncoderOut(Model):
    """An encoder whose vectors the collection can use."""

    id: str
    name: str
    is_current: bool = Field(description="Whether the collection uses it")
    is_learnt: bool = Field(description="Whether it learnt from photographs; else it is a start")


class LearningOut(Model):
    """The training that was started from the page last."""

    state: Literal["none", "running", "stopped", "failed", "finished"]
    run: str | None
    words: str = Field(description="How it stands, in a sentence")
    minutes: float | None = Field(description="About how long one takes here; null if not known")
    encoders: list[UsableEncoderOut] = Field(description="The current one first")


class LearnIn(Model):
    """Start a training."""

    anew: bool = Field(False, description="Do not go on with one that was stopped")


class UseIn(Model):
    """Use the vectors of an encoder."""

    id: str = Field(pattern=r"^[0-9a-f]{16}$")


class HealthOut(Model):
    """The state of the collection in plain words."""

    status: Literal["good", "warning", "bad"]
    words: list[str]


class ErrorOut(BaseModel):
    """Why a request was refused."""

    detail: str
