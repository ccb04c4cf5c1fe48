"""What a study is: a question, and the arms that answer it."""

from collections.abc import Callable
from dataclasses import dataclass

from lodisc.config import TrainConfig

Arms = dict[str, TrainConfig]
"""What is compared, by name. Seeds and equal compute are added when they are run."""

BASELINE = "global"
"""Global only, which is MoCo v3: the arm that every study has and that all others are held against."""

RECOGNITION = {"rank1": "Rank-1", "map": "mAP", "linear": "linear", "knn": "kNN"}
FOCUS = {"part": "on the part", "object": "on the object", "part_covered": "part kept"}


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question about the method, what is varied to answer it, and the figures (with their titles) that do."""

    question: str
    arms: Callable[[TrainConfig], Arms]
    figures: dict[str, str]
