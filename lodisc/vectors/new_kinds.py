"""Which photographs are of a kind that has no label yet, calibrated on kinds left out.

A classifier names every photograph by one of the labelled kinds. Here each photograph gets the
probability that it is of none of them, from how unlike the labelled kinds it is.

Axes: N photographs, L labelled ones, D features, C labelled kinds, S a sample, B a block, F scores,
E examples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from lodisc.vectors.binary_logistic import fit_binary, platt_targets
from lodisc.vectors.logistic import unit

FEWEST_KINDS = 3  # with two labels or more: of fewer, none can be left out
LIKELY = 0.5  # the probability from which on a photograph is likely of a new kind
SAMPLE = 4096  # photographs for the mean, the spread and the crowd
CROWD = 30  # nearest of all photographs that say how close photographs lie around one
SHRINKAGE = 0.1  # of the covariance, towards the same variance in every direction
RIDGE = 1e-4
ROUNDING = 1e-9
TOO_FEW = (
    "Photographs of kinds without a label can't be told yet; "
    f"give {FEWEST_KINDS} kinds two labels each"
)
TOO_MANY = "Photographs of kinds without a label can't be told: there are labels of too many kinds"
_BLOCK = 1 << 24  # similarities at a time: 64 MB


@dataclass(frozen=True, eq=False)
class NewKinds:
    """How likely each of N photographs is of a kind that has no label."""

    probability: NDArray[np.float32] | None
    """[N], calibrated; 0 for a photograph whose label is learnt from. None if there are too few."""
    reason: str | None
    """Why there is no probability, in plain words."""

    @property
    def expected(self) -> float | None:
        """How many photographs are of new kinds, to be expected."""
        return None if self.probability is None else float(self.probability.sum(dtype=np.float64))

    @property
    def likely(self) -> NDArray[np.int64]:
        """The rows that are likely of a new kind, likeliest first."""
        if self.probability is None:
            return np.zeros(0, np.int64)
        rows = np.flatnonzero(self.probability >= LIKELY)
        return rows[np.argsort(-self.probability[rows], kind="stable")]

    def is_likely(self, row: int) -> bool:
        """Whether the photograph in this row is likely of a new kind."""
        return self.probability is not None and bool(self.probability[row] >= LIKELY)


@dataclass(frozen=True, eq=False)
class _Likeness:
    """Scores of how like the labelled kinds a photograph is, each the more the likelier."""

    all_NF: NDArray[np.float64]
    known_LF: NDArray[np.float64]
    """Of the labelled ones, when their own label is left out."""
    new_LF: NDArray[np.float64]
    """Of the labelled ones, when all labels of their kind are left out."""


def find_new_kinds(
    vectors_ND: NDArray[Any],
    rows_L: NDArray[np.int64],
    targets_N: NDArray[np.int64],
    *,
    kinds: int,
    seed: int = 0,
) -> NewKinds:
    """How likely each photograph is of a new kind, learnt from the labelled rows `rows_L`.

    `targets_N` are the kinds, -1 for what is not learnt from: photographs without a label, and
    those whose label is an accepted name. The share of new kinds is that of both, as `share_of_new`
    estimates it.
    """
    odds_N = new_kind_odds(
        torch.from_numpy(vectors_ND),
        torch.from_numpy(rows_L),
        torch.from_numpy(targets_N[rows_L]),
        kinds=kinds,
        seed=seed,
    )
    if odds_N is None:
        labels_C = np.bincount(targets_N[targets_N >= 0], minlength=kinds)
        return NewKinds(None, TOO_FEW if (labels_C > 1).sum() < FEWEST_KINDS else TOO_MANY)
    is_new_N = np.zeros(len(targets_N), np.float32)
    is_free_N = targets_N < 0
    odds = odds_N[is_free_N]
    is_new_N[is_free_N] = probability(odds, share_of_new(odds))
    return NewKinds(is_new_N, None)


def new_kind_odds(
    vectors_ND: Tensor, rows_L: Tensor, targets_L: Tensor, *, kinds: int, seed: int = 0
) -> NDArray[np.float64] | None:
    """Log of p(scores | a new kind) / p(scores | a labelled kind) [N] of every photograph.

    Each labelled photograph is an example of both: of a labelled kind when its own label is left
    out, and of a new kind when all labels of its kind are. A logistic regression on three scores
    tells these apart, with both sides of equal weight:

    - the largest cosine to the mean of a kind, of vectors minus their mean;
    - the same of vectors whitened by the covariance of all photographs;
    - the mean cosine to the `CROWD` nearest of all photographs: where they lie dense, a photograph
      of a labelled kind is nearer to it.

    `targets_L` are the kinds of the rows `rows_L`. None with fewer than `FEWEST_KINDS` kinds of two
    labels.
    """
    counts_C = torch.bincount(targets_L, minlength=kinds)
    if int((counts_C > 1).sum()) < FEWEST_KINDS:
        return None
    likeness = _measure(vectors_ND, rows_L, targets_L, kinds=kinds, seed=seed)
    has_other_L = (counts_C[targets_L] > 1).numpy()
    return _log_ratio(
        likeness.all_NF, known_EF=likeness.known_LF[has_other_L], new_EF=likeness.new_LF
    )


def share_of_new(odds_N: NDArray[np.float64]) -> float:
    """The share of new kinds among photographs with these log ratios, without any label.

    The likeliest one, which maximises Σ log(share · exp(odds) + 1 − share): what the iterations of
    Saerens, Latinne and Decaestecker 2002 converge to. It is 0 where nothing speaks for new kinds.
    """
    if not len(odds_N):
        return 0.0

    def loss(share: float) -> float:
        return -float(np.logaddexp(np.log(share) + odds_N, np.log1p(-share)).sum())

    most = (len(odds_N) + 1) / (len(odds_N) + 2)
    share = float(minimize_scalar(loss, bounds=(0, most), method="bounded").x)
    return share if loss(share) < -ROUNDING else 0.0


def probability(odds_N: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """The probability of a new kind [N], with this share of them among the photographs."""
    if not share:
        return np.zeros_like(odds_N)
    return np.asarray(expit(odds_N + np.log(share) - np.log1p(-share)))


def _measure(
    vectors_ND: Tensor, rows_L: Tensor, targets_L: Tensor, *, kinds: int, seed: int
) -> _Likeness:
    sample_S = _sample(len(vectors_ND), seed=seed)
    sample_SD = unit(vectors_ND[sample_S])
    mean_D = sample_SD.mean(dim=0)
    whitening_DD = _whitening(sample_SD - mean_D)
    dim = vectors_ND.shape[1]
    scores_NF = torch.empty(len(vectors_ND), 3)
    known_LF, new_LF = torch.empty(len(rows_L), 3), torch.empty(len(rows_L), 3)
    for score, map_DD in enumerate((torch.eye(dim), whitening_DD)):
        labelled_LD = F.normalize((unit(vectors_ND[rows_L]) - mean_D) @ map_DD, dim=1)
        sums_CD = torch.zeros(kinds, dim).index_add_(0, targets_L, labelled_LD)
        means_CD = F.normalize(sums_CD, dim=1)
        for rows_B in _blocks(len(vectors_ND), max(kinds, 8 * dim)):
            block_BD = F.normalize((unit(vectors_ND[rows_B]) - mean_D) @ map_DD, dim=1)
            scores_NF[rows_B, score] = (block_BD @ means_CD.T).amax(dim=1)
        without_LD = F.normalize(sums_CD[targets_L] - labelled_LD, dim=1)
        own_L = (labelled_LD * without_LD).sum(dim=1)
        for rows_B in _blocks(len(rows_L), kinds):
            others_BC = labelled_LD[rows_B] @ means_CD.T
            others_BC[torch.arange(len(rows_B)), targets_L[rows_B]] = -1
            new_LF[rows_B, score] = others_BC.amax(dim=1)
        known_LF[:, score] = torch.maximum(own_L, new_LF[:, score])
    crowd_N = _crowd(vectors_ND, sample_S, mean_D)
    scores_NF[:, 2] = crowd_N
    known_LF[:, 2] = new_LF[:, 2] = crowd_N[rows_L]
    return _Likeness(*(scores.double().numpy() for scores in (scores_NF, known_LF, new_LF)))


def _sample(count: int, *, seed: int) -> Tensor:
    """At most `SAMPLE` rows, drawn at random, in order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator)[:SAMPLE].sort().values


def _blocks(count: int, width: int) -> Iterator[Tensor]:
    """Rows to compare with `width` others at a time."""
    yield from torch.arange(count).split(max(1, _BLOCK // max(1, width)))


def _whitening(centred_SD: Tensor) -> Tensor:
    """The map [D, D] to equal variances; zero where there is no variance at all."""
    covariance_DD = (centred_SD.T @ centred_SD / len(centred_SD)).double()
    variance_D, axes_DD = torch.linalg.eigh(covariance_DD)
    shrunk_D = (1 - SHRINKAGE) * variance_D.clamp_min(0) + SHRINKAGE * variance_D.mean()
    factor_D = torch.where(shrunk_D > 1e-12, shrunk_D, torch.inf).rsqrt()
    return (axes_DD * factor_D).float()


def _crowd(vectors_ND: Tensor, sample_S: Tensor, mean_D: Tensor) -> Tensor:
    """The mean cosine [N] to the nearest `CROWD` other photographs, sought in the sample.

    Of a sample of the n-th part, to the nearest n-th part of them.
    """
    count, others = len(vectors_ND), len(sample_S) - 1
    if others < 1:
        return torch.zeros(count)
    nearest = min(others, max(1, round(CROWD * len(sample_S) / count)))
    sample_SD = F.normalize(unit(vectors_ND[sample_S]) - mean_D, dim=1)
    place_N = torch.full((count,), -1)
    place_N[sample_S] = torch.arange(len(sample_S))
    crowd_N = torch.empty(count)
    for rows_B in _blocks(count, len(sample_S)):
        block_BD = F.normalize(unit(vectors_ND[rows_B]) - mean_D, dim=1)
        cosines_BS = block_BD @ sample_SD.T
        inside_B = (place_N[rows_B] >= 0).nonzero().flatten()
        cosines_BS[inside_B, place_N[rows_B][inside_B]] = -2
        crowd_N[rows_B] = cosines_BS.topk(nearest, dim=1).values.mean(dim=1)
    return crowd_N


def _log_ratio(
    scores_NF: NDArray[np.float64],
    *,
    known_EF: NDArray[np.float64],
    new_EF: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The log odds [N] of a logistic regression that tells the examples apart.

    Both sides weigh the same, so that the odds are a ratio of likelihoods. Targets are Platt's.
    """
    examples_EF = np.concatenate([known_EF, new_EF])
    mean_F, deviation_F = examples_EF.mean(axis=0), examples_EF.std(axis=0)
    factor_F = np.divide(1, deviation_F, where=deviation_F > 1e-6, out=np.zeros_like(deviation_F))
    sizes = (len(known_EF), len(new_EF))
    weights = fit_binary(
        (examples_EF - mean_F) * factor_F,
        np.repeat(platt_targets(sizes[1], sizes[0]), sizes),
        np.repeat([0.5 / sizes[0], 0.5 / sizes[1]], sizes),
        ridge=[2 * RIDGE] * (len(mean_F) + 1),
    )
    return np.asarray((scores_NF - mean_F) * factor_F @ weights[:-1] + weights[-1])
