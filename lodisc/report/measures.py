"""The tables of a report: every metric of `evaluation.json`, before and after the training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lodisc.evaluation.benchmark import OWN_SIZE
from lodisc.evaluation.interval import EstimateEntry
from lodisc.evaluation.result import Evaluation
from lodisc.method.masking import PIVOTAL_SHARE
from lodisc.report.charts import Interval, interval_plot

Name = tuple[str, str]
"""Protocol and metric."""

MAIN: dict[Name, tuple[str, str]] = {
    ("retrieval", "rank1"): ("Retrieval Rank-1", "the nearest photograph is of the same class"),
    ("retrieval", "map"): ("Retrieval mAP", "photographs of the class come before all others"),
    ("linear", "top1"): ("Linear top-1", "a linear classifier on the frozen features is right"),
    ("knn", "top1"): ("kNN top-1", "the 20 nearest labelled photographs vote for the right class"),
    ("clustering", "nmi"): ("Clustering NMI", "groups made without labels agree with the classes"),
    ("fewshot", "shots5"): (
        "5 labels a class",
        "a classifier is right that was trained on five photographs of each class",
    ),
}
MORE: dict[Name, tuple[str, str]] = {
    ("smoothed", "rank1"): ("Smoothed Rank-1", "Rank-1 of vectors averaged with their nearest"),
    ("smoothed", "map"): ("Smoothed mAP", "mAP of vectors averaged with their nearest"),
    ("retrieval", "rank5"): ("Retrieval Rank-5", "one of the five nearest is of the same class"),
    ("retrieval", "r_precision"): (
        "Retrieval R-precision",
        "share of the class among as many nearest photographs as it has",
    ),
    ("retrieval", "map_at_r"): (
        "Retrieval mAP@R",
        "average precision among as many nearest photographs as the class has",
    ),
    ("linear", "top5"): ("Linear top-5", "the right class is among the first five"),
    ("linear", "mean_class"): (
        "Linear per class",
        "top-1 in which every class has the same weight",
    ),
    ("linear_paper", "top1"): ("Linear SGD top-1", "the linear probe as published"),
    ("linear_paper", "top5"): ("Linear SGD top-5", "the right class is among the first five"),
    ("linear_paper", "mean_class"): (
        "Linear SGD per class",
        "top-1 in which every class has the same weight",
    ),
    ("clustering", "ari"): (
        "Clustering ARI",
        "pairs of one class are in one group, and others are not",
    ),
    ("fewshot", "shots1"): ("1 label a class", "trained on a single photograph of each class"),
    ("fewshot", "shots10"): ("10 labels a class", "trained on ten photographs of each class"),
    ("discovery", "all"): (
        "Discovery",
        "training photographs without labels are grouped by class; half of the classes are known",
    ),
    ("discovery", "known"): (
        "Discovery, known",
        "that of the classes of which half of the photographs have labels",
    ),
    ("discovery", "new"): ("Discovery, new", "that of the classes without labels"),
}
FOCUS: dict[Name, tuple[str, str]] = {
    ("focus", "object"): ("On the object", "share of the attention"),
    ("focus", "part"): ("On what tells classes apart", "share of the attention"),
    ("focus", "part_covered"): ("In the pivotal region", "share of what tells classes apart"),
}
ARMS = {
    "start": "Before",
    "run": "After",
    "pixels": "Raw pixels",
    OWN_SIZE: "Before, at its own size",
}
UNIFORM = "Uniform"


@dataclass(frozen=True)
class Cell:
    """A metric as text, and its interval."""

    value: str
    interval: str


@dataclass(frozen=True)
class Row:
    """A metric: a cell for each arm, or None if it was not measured; gain of the run; plot."""

    title: str
    meaning: str
    cells: list[Cell | None]
    gain: str
    plot: Markup


@dataclass(frozen=True)
class Table:
    """Arms as (style, title), in the order of the cells."""

    arms: list[tuple[str, str]]
    rows: list[Row]


def evaluation_tables(evaluation: Evaluation) -> dict[str, Table]:
    """The tables of the `main` metrics and of `more`."""
    arms = evaluation["arms"]
    order = sorted(arms, key=_position)

    def metrics(name: Name) -> list[EstimateEntry | None]:
        return [arms[arm].get(name[0], {}).get(name[1]) for arm in order]

    titles = [_heading(arm) for arm in order]
    return {kind: _table(rows, titles, metrics) for kind, rows in (("main", MAIN), ("more", MORE))}


def separations(evaluation: Evaluation) -> str:
    """The separation of every arm, which is not in percent, in words; "" if not measured."""
    arms = evaluation["arms"]
    parts = [
        f"{_heading(arm)[1].lower()} {entry['value']:.2f} ({entry['low']:.2f}–{entry['high']:.2f})"
        for arm in sorted(arms, key=_position)
        if (entry := arms[arm].get("separation", {}).get("separation"))
    ]
    words = "By their separation, in standard deviations and without labels: "
    return f"{words}{', '.join(parts)}." if parts else ""


def focus_table(evaluation: Evaluation) -> Table | None:
    """Shares of the attention next to those of uniform attention; None if not measured."""
    arms = {name: arm["focus"] for name, arm in evaluation["arms"].items() if "focus" in arm}
    if not arms:
        return None
    order = sorted(arms, key=_position)
    areas = dict(next(iter(arms.values())))
    share = 100 * PIVOTAL_SHARE
    areas["part_covered_area"] = EstimateEntry(value=share, low=share, high=share)

    def metrics(name: Name) -> list[EstimateEntry | None]:
        return [areas.get(f"{name[1]}_area"), *(arms[arm].get(name[1]) for arm in order)]

    titles = [("other", UNIFORM), *map(_heading, order)]
    return _table(FOCUS, titles, metrics)


def _table(
    texts: Mapping[Name, tuple[str, str]],
    arms: list[tuple[str, str]],
    metrics: Callable[[Name], Sequence[EstimateEntry | None]],
) -> Table:
    rows = []
    for name, (title, meaning) in texts.items():
        values = metrics(name)
        if any(values):
            cells = [_cell(metric) for metric in values]
            rows.append(Row(title, meaning, cells, _gain(arms, values), _plot(arms, values)))
    return Table(arms, rows)


def _position(arm: str) -> int:
    """The start comes first and the run last."""
    return {"start": 0, "run": 2}.get(arm, 1)


def _heading(arm: str) -> tuple[str, str]:
    return arm if arm in ("start", "run") else "other", ARMS.get(arm, arm)


def _cell(metric: EstimateEntry | None) -> Cell | None:
    if metric is None:
        return None
    certain = metric["low"] == metric["high"]
    interval = "" if certain else f"{metric['low']:.1f}–{metric['high']:.1f}"
    return Cell(f"{metric['value']:.1f}", interval)


def _gain(arms: Sequence[tuple[str, str]], metrics: Sequence[EstimateEntry | None]) -> str:
    """The gain of the run over its start, at the start's own size where that was measured."""
    values = {
        title: metric["value"] for (_, title), metric in zip(arms, metrics, strict=True) if metric
    }
    start = values.get(ARMS[OWN_SIZE], values.get(ARMS["start"]))
    if start is None or ARMS["run"] not in values:
        return ""
    return f"{values[ARMS['run']] - start:+.1f}".replace("-", "−")


def _plot(arms: Sequence[tuple[str, str]], metrics: Sequence[EstimateEntry | None]) -> Markup:
    return interval_plot(
        [
            Interval(style, metric["value"], metric["low"], metric["high"])
            for (style, _), metric in zip(arms, metrics, strict=True)
            if metric
        ]
    )
