"""Figures with their bootstrap intervals, over test photographs.

Axes: N test photographs, M scores, R resamples, D draws.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
_BLOCK = 1 << 24  # numbers drawn at a time: 64 MB of counts, 128 MB while counting


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval in percent; `deviation` where it is the mean of several draws."""

    value: float
    low: float
    high: float
    deviation: float | None = None

    def to_dict(self) -> dict[str, float]:
        names = (
            ("value", "low", "high")
            if self.deviation is None
            else ("value", "low", "high", "deviation")
        )
        return {name: round(getattr(self, name), 3) for name in names}


def resample_counts(size: int, *, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each of `size` photographs is in each resample: blocks `[r, size]` float32 that add up to `resamples` rows."""
    rng = np.random.default_rng((seed, size))
    rows = max(1, min(resamples, _BLOCK // size))
    for start in range(0, resamples, rows):
        yield _counts(rng, min(rows, resamples - start), size)


def mean_estimates(scores_NM: np.ndarray, *, seed: int) -> list[Estimate]:
    """Means of the M columns of per-photograph scores in 0..1, with percentile intervals; the columns share their resamples."""
    scores_NM = np.asarray(scores_NM, dtype=np.float64)
    means_RM = np.concatenate(
        [counts @ scores_NM for counts in resample_counts(len(scores_NM), seed=seed)]
    ) / len(scores_NM)
    return [
        _estimate(value, means) for value, means in zip(scores_NM.mean(0), means_RM.T, strict=True)
    ]


def class_mean_estimate(scores_N: np.ndarray, labels_N: np.ndarray, *, seed: int) -> Estimate:
    """Mean over classes of the mean score in each class; a class that a resample misses is left out of that resample."""
    member_NC = (labels_N[:, None] == np.unique(labels_N)).astype(np.float32)
    hit_NC = member_NC * np.asarray(scores_N, dtype=np.float32)[:, None]

    def statistic(counts_RN: np.ndarray) -> np.ndarray:
        total_RC = counts_RN @ member_NC
        share_RC = counts_RN @ hit_NC / np.maximum(total_RC, 1)
        return share_RC.sum(1) / (total_RC > 0).sum(1)

    everyone_1N = np.ones((1, len(labels_N)), dtype=np.float32)
    means_R = np.concatenate(
        [statistic(counts) for counts in resample_counts(len(labels_N), seed=seed)]
    )
    return _estimate(float(statistic(everyone_1N)[0]), means_R)


def draws_estimate(scores_DN: np.ndarray, *, seed: int) -> Estimate:
    """Mean over D draws and N photographs; the interval resamples both, the deviation is that of the draws' means."""
    scores_DN = np.asarray(scores_DN, dtype=np.float64)
    draws, size = scores_DN.shape
    means_RD = (
        np.concatenate([counts @ scores_DN.T for counts in resample_counts(size, seed=seed)]) / size
    )
    weights_RD = np.concatenate([*resample_counts(draws, seed=seed)]) / draws
    figure = _estimate(float(scores_DN.mean()), (means_RD * weights_RD).sum(1))
    deviation = float(scores_DN.mean(1).std(ddof=1)) if draws > 1 else 0.0
    return Estimate(figure.value, figure.low, figure.high, deviation=100 * deviation)


def index_estimates(
    statistic: Callable[[np.ndarray], np.ndarray], size: int, *, seed: int, resamples: int = 200
) -> list[Estimate]:
    """Estimates of M figures in 0..1 that `statistic` computes from the indices of photographs, `[n] -> [M]`.

    Agreement between groupings grows when photographs repeat, as they do in a resample. So the interval is the spread of
    the resamples, moved to where the figure itself is.
    """
    rng = np.random.default_rng((seed, size))
    value_M = statistic(np.arange(size))
    figures_RM = np.stack([statistic(rng.integers(0, size, size)) for _ in range(resamples)])
    moved_RM = np.minimum(figures_RM - figures_RM.mean(0) + value_M, 1.0)
    return [_estimate(value, figures) for value, figures in zip(value_M, moved_RM.T, strict=True)]


def _counts(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    drawn = rng.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float32)


def _estimate(value: float, resampled_R: np.ndarray) -> Estimate:
    low, high = np.percentile(resampled_R, (2.5, 97.5))
    return Estimate(100 * float(value), 100 * float(low), 100 * float(high))
