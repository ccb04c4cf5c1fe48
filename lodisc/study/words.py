"""The findings of a study in one paragraph."""

from collections.abc import Mapping

from lodisc.evaluation.interval import EstimateEntry
from lodisc.evaluation.leaks import in_words
from lodisc.study.result import StudyResult

Differences = Mapping[str, Mapping[str, EstimateEntry]]
"""Percentage points by arm and metric."""


def findings(result: StudyResult) -> str:
    """Which arms differ clearly from global only and from the rival, and which is the best.

    Compares the first two metrics of the study; the best arm is that of the first metric.
    """
    trained = {arm: entry for arm, entry in result["arms"].items() if "steps" in entry}
    above_global = {
        arm: entry["differences"] for arm, entry in trained.items() if "differences" in entry
    }
    above_rival = {
        arm: entry["beyond_rival"] for arm, entry in trained.items() if "beyond_rival" in entry
    }
    seeds = len(result["seeds"])
    trainings = "a single training" if seeds == 1 else f"{seeds} trainings"
    sentences = []
    if above_global:
        sentences.append(f"Compared with global only at equal operations, {trainings} of each arm:")
        sentences += _comparisons(above_global, result["titles"])
    if above_rival:
        sentences.append(f"Compared with {result['rival']} in the same way:")
        sentences += _comparisons(above_rival, result["titles"])
    count = 2 * (len(above_global) + len(above_rival))
    if count >= 6:
        sentences.append(
            f"One in twenty of these {count} comparisons would look clear by chance alone."
        )
    sentences.append(_best(result))
    if seeds == 1:
        sentences.append(
            "Another seed may change more than these intervals show: repeat the study with several."
        )
    sentences += [f"{arm} was left out: {reason}." for arm, reason in result["left_out"].items()]
    if result["leaks"]:
        words = in_words(result["leaks"], test=result["photographs"], data=result["data"])
        sentences += [f"{words[0].upper()}{words[1:]}."] if words else []
    return " ".join(sentences)


def _best(result: StudyResult) -> str:
    """The arm with the highest first metric, next to its untouched start."""
    arms = result["arms"]
    metric, title = next(iter(result["titles"].items()))
    trained = [arm for arm in arms if "steps" in arms[arm]]
    best = max(trained, key=lambda arm: arms[arm]["figures"][metric]["mean"])
    value, start = (arms[arm]["figures"][metric]["mean"] for arm in (best, arms[best]["start"]))
    return (
        f"The highest {title} is {value:.1f} %, of {best}; its untouched start has {start:.1f} %."
    )


def _comparisons(differences: Differences, titles: Mapping[str, str]) -> list[str]:
    """A sentence for each of the first two metrics."""
    return [
        _comparison({arm: differences[arm][metric] for arm in differences}, title)
        for metric, title in list(titles.items())[:2]
    ]


def _comparison(gains: Mapping[str, EstimateEntry], title: str) -> str:
    groups: dict[str, list[str]] = {"higher": [], "lower": [], "not clearly different": []}
    for arm, gain in gains.items():
        group = "not clearly different"
        if gain["low"] > 0:
            group = "higher"
        elif gain["high"] < 0:
            group = "lower"
        groups[group].append(f"{arm} ({gain['value']:+.1f})")
    parts = [f"{group} for {', '.join(arms)}" for group, arms in groups.items() if arms]
    has_capitals = any(map(str.isupper, title))  # mAP and kNN stay as they are
    return f"{title if has_capitals else title.capitalize()} is {'; '.join(parts)}."
