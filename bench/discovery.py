"""Do labels of half of the classes help to find the others? Beside k-means without any label.

    python bench/discovery.py RUN DATA [--draws 3]

The division and the matching are those of `lodisc evaluate --protocols discovery`, on the training
photographs; draw n is that of `--seed n`. k-means has ten starts, and groups the same photographs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from lodisc.console import table, track
from lodisc.data.sources import find_photos
from lodisc.evaluation.discovery import divide, matched_hits
from lodisc.photo_encoder import load, load_start
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.semi_supervised import semi_supervised_kmeans

STARTS = 10  # of k-means without labels
COLUMNS = ("all", "known", "new", "k-means: all", "known", "new")


@dataclass
class Settings:
    run: tyro.conf.Positional[Path]
    data: tyro.conf.Positional[Path]
    draws: int = 3


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.split == "train"]
    photos = sorted((photo for photo in photos if photo.label), key=lambda photo: photo.key)
    _, labels_N = np.unique([photo.label for photo in photos], return_inverse=True)
    rows = []
    for arm, encoder in (("start", load_start(settings.run)), ("run", load(settings.run))):
        vectors_ND = unit_rows(encoder.embed([photo.path for photo in photos]).numpy())
        rows.append([arm, *cells(vectors_ND, labels_N, draws=settings.draws)])
    title = f"{settings.data}: percent of the unlabelled photographs, {settings.draws} draws"
    table(title, ["", *COLUMNS], rows)


def cells(vectors_ND: NDArray[np.float32], labels_N: NDArray[np.int64], *, draws: int) -> list[str]:
    """Mean and standard deviation over the draws, in the order of `COLUMNS`."""
    values_DC = 100 * np.array(
        [
            one_draw(vectors_ND, labels_N, seed=seed)
            for seed in track(range(draws), description="grouping", total=draws)
        ]
    )
    deviations = values_DC.std(axis=0, ddof=1) if draws > 1 else np.zeros(len(COLUMNS))
    return [
        f"{value:.1f} ±{deviation:.1f}"
        for value, deviation in zip(values_DC.mean(axis=0), deviations, strict=True)
    ]


def one_draw(
    vectors_ND: NDArray[np.float32], labels_N: NDArray[np.int64], *, seed: int
) -> list[float]:
    known_C, labelled_N = divide(labels_N, seed=seed)
    number_C, groups = np.cumsum(known_C) - 1, len(known_C)
    labels_U, rest_UD = labels_N[~labelled_N], vectors_ND[~labelled_N]
    is_known_U = known_C[labels_U]
    shares = []
    for groups_U in (
        semi_supervised_kmeans(
            vectors_ND[labelled_N],
            number_C[labels_N[labelled_N]],
            rest_UD,
            groups=groups,
            seed=seed,
        ),
        KMeans(groups, n_init=STARTS, random_state=seed).fit_predict(rest_UD),
    ):
        hits_U = matched_hits(groups_U, labels_U)
        shares += [hits_U.mean(), hits_U[is_known_U].mean(), hits_U[~is_known_U].mean()]
    return shares


if __name__ == "__main__":
    main(tyro.cli(Settings))
