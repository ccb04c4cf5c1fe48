"""What a study is: a question, and the arms that answer it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lodisc.config import TrainConfig

Arms = dict[str, TrainConfig]
"""What is trained, by name. Seeds and equal compute are added when it is run."""

BASELINE = "global"
"""Global only, which is MoCo v3: the arm that every study has."""

RECOGNITION = {"rank1": "Rank-1", "map": "mAP", "linear": "linear", "knn": "kNN"}
FOCUS = {"part": "on the part", "object": "on the object", "part_covered": "part kept"}


def with_regions(base: TrainConfig) -> TrainConfig:
    """The base as it is; with both branches where it has global only, which leaves nothing of the local task to vary."""
    return replace(base, objective="both") if base.objective == "global" else base


def against_baseline(arm: str) -> str | None:
    """Every arm is held against the baseline."""
    return None if arm == BASELINE else BASELINE


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question about the method, what is varied to answer it, and the figures (with their titles) that do."""

    question: str
    arms: Callable[[TrainConfig], Arms]
    figures: dict[str, str]
    against: Callable[[str], str | None] = against_baseline
    """The arm of global only that costs as much as an arm and starts as it does; None for those themselves."""
    rival: str | None = None
    """An arm that every other one is held against too, where it is done."""
