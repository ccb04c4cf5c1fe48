"""Encoders compared photograph by photograph, over several trainings of each.

Axes: D trainings (seeds), N test photographs.
"""

from collections.abc import Mapping

import numpy as np

from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, draws_estimate
from lodisc.evaluation.knn import predicted
from lodisc.evaluation.linear import class_scores
from lodisc.evaluation.retrieval import METRICS, retrieval_scores


def photo_scores(arm: Arm, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of every test photograph in 0..1, float64 `[N]`: `rank1`, `map`, `linear`, `knn`; NaN where it is alone in its class."""
    retrieved_NM = retrieval_scores(arm.test.vectors, arm.test.labels).numpy()
    right = {"linear": class_scores(arm, seed=seed).argmax(1) == arm.test.labels, "knn": predicted(arm) == arm.test.labels}
    return {
        "rank1": retrieved_NM[:, METRICS.index("rank1")],
        "map": retrieved_NM[:, METRICS.index("map")],
        **{name: hits.double().numpy() for name, hits in right.items()},
    }


def mean_figure(scores_DN: np.ndarray) -> dict[str, float]:
    """Mean over trainings and photographs and the deviation between the trainings' means, in percent."""
    figure = draws_estimate(scores_DN[:, np.isfinite(scores_DN).all(0)], seed=0)
    return {"mean": round(figure.value, 3), "deviation": round(figure.deviation or 0.0, 3)}


def difference(scores_DN: np.ndarray, baseline_DN: np.ndarray, *, seed: int = 0) -> Estimate:
    """How far the scores lie above the baseline's, in points, seed by seed and photograph by photograph.

    The interval resamples both trainings and photographs. Raises `ValueError` when they are not of as many trainings or photographs.
    """
    if scores_DN.shape != baseline_DN.shape:
        raise ValueError(f"scores {scores_DN.shape} and baseline {baseline_DN.shape} are not of the same trainings and photographs")
    both_DN = scores_DN - baseline_DN
    return draws_estimate(both_DN[:, np.isfinite(both_DN).all(0)], seed=seed)


def stacked(runs: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The scores of several trainings, each figure `[D, N]`."""
    return {name: np.stack([scores[name] for scores in runs]) for name in runs[0]}
