"""The picture of a study: a panel for every metric, a row for every arm."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lodisc.data.photo import printable
from lodisc.study.design import BASELINE
from lodisc.study.result import StudyResult

INK, QUIET, BETTER, WORSE = "#22303a", "#9aa5ad", "#1b7f5c", "#b3402e"


def draw(result: StudyResult, path: Path) -> None:
    """Draw means over the seeds with their standard deviations.

    With several seeds, an arm is green where the whole interval of its difference from global only
    is above 0, and red where it is below.
    """
    arms, titles = result["arms"], result["titles"]
    size = (2.4 + 2.1 * len(titles), 1.1 + 0.3 * len(arms))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (metric, title) in zip(panels, titles.items(), strict=True):
        _draw_panel(axes, result, metric)
        axes.set_title(title, fontsize=9, color=INK)
    seeds = "1 seed" if len(result["seeds"]) == 1 else f"{len(result['seeds'])} seeds"
    title = f"{result['question']}  ({printable(Path(result['data']).name)}, {seeds}, percent)"
    figure.suptitle(title, fontsize=10, color=INK, parse_math=False)
    figure.savefig(path)


def _draw_panel(axes: Axes, result: StudyResult, metric: str) -> None:
    """A row for every arm, and a line at the baseline."""
    arms = result["arms"]
    for row, arm in enumerate(arms):
        value = arms[arm]["figures"][metric]
        colour = _colour(result, arm, metric)
        axes.errorbar(
            value["mean"],
            row,
            xerr=value["deviation"],
            fmt="o",
            color=colour,
            markersize=5,
            capsize=2,
        )
    baseline = arms[BASELINE]["figures"][metric]["mean"]
    axes.axvline(baseline, color=QUIET, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(arms)), list(arms), fontsize=8)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eef1f3", linewidth=0.8)
    axes.set_axisbelow(True)


def _colour(result: StudyResult, arm: str, metric: str) -> str:
    entry = result["arms"][arm]
    if "steps" not in entry:
        return QUIET
    if "differences" not in entry or len(result["seeds"]) == 1:
        return INK
    difference = entry["differences"][metric]
    return BETTER if difference["low"] > 0 else WORSE if difference["high"] < 0 else INK
