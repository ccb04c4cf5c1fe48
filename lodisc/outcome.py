"""What a training came to, told without labels; `config.json` of a run holds it.

The score is `vectors.consistency`: of its ten nearest, the share that a photograph keeps when all
photographs are seen in other views.
"""

from typing import Literal, TypedDict

Verdict = Literal["helped", "no clear change", "made worse", "not measured"]


class Kept(TypedDict):
    """What `encoder/` of a run holds."""

    step: int
    """The step after which the student was as it is kept; 0 for the untouched start."""
    share: float
    """Share of that student in a mixture with the start, by weights: 1 is the student alone."""


class Outcome(TypedDict):
    """The verdict on a training, and what was kept. Scores are in percent."""

    verdict: Verdict
    photographs: int
    """Size of the sample."""
    start: float
    """Score of the untouched start."""
    run: float
    """Score of the student."""
    gain: float
    low: float
    """The 95 % interval of the gain."""
    high: float
    kept: Kept
    kept_score: float
    planned: int
    """Number of steps that the training was to have; it may have stopped before."""


def verdict_of(low: float, high: float) -> Verdict:
    """The verdict on a gain by its interval."""
    return "helped" if low > 0 else "made worse" if high < 0 else "no clear change"


def in_words(outcome: Outcome) -> str:
    """The verdict and what was kept, in sentences."""
    if outcome["verdict"] == "not measured":
        return (
            f"Whether it helped cannot be told from {outcome['photographs']} photographs "
            "without labels."
        )
    verdict = {
        "helped": "Learning helped",
        "no clear change": "Learning made no clear change",
        "made worse": "Learning made it worse",
    }[outcome["verdict"]]
    score = (
        f"{verdict}, as far as it can be told without labels: of its ten nearest, a photograph "
        f"keeps {outcome['run']:.1f} % in other views; with the untouched start "
        f"{outcome['start']:.1f} % ({outcome['gain']:+.1f}, 95 % interval {outcome['low']:+.1f} "
        f"to {outcome['high']:+.1f}; {outcome['photographs']} photographs)."
    )
    return " ".join([score, *_kept_in_words(outcome)])


def _kept_in_words(outcome: Outcome) -> list[str]:
    kept = outcome["kept"]
    if kept["share"] == 0:
        return ["So encoder/ holds the untouched start."]
    if kept["share"] < 1:
        return [
            f"So encoder/ holds a mixture of {kept['share']:.0%} of it and "
            f"{1 - kept['share']:.0%} of the start, with {outcome['kept_score']:.1f} %."
        ]
    return []
