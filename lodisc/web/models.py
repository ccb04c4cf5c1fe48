"""What the JSON API takes and gives; the descriptions are its documentation."""

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
State = Literal["all", "labelled", "unlabelled", "doubtful", "outliers", "duplicates"]
Sort = Literal["key", "doubt", "typical"]


class Model(BaseModel):
    """A JSON object; what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Photo(Model):
    """A photograph of the collection, or an upload, which has nothing but its id and its name."""

    id: str = Field(description="What the other calls know it by")
    key: str = Field(description="Its name inside the folder")
    folder: str | None = Field(
        None, description="The folder in which it lay when it was embedded, as a name of a class"
    )
    split: str | None = Field(None, description="train or test, where the folder is divided so")
    label: str | None = Field(None, description="What a person called it")
    group: int | None = Field(None, description="Number of its group; null before there are any")
    name: str | None = Field(None, description="What the probe calls it; null before it has learnt")
    confidence: float | None = Field(
        None, description="How likely the name is right, 0 to 1, calibrated"
    )
    doubt: float | None = Field(
        None,
        description="How doubtful its name is, or else its group, or its label where it has another name",
    )


class PhotoDetail(Photo):
    """A photograph with what is known of its file."""

    bytes: int | None = Field(None, description="Size of its file")
    digest: str | None = Field(None, description="Digest of its bytes")
    modified: str | None = Field(None, description="When its file was changed, ISO 8601 in UTC")
    width: int | None = Field(
        None, description="In pixels, upright; null where the file can't be read"
    )
    height: int | None = Field(
        None, description="In pixels, upright; null where the file can't be read"
    )


class Photos(Model):
    """A page of a listing."""

    total: int = Field(description="How many there are in all")
    photos: list[Photo]


class Count(Model):
    """A label and how many photographs have it."""

    label: str
    count: int


class FolderCount(Model):
    """A folder and how many photographs lie in it."""

    folder: str
    count: int


class EncoderInfo(Model):
    """What made the vectors."""

    name: str
    dim: int = Field(description="Length of a vector")
    image_size: int = Field(description="Side in pixels of what it sees")


class Summary(Model):
    """The collection in figures."""

    name: str
    photographs: int
    labelled: int
    labels: list[Count] = Field(description="Most frequent first")
    folders: list[FolderCount]
    groups: int | None = Field(description="How many groups there are; null before there are any")
    skipped: int = Field(description="How many photographs could not be read")
    encoder: EncoderInfo
    version: str = Field(
        description="Another one after every change of photographs, labels or groups"
    )


class Likeness(Model):
    """A photograph and how alike it is."""

    photo: Photo
    score: float = Field(description="Cosine similarity, 1 for the same")


class Similar(Model):
    """The look-alikes of a photograph, most alike first."""

    query: Photo
    similar: list[Likeness]


class Look(Model):
    """Where the encoder looks in what it sees of a photograph."""

    rows: int
    columns: int
    attention: list[list[float]] = Field(description="Of each patch, as a share of the largest")
    pivotal: list[list[bool]] = Field(
        description="The patches of the pivotal region, the quarter with the most attention"
    )
    box: list[float] = Field(
        min_length=4,
        max_length=4,
        description="Left, top, right, bottom of what is seen, as shares of the picture",
    )


class Pair(Model):
    """Which patches of two photographs answer one another."""

    a: Look
    b: Look
    similarity: list[list[float]] = Field(
        description="Cosine of patch i of a and patch j of b, patches counted row by row"
    )


class Group(Model):
    """Photographs that lie together."""

    group: int
    size: int
    label: str | None = Field(description="The label of most of its labelled photographs")
    labelled: int
    representative: Photo = Field(description="The most typical member")
    doubtful: list[Photo] = Field(description="The members that fit least")


class Groups(Model):
    """The groups of the collection; k is null before there are any."""

    k: int | None
    grouping: str | None = Field(
        description="Another one whenever a photograph comes, goes or changes its group"
    )
    criterion: str | None = Field(description="What k was chosen by; null where it was given")
    tried: list[list[float]] = Field(
        description="Each k that was tried, its value (more is better), and the standard error"
    )
    groups: list[Group]


class Grouping(Model):
    """How many groups to make; null lets the criterion choose."""

    k: int | None = Field(None, ge=1, le=100_000)


class MapStatus(Model):
    """Whether to ask for the map again."""

    making: str | None = Field(
        description="A better map that is being made; null when there is none to wait for"
    )


class Map(MapStatus):
    """Where photographs lie on a map on which look-alikes are near; parallel lists."""

    method: str
    ids: list[str]
    x: list[float]
    y: list[float]
    group: list[int | None]
    label: list[str | None]


class Duplicates(Model):
    """Sets of photographs that are nearly the same, largest first."""

    total: int
    sets: list[list[Photo]]


class SkippedPhoto(Model):
    """A photograph that could not be read."""

    key: str
    reason: str


class Skipped(Model):
    """All photographs that could not be read."""

    total: int
    skipped: list[SkippedPhoto]


class Verdict(Model):
    """How a training goes."""

    verdict: str
    advice: str


class Task(Model):
    """A training or an embedding, on its way or over."""

    kind: Literal["training", "embedding"]
    name: str
    state: Literal["running", "stopped", "finished"]
    done: int
    total: int
    unit: str = Field(description="What done and total count: steps or photographs")
    seconds_left: float | None
    health: Verdict | None
    figures: dict[str, float]
    curve: list[list[float]] = Field(description="Loss by step, thinned")


class Progress(Model):
    """What is running on the folder of this collection, and what is over."""

    running: list[Task]
    finished: list[Task]


class Health(Model):
    """The state of the collection in plain words."""

    status: Literal["good", "look", "bad"]
    words: list[str]


class Error(BaseModel):
    """Why a request was refused."""

    detail: str
