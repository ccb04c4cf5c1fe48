"""A classifier on vectors: it learns from a few labels and predicts the others, with confidences.

Axes: N photographs, L labelled ones to learn from, D features, C classes, K the likeliest of them,
S strengths, B a block.
"""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional as F

from lodisc.errors import UserError
from lodisc.vectors.active_learning import propose
from lodisc.vectors.logistic import WITHOUT_VALIDATION, centred, fit_path, unit
from lodisc.vectors.new_kinds import ROUNDING, TOO_FEW, NewKinds, find_new_kinds

# Stronger ones make a nearest-mean classifier, which is worse and more confident when it is wrong
STRENGTHS = (1e-3, 1e-4, 1e-5)
FOLDS = 5
ENOUGH = 1000  # held-out photographs to choose the strength by
MOST_LABELS = 5000  # to learn from, so that any number of labels takes seconds
_BLOCK_ROWS = 8192
LIKELIEST = 5  # classes that a photograph may be of
FEW = 5  # kinds to name in a sentence
UNCOUNTED = "; accepted names do not count"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Percentage of held-out labelled photographs predicted correctly, with a 95 % interval.

    The interval is Wilson's; `n` is the number of photographs.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the classifier predicts for N photographs.

    With fewer than two classes every label is None and every confidence 0. A labelled photograph
    is predicted by a classifier that was not given its label, if its class has another member:
    a prediction that differs from the label then casts doubt on the label.
    """

    classes: list[str]
    labels: list[str | None]
    """The predicted label of each photograph."""
    confidence: NDArray[np.float32]
    """[N], in 0..1: of the predictions with confidence p about the share p is correct.

    It is the probability of the label among the labelled kinds, times that of being of one of them;
    of an accepted name as if it were none.
    """
    likeliest: NDArray[np.int64]
    """[N, K], the likeliest classes by their number, likeliest first: the first is the label."""
    likeliest_confidence: NDArray[np.float32]
    """[N, K], the confidence in each of them."""
    accuracy: Accuracy | None
    """For photographs like the labelled ones.

    It is low while classes have two or three labels, as one of them is always held out.
    """
    reason: str | None
    """Why there is no accuracy, or which classes it does not cover, in plain words."""
    proposals: list[int]
    """Rows to label next, best first."""
    fold_N: NDArray[np.int64]
    """The fold in which each photograph was held out; `FOLDS` if it never was, -1 if the classifier
    did not learn from it."""
    new_kinds: NewKinds

    @property
    def closeness(self) -> NDArray[np.float32] | None:
        """[N], how close the two likeliest classes are, in 0..1; None with fewer than two."""
        return _closeness(self.likeliest_confidence) if len(self.classes) > 1 else None

    def suggestions(self, row: int) -> list[tuple[str, float]]:
        """The likeliest labels of a photograph, likeliest first, and the confidence in each."""
        pairs = zip(self.likeliest[row], self.likeliest_confidence[row], strict=True)
        return [
            (self.classes[index], float(confidence)) for index, confidence in pairs if confidence
        ]

    def without(self, rejected: Mapping[int, Container[str]]) -> "Predictions":
        """The same, given that the photographs in these rows have none of these labels.

        The other labels are as likely as they are given that. A photograph has no label where all
        of the likeliest are rejected.
        """
        if not rejected or not self.likeliest.shape[1]:
            return self
        labels, likeliest_NK = [*self.labels], self.likeliest.copy()
        share_NK, new_kind_N = self.likeliest_confidence.copy(), self.new_kinds.probability
        new_kind_N = None if new_kind_N is None else new_kind_N.copy()
        for row, names in rejected.items():
            is_rejected_K = np.array([self.classes[index] in names for index in likeliest_NK[row]])
            _reject(row, is_rejected_K, likeliest_NK, share_NK, new_kind_N)
            labels[row] = None if is_rejected_K.all() else self.classes[likeliest_NK[row, 0]]
        return replace(
            self,
            labels=labels,
            confidence=share_NK[:, 0],
            likeliest=likeliest_NK,
            likeliest_confidence=share_NK,
            new_kinds=NewKinds(new_kind_N, self.new_kinds.reason),
        )


def predict_labels(
    vectors_ND: NDArray[Any],
    labels: Sequence[str | None],
    *,
    accepted_N: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Predictions:
    """Predict the label of every photograph by logistic regression on features of length 1.

    Strength and temperature are those with the lowest cross-entropy in a stratified
    cross-validation over five folds of the labelled photographs. Nothing is learnt from labels that
    are accepted names, `accepted_N`: they are the classifier's own words, and would confirm it
    whatever the truth. Raises `UserError` for vectors that are not finite, and if there are not as
    many labels as vectors.
    """
    _require_sound(vectors_ND, labels)
    is_labelled_N = np.array([label is not None for label in labels], dtype=np.bool_)
    is_given_N = is_labelled_N if accepted_N is None else is_labelled_N & ~accepted_N
    given = [
        label if is_given else None for label, is_given in zip(labels, is_given_N, strict=True)
    ]
    classes = sorted({label for label in given if label is not None})
    number = {label: index for index, label in enumerate(classes)}
    targets_N = np.array([-1 if label is None else number[label] for label in given], np.int64)
    note = UNCOUNTED if (is_labelled_N & ~is_given_N).any() else ""
    if len(classes) < 2:
        return Predictions(
            classes,
            [None] * len(labels),
            confidence=np.zeros(len(labels), np.float32),
            likeliest=np.zeros((len(labels), 0), np.int64),
            likeliest_confidence=np.zeros((len(labels), 0), np.float32),
            accuracy=None,
            reason=_too_few_classes(classes) + note,
            proposals=propose(vectors_ND, is_labelled_N, seed=seed),
            fold_N=np.full(len(labels), -1),
            new_kinds=NewKinds(None, TOO_FEW + note),
        )
    likeliest_NK, share_NK, accuracy, fold_N = _predict(vectors_ND, targets_N, classes, seed=seed)
    new_kinds = find_new_kinds(
        vectors_ND, np.flatnonzero(fold_N >= 0), targets_N, kinds=len(classes), seed=seed
    )
    if new_kinds.probability is not None:
        share_NK = share_NK * (1 - new_kinds.probability[:, None])
        told_N = np.where(is_labelled_N, np.float32(0), new_kinds.probability)
        new_kinds = NewKinds(told_N, None)
    elif new_kinds.reason == TOO_FEW:
        new_kinds = NewKinds(None, TOO_FEW + note)
    unmeasured = _unmeasured_classes(classes, targets_N)
    return Predictions(
        classes,
        [classes[index] for index in likeliest_NK[:, 0]],
        share_NK[:, 0],
        likeliest_NK,
        share_NK,
        accuracy,
        unmeasured and unmeasured + note,
        propose(vectors_ND, is_labelled_N, doubt_N=_closeness(share_NK), seed=seed),
        fold_N,
        new_kinds,
    )


def _closeness(share_NK: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(1) - (share_NK[:, 0] - share_NK[:, 1])


def _reject(
    row: int,
    is_rejected_K: NDArray[np.bool_],
    likeliest_NK: NDArray[np.int64],
    share_NK: NDArray[np.float32],
    new_kind_N: NDArray[np.float32] | None,
) -> None:
    """Condition a row on being none of these classes, which come last, with a share of 0."""
    rest = max(ROUNDING, 1 - float(share_NK[row, is_rejected_K].sum()))
    order = np.argsort(is_rejected_K, kind="stable")
    share_NK[row] = np.where(is_rejected_K, 0, np.minimum(1, share_NK[row] / rest))[order]
    likeliest_NK[row] = likeliest_NK[row, order]
    if new_kind_N is not None:
        new_kind_N[row] = min(1, new_kind_N[row] / rest)


def _predict(
    vectors_ND: NDArray[Any], targets_N: NDArray[np.int64], classes: Sequence[str], *, seed: int
) -> tuple[
    NDArray[np.int64],
    NDArray[np.float32],
    Accuracy | None,
    NDArray[np.int64],
]:
    """The likeliest classes and their shares [N, K], the accuracy, and the folds [N]."""
    rows_L = _training_rows(targets_N, seed=seed)
    vectors_LD = unit(torch.from_numpy(vectors_ND[rows_L]))
    targets_L = torch.from_numpy(targets_N[rows_L])
    folds_L = _divide(targets_L, seed=seed)
    measured_L, count = folds_L >= 0, int((folds_L >= 0).sum())
    strength, outside_LC = _cross_validate(vectors_LD, targets_L, folds_L, classes=len(classes))
    inside_LD, _ = centred(vectors_LD, vectors_LD[:0])
    ((_, weights_DC, bias_C),) = fit_path(
        inside_LD, targets_L, classes=len(classes), strengths=[strength]
    )
    scores_LC = torch.where(measured_L[:, None], outside_LC, inside_LD @ weights_DC + bias_C)
    judged_L = measured_L if count else ~measured_L
    scale, _ = _scale_and_loss(scores_LC[judged_L], targets_L[judged_L], measured=count)

    likeliest_NK, share_NK = _predict_in_blocks(
        vectors_ND, vectors_LD, scale * weights_DC, scale * bias_C
    )
    likeliest_NK[rows_L], share_NK[rows_L] = _likeliest(scale * scores_LC)
    hits = int((likeliest_NK[:, 0] == targets_N)[rows_L][measured_L.numpy()].sum())
    fold_N = np.full(len(targets_N), -1)
    fold_N[rows_L] = torch.where(measured_L, folds_L, FOLDS).numpy()
    return likeliest_NK, share_NK, _accuracy(hits, count), fold_N


def _require_sound(vectors_ND: NDArray[Any], labels: Sequence[str | None]) -> None:
    if vectors_ND.ndim != 2 or len(vectors_ND) != len(labels):
        raise UserError(
            f"vectors of shape {vectors_ND.shape} and {len(labels)} labels do not belong together"
        )
    for start in range(0, len(vectors_ND), _BLOCK_ROWS):
        sound_B = np.isfinite(vectors_ND[start : start + _BLOCK_ROWS]).all(axis=1)
        if not sound_B.all():
            row = start + int(sound_B.argmin())
            raise UserError(f"the vector in row {row} is not finite; embed that photograph again")


def _training_rows(targets_N: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """The labelled rows, at most `MOST_LABELS`, drawn at random and evenly from the classes.

    A class gets its n-th row only after every class that has so many got one.
    """
    rows = np.flatnonzero(targets_N >= 0)
    if len(rows) <= MOST_LABELS:
        return rows
    rows = np.random.default_rng((seed, len(rows))).permutation(rows)
    rank = np.empty(len(rows), np.int64)  # within its class
    for label in np.unique(targets_N[rows]):
        members = np.flatnonzero(targets_N[rows] == label)
        rank[members] = np.arange(len(members))
    return np.sort(rows[np.argsort(rank, kind="stable")[:MOST_LABELS]])


def _divide(targets_L: Tensor, *, seed: int) -> Tensor:
    """The fold of each labelled photograph, -1 if it is the only one of its class.

    Every class is dealt out beginning with the first fold: if all have two labels, two folds hold
    one of each, and a class is never at a disadvantage because only its label was held out.
    """
    rng = np.random.default_rng((seed, len(targets_L)))
    folds_L = torch.full((len(targets_L),), -1)
    for label in targets_L.unique():
        members = (targets_L == label).nonzero().flatten().numpy()
        if len(members) > 1:
            folds_L[torch.from_numpy(rng.permutation(members))] = torch.arange(len(members)) % FOLDS
    return folds_L


def _cross_validate(
    vectors_LD: Tensor, targets_L: Tensor, folds_L: Tensor, *, classes: int
) -> tuple[float, Tensor]:
    """The strength with the lowest loss, and the held-out class scores [L, C] with it.

    The scores of a photograph come from the classifier without its fold; they are zero for a
    photograph in no fold.
    """
    measured = int((folds_L >= 0).sum())
    if not measured:
        return WITHOUT_VALIDATION, torch.zeros(len(targets_L), classes)
    folds = int(folds_L.max()) + 1
    to_choose = min(folds, math.ceil(folds * ENOUGH / measured))
    scores_SLC = torch.zeros(len(STRENGTHS), len(targets_L), classes)
    for fold in range(to_choose):
        held_L = folds_L == fold
        scores_SLC[:, held_L] = _scores_without(
            held_L, vectors_LD, targets_L, classes=classes, strengths=STRENGTHS
        )
    scored_L = (folds_L >= 0) & (folds_L < to_choose)
    losses = [
        _scale_and_loss(scores_LC[scored_L], targets_L[scored_L], measured=measured)[1]
        for scores_LC in scores_SLC
    ]
    best = int(np.argmin(losses))
    for fold in range(to_choose, folds):
        held_L = folds_L == fold
        scores_SLC[best, held_L] = _scores_without(
            held_L, vectors_LD, targets_L, classes=classes, strengths=STRENGTHS[best : best + 1]
        )[0]
    return STRENGTHS[best], scores_SLC[best]


def _scores_without(
    held_L: Tensor,
    vectors_LD: Tensor,
    targets_L: Tensor,
    *,
    classes: int,
    strengths: Sequence[float],
) -> Tensor:
    """Scores [S, held, C] of the photographs `held_L` by classifiers trained on the others."""
    train_LD, held_LD = centred(vectors_LD[~held_L], vectors_LD[held_L])
    fits = fit_path(train_LD, targets_L[~held_L], classes=classes, strengths=strengths)
    return torch.stack([held_LD @ weights_DC + bias_C for _, weights_DC, bias_C in fits])


def _scale_and_loss(scores_LC: Tensor, targets_L: Tensor, *, measured: int) -> tuple[float, float]:
    """The factor (one over the temperature) with the lowest cross-entropy, and that entropy.

    By Laplace's rule of succession one answer in `measured + 2` may be wrong even if all were
    right. Targets are smoothed by that, so that a few lucky answers do not give certainty.
    """
    smoothing = 1 / (measured + 2)

    def loss(log_scale: float) -> float:
        scaled_LC = math.exp(log_scale) * scores_LC.double()
        return float(F.cross_entropy(scaled_LC, targets_L, label_smoothing=smoothing))

    minimum = minimize_scalar(loss, bounds=(-9.0, 9.0), method="bounded")
    return math.exp(minimum.x), float(minimum.fun)


def _predict_in_blocks(
    vectors_ND: NDArray[Any], train_LD: Tensor, weights_DC: Tensor, bias_C: Tensor
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The likeliest classes and their shares [N, K]."""
    blocks = []
    for start in range(0, len(vectors_ND), _BLOCK_ROWS):
        block_BD = torch.from_numpy(vectors_ND[start : start + _BLOCK_ROWS])
        blocks.append(_likeliest(centred(train_LD, block_BD)[1] @ weights_DC + bias_C))
    likeliest_NK, share_NK = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return likeliest_NK, share_NK


def _likeliest(scores_BC: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The K likeliest classes, likeliest first, and their shares [B, K].

    Ties for the first place go to the first class.
    """
    share_BC = scores_BC.softmax(dim=1)
    best_B1 = share_BC.argmax(dim=1, keepdim=True)
    others_BC = share_BC.scatter(1, best_B1, -1.0)
    _, other_BK = others_BC.topk(min(LIKELIEST, share_BC.shape[1]) - 1, dim=1)
    likeliest_BK = torch.cat([best_B1, other_BK], dim=1)
    return likeliest_BK.numpy(), share_BC.gather(1, likeliest_BK).numpy()


def _accuracy(hits: int, measured: int) -> Accuracy | None:
    """Wilson's interval, which is sound for few photographs and when all are right."""
    if not measured:
        return None
    share, z = hits / measured, 1.959964
    middle = (share + z * z / (2 * measured)) / (1 + z * z / measured)
    half = (
        z
        / (1 + z * z / measured)
        * math.sqrt(share * (1 - share) / measured + (z / (2 * measured)) ** 2)
    )
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Accuracy(100 * share, 100 * low, 100 * high, measured)


def _too_few_classes(classes: Sequence[str]) -> str:
    if not classes:
        return "No person has given a label yet; give labels of two kinds, and the rest get a name"
    return (
        f"All labels are “{classes[0]}”; "
        "label a photograph of a second kind, and the others get a name"
    )


def _unmeasured_classes(classes: Sequence[str], targets_N: NDArray[np.int64]) -> str | None:
    counts_C = np.bincount(targets_N[targets_N >= 0], minlength=len(classes))
    single = [label for label, count in zip(classes, counts_C, strict=True) if count == 1]
    if not single:
        return None
    if len(single) == len(classes):
        return (
            "Label at least two photographs of each kind to measure accuracy; "
            "until then confidence is a guess"
        )
    examples = ", ".join(f"“{label}”" for label in single[:FEW])
    more = " …" if len(single) > FEW else ""
    kinds = "1 kind has" if len(single) == 1 else f"{len(single)} kinds have"
    return f"{kinds} one label only and can't be measured: {examples}{more}; give each a second one"
