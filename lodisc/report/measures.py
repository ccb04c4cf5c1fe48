"""The tables of a report: every figure of `evaluation.json` before and after, with its interval drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lodisc.method.masking import PIVOTAL_SHARE
from lodisc.report.charts import Interval, interval_plot

Figure = Mapping[str, float]
Name = tuple[str, str]
"""Protocol and metric."""

MAIN: dict[Name, tuple[str, str]] = {
    ("retrieval", "rank1"): ("Retrieval Rank-1", "the nearest photograph is of the same class"),
    ("retrieval", "map"): ("Retrieval mAP", "photographs of the class come before all others"),
    ("linear", "top1"): ("Linear top-1", "a linear classifier on the frozen features is right"),
    ("knn", "top1"): ("kNN top-1", "the 20 nearest labelled photographs vote for the right class"),
    ("clustering", "nmi"): ("Clustering NMI", "groups found without labels agree with the classes"),
    ("fewshot", "shots5"): (
        "5 labels a class",
        "a classifier that learnt from five photographs of each class is right",
    ),
}
MORE: dict[Name, tuple[str, str]] = {
    ("retrieval", "rank5"): ("Retrieval Rank-5", "one of the five nearest is of the same class"),
    ("retrieval", "r_precision"): (
        "Retrieval R-precision",
        "share of the class among as many nearest as it has",
    ),
    ("retrieval", "map_at_r"): (
        "Retrieval mAP@R",
        "average precision among as many nearest as the class has",
    ),
    ("linear", "top5"): ("Linear top-5", "the right class is among the first five"),
    ("linear", "mean_class"): ("Linear per class", "top-1 with every class counting alike"),
    ("linear_paper", "top1"): ("Linear SGD top-1", "the linear probe as published"),
    ("linear_paper", "top5"): ("Linear SGD top-5", "the right class is among the first five"),
    ("linear_paper", "mean_class"): (
        "Linear SGD per class",
        "top-1 with every class counting alike",
    ),
    ("clustering", "ari"): ("Clustering ARI", "pairs that belong together are together"),
    ("fewshot", "shots1"): ("1 label a class", "learnt from a single photograph of each class"),
    ("fewshot", "shots10"): ("10 labels a class", "learnt from ten photographs of each class"),
}
FOCUS: dict[Name, tuple[str, str]] = {
    ("focus", "object"): ("On the object", "share of the attention"),
    ("focus", "part"): ("On what tells classes apart", "share of the attention"),
    ("focus", "part_covered"): ("In the pivotal region", "share of what tells classes apart"),
}
ARMS = {"start": "Before", "run": "After", "pixels": "Raw pixels"}
EVEN = "Even look"


@dataclass(frozen=True)
class Cell:
    """A figure as text, and its interval."""

    value: str
    interval: str


@dataclass(frozen=True)
class Row:
    """One measure: a cell for each arm (None where it was not measured), what the run gained, and the plot."""

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


def evaluation_tables(evaluation: Mapping[str, Any]) -> dict[str, Table]:
    """The table of the `main` figures and that of `more`."""
    arms: Mapping[str, Any] = evaluation["arms"]
    order = sorted(arms, key=lambda name: {"start": 0, "run": 2}.get(name, 1))

    def figures(name: Name) -> list[Figure | None]:
        return [arms[arm].get(name[0], {}).get(name[1]) for arm in order]

    titles = [_heading(arm) for arm in order]
    return {
        kind: _table(measures, titles, figures)
        for kind, measures in (("main", MAIN), ("more", MORE))
    }


def focus_table(evaluation: Mapping[str, Any]) -> Table | None:
    """Where the attention falls, beside what a look that is even over the photograph would give; None where it was not measured."""
    arms = {name: arm["focus"] for name, arm in evaluation["arms"].items() if "focus" in arm}
    if not arms:
        return None
    order = sorted(arms, key=lambda name: {"start": 0, "run": 2}.get(name, 1))
    chance = dict.fromkeys(("value", "low", "high"), 100 * PIVOTAL_SHARE)

    def figures(name: Name) -> list[Figure | None]:
        even = (
            chance
            if name[1] == "part_covered"
            else next(iter(arms.values())).get(f"{name[1]}_area")
        )
        return [even, *(arms[arm].get(name[1]) for arm in order)]

    titles = [("other", EVEN), *map(_heading, order)]
    return _table(FOCUS, titles, figures)


def _table(
    measures: Mapping[Name, tuple[str, str]],
    arms: list[tuple[str, str]],
    figures: Callable[[Name], Sequence[Figure | None]],
) -> Table:
    rows = []
    for name, (title, meaning) in measures.items():
        found = figures(name)
        if any(found):
            rows.append(
                Row(
                    title,
                    meaning,
                    [_cell(figure) for figure in found],
                    _gain(arms, found),
                    _plot(arms, found),
                )
            )
    return Table(arms, rows)


def _heading(arm: str) -> tuple[str, str]:
    return arm if arm in ("start", "run") else "other", ARMS.get(arm, arm)


def _cell(figure: Figure | None) -> Cell | None:
    if figure is None:
        return None
    certain = figure["low"] == figure["high"]
    return Cell(
        f"{figure['value']:.1f}", "" if certain else f"{figure['low']:.1f}–{figure['high']:.1f}"
    )


def _gain(arms: Sequence[tuple[str, str]], figures: Sequence[Figure | None]) -> str:
    values = {
        style: figure["value"] for (style, _), figure in zip(arms, figures, strict=True) if figure
    }
    return (
        f"{values['run'] - values['start']:+.1f}".replace("-", "−")
        if {"start", "run"} <= values.keys()
        else ""
    )


def _plot(arms: Sequence[tuple[str, str]], figures: Sequence[Figure | None]) -> Markup:
    return interval_plot(
        [
            Interval(style, figure["value"], figure["low"], figure["high"])
            for (style, _), figure in zip(arms, figures, strict=True)
            if figure
        ]
    )
