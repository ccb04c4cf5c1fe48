"""Encoders compared photograph by photograph, over several trainings of each.

Axes: D trainings (seeds), N test photographs.
"""

from collections.abc import Mapping

import numpy as np
import torch
from scipy import stats

from lodisc.errors import UserError
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate
from lodisc.evaluation.knn import predicted
from lodisc.evaluation.linear import class_scores
from lodisc.evaluation.retrieval import METRICS, retrieval_scores


def photo_scores(arm: Arm, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of every test photograph in 0..1, float64 `[N]`: `rank1`, `map`, `linear`, `knn`.

    NaN where there is nothing to find: alone in its class for the first two, of a class that train lacks for the others.
    """
    retrieved_NM = retrieval_scores(arm.test.vectors, arm.test.labels).numpy()
    labels_N = arm.test.labels
    right = {
        "linear": class_scores(arm, seed=seed).argmax(1) == labels_N,
        "knn": predicted(arm) == labels_N,
    }
    unseen_N = ~torch.isin(labels_N, arm.train.labels)
    return {
        "rank1": retrieved_NM[:, METRICS.index("rank1")],
        "map": retrieved_NM[:, METRICS.index("map")],
        **{
            name: hits_N.double().masked_fill(unseen_N, torch.nan).numpy()
            for name, hits_N in right.items()
        },
    }


def mean_figure(scores_DN: np.ndarray) -> dict[str, float | None]:
    """Mean over trainings and photographs in percent, and the deviation between the trainings' means where there are several."""
    means_D = 100 * scores_DN[:, np.isfinite(scores_DN).all(0)].mean(1)
    deviation = float(means_D.std(ddof=1)) if len(means_D) > 1 else None
    return {
        "mean": round(float(means_D.mean()), 3),
        "deviation": None if deviation is None else round(deviation, 3),
    }


def difference(scores_DN: np.ndarray, baseline_DN: np.ndarray) -> Estimate:
    """How far the scores lie above the baseline's, in points, with a 95 % interval; pairs share training seed and photograph.

    With d_DN the differences, the variance of their mean has a part from the photographs, Var_N(mean_D d) / N, and one from the
    trainings, s² / D with s the deviation of the trainings' means. The first holds the second's noise too, averaged, so that the
    sum errs on the wide side. Its quantile is Student's t with Welch–Satterthwaite degrees of freedom: few trainings make it wide. With one
    training, the interval is over photographs alone and says nothing about another training.

    Raises `UserError` when the scores are not of as many trainings or photographs.
    """
    if scores_DN.shape != baseline_DN.shape:
        raise UserError(
            f"scores {scores_DN.shape} and baseline {baseline_DN.shape} are not of the same trainings and photographs"
        )
    both_DN = scores_DN - baseline_DN
    both_DN = both_DN[:, np.isfinite(both_DN).all(0)]
    trainings, photographs = both_DN.shape
    photos = both_DN.mean(0).var(ddof=1) / photographs
    seeds = both_DN.mean(1).var(ddof=1) / trainings if trainings > 1 else 0.0
    freedom = (
        (photos + seeds) ** 2 / (photos**2 / (photographs - 1) + seeds**2 / max(trainings - 1, 1))
        if photos + seeds
        else 1.0
    )
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(photos + seeds))
    mean = float(both_DN.mean())
    return Estimate(100 * mean, 100 * (mean - half), 100 * (mean + half))


def stacked(runs: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The scores of several trainings, each figure `[D, N]`."""
    return {name: np.stack([scores[name] for scores in runs]) for name in runs[0]}
