"""The logistic regression with two sides, held to its formula."""

import math

import numpy as np
import pytest

from lodisc.vectors.binary_logistic import fit_binary, platt_targets


def test_targets_are_those_of_platt() -> None:
    assert platt_targets(3, 8) == pytest.approx((1 / 10, 4 / 5))


@pytest.mark.parametrize("least", [None, 0.0])
def test_no_other_weights_have_a_smaller_loss(least: float | None) -> None:
    rng = np.random.default_rng(0)
    facts, ridge = rng.normal(size=(40, 2)), [0.3, 0.3, 0.0]
    target = np.where(facts[:, 0] - facts[:, 1] + rng.normal(size=40) > 0, 0.9, 0.1)
    weight = rng.uniform(0.5, 2, 40)

    def loss(solution: np.ndarray) -> float:
        value = sum(r / 2 * w * w for r, w in zip(ridge, solution, strict=True))
        for x, t, w in zip(facts, target, weight, strict=True):
            p = 1 / (1 + math.exp(-(x @ solution[:-1] + solution[-1])))
            value -= w * (t * math.log(p) + (1 - t) * math.log(1 - p))
        return float(value)

    solution = fit_binary(facts, target, weight, ridge=ridge, least=least)
    assert (solution[1] < 0) == (least is None), "the second fact speaks against"
    for step in 1e-2 * rng.normal(size=(50, 3)):
        other = solution + step
        if least is not None:
            other[:-1] = np.maximum(other[:-1], least)
        assert loss(other) >= loss(solution) - 1e-9
