"""What smoothed vectors add to groups and names: a collection makes both of them by these.

    python bench/smoothing.py RUN DATA [--draws 3]

DATA has a sub-folder for each class, perhaps in train/ and test/; all its photographs are one
collection. Groups are as many as classes, or as many as are chosen. Names are learnt from one and
from five labels a class; each draw labels other photographs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from lodisc.console import table
from lodisc.data.sources import find_photos
from lodisc.evaluation.clustering import adjusted_rand_index, normalised_mutual_information
from lodisc.photo_encoder import load, load_start
from lodisc.vectors.classifier import predict_labels
from lodisc.vectors.clusters import assign, find_groups
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.neighbours import agreement, smoothed

SHOTS = (1, 5)


@dataclass
class Settings:
    run: tyro.conf.Positional[Path]
    data: tyro.conf.Positional[Path]
    draws: int = 3


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.label is not None]
    classes, class_N = np.unique([photo.label for photo in photos], return_inverse=True)
    rows = []
    for arm, encoder in (("start", load_start(settings.run)), ("run", load(settings.run))):
        vectors_ND = unit_rows(encoder.embed([photo.path for photo in photos]).numpy())
        smoothed_ND = smoothed(torch.from_numpy(vectors_ND)).numpy()
        agreed = agreement(torch.from_numpy(vectors_ND))
        for name, points_ND in (("plain", vectors_ND), ("smoothed", smoothed_ND)):
            cells = [arm, f"{agreed:.2f}", name]
            for k in (len(classes), None):
                grouping = find_groups(vectors_ND, smoothed_ND=points_ND, k=k)
                group_N = assign(points_ND, grouping)[0] - 1
                counts = np.zeros((len(classes), len(grouping)), np.int64)
                np.add.at(counts, (class_N, group_N), 1)
                nmi, ari = normalised_mutual_information(counts), adjusted_rand_index(counts)
                cells.append(f"{len(grouping)}: {100 * nmi:.1f} / {100 * ari:.1f}")
            for shots in SHOTS:
                draws = [
                    share_right(points_ND, classes[class_N], shots=shots, seed=seed)
                    for seed in range(settings.draws)
                ]
                cells.append(f"{100 * np.mean(draws):.1f}")
            rows.append(cells)
    columns = ["", "agreement", "vectors", "k: NMI / ARI", "chosen k", "1 label", "5 labels"]
    table(f"Groups, and names of the rest: {settings.data}", columns, rows)


def share_right(
    vectors_ND: NDArray[np.float32], truth_N: NDArray[np.str_], *, shots: int, seed: int
) -> float:
    """The share of the unlabelled photographs that get the right name."""
    rng = np.random.default_rng(seed)
    labels: list[str | None] = [None] * len(truth_N)
    for kind in np.unique(truth_N):
        for row in rng.permutation(np.flatnonzero(truth_N == kind))[:shots]:
            labels[row] = str(kind)
    names = predict_labels(vectors_ND, labels).labels
    return float(
        np.mean([n == t for n, t, given in zip(names, truth_N, labels, strict=True) if not given])
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
