"""The format of `evaluation.json`, which is also what `evaluate` and `measure` return."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from lodisc.data.photo import printable
from lodisc.evaluation.interval import EstimateEntry
from lodisc.evaluation.leaks import Leaks
from lodisc.files import Kinds, read_json
from lodisc.run import Run

FEW = 3  # classes that are named beside metrics
ArmMetrics = dict[str, dict[str, EstimateEntry]]
"""Metrics of an arm by protocol and name: `["retrieval"]["rank1"]`."""


class EvaluationSettings(TypedDict):
    """The arguments of `evaluate`."""

    source: str
    """A run, `timm:NAME` or a weights file."""
    protocols: list[str]
    momentum: bool
    """Whether the momentum encoder was measured instead of the student."""
    train_split: float | None
    encoder: str | None
    image_size: int
    """Side of the views, in pixels."""
    own_size: NotRequired[int]
    """Side of the views of `start_at_own_size`, in pixels."""


class Evaluation(TypedDict):
    """What `evaluate` measured. Only `evaluate` sets the last three keys, `measure` does not."""

    data: str
    """Where the photographs are."""
    classes: int
    """Number of classes in train and test together."""
    seed: int
    train: int
    """Number of labelled training photographs that could be read; 0 if no protocol needs them."""
    test: int
    """Number of labelled test photographs that could be read."""
    skipped: int
    """Number of photographs that could not be read."""
    unlabelled: int
    """Number of photographs without a label; they are not measured."""
    unseen: int
    """Number of test photographs of classes that train lacks."""
    leaks: Leaks
    """Photographs that are nearly the same as others."""
    class_names: list[str]
    """The classes, sorted."""
    arms: dict[str, ArmMetrics]
    """By arm: `run` is what was measured, and `start` the untouched start of a run.

    `start_at_own_size` is that start at the image size that its model was made for, where the run
    has another one."""
    settings: NotRequired[EvaluationSettings]
    versions: NotRequired[dict[str, str]]
    """Of lodisc, Python and the libraries that a result depends on."""
    date: NotRequired[str]
    """When it was measured, in UTC, as in ISO 8601."""


def classes_in_words(names: Sequence[str]) -> str:
    """How many classes there are, and the first of them."""
    first = ", ".join(printable(name)[:20] for name in names[:FEW])
    return f"{len(names)} classes: {first}{', …' * (len(names) > FEW)}"


def read_evaluation(run: Run) -> Evaluation | None:
    """What `lodisc evaluate` found; None when it was not run, `UserError` for a damaged file."""
    if not run.evaluation_file.exists():
        return None
    kinds: Kinds = {
        "arms": dict[str, ArmMetrics],
        **dict.fromkeys(("test", "classes"), int),
        "data": str,
        # Files of older versions lack these
        "leaks": Leaks | None,
        "class_names": list[str] | None,
    }
    return cast(Evaluation, read_json(run.evaluation_file, kinds=kinds))
