"""The format of NAME.json in the folder of a study, which is also what `study` returns."""

from typing import Any, NotRequired, TypedDict

from lodisc.evaluation.interval import EstimateEntry
from lodisc.evaluation.leaks import Leaks
from lodisc.evaluation.paired import MeanEntry


class ArmResult(TypedDict):
    """An arm, or an untouched start, which has `figures` only."""

    figures: dict[str, MeanEntry]
    """The mean of each metric over the seeds."""
    start: NotRequired[str]
    """The name of its untouched start among the arms; where it can, at the start's own size."""
    against: NotRequired[str | None]
    """The arm of global only that it is compared with; None for those arms themselves."""
    run: NotRequired[str]
    """The folder of its run with the first seed."""
    steps: NotRequired[int]
    """Number of training steps."""
    seconds_per_step: NotRequired[float]
    """The median over the log of that run."""
    hardware: NotRequired[dict[str, Any]]
    """As in the `config.json` of that run."""
    differences: NotRequired[dict[str, EstimateEntry]]
    """Percentage points above `against`, by metric."""
    beyond_rival: NotRequired[dict[str, EstimateEntry]]
    """Percentage points above the rival, by metric."""


class StudyResult(TypedDict):
    """What a study measured."""

    study: str
    """Its name in `STUDIES`."""
    question: str
    data: str
    """Where the photographs are."""
    fingerprint: str
    """A digest of the training and test photographs."""
    photographs: int
    """Number of labelled test photographs."""
    seeds: list[int]
    settings: dict[str, Any]
    """The `TrainConfig` around which the study varies a setting."""
    titles: dict[str, str]
    """The metrics, and their titles for people."""
    left_out: dict[str, str]
    """Arms that could not be trained, and the reason."""
    leaks: Leaks | None
    """Photographs that others give away; None where an older version measured all runs."""
    versions: dict[str, str]
    """Of lodisc, Python and the libraries that a result depends on."""
    rival: str | None
    """The arm that every other arm is compared with too."""
    arms: dict[str, ArmResult]
    """By name, first the untouched starts."""
    findings: str
    """A paragraph for people."""
    picture: NotRequired[str]
    """The path of NAME.png; only in what `study` returns, not in the file."""
