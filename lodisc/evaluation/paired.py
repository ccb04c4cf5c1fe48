"""Encoders compared photograph by photograph, over several trainings of each.

Axes: D trainings (seeds), N test photographs.
"""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import torch
from scipy import stats

from lodisc.errors import UserError
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate
from lodisc.evaluation.knn import knn_predictions
from lodisc.evaluation.linear import class_scores
from lodisc.evaluation.retrieval import METRICS, retrieval_scores


def photo_scores(arm: Arm, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of every test photograph in 0..1, float64 `[N]`: `rank1`, `map`, `linear`, `knn`.

    `rank1` and `map` are NaN for the only photograph of a class; `linear` and `knn` are NaN for
    photographs of a class that train lacks.
    """
    retrieved_NM = retrieval_scores(arm.test.vectors, arm.test.labels).numpy()
    labels_N = arm.test.labels
    hits = {
        "linear": class_scores(arm, seed=seed).argmax(1) == labels_N,
        "knn": knn_predictions(arm) == labels_N,
    }
    unseen_N = ~torch.isin(labels_N, arm.train.labels)
    return {
        "rank1": retrieved_NM[:, METRICS.index("rank1")],
        "map": retrieved_NM[:, METRICS.index("map")],
        **{
            name: hits_N.double().masked_fill(unseen_N, torch.nan).numpy()
            for name, hits_N in hits.items()
        },
    }


class MeanEntry(TypedDict):
    """The mean of a metric over trainings in a JSON file, in percent, rounded to three decimals."""

    mean: float
    deviation: float | None
    """Standard deviation between trainings; None if there is only one."""


def mean_metric(scores_DN: np.ndarray) -> MeanEntry:
    """Mean over trainings and photographs, and the standard deviation between trainings."""
    means_D = 100 * scores_DN[:, np.isfinite(scores_DN).all(0)].mean(1)
    deviation = float(means_D.std(ddof=1)) if len(means_D) > 1 else None
    return {
        "mean": round(float(means_D.mean()), 3),
        "deviation": None if deviation is None else round(deviation, 3),
    }


def difference(scores_DN: np.ndarray, baseline_DN: np.ndarray) -> Estimate:
    """How far the scores are above the baseline, in percentage points, with a 95 % interval.

    Pairs share training seed and photograph. With d_DN the differences, the variance of their mean
    has two parts: Var_N(mean_D d) / N from the photographs and s² / D from the trainings, with s
    the standard deviation of the means of the trainings. The first part contains some noise of the
    second, so the sum is slightly too wide. The quantile is that of Student's t with
    Welch–Satterthwaite degrees of freedom, which few trainings make wide. With one training, the
    interval covers photographs only and says nothing about another training.

    Raises `UserError` when the scores are not of the same number of trainings or photographs.
    """
    if scores_DN.shape != baseline_DN.shape:
        raise UserError(
            f"scores {scores_DN.shape} and baseline {baseline_DN.shape} "
            "are not of the same trainings and photographs"
        )
    gain_DN = scores_DN - baseline_DN
    gain_DN = gain_DN[:, np.isfinite(gain_DN).all(0)]
    trainings, photographs = gain_DN.shape
    photos = gain_DN.mean(0).var(ddof=1) / photographs
    seeds = gain_DN.mean(1).var(ddof=1) / trainings if trainings > 1 else 0.0
    freedom = (
        (photos + seeds) ** 2 / (photos**2 / (photographs - 1) + seeds**2 / max(trainings - 1, 1))
        if photos + seeds
        else 1.0
    )
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(photos + seeds))
    mean = float(gain_DN.mean())
    return Estimate(100 * mean, 100 * (mean - half), 100 * (mean + half))


def stacked(runs: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The scores of several trainings, each metric `[D, N]`."""
    return {name: np.stack([scores[name] for scores in runs]) for name in runs[0]}
