"""Intervals equal a plain bootstrap, cover the truth, and are the same for the same seed."""

import numpy as np
import pytest

from lodisc.evaluation.interval import (
    Estimate,
    class_mean_estimate,
    draws_estimate,
    index_estimates,
    mean_estimates,
    resample_counts,
)


def test_the_mean_and_its_interval_equal_a_plain_loop() -> None:
    scores = np.random.default_rng(1).random((50, 2))
    counts = np.concatenate([*resample_counts(50, seed=3)])
    for column, estimate in enumerate(mean_estimates(scores, seed=3)):
        means = []
        for resample in counts:
            sample = [
                score
                for score, times in zip(scores[:, column], resample, strict=True)
                for _ in range(int(times))
            ]
            assert len(sample) == 50
            means.append(100 * sum(sample) / 50)
        assert estimate.value == pytest.approx(100 * scores[:, column].mean())
        assert (estimate.low, estimate.high) == pytest.approx(
            tuple(np.percentile(means, (2.5, 97.5)))
        )


def test_resamples_are_as_many_as_asked_for_when_they_come_in_blocks() -> None:
    blocks = list(resample_counts(100_000, seed=0, resamples=200))
    assert len(blocks) > 1 and sum(map(len, blocks)) == 200
    assert all((block.sum(1) == 100_000).all() for block in blocks)


def test_an_interval_covers_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    samples = rng.random((200, 200)) < 0.7
    covered = 0
    for seed, sample in enumerate(samples):
        (estimate,) = mean_estimates(sample[:, None], seed=seed)
        covered += estimate.low <= 70 <= estimate.high
    assert 0.89 <= covered / 200 <= 0.99


def test_the_class_mean_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(3, 7, 40), rng.random(40)
    expected = np.mean([scores[labels == label].mean() for label in set(labels)])
    estimate = class_mean_estimate(scores, labels, seed=0)
    assert estimate.value == pytest.approx(100 * expected, abs=1e-4)
    metrics = []
    for counts in np.concatenate([*resample_counts(40, seed=0)]):
        means = [
            np.average(scores[labels == c], weights=counts[labels == c])
            for c in set(labels)
            if counts[labels == c].sum()
        ]
        metrics.append(100 * np.mean(means))
    assert (estimate.low, estimate.high) == pytest.approx(
        tuple(np.percentile(metrics, (2.5, 97.5))), abs=1e-4
    )


def test_draws_widen_the_interval_and_give_the_deviation() -> None:
    rng = np.random.default_rng(0)
    same = np.repeat((rng.random((1, 100)) < 0.5).astype(float), 10, axis=0)
    (plain,) = mean_estimates(same[0][:, None], seed=0)
    steady = draws_estimate(same, seed=0)
    assert (steady.low, steady.high, steady.deviation) == pytest.approx(
        (plain.low, plain.high, 0.0), abs=1e-4
    )
    unsteady = draws_estimate(
        (rng.random((10, 100)) < np.linspace(0, 1, 10)[:, None]).astype(float), seed=0
    )
    assert unsteady.high - unsteady.low > steady.high - steady.low
    assert set(unsteady.to_dict()) == {"value", "low", "high", "deviation"}


def test_metrics_of_indices_lie_inside_their_interval() -> None:
    labels = np.random.default_rng(0).integers(0, 30, 90)
    (biased,) = index_estimates(
        lambda indices: np.array([len(np.unique(labels[indices])) / 30]), 90, seed=0
    )
    assert biased.low < biased.value <= biased.high <= 100


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = np.random.default_rng(0).random((30, 1))
    assert mean_estimates(scores, seed=5) == mean_estimates(scores, seed=5)
    assert mean_estimates(scores, seed=5) != mean_estimates(scores, seed=6)


def test_an_estimate_without_draws_has_no_deviation() -> None:
    assert Estimate(1.23456, 1.0, 2.0).to_dict() == {"value": 1.235, "low": 1.0, "high": 2.0}
