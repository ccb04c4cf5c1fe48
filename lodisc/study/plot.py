"""The picture of a study: a panel for every figure, a line for every arm."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lodisc.data.photo import printable
from lodisc.study.design import BASELINE

INK, QUIET, BETTER, WORSE = "#22303a", "#9aa5ad", "#1b7f5c", "#b3402e"


def draw(result: dict[str, Any], path: Path) -> None:
    """Means over the seeds with their deviation; of several seeds, green where the interval against global only is above 0, red below."""
    arms = list(result["arms"])
    titles = result["titles"]
    picture = Figure(
        figsize=(2.4 + 2.1 * len(titles), 1.1 + 0.3 * len(arms)), dpi=150, layout="constrained"
    )
    for axes, (figure, title) in zip(
        picture.subplots(1, len(titles), sharey=True, squeeze=False)[0], titles.items(), strict=True
    ):
        for place, arm in enumerate(arms):
            entry = result["arms"][arm]
            value = entry["figures"][figure]
            axes.errorbar(
                value["mean"],
                place,
                xerr=value["deviation"],
                fmt="o",
                color=_colour(result, arm, figure),
                markersize=5,
                capsize=2,
            )
        axes.axvline(
            result["arms"][BASELINE]["figures"][figure]["mean"],
            color=QUIET,
            linewidth=0.8,
            linestyle=":",
        )
        axes.set_title(title, fontsize=9, color=INK)
        axes.set_yticks(range(len(arms)), arms, fontsize=8)
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.tick_params(axis="x", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eef1f3", linewidth=0.8)
        axes.set_axisbelow(True)
    seeds = "1 seed" if len(result["seeds"]) == 1 else f"{len(result['seeds'])} seeds"
    title = f"{result['question']}  ({printable(Path(result['data']).name)}, {seeds}, percent)"
    picture.suptitle(title, fontsize=10, color=INK, parse_math=False)
    picture.savefig(path)


def _colour(result: dict[str, Any], arm: str, figure: str) -> str:
    entry = result["arms"][arm]
    if "steps" not in entry:
        return QUIET
    if "differences" not in entry or len(result["seeds"]) == 1:
        return INK
    difference = entry["differences"][figure]
    return BETTER if difference["low"] > 0 else WORSE if difference["high"] < 0 else INK
