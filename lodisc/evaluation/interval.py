"""Metrics with their bootstrap intervals over test photographs.

Axes: N test photographs, M scores, R resamples, D draws.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NotRequired, TypedDict

import numpy as np

RESAMPLES = 1000
_BLOCK = 1 << 24  # random numbers at a time: 64 MB of counts, 128 MB while counting


class EstimateEntry(TypedDict):
    """An `Estimate` in a JSON file, rounded to three decimals."""

    value: float
    low: float
    high: float
    deviation: NotRequired[float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its 95 % interval, in percent.

    `deviation` is the standard deviation over several draws of labels, where there are such draws.
    """

    value: float
    low: float
    high: float
    deviation: float | None = None

    def to_dict(self) -> EstimateEntry:
        entry = EstimateEntry(
            value=round(self.value, 3), low=round(self.low, 3), high=round(self.high, 3)
        )
        if self.deviation is not None:
            entry["deviation"] = round(self.deviation, 3)
        return entry


def resample_counts(size: int, *, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each of `size` photographs is in each resample.

    Yields blocks `[r, size]` float32 with `resamples` rows in total.
    """
    rng = np.random.default_rng((seed, size))
    rows = max(1, min(resamples, _BLOCK // size))
    for start in range(0, resamples, rows):
        yield _counts(rng, min(rows, resamples - start), size)


def mean_estimates(scores_NM: np.ndarray, *, seed: int) -> list[Estimate]:
    """Means of the M columns of per-photograph scores in 0..1, with percentile intervals.

    All columns use the same resamples.
    """
    scores_NM = np.asarray(scores_NM, dtype=np.float64)
    means_RM = np.concatenate(
        [counts @ scores_NM for counts in resample_counts(len(scores_NM), seed=seed)]
    ) / len(scores_NM)
    return [
        _estimate(value, means) for value, means in zip(scores_NM.mean(0), means_RM.T, strict=True)
    ]


def class_mean_estimate(scores_N: np.ndarray, labels_N: np.ndarray, *, seed: int) -> Estimate:
    """Mean over classes of the mean score in each class.

    A resample ignores the classes of which it has no photograph.
    """
    member_NC = (labels_N[:, None] == np.unique(labels_N)).astype(np.float32)
    hit_NC = member_NC * np.asarray(scores_N, dtype=np.float32)[:, None]

    def statistic(counts_RN: np.ndarray) -> np.ndarray:
        total_RC = counts_RN @ member_NC
        share_RC = counts_RN @ hit_NC / np.maximum(total_RC, 1)
        return share_RC.sum(1) / (total_RC > 0).sum(1)

    once_1N = np.ones((1, len(labels_N)), dtype=np.float32)
    means_R = np.concatenate(
        [statistic(counts) for counts in resample_counts(len(labels_N), seed=seed)]
    )
    return _estimate(float(statistic(once_1N)[0]), means_R)


def draws_estimate(scores_DN: np.ndarray, *, seed: int) -> Estimate:
    """Mean over D draws and N photographs.

    The interval resamples both; the standard deviation is that of the means of the draws.
    """
    scores_DN = np.asarray(scores_DN, dtype=np.float64)
    draws, size = scores_DN.shape
    means_RD = (
        np.concatenate([counts @ scores_DN.T for counts in resample_counts(size, seed=seed)]) / size
    )
    weights_RD = np.concatenate([*resample_counts(draws, seed=seed)]) / draws
    deviation = float(scores_DN.mean(1).std(ddof=1)) if draws > 1 else 0.0
    estimate = _estimate(float(scores_DN.mean()), (means_RD * weights_RD).sum(1))
    return replace(estimate, deviation=100 * deviation)


def index_estimates(
    statistic: Callable[[np.ndarray], np.ndarray], size: int, *, seed: int, resamples: int = 200
) -> list[Estimate]:
    """Estimates of M metrics in 0..1 that `statistic` computes from indices, `[n] -> [M]`.

    Repeated photographs, as in a resample, increase the agreement between groupings. The interval
    is therefore that of the resamples, shifted so that their mean is the metric itself.
    """
    rng = np.random.default_rng((seed, size))
    value_M = statistic(np.arange(size))
    values_RM = np.stack([statistic(rng.integers(0, size, size)) for _ in range(resamples)])
    shifted_RM = np.minimum(values_RM - values_RM.mean(0) + value_M, 1.0)
    return [_estimate(value, values) for value, values in zip(value_M, shifted_RM.T, strict=True)]


def _counts(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    indices = rng.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
    counts = np.bincount(indices.ravel(), minlength=rows * size)
    return counts.reshape(rows, size).astype(np.float32)


def _estimate(value: float, resampled_R: np.ndarray) -> Estimate:
    low, high = np.percentile(resampled_R, (2.5, 97.5))
    return Estimate(100 * float(value), 100 * float(low), 100 * float(high))
