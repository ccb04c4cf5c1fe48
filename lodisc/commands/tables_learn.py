"""What `evaluate`, `study` and `demo` print for people."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from lodisc.commands.printing import print_line
from lodisc.console import table
from lodisc.data.photo import printable

if TYPE_CHECKING:
    from lodisc.demo import DemoResult
    from lodisc.evaluation.interval import EstimateEntry
    from lodisc.evaluation.paired import MeanEntry
    from lodisc.evaluation.result import Evaluation
    from lodisc.study.result import StudyResult


def print_evaluation(result: Evaluation) -> None:
    """Print a row for each metric and a column for each arm, with intervals, and the run's gain."""
    from lodisc.evaluation.benchmark import OWN_SIZE, TITLES  # loads torch
    from lodisc.evaluation.leaks import in_words
    from lodisc.evaluation.result import classes_in_words

    arms = result["arms"]
    start = OWN_SIZE if OWN_SIZE in arms else "start"
    gain = ["gain"] if {"run", start} <= arms.keys() else []
    names = list(arms)
    if start == OWN_SIZE:
        settings = result["settings"]
        sizes = {"start": settings["image_size"], OWN_SIZE: settings["own_size"]}
        names = [f"start, {sizes[arm]} px" if arm in sizes else arm for arm in arms]
    rows = []
    for (protocol, metric), title in TITLES.items():
        estimates = {
            name: arm[protocol][metric]
            for name, arm in arms.items()
            if metric in arm.get(protocol, {})
        }
        if estimates:
            digits = 2 if protocol == "separation" else 1
            row = [title, *(_with_interval(entry, digits) for entry in estimates.values())]
            if gain:
                difference = estimates["run"]["value"] - estimates[start]["value"]
                row.append(f"{difference:+.{digits}f}")
            rows.append(row)
    if result["class_names"]:
        print_line(classes_in_words(result["class_names"]))
        counts = f"{result['train']:,} training and {result['test']:,} test photographs"
    else:
        print_line("Separation: how far a photograph's twenty nearest stand out from the rest.")
        counts = f"A sample of {result['test']:,} photographs, without labels"
    units = ["percent"] if result["class_names"] else []
    if any("separation" in arm for arm in arms.values()):
        units.append("separation in standard deviations")
    print_line(f"{counts}; {', '.join(units)}; 95 % intervals")
    table("", ["", *names, *gain], rows)
    if words := in_words(result["leaks"], test=result["test"], data=result["data"]):
        print_line(f"note: {printable(words)}")
    if start == OWN_SIZE:
        print_line(
            f"gain: over the untouched start at {sizes[OWN_SIZE]} pixels, the size it was made for"
        )


def _with_interval(estimate: EstimateEntry, digits: int) -> str:
    value, low, high = (_rounded(estimate[name], digits) for name in ("value", "low", "high"))
    return f"{value} ({low}–{high})"


def _rounded(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value < 99.95 else "100"


def print_study(result: StudyResult) -> None:
    """Print the metrics of every arm, its gains over global only and a rival, and the findings."""
    titles, arms = result["titles"], result["arms"]
    seeds = ", ".join(map(str, result["seeds"]))
    counts = f"{result['photographs']:,} test photographs, seeds {seeds}"
    print_line(f"{result['question']} {result['data']}, {counts}")
    rows = []
    for arm, entry in arms.items():
        steps = str(entry.get("steps", ""))
        minutes = f"{entry['steps'] * entry['seconds_per_step'] / 60:.1f}" if steps else ""
        rows.append([arm, steps, minutes, *map(_mean, entry["figures"].values())])
    title = "\npercent, mean and standard deviation over the seeds"
    table(title, ["", "steps", "min", *titles.values()], rows)
    over_global = {arm: entry.get("differences") for arm, entry in arms.items()}
    over_rival = {arm: entry.get("beyond_rival") for arm, entry in arms.items()}
    for other, gains in (("global only", over_global), (result["rival"], over_rival)):
        rows = [[arm, *map(_gain, gain.values())] for arm, gain in gains.items() if gain]
        if rows:
            table(f"\npoints above {other}, 95 % intervals", ["", *titles.values()], rows)
    print_line(f"\n{result['findings']}\n{result['picture']}")


def _mean(metric: MeanEntry) -> str:
    deviation = "" if metric["deviation"] is None else f" ±{metric['deviation']:.1f}"
    return f"{metric['mean']:.1f}{deviation}"


def _gain(difference: EstimateEntry) -> str:
    return f"{difference['value']:+.1f} ({difference['low']:+.1f} {difference['high']:+.1f})"


def print_demo(result: DemoResult) -> None:
    """Print the evaluation, and the commands for a person's own photographs."""
    print_evaluation(result)
    run, start = result["arms"]["run"]["focus"], result["arms"]["start"]["focus"]
    command = shlex.quote(sys.argv[0]) if sys.argv[0].endswith("lodisc") else "lodisc"
    print_line(
        f"""\
Attention on the parts that differ: {run["part"]["value"]:.1f} %; \
untouched start: {start["part"]["value"]:.1f} %; evenly spread: {run["part_area"]["value"]:.1f} %.

Done in {result["seconds"] / 60:.1f} minutes. \
Look at {result["report"]} in a browser, and at {result["pictures"]}/.

Now your own folder of photographs; sub-folders, if any, are read as labels to measure with:
  {command} data check PHOTOS
  {command} train PHOTOS --out runs/mine     (downloads weights; or give --init WEIGHTS.safetensors)
  {command} evaluate runs/mine PHOTOS --train-split 0.7
  {command} report runs/mine"""
    )
