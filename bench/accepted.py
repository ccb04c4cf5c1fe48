"""What numbers are worth after names were accepted: learnt from those names, or not.

    python bench/accepted.py RUN DATA [--labels 2 5] [--share 0 0.5] [--draws 3]

DATA has a sub-folder for each class, perhaps in train/ and test/; all its photographs are one
collection. Some of each known class get their label, then every name from 0.9 on is accepted. What
is then said of the photographs that are left is compared with the truth. lodisc does not learn from
accepted names; the other way is the same classifier, told that people gave them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from same_kind import QUERIES, SHOWN, others
from unknown import SURE, as_in_collection, calibration_error, draw_labels, mean

from lodisc.console import table
from lodisc.data.sources import find_photos
from lodisc.photo_encoder import load, load_start
from lodisc.vectors.classifier import Predictions, predict_labels
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.same_kind import SameKind, learn_same_kind

WAYS = ("not learnt from", "learnt from")
TITLES = (
    "accuracy: said / true",
    "right name, labelled kinds left",
    "confidence: said / true",
    "its calibration error",
    "share of new kinds: said / true",
    "look-alikes of the same kind: said / true",
)


@dataclass
class Settings:
    run: tyro.conf.Positional[Path]
    data: tyro.conf.Positional[Path]
    labels: tuple[int, ...] = (2, 5)
    """Labels of each known class."""
    share: tuple[float, ...] = (0.0, 0.5)
    """Shares of the classes that are new."""
    draws: int = 3


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.label is not None]
    truth_N = np.array([photo.label for photo in photos])
    for arm, encoder in (("start", load_start(settings.run)), ("run", load(settings.run))):
        vectors_ND = unit_rows(encoder.embed([photo.path for photo in photos]).numpy())
        show(f"{settings.data}, {arm}", vectors_ND, truth_N, settings)


def show(
    title: str, vectors_ND: NDArray[np.float32], truth_N: NDArray[np.str_], settings: Settings
) -> None:
    """Print the table of one encoder, whose vectors have length 1."""
    smoothed_ND, rows = as_in_collection(vectors_ND), []
    for share in settings.share:
        for labels in settings.labels:
            draws_DWM = np.array(
                [
                    one_draw(
                        vectors_ND, smoothed_ND, truth_N, labels=labels, share=share, seed=seed
                    )
                    for seed in range(settings.draws)
                ]
            )
            for way, means in zip(WAYS, 100 * draws_DWM.mean(axis=0), strict=True):
                texts = iter([f"{value:.1f}" for value in means])
                cells = [
                    f"{next(texts)} / {next(texts)}" if " / " in title else next(texts)
                    for title in TITLES
                ]
                rows.append([f"{100 * share:.0f}", str(labels), way, *cells])
    heading = f"After names were accepted from {SURE:.0%} on, {settings.draws} draws: {title}"
    table(heading, ["classes new", "labels", "", *TITLES], rows)


def one_draw(
    vectors_ND: NDArray[np.float32],
    smoothed_ND: NDArray[np.float32],
    truth_N: NDArray[np.str_],
    *,
    labels: int,
    share: float,
    seed: int,
) -> list[list[float]]:
    """The metrics of both ways, in the order of `TITLES`, two for each title with a stroke."""
    given, known = draw_labels(truth_N, labels=labels, share=share, seed=seed)
    before = predict_labels(smoothed_ND, given)
    is_given_N = np.array([label is not None for label in given])
    accepted_N = ~is_given_N & (before.confidence >= SURE)
    all_labels = [
        name if is_accepted else label
        for name, is_accepted, label in zip(before.labels, accepted_N, given, strict=True)
    ]
    known_N = np.isin(truth_N, known) & ~is_given_N
    rest_N = ~is_given_N & ~accepted_N
    queries = np.random.default_rng(seed).permutation(np.flatnonzero(rest_N))[:QUERIES]
    return [
        [
            *_of_names(
                predict_labels(
                    smoothed_ND, all_labels, accepted_N=accepted_N if is_left_out else None
                ),
                truth_N,
                rest_N=rest_N,
                known_N=known_N,
            ),
            *_of_look_alikes(
                learn_same_kind(vectors_ND, given if is_left_out else all_labels),
                vectors_ND,
                truth_N,
                queries=queries,
            ),
        ]
        for is_left_out in (True, False)
    ]


def _of_names(
    names: Predictions,
    truth_N: NDArray[np.str_],
    *,
    rest_N: NDArray[np.bool_],
    known_N: NDArray[np.bool_],
) -> list[float]:
    """Said and true of the photographs that are left; true accuracy is of all known, unlabelled."""
    right_N = np.array(names.labels) == truth_N
    new_N = names.new_kinds.probability
    return [
        np.nan if names.accuracy is None else names.accuracy.value / 100,
        mean(right_N[known_N]),
        mean(right_N[rest_N & known_N]),
        mean(names.confidence[rest_N]),
        mean(right_N[rest_N]),
        calibration_error(names.confidence[rest_N], right_N[rest_N]),
        np.nan if new_N is None else mean(new_N[rest_N]),
        mean(~known_N[rest_N]),
    ]


def _of_look_alikes(
    same_kind: SameKind,
    vectors_ND: NDArray[np.float32],
    truth_N: NDArray[np.str_],
    *,
    queries: NDArray[np.int64],
) -> list[float]:
    """Said and true share of the look-alikes of these photographs."""
    shown_QK, _ = others(vectors_ND, queries, SHOWN)
    said = [
        np.nan if shares_K is None else float(shares_K.mean())
        for query, rows in zip(queries, shown_QK, strict=True)
        for shares_K in [same_kind.probabilities(vectors_ND, vectors_ND[query], rows, own=query)]
    ]
    return [float(np.mean(said)), mean(truth_N[shown_QK] == truth_N[queries][:, None])]


if __name__ == "__main__":
    main(tyro.cli(Settings))
