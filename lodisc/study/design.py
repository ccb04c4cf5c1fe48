"""A study: a question, and the arms that answer it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lodisc.config import SettledKeys, TrainConfig, with_batch_keys

Arms = dict[str, TrainConfig]
"""What is trained, by name; seeds and equal operations are added when the study runs."""

BASELINE = "global"
"""Global only, which is MoCo v3: an arm of every study."""

RECOGNITION = {"rank1": "Rank-1", "map": "mAP", "linear": "linear", "knn": "kNN"}
FOCUS = {"part": "on the part", "object": "on the object", "part_covered": "part covered"}


def global_only(base: TrainConfig) -> TrainConfig:
    """The base as instance discrimination, MoCo v3: global only, with the keys of a batch."""
    return replace(with_batch_keys(base), objective="global")


def with_regions(base: TrainConfig) -> TrainConfig:
    """The base; with both branches if it has whole views alone, and so no local task to vary."""
    return replace(base, objective="both") if base.objective == "global" else base


def against_baseline(arm: str) -> str | None:
    """Compare every arm with the baseline."""
    return None if arm == BASELINE else BASELINE


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question about the method, the arms that answer it, and the metrics with their titles."""

    question: str
    arms: Callable[[TrainConfig], Arms]
    metrics: dict[str, str]
    against: Callable[[str], str | None] = against_baseline
    """The arm of global only with the cost and start of an arm; None for such arms themselves."""
    keys: SettledKeys | None = None
    """The keys that the question is about, if it needs some, in the place of `--keys auto`."""
    rival: str | None = None
    """An arm that every other arm is compared with too, if it is among those that are run."""
    remark: str = ""
    """A sentence that the findings need besides, if any."""
