"""Generalised category discovery: half of the classes are known, the others are to be found.

The protocol of Vaze et al. (arXiv 2201.02609), on the training photographs.

Axes: N photographs, U unlabelled ones, C classes, D features, G groups (as many as classes).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lodisc.console import progress_bar
from lodisc.errors import UserError
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, mean_estimates
from lodisc.vectors.logistic import unit
from lodisc.vectors.semi_supervised import STARTS, semi_supervised_kmeans


def discovery(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Accuracy of groups of the unlabelled training photographs: of all, of known and new classes.

    The groups are those of semi-supervised k-means of features at length 1, as many as there are
    classes. One matching of groups with classes, the best over all unlabelled photographs, serves
    the three metrics. `seed` divides classes and photographs, by labels and keys alone, so every
    arm is measured on the same division. The intervals resample photographs; division, groups and
    matching stay the same. Raises `UserError` for fewer than two classes, and if no class has two
    photographs.
    """
    photos = arm.train.photos
    order = sorted(range(len(photos)), key=lambda row: photos[row].key)
    vectors_ND = unit(arm.train.vectors[order]).numpy()
    _, labels_N = np.unique(arm.train.labels[order].numpy(), return_inverse=True)
    known_C, labelled_N = divide(labels_N, seed=seed)
    number_C = np.cumsum(known_C) - 1  # of each known class among these
    with progress_bar() as progress:
        bar = progress.add_task(f"discovery, {arm.name}", total=STARTS, note="")
        groups_U = semi_supervised_kmeans(
            vectors_ND[labelled_N],
            number_C[labels_N[labelled_N]],
            vectors_ND[~labelled_N],
            groups=len(known_C),
            seed=seed,
            advance=lambda: progress.advance(bar),
        )
    labels_U = labels_N[~labelled_N]
    hits_U, known_U = matched_hits(groups_U, labels_U), known_C[labels_U]
    return {
        name: mean_estimates(hits_U[is_counted_U, None], seed=seed)[0]
        for name, is_counted_U in (
            ("all", np.ones_like(known_U)),
            ("known", known_U),
            ("new", ~known_U),
        )
    }


def divide(
    labels_N: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which classes are known, `[C]`, and which photographs are labelled, `[N]`.

    `labels_N` holds each of 0..C-1. Half of the classes are known, and half of the photographs of
    each of them are labelled, both rounded down. Classes with a single photograph are always new:
    a known class has a labelled photograph and an unlabelled one. Raises `UserError` for fewer than
    two classes, and if none of them has two photographs.
    """
    rng = np.random.default_rng(seed)
    sizes_C = np.bincount(labels_N)
    eligible = np.flatnonzero(sizes_C > 1)
    if len(sizes_C) < 2 or not len(eligible):
        raise UserError(
            "discovery needs at least two classes in train, one of them with two photographs; "
            "add labelled photographs, or leave discovery out"
        )
    known = rng.permutation(eligible)[: len(sizes_C) // 2]
    labelled_N = np.zeros(len(labels_N), dtype=np.bool_)
    for label in np.sort(known):
        rows = np.flatnonzero(labels_N == label)
        labelled_N[rng.permutation(rows)[: len(rows) // 2]] = True
    return np.isin(np.arange(len(sizes_C)), known), labelled_N


def matched_hits(groups_U: NDArray[np.int64], labels_U: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each photograph is in the group that its class is matched with, `[U]`.

    The matching is one to one and has the most hits of all (Hungarian method). A class is matched
    with no group, or a group with no class, where there are not as many of the other.
    """
    table_GC = np.zeros((int(groups_U.max()) + 1, int(labels_U.max()) + 1), np.int64)
    np.add.at(table_GC, (groups_U, labels_U), 1)
    class_G = np.full(len(table_GC), -1)
    rows, columns = linear_sum_assignment(table_GC, maximize=True)
    class_G[rows] = columns
    hits_U: NDArray[np.bool_] = class_G[groups_U] == labels_U
    return hits_U
