"""A linear map of frozen features that brings neighbours together, learnt in seconds.

With it the share of photographs to spare is found, by how far the maps of several shares make
neighbour lists agree, on photographs that they have not learnt from.

Axes: N photographs, D features, B photographs of a step, K neighbours, M others, R all of these.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.method.losses import neighbour_loss
from lodisc.method.neighbours import Neighbourhood, mine
from lodisc.vectors.neighbours import overlap

STEPS, BATCH, RATE, TEMPERATURE = 150, 256, 2e-3, 0.1
SHARES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.2)
MAPS = 2 * len(SHARES)
"""So many are learnt to find the share."""
MOST = 4096
"""So many photographs, drawn at random, are enough to find the share."""


def learn_map(
    neighbourhood: Neighbourhood, *, seed: int, log: Callable[[int, float], None] = lambda *_: None
) -> Tensor:
    """A matrix [D, D] by which the mined vectors are multiplied; it starts as the identity.

    The loss is `losses.neighbour_loss`, with AdamW and a half cosine. `log` takes the number of
    every step, from 1 on, and its loss.
    """
    vectors_ND = neighbourhood.vectors_ND
    generator = torch.Generator().manual_seed(seed)
    map_DD = torch.eye(vectors_ND.shape[1], requires_grad=True)
    optimiser = torch.optim.AdamW([map_DD], lr=RATE, weight_decay=0.01)
    for step in range(STEPS):
        order_N = torch.randperm(len(vectors_ND), generator=generator)
        photos_B, others_M = order_N[:BATCH], order_N[:MOST]
        positives_BK, is_real_BK = neighbourhood.positives(photos_B)
        is_real_BK[:, 0] = False  # a vector is its own at any map
        has_neighbour_B = is_real_BK.any(dim=1)
        if not has_neighbour_B.any():
            continue
        photos_B, positives_BK = photos_B[has_neighbour_B], positives_BK[has_neighbour_B]
        query_BD, positive_BKD, other_MD = _mapped(
            vectors_ND, map_DD, (photos_B, positives_BK, others_M)
        )
        loss = neighbour_loss(
            query_BD,
            positive_BKD,
            other_MD,
            is_positive_BK=is_real_BK[has_neighbour_B],
            is_negative_BM=neighbourhood.negatives(photos_B, others_M),
            temperature=TEMPERATURE,
        )
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 + math.cos(math.pi * step / STEPS)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        log(step + 1, loss.item())
    return map_DD.detach()


def _mapped(vectors_ND: Tensor, map_DD: Tensor, places: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """The vectors at each of the places, mapped, of length 1; each photograph is mapped once."""
    photos_R, rows = torch.cat([part.flatten() for part in places]).unique(return_inverse=True)
    mapped_RD = F.normalize(vectors_ND[photos_R] @ map_DD, dim=-1)
    for part, part_rows in zip(places, rows.split([part.numel() for part in places]), strict=True):
        yield mapped_RD[part_rows.view(part.shape)]


def share_to_spare(
    features_ND: Tensor, *, neighbours: int, seed: int, advance: Callable[[], None] = lambda: None
) -> float:
    """The smallest of `SHARES` whose maps make neighbour lists overlap as well as any; no labels.

    Maps are learnt from each half of the photographs, and the overlap is that of the other half: a
    single half may miss the best. As well as any is within two standard errors of the best.
    `advance` is called `MAPS` times.
    """
    order_N = torch.randperm(len(features_ND), generator=torch.Generator().manual_seed(seed))
    first_H, second_H = order_N[:MOST].chunk(2)
    overlaps_N: dict[float, Tensor] = {}
    for share in SHARES:
        overlaps = []
        for learnt_H, held_out_H in ((first_H, second_H), (second_H, first_H)):
            neighbourhood = mine(features_ND[learnt_H], neighbours=neighbours, spared=share)
            map_DD = learn_map(neighbourhood, seed=seed)
            mapped_HD = (features_ND[held_out_H] - neighbourhood.mean_D) @ map_DD
            overlaps.append(overlap(F.normalize(mapped_HD, dim=1)))
            advance()
        overlaps_N[share] = torch.cat(overlaps)
    best_N = max(overlaps_N.values(), key=lambda overlap_N: float(overlap_N.mean()))
    return min(
        share
        for share, overlap_N in overlaps_N.items()
        if float((best_N - overlap_N).mean()) <= 2 * _standard_error(best_N - overlap_N)
    )


def _standard_error(values_N: Tensor) -> float:
    return float(values_N.std(correction=0)) / len(values_N) ** 0.5
