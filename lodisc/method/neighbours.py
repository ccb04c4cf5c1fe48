"""Which other photographs count as of a photograph's kind, mined without labels from its vectors.

Mutual nearest neighbours are positives. The share of the others that is most like a photograph is
spared: it is neither a positive nor a negative, since many of its own kind are in it.

Axes: N photographs, D features, B photographs of a batch, K neighbours, M other photographs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lodisc.vectors.neighbours import mutual_neighbours, similarities_to_others, smoothed

MOST = 16384
"""So many photographs, drawn at random, tell from which cosine on others are spared."""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The mined neighbours of N photographs, by their positions."""

    vectors_ND: Tensor
    """The vectors that were mined: centred, of unit length."""
    mean_D: Tensor
    """The mean feature, which was subtracted."""
    smooth_ND: Tensor
    """These vectors smoothed: by them photographs are more or less alike."""
    mutual_NK: Tensor
    """The mutual nearest neighbours; -1 fills a row that has fewer."""
    spared_from_N: Tensor
    """The cosine of smoothed vectors from which on another photograph is spared."""

    def __len__(self) -> int:
        return len(self.vectors_ND)

    def to(self, device: torch.device) -> "Neighbourhood":
        return Neighbourhood(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def positives(self, photos_B: Tensor) -> tuple[Tensor, Tensor]:
        """The photographs and their neighbours [B, 1 + K], and which of these are real."""
        positives_BK = torch.cat([photos_B[:, None], self.mutual_NK[photos_B]], dim=1)
        return positives_BK.clamp_min(0), positives_BK >= 0

    def negatives(self, photos_B: Tensor, others_M: Tensor) -> Tensor:
        """Which of the others are negatives [B, M]: not itself, not a neighbour, not spared."""
        similarity_BM = self.smooth_ND[photos_B] @ self.smooth_ND[others_M].T
        positives_BK, is_real_BK = self.positives(photos_B)
        place_N = torch.full((len(self),), len(others_M), device=others_M.device)
        place_N[others_M] = torch.arange(len(others_M), device=others_M.device)
        place_BK = place_N[positives_BK].masked_fill(~is_real_BK, len(others_M))
        is_positive_BM = F.pad(torch.zeros_like(similarity_BM), (0, 1)).scatter(1, place_BK, 1)
        return (similarity_BM < self.spared_from_N[photos_B, None]) & ~is_positive_BM[:, :-1].bool()


def mine(
    features_ND: Tensor, *, neighbours: int, spared: float, centred: bool = True
) -> Neighbourhood:
    """Mine features of the untouched start, in fp32.

    `neighbours`: how many nearest must name each other. `spared`: the share of all photographs,
    from 0 to 1, that is spared as most alike; of more than `MOST` it is estimated. Cosines are of
    features minus their mean, if `centred`.
    """
    mean_D = features_ND.mean(dim=0) if centred else torch.zeros(features_ND.shape[1])
    vectors_ND = F.normalize(features_ND - mean_D, dim=1)
    smooth_ND = smoothed(vectors_ND)
    drawn_M = torch.randperm(len(vectors_ND), generator=torch.Generator().manual_seed(0))[:MOST]
    count = min(round(spared * len(drawn_M)), len(drawn_M) - 1)
    spared_from_N = torch.full((len(vectors_ND),), 2.0)
    if count:
        # Halfway between the last that is spared and the next: batches of other sizes round cosines
        # otherwise.
        edges = [
            block_BN[:, drawn_M].topk(count + 1, dim=1).values[:, -2:].mean(dim=1)
            for block_BN in similarities_to_others(smooth_ND)
        ]
        spared_from_N = torch.cat(edges)
    return Neighbourhood(
        vectors_ND=vectors_ND,
        mean_D=mean_D,
        smooth_ND=smooth_ND,
        mutual_NK=mutual_neighbours(smooth_ND, neighbours),
        spared_from_N=spared_from_N,
    )
