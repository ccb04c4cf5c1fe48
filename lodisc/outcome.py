"""What a training came to, told without labels; `config.json` of a run holds it.

The score is `vectors.separation`: by how many standard deviations a photograph's twenty nearest
stand out from the rest, the mean over a sample of the photographs. It is a hint: not on all data
does it rise where Rank-1 and mAP do.
"""

from typing import Literal, TypedDict

from lodisc.config import Keep

Verdict = Literal["helped", "no clear change", "made worse", "not measured"]


class Kept(TypedDict):
    """What `encoder/` of a run holds."""

    step: int
    """The step after which the student was as it is kept; 0 where nothing of it is."""
    share: float
    """Share of that student in a mixture with the start, by weights: 1 is it alone, 0 the start."""


class Outcome(TypedDict):
    """The verdict on a training, and what was kept. Scores are in standard deviations."""

    verdict: Verdict
    photographs: int
    """Size of the sample."""
    start: float
    """Score of the untouched start."""
    run: float
    """Score of the student."""
    gain: float
    low: float
    """The 95 % interval of the gain, over these photographs alone."""
    high: float
    keep: Keep
    """As `--keep` said in the end."""
    kept: Kept
    kept_score: float
    steps: int
    planned: int
    """The number of steps that the training took, and was to take."""


LEAST = 50
"""The least photographs in a sample that tell anything."""
CLEAR = 0.05
"""The least gain that counts as a change: twice what another sample of photographs moves it by."""


def verdict_of(low: float, high: float) -> Verdict:
    """The verdict on a gain by its interval."""
    return "helped" if low > CLEAR else "made worse" if high < -CLEAR else "no clear change"


def in_words(outcome: Outcome) -> str:
    """The verdict and what was kept, in sentences."""
    if outcome["verdict"] == "not measured":
        few = f"from {outcome['photographs']} photographs"
        reason = few if outcome["photographs"] < LEAST else "where the start has random weights"
        return f"Whether learning helped cannot be told without labels {reason}."
    verdict = {
        "helped": "Learning helped",
        "no clear change": "Learning made no clear change",
        "made worse": "Learning made it worse",
    }[outcome["verdict"]]
    score = (
        f"{verdict}, as far as it can be told without labels, which is a hint: a photograph's "
        f"twenty nearest stand out from the rest by {outcome['run']:.2f} standard deviations; with "
        f"the untouched start by {outcome['start']:.2f} ({outcome['gain']:+.2f}, 95 % interval "
        f"{outcome['low']:+.2f} to {outcome['high']:+.2f} over these {outcome['photographs']} "
        "photographs)."
    )
    return " ".join([score, *_kept_in_words(outcome)])


def _kept_in_words(outcome: Outcome) -> list[str]:
    kept, words = outcome["kept"], list[str]()
    if outcome["steps"] < outcome["planned"]:
        words.append(
            f"Training ended at step {outcome['steps']} of {outcome['planned']}, "
            "as this had fallen for good."
        )
    if 0 < kept["step"] < outcome["steps"]:
        words.append(f"It was best after step {kept['step']}, to which it goes back.")
    if kept["share"] == 0:
        words.append("So encoder/ holds the untouched start.")
    elif kept["share"] < 1:
        words.append(
            f"So encoder/ holds a mixture of {kept['share']:.0%} of it and "
            f"{1 - kept['share']:.0%} of the start, which scores {outcome['kept_score']:.2f}."
        )
    elif outcome["keep"] == "last" and outcome["verdict"] == "made worse":
        words.append("encoder/ holds the student all the same; --keep best would hold the start.")
    return words
