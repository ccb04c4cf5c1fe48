"""Nearest neighbours among photographs: mutual ones, smoothing over them, agreement of their lists.

Axes: N photographs, D features, B photographs of a block, K neighbours.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

NEIGHBOURS = 10
TRUSTED = 0.2
"""The least agreement at which neighbours count as of one kind.

Before and after learning, cars have 0.07 and 0.15, where 12 % of mutual neighbours are of one kind;
birds, objects and monkeys 0.32 to 0.83, where 82 to 98 % are. DeiT-Ti at 224 pixels.
"""
LISTS = (10, 30, 100)
"""Lengths of the neighbour lists whose agreement is measured."""
ASKED, COMPARED = 256, 6
"""Photographs that are asked for their neighbours, and neighbours of each that are asked too."""
_BLOCK = 1 << 24  # similarities at a time: 64 MB


def nearest_others(units_ND: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Rows [N, K] of the `count` most similar other photographs, best first, and their cosines.

    `units_ND` have length 1. K is smaller than `count` if there are fewer photographs.
    """
    count = min(count, len(units_ND) - 1)
    rows, cosines = [], []
    for similarity_BN in similarities_to_others(units_ND):
        best = similarity_BN.topk(count, dim=1)
        rows.append(best.indices)
        cosines.append(best.values)
    return torch.cat(rows), torch.cat(cosines)


def similarities_to_others(units_ND: Tensor) -> Iterator[Tensor]:
    """The cosines [B, N] of the photographs, a block at a time; -2 with themselves."""
    for rows_B in torch.arange(len(units_ND)).split(max(1, _BLOCK // max(1, len(units_ND)))):
        similarity_BN = units_ND[rows_B] @ units_ND.T
        similarity_BN[torch.arange(len(rows_B)), rows_B] = -2
        yield similarity_BN


def mutual_neighbours(units_ND: Tensor, count: int = NEIGHBOURS) -> Tensor:
    """The nearest others of each photograph that have it among their own nearest, [N, K].

    -1 stands in the place of those that do not.
    """
    rows_NK, _ = nearest_others(units_ND, count)
    own_N11 = torch.arange(len(rows_NK))[:, None, None]
    is_mutual_NK = (rows_NK[rows_NK] == own_N11).any(dim=2)
    return rows_NK.masked_fill(~is_mutual_NK, -1)


def smoothed(vectors_ND: Tensor, *, count: int = 5, power: float = 3) -> Tensor:
    """Each vector averaged with its `count` nearest, weights cos³; rows of length 1.

    y_i = x_i + Σ_{j ∈ kNN(i)} max(0, x_i·x_j)^power · x_j over the weights' sum, x of length 1.
    """
    units_ND = F.normalize(vectors_ND.float(), dim=1)
    rows_NK, cosines_NK = nearest_others(units_ND, count)
    weights_NK = cosines_NK.clamp_min(0) ** power
    summed_ND = units_ND.clone()
    for rows_N, weights_N in zip(rows_NK.T, weights_NK.T, strict=True):
        summed_ND += weights_N[:, None] * units_ND[rows_N]
    return F.normalize(summed_ND, dim=1)


def agreement(features_ND: Tensor, *, seed: int = 0) -> float:
    """How far neighbours agree about who is near, beyond chance: 0 at chance, 1 at most.

    (o − c) / (1 − c), with o the share of their nearest photographs that two neighbours have in
    common, and c that share in a normal cloud with as many points and the same covariance, which
    has no kinds. The best of lists of 10, 30 and 100, since kinds may be small or large; 0 where
    there are too few photographs for any. It needs no labels.
    """
    generator = torch.Generator().manual_seed(seed)
    units_ND = _centred_units(features_ND.float())
    variances_D, axes_DD = torch.linalg.eigh(units_ND.T @ units_ND)
    noise_ND = torch.randn(units_ND.shape, generator=generator)
    cloud_ND = _centred_units(noise_ND * variances_D.clamp_min(0).sqrt() @ axes_DD.T)
    asked_Q = torch.randperm(len(units_ND), generator=generator)[:ASKED]
    beyond = [0.0]
    for count in LISTS:
        if 3 * count <= len(units_ND):
            share, chance = (_in_common(u_ND, asked_Q, count) for u_ND in (units_ND, cloud_ND))
            beyond.append((share - chance) / (1 - chance) if chance < 1 else 0.0)
    return max(beyond)


def _in_common(units_ND: Tensor, asked_Q: Tensor, count: int) -> float:
    """The share of their `count` nearest that these photographs and their neighbours share."""

    def nearest(rows_R: Tensor) -> Tensor:
        return torch.cat(
            [
                (units_ND[block_B] @ units_ND.T)
                .scatter(1, block_B[:, None], -2)
                .topk(count, dim=1)
                .indices
                for block_B in rows_R.split(max(1, _BLOCK // len(units_ND)))
            ]
        )

    own_QK = nearest(asked_Q)
    is_own_QN = torch.zeros(len(asked_Q), len(units_ND), dtype=torch.bool).scatter(1, own_QK, True)
    places = torch.linspace(0, count - 1, COMPARED).round().long()
    shared = [is_own_QN.gather(1, nearest(own_QK[:, place])).float().mean() for place in places]
    return float(torch.stack(shared).mean())


def _centred_units(features_ND: Tensor) -> Tensor:
    return F.normalize(features_ND - features_ND.mean(dim=0), dim=1)


def overlap(units_ND: Tensor, count: int = NEIGHBOURS) -> Tensor:
    """How far each photograph agrees with its nearest about who is near [N], from 0 to 1.

    Of a photograph and each of its `count` nearest: the share of the `count` nearest that both
    have; 0 for a single photograph. It needs no labels.
    """
    if len(units_ND) < 2:
        return torch.zeros(len(units_ND))
    rows_NK, _ = nearest_others(units_ND, count)
    shared_NK = [
        (rows_NK[neighbour_N][:, :, None] == rows_NK[:, None, :]).any(dim=2).float().mean(dim=1)
        for neighbour_N in rows_NK.T
    ]
    return torch.stack(shared_NK).mean(dim=0)
