"""The charts of a training log, each with what a good curve looks like."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from lodisc.report.charts import Line, line_chart
from lodisc.run import RunConfig


class Curve(NamedTuple):
    """A chart with its title and a sentence on how to read it."""

    title: str
    sentence: str
    lines: list[Line]
    chart: Markup


class Plan(NamedTuple):
    """What a chart shows; a line is its name, style and key in the log."""

    title: str
    sentence: str
    lines: Sequence[tuple[str, str, str]]
    bottom: float | None = None
    top: float | None = None
    smooth: bool = True


LOSSES = {
    "global": ("whole photographs", "run", "loss_global"),
    "local": ("their regions", "other", "loss_local"),
}
PLANS = (
    Plan(
        "Agreement",
        "A view should be closer to its partner than to other photographs: "
        "the wider the gap, the better.",
        [("partner", "run", "agreement"), ("others", "start", "chance_agreement")],
    ),
    Plan(
        "Spread",
        "Near 1 the features point in all directions. A fall towards 0 is collapse.",
        [("spread", "run", "spread")],
        bottom=0,
        top=1,
    ),
    Plan(
        "Effective rank",
        "How many directions the features of a batch use. Many are good; one or two are collapse.",
        [("rank", "run", "effective_rank")],
        bottom=0,
    ),
    Plan(
        "Attention entropy",
        "1 is uniform attention, 0 is a single patch. "
        "It may fall slowly as attention settles, but not suddenly.",
        [("entropy", "run", "attention_entropy")],
        bottom=0,
        top=1,
    ),
    Plan(
        "Learning rate",
        "Rises during the warm-up, then falls to 0 along a half cosine.",
        [("rate", "run", "lr")],
        bottom=0,
        smooth=False,
    ),
)


def training_curves(config: RunConfig, log: Sequence[Mapping[str, Any]]) -> list[Curve]:
    """The curves of a run with this log, first the loss, which is all that a map has."""
    is_map = config["settings"]["tune"] == "map"
    curves = [_loss_curve(config, log), *(_curve(plan, log) for plan in PLANS if not is_map)]
    looks = [entry for entry in log if entry.get("separation") is not None]
    return [*curves, _separation_curve(config, looks)] if looks else curves


def _loss_curve(config: RunConfig, log: Sequence[Mapping[str, Any]]) -> Curve:
    """The loss of each branch, and that of a guess.

    A guess is among all photographs in a bank. In a batch, each of two views is asked for twice.
    """
    settings = config["settings"]
    chance = math.log(config["data"]["photos"])
    if settings["keys"] == "batch":
        chance = 4 * settings["temperature"] * math.log(settings["batch_size"])
    losses = [LOSSES[name] for name in LOSSES if settings["objective"] in (name, "both")]
    if settings["tune"] == "map":
        losses = [("neighbours", "run", "loss")]
    lines = [_line(name, style, key, log) for name, style, key in losses]
    lines.append(Line("by chance", "dashed", [(entry["step"], chance) for entry in log]))
    sentence = "Should fall below chance, fast at first, and level off."
    return Curve("Loss", sentence, lines, line_chart(lines, title="Loss"))


def _separation_curve(config: RunConfig, looks: Sequence[Mapping[str, Any]]) -> Curve:
    """The score of the student without labels, and that of its start once it is finished."""
    lines = [_line("run", "run", "separation", looks)._replace(smooth=False)]
    if outcome := config.get("outcome"):
        ends = (0, looks[-1]["step"])
        lines.append(Line("start", "dashed", [(step, outcome["start"]) for step in ends]))
    sentence = (
        "By how many standard deviations a photograph's twenty nearest stand out from the rest, "
        "without labels. Higher is better."
    )
    return Curve("Separation", sentence, lines, line_chart(lines, title="Separation"))


def _curve(plan: Plan, log: Sequence[Mapping[str, Any]]) -> Curve:
    lines = [
        _line(name, style, key, log)._replace(smooth=plan.smooth) for name, style, key in plan.lines
    ]
    chart = line_chart(lines, title=plan.title, bottom=plan.bottom, top=plan.top)
    return Curve(plan.title, plan.sentence, lines, chart)


def _line(name: str, style: str, key: str, log: Sequence[Mapping[str, Any]]) -> Line:
    return Line(name, style, [(entry["step"], entry.get(key)) for entry in log])
