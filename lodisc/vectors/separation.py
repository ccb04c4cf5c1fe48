"""How far a photograph's nearest stand out from the rest: how good features are, without labels.

Axes: N photographs, D features, K neighbours.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.vectors.neighbours import NEIGHBOURS, similarities_to_others


class Gain(NamedTuple):
    """A mean difference with its 95 % interval."""

    value: float
    low: float
    high: float


def separation(features_ND: Tensor, count: int = NEIGHBOURS) -> Tensor:
    """By how many standard deviations the nearest of each photograph stand out from the rest [N].

    With c_ij the cosines of features minus their mean: (mean of the `count` largest c_ij − mean of
    all c_ij) / standard deviation of all c_ij, over the others j of a photograph i. It compares
    encoders on the same photographs. 0 where there are no more others than `count`, or all are
    alike.
    """
    units_ND = F.normalize(features_ND.float() - features_ND.float().mean(dim=0), dim=1)
    if len(units_ND) < count + 2:
        return torch.zeros(len(units_ND))
    blocks = []
    for similarity_BN in similarities_to_others(units_ND):
        others_BN = similarity_BN.sort(dim=1, descending=True).values[:, :-1]  # not itself, -2
        gap_B = others_BN[:, :count].mean(dim=1) - others_BN.mean(dim=1)
        blocks.append(gap_B / others_BN.std(dim=1).clamp_min(1e-6))
    return torch.cat(blocks)


def mean_gain(before_N: Tensor, after_N: Tensor) -> Gain:
    """The mean of after − before over the same photographs.

    The interval is 1.96 standard errors to each side.
    """
    gain_N = (after_N - before_N).double()
    value = float(gain_N.mean())
    error = 1.959964 * float(gain_N.std(correction=0)) / max(1, len(gain_N)) ** 0.5
    return Gain(value, value - error, value + error)
