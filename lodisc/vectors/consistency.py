"""How consistent neighbours are between two views: how good features are, told without labels.

Axes: N photographs, D features, K neighbours.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.vectors.neighbours import NEIGHBOURS, nearest_others


class Gain(NamedTuple):
    """A mean difference with its 95 % interval."""

    value: float
    low: float
    high: float


def consistency(first_ND: Tensor, second_ND: Tensor, count: int = NEIGHBOURS) -> Tensor:
    """The share of its nearest that each photograph keeps in another view [N], from 0 to 1.

    `first_ND` and `second_ND` are features of the same photographs, each in another random view.
    The `count` nearest others are found among the first views and among the second ones; the share
    is of those found by both. It is about `count` / (N − 1) by chance; 0 for a single photograph.
    """
    count = min(count, len(first_ND) - 1)
    if count < 1:
        return torch.zeros(len(first_ND))
    first_NK, second_NK = (
        nearest_others(F.normalize(features_ND.float(), dim=1), count)[0]
        for features_ND in (first_ND, second_ND)
    )
    return (first_NK[:, :, None] == second_NK[:, None, :]).any(dim=2).float().mean(dim=1)


def mean_gain(before_N: Tensor, after_N: Tensor) -> Gain:
    """The mean of after − before over the same photographs.

    The interval is 1.96 standard errors to each side.
    """
    gain_N = (after_N - before_N).double()
    value = float(gain_N.mean())
    error = 1.959964 * float(gain_N.std(correction=0)) / max(1, len(gain_N)) ** 0.5
    return Gain(value, value - error, value + error)
