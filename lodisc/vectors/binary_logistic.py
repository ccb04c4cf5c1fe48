"""Logistic regression with two sides, whose targets are not certain.

Axes: E examples, F facts about each; the last weight is the bias.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Numbers = NDArray[np.float64]


def platt_targets(positive: float, negative: float) -> tuple[float, float]:
    """The targets of so many negative and positive examples, by Platt (1999).

    1 / (negative + 2) and (positive + 1) / (positive + 2): few examples give no certainty.
    """
    return 1 / (negative + 2), (positive + 1) / (positive + 2)


def fit_binary(
    facts_EF: Numbers,
    target_E: Numbers,
    weight_E: Numbers,
    *,
    ridge: Sequence[float],
    least: float | None = None,
) -> Numbers:
    """Weights and bias [F + 1] that minimise Σ weight · cross-entropy + Σ ridge / 2 · weights².

    `ridge` has a factor for each weight and the bias; no weight but the bias is below `least`.
    """
    design = np.pad(facts_EF, ((0, 0), (0, 1)), constant_values=1)
    ridge_F = np.asarray(ridge)

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        odds_E = design @ weights
        value = weight_E @ (np.logaddexp(0, odds_E) - target_E * odds_E)
        slope = design.T @ (weight_E * (expit(odds_E) - target_E)) + ridge_F * weights
        return float(value + ridge_F @ weights**2 / 2), slope

    bounds = [(least, None)] * facts_EF.shape[1] + [(None, None)]
    start = np.zeros(design.shape[1])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)
