"""Which photographs to label next: those whose labels would teach the classifier most.

Axes: N photographs, C candidates, S a sample of them, D features, B a block.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lodisc.vectors.logistic import unit

MOST_CANDIDATES = 16_384  # of a larger collection, a sample is as good
SAMPLE = 1024
NEIGHBOURS = 5
LEAST = 1e-6  # doubt and distance, so that copies of labelled photographs come last, not never
_BLOCK_ROWS = 4096


def propose(
    vectors_ND: NDArray[Any],
    labelled_N: NDArray[np.bool_],
    *,
    doubt_N: NDArray[np.float32] | None = None,
    allowed_N: NDArray[np.bool_] | None = None,
    count: int = 24,
    seed: int = 0,
) -> list[int]:
    """Unlabelled rows to label next, best first: doubtful, typical, and unlike the earlier ones.

    Each is the one with the largest `doubt · typicality · (1 - likeness)`. Typicality is the share
    of photographs whose five nearest in a sample are less like them; likeness is the highest
    cosine to a photograph that is labelled or already proposed. `doubt_N` in 0..1 is 1 if it is
    not given (there is no classifier yet): the proposals are then typical photographs of regions
    far from each other. With `allowed_N`, no other row is proposed.
    """
    rng = np.random.default_rng((seed, len(labelled_N)))
    candidate_N = ~labelled_N if allowed_N is None else ~labelled_N & allowed_N
    rows_C = _sample(np.flatnonzero(candidate_N), MOST_CANDIDATES, rng)
    if len(rows_C) == 0:
        return []
    vectors_CD = unit(torch.from_numpy(vectors_ND[rows_C]))
    worth_C = _typicality(vectors_CD, rng)
    if doubt_N is not None:
        worth_C *= torch.from_numpy(doubt_N[rows_C]).clamp(min=LEAST)
    labelled_LD = unit(
        torch.from_numpy(vectors_ND[_sample(np.flatnonzero(labelled_N), SAMPLE, rng)])
    )
    likeness_C = (
        torch.cat([(block @ labelled_LD.T).amax(1) for block in vectors_CD.split(_BLOCK_ROWS)])
        if len(labelled_LD)
        else torch.zeros(1)
    )
    likeness_C = likeness_C.expand(len(rows_C)).clone()
    proposals: list[int] = []
    for _ in range(min(count, len(rows_C))):
        best = int((worth_C * (1 - likeness_C).clamp(min=LEAST)).argmax())
        proposals.append(best)
        worth_C[best] = -1.0
        likeness_C = torch.maximum(likeness_C, vectors_CD @ vectors_CD[best])
    return [int(row) for row in rows_C[proposals]]


def _typicality(vectors_CD: Tensor, rng: np.random.Generator) -> Tensor:
    """For each candidate [C], the share of candidates whose nearest are at most as like them.

    The nearest are sought in a sample.
    """
    sample_S = torch.from_numpy(_sample(np.arange(len(vectors_CD)), SAMPLE, rng))
    nearest = min(NEIGHBOURS, len(sample_S) - 1)
    if nearest == 0:
        return torch.ones(len(vectors_CD))
    itself_C = torch.full((len(vectors_CD),), -1)
    itself_C[sample_S] = torch.arange(len(sample_S))
    density = []
    for block_BD, itself_B in zip(
        vectors_CD.split(_BLOCK_ROWS), itself_C.split(_BLOCK_ROWS), strict=True
    ):
        likeness_BS = block_BD @ vectors_CD[sample_S].T
        inside_B = (itself_B >= 0).nonzero().flatten()
        likeness_BS[inside_B, itself_B[inside_B]] = -torch.inf
        density.append(likeness_BS.topk(nearest, dim=1).values.mean(1))
    order_C = torch.cat(density).argsort(stable=True)
    typicality_C = torch.empty(len(vectors_CD))
    typicality_C[order_C] = torch.arange(1, len(vectors_CD) + 1) / len(vectors_CD)
    return typicality_C


def _sample(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most `most` of the rows, drawn at random, in order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))
