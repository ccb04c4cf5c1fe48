"""Photographs of kinds that have no label: are they told, and how many get a name all the same?

    python bench/unknown.py RUN DATA [--labels 1 5 10] [--share 0.5] [--draws 3]

DATA has a sub-folder for each class, perhaps in train/ and test/; all its photographs are one
collection. The share of the classes, drawn at random, is new: no photograph of them has a label. Of
each other class so many photographs have one. "Before" is the confidence among the labelled kinds
alone; "after" it is times the probability of being of one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from scipy.stats import rankdata

from lodisc.console import table
from lodisc.data.sources import find_photos
from lodisc.photo_encoder import load, load_start
from lodisc.vectors.classifier import predict_labels
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.neighbours import TRUSTED, agreement, smoothed

SURE, BINS = 0.9, 10
TITLES = (
    "new: AUROC",
    "new: estimate / truth",
    "new: calibration error",
    "right name",
    "new, named at 0.9: before / after",
    "known, named at 0.9: before / after",
    "right of those named: before / after",
    "calibration error: before / after",
)


@dataclass
class Settings:
    run: tyro.conf.Positional[Path]
    data: tyro.conf.Positional[Path]
    labels: tuple[int, ...] = (1, 5, 10)
    """Labels of each known class."""
    share: tuple[float, ...] = (0.5,)
    """Shares of the classes that are new."""
    draws: int = 3


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.label is not None]
    truth_N = np.array([photo.label for photo in photos])
    rows = []
    for arm, encoder in (("start", load_start(settings.run)), ("run", load(settings.run))):
        vectors_ND = as_in_collection(encoder.embed([photo.path for photo in photos]).numpy())
        rows += measure(arm, vectors_ND, truth_N, settings)
    title = f"Kinds without a label, {settings.draws} draws, percent: {settings.data}"
    table(title, ["", "classes new", "labels", *TITLES], rows)


def as_in_collection(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors by which a collection names: smoothed where neighbours agree."""
    units_ND = torch.from_numpy(unit_rows(vectors_ND))
    trusted = agreement(units_ND) >= TRUSTED
    return smoothed(units_ND).numpy() if trusted else units_ND.numpy()


def measure(
    arm: str, vectors_ND: NDArray[np.float32], truth_N: NDArray[np.str_], settings: Settings
) -> list[list[str]]:
    """A row of the table for each share of new classes and number of labels."""
    rows = []
    for share in settings.share:
        for labels in settings.labels:
            draws = np.array(
                [
                    one_draw(vectors_ND, truth_N, labels=labels, share=share, seed=seed)
                    for seed in range(settings.draws)
                ]
            )
            rows.append([arm, f"{100 * share:.0f}", str(labels), *cells(draws)])
    return rows


def one_draw(
    vectors_ND: NDArray[np.float32],
    truth_N: NDArray[np.str_],
    *,
    labels: int,
    share: float,
    seed: int,
) -> list[float]:
    """The metrics of one draw of classes and labels; not a number where there is nothing to say.

    They are in the order of `TITLES`, two for each title with a stroke.
    """
    given, known = draw_labels(truth_N, labels=labels, share=share, seed=seed)
    rest = np.array([label is None for label in given])
    names = predict_labels(vectors_ND, given)
    probability_N = names.new_kinds.probability
    told = probability_N is not None
    new_R = (np.zeros(len(truth_N)) if probability_N is None else probability_N)[rest]
    after_R = names.confidence[rest]
    before_R = np.divide(after_R, 1 - new_R, where=new_R < 1, out=np.zeros_like(after_R))
    right_R = np.array(names.labels)[rest] == truth_N[rest]
    is_new_R = ~np.isin(truth_N[rest], known)
    return [
        auroc(new_R, is_new_R) if told else np.nan,
        mean(new_R) if told else np.nan,
        mean(is_new_R),
        calibration_error(new_R, is_new_R) if told else np.nan,
        mean(right_R[~is_new_R]),
        *(mean(each[is_new_R] >= SURE) for each in (before_R, after_R)),
        *(mean(each[~is_new_R] >= SURE) for each in (before_R, after_R)),
        *(mean(right_R[each >= SURE]) for each in (before_R, after_R)),
        *(calibration_error(each, right_R) for each in (before_R, after_R)),
    ]


def draw_labels(
    truth_N: NDArray[np.str_], *, labels: int, share: float, seed: int
) -> tuple[list[str | None], NDArray[np.str_]]:
    """The labels that are given, and the classes that have some; this share of classes has none."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.unique(truth_N))
    known = classes[: max(2, round(len(classes) * (1 - share)))]
    given: list[str | None] = [None] * len(truth_N)
    for kind in known:
        for row in rng.permutation(np.flatnonzero(truth_N == kind))[:labels]:
            given[row] = str(kind)
    return given, known


def auroc(scores: NDArray[np.float32], is_positive: NDArray[np.bool_]) -> float:
    """How often a positive has the higher score than a negative; ties count half."""
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)[is_positive].sum() - positives * (positives + 1) / 2
    return float(ranks / (positives * negatives))


def calibration_error(probability: NDArray[np.float32], is_so: NDArray[np.bool_]) -> float:
    """The expected error: mean distance of probability and share, over ten bins of equal width."""
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    return sum(
        abs(probability[place == index].mean() - is_so[place == index].mean())
        * float((place == index).mean())
        for index in np.unique(place)
    )


def mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def cells(draws_DM: NDArray[np.float64]) -> list[str]:
    """The mean of each metric over the draws that have it, in percent, pairs with a stroke."""
    texts = []
    for values_D in draws_DM.T:
        valid = values_D[np.isfinite(values_D)]
        texts.append(f"{100 * valid.mean():.1f}" if len(valid) else "–")
    return _joined(texts)


def _joined(texts: Sequence[str]) -> list[str]:
    remaining = iter(texts)
    return [
        f"{next(remaining)} / {next(remaining)}" if " / " in title else next(remaining)
        for title in TITLES
    ]


if __name__ == "__main__":
    main(tyro.cli(Settings))
