"""How far a photograph's nearest stand out from the rest: how good features are, without labels.

Axes: N photographs, D features, K neighbours.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.vectors.neighbours import similarities_to_others

COUNT = 20
"""Nearest photographs that should stand out."""
COLLAPSED = 1e-3
"""Length of the centred features, in lengths of the features, at which nothing is left of them."""


class Gain(NamedTuple):
    """A mean difference with its 95 % interval."""

    value: float
    low: float
    high: float


def separation(features_ND: Tensor, count: int = COUNT) -> Tensor:
    """By how many standard deviations the nearest of each photograph stand out from the rest [N].

    With c_ij the cosines of features minus their mean: (mean of the `count` largest c_ij − mean of
    all c_ij) / standard deviation of all c_ij, over the others j of a photograph i. It compares
    encoders on the same photographs. 0 where there are no more others than `count`, or all features
    are alike but for a thousandth of their length.
    """
    features_ND = features_ND.float()
    centred_ND = features_ND - features_ND.mean(dim=0)
    is_collapsed = centred_ND.norm() <= COLLAPSED * features_ND.norm()
    if len(features_ND) < count + 2 or bool(is_collapsed):
        return torch.zeros(len(features_ND))
    units_ND = F.normalize(centred_ND, dim=1)
    blocks = []
    for similarity_BN in similarities_to_others(units_ND):
        others_BN = similarity_BN.sort(dim=1, descending=True).values[:, :-1]  # not itself, -2
        gap_B = others_BN[:, :count].mean(dim=1) - others_BN.mean(dim=1)
        blocks.append(gap_B / others_BN.std(dim=1).clamp_min(1e-6))
    return torch.cat(blocks)


def mean_gain(before_N: Tensor, after_N: Tensor) -> Gain:
    """The mean of after − before over the same photographs.

    The interval is 1.96 standard errors to each side. It is over these photographs alone: another
    sample moves the gain by about twice as much, as its photographs are measured by one another.
    """
    gain_N = (after_N - before_N).double()
    value = float(gain_N.mean())
    error = 1.959964 * float(gain_N.std(correction=0)) / max(1, len(gain_N)) ** 0.5
    return Gain(value, value - error, value + error)
