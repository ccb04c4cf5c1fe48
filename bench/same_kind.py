"""Whether the probability of the same kind beside a look-alike is right: calibration and loss.

    python bench/same_kind.py RUN DATA [--draws 3]

DATA has a sub-folder for each kind, perhaps in train/ and test/; all its photographs are one
collection. Labels are given to all kinds, to half of them, or to as many photographs at random.
Then the probabilities beside the ten look-alikes of unlabelled photographs are compared with the
truth. Three simpler ways stand beside: isotonic regression on the cosines of pairs of labelled
photographs: those that are shown, each with its ten nearest labelled ones, and all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from lodisc.console import table
from lodisc.data.sources import find_photos
from lodisc.photo_encoder import load, load_start
from lodisc.vectors.nearest import nearest, unit_rows
from lodisc.vectors.same_kind import learn_same_kind

SHOWN, QUERIES = 10, 300
MOST_PAIRS = 100_000  # of all pairs of labelled photographs
LABELS = (2, 5, 10)
SCHEMES = ("all kinds", "half of the kinds", "at random")
TABLE = 5  # labels a kind of the reliability table
BINS = 10
WAYS = ("lodisc", "shown pairs, cosine", "nearest labelled, cosine", "all pairs, cosine")

Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass
class Settings:
    run: tyro.conf.Positional[Path]
    data: tyro.conf.Positional[Path]
    draws: int = 3


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.label is not None]
    _, kind_N = np.unique([photo.label for photo in photos], return_inverse=True)
    for arm, encoder in (("start", load_start(settings.run)), ("run", load(settings.run))):
        vectors_ND = unit_rows(encoder.embed([photo.path for photo in photos]).numpy())
        show(f"{settings.data}, {arm}", vectors_ND, kind_N, draws=settings.draws)


def show(
    title: str, vectors_ND: NDArray[np.float32], kind_N: NDArray[np.int64], *, draws: int
) -> None:
    """Print the tables of one encoder."""
    rows, reliability = [], []
    for scheme in SCHEMES:
        for count in LABELS:
            answers = [
                measure(vectors_ND, kind_N, draw_labels(kind_N, scheme, count, seed), seed=seed)
                for seed in range(draws)
            ]
            for way in WAYS:
                measured = [by_way[way] for by_way in answers if way in by_way]
                cells = [f"{count}, {scheme}" if way == WAYS[0] else "", way]
                rows.append([*cells, f"{len(measured)}/{draws}", *summary(measured)])
                if way == WAYS[0] and (count, scheme) == (TABLE, SCHEMES[0]):
                    reliability = list(bins(measured))
    columns = ["labels a kind", "", "draws", "said", "true", "log loss", "of share", "Brier", "ECE"]
    table(f"{title}: the {SHOWN} look-alikes of unlabelled photographs; percent", columns, rows)
    table(
        f"{title}: reliability of {WAYS[0]}, {TABLE} labels of all kinds; percent",
        ["probability", "of all", "said", "true"],
        reliability,
    )


def draw_labels(kind_N: NDArray[np.int64], scheme: str, count: int, seed: int) -> Truth:
    """Which photographs get their label."""
    rng = np.random.default_rng(seed)
    kinds, is_labelled_N = rng.permutation(np.unique(kind_N)), np.zeros(len(kind_N), np.bool_)
    if scheme == SCHEMES[2]:
        is_labelled_N[rng.permutation(len(kind_N))[: count * len(kinds)]] = True
        return is_labelled_N
    for kind in kinds[: len(kinds) if scheme == SCHEMES[0] else max(2, len(kinds) // 2)]:
        is_labelled_N[rng.permutation(np.flatnonzero(kind_N == kind))[:count]] = True
    return is_labelled_N


def measure(
    vectors_ND: NDArray[np.float32], kind_N: NDArray[np.int64], is_labelled_N: Truth, *, seed: int
) -> dict[str, tuple[Probabilities, Truth]]:
    """Probabilities and truth of the pairs that are shown, by the ways that give probabilities."""
    rng = np.random.default_rng(seed)
    labels = [
        str(kind) if given else None for kind, given in zip(kind_N, is_labelled_N, strict=True)
    ]
    queries = rng.permutation(np.flatnonzero(~is_labelled_N))[:QUERIES]
    shown_QK, cosines_QK = others(vectors_ND, queries, SHOWN)
    truth = (kind_N[shown_QK] == kind_N[queries][:, None]).ravel()
    answers = {}
    same_kind = learn_same_kind(vectors_ND, labels)
    if same_kind.reason is None:
        answers[WAYS[0]] = np.concatenate(
            [
                same_kind.probabilities(vectors_ND, vectors_ND[query], rows, own=int(query))
                for query, rows in zip(queries, shown_QK, strict=True)
            ]
        )
    for way, (cosine_P, is_same_P) in labelled_pairs(vectors_ND, kind_N, is_labelled_N).items():
        if 0 < is_same_P.sum() < len(is_same_P):
            answers[way] = isotonic(cosine_P, is_same_P, cosines_QK.ravel())
    return {way: (probabilities, truth) for way, probabilities in answers.items()}


def labelled_pairs(
    vectors_ND: NDArray[np.float32], kind_N: NDArray[np.int64], is_labelled_N: Truth
) -> dict[str, tuple[NDArray[np.float32], Truth]]:
    """Cosines of pairs of labelled photographs, and whether they are of the same kind."""
    labelled = np.flatnonzero(is_labelled_N)
    near_LK, cosines_LK = others(vectors_ND, labelled, 24)
    places = is_labelled_N[near_LK]
    is_same_LK = kind_N[near_LK] == kind_N[labelled][:, None]
    sample_LD, kind_L = vectors_ND[labelled], kind_N[labelled]
    rows_LK, cosines = others(sample_LD, np.arange(len(labelled)), 10)
    similarity_LL = sample_LD @ sample_LD.T
    pairs = np.stack(np.triu_indices(len(labelled), 1))
    pairs = np.random.default_rng(0).permutation(pairs, axis=1)[:, :MOST_PAIRS]
    return {
        WAYS[1]: (cosines_LK[places], is_same_LK[places]),
        WAYS[2]: (cosines.ravel(), (kind_L[rows_LK] == kind_L[:, None]).ravel()),
        WAYS[3]: (similarity_LL[*pairs], kind_L[pairs[0]] == kind_L[pairs[1]]),
    }


def others(
    vectors_ND: NDArray[np.float32], rows_Q: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest of these rows but themselves, and their cosines."""
    near_QK, cosines_QK = nearest(vectors_ND, vectors_ND[rows_Q], top=count + 1)
    other_QK = near_QK != rows_Q[:, None]
    other_QK[other_QK.all(axis=1), -1] = False
    shape = (len(rows_Q), -1)
    return near_QK[other_QK].reshape(shape), cosines_QK[other_QK].reshape(shape)


def isotonic(
    cosine_P: NDArray[np.float32], is_same_P: Truth, asked: NDArray[np.float32]
) -> Probabilities:
    """Isotonic regression, with one pair more at either end that contradicts it."""
    ends = np.array([cosine_P.min() - 1e-6, cosine_P.max() + 1e-6], np.float32)
    fit = IsotonicRegression(out_of_bounds="clip")
    fit.fit(np.append(cosine_P, ends), np.append(is_same_P, [True, False]))
    return fit.predict(asked).astype(np.float64)


def summary(measured: list[tuple[Probabilities, Truth]]) -> list[str]:
    """Mean over the draws of: mean probability, true share, losses, calibration error."""
    if not measured:
        return ["–"] * 6
    return [f"{100 * value:.1f}" for value in np.mean([scores(*pair) for pair in measured], axis=0)]


def scores(probability_P: Probabilities, truth_P: Truth) -> list[float]:
    """In shares of 1: those of `summary`; the second loss is of who says the true share of all."""
    share = truth_P.mean()
    sizes = [
        abs(probability_P[in_bin].sum() - truth_P[in_bin].sum())
        for in_bin in (bin_of(probability_P) == number for number in range(BINS))
    ]
    return [
        probability_P.mean(),
        share,
        log_loss(probability_P, truth_P),
        log_loss(np.full(len(truth_P), share), truth_P),
        float(np.square(probability_P - truth_P).mean()),
        sum(sizes) / len(truth_P),
    ]


def log_loss(probability_P: Probabilities, truth_P: Truth) -> float:
    likelihood_P = np.where(truth_P, probability_P, 1 - probability_P)
    return -float(np.log(likelihood_P.clip(1e-4)).mean())


def bin_of(probability_P: Probabilities) -> NDArray[np.int64]:
    return np.minimum((BINS * probability_P).astype(np.int64), BINS - 1)


def bins(measured: list[tuple[Probabilities, Truth]]) -> Iterator[list[str]]:
    """A row for each tenth of the probabilities: its share, mean probability, true share."""
    if not measured:
        return
    probability_P, truth_P = (np.concatenate(parts) for parts in zip(*measured, strict=True))
    for number in range(BINS):
        in_bin = bin_of(probability_P) == number
        if in_bin.any():
            values = (in_bin.mean(), probability_P[in_bin].mean(), truth_P[in_bin].mean())
            cells = [f"{100 * value:.1f}" for value in values]
            yield [f"{100 * number // BINS} to {100 * (number + 1) // BINS}", *cells]


if __name__ == "__main__":
    main(tyro.cli(Settings))
