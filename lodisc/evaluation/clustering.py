"""Clustering: how well k-means groups match the classes, with as many groups as classes."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, index_estimates
from lodisc.vectors.logistic import unit


def clustering(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """NMI and ARI between the classes and k-means groups of the test features at length 1.

    k-means is the best of 10 starts. The intervals resample photographs; the groups stay the same.
    """
    classes, labels_N = np.unique(arm.test.labels.numpy(), return_inverse=True)
    with warnings.catch_warnings():
        # Raised where fewer features differ than there are classes: fewer groups, a low metric.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(len(classes), n_init=10, random_state=seed)  # pyright: ignore[reportArgumentType]
        groups_N = kmeans.fit_predict(unit(arm.test.vectors).numpy())
    joint_N = labels_N * len(classes) + groups_N

    def agreement(indices: NDArray[np.int64]) -> NDArray[np.float64]:
        table = np.bincount(joint_N[indices], minlength=len(classes) ** 2).reshape(
            len(classes), len(classes)
        )
        return np.array([normalised_mutual_information(table), adjusted_rand_index(table)])

    nmi, ari = index_estimates(agreement, len(labels_N), seed=seed)
    return {"nmi": nmi, "ari": ari}


def normalised_mutual_information(table: NDArray[np.int64]) -> float:
    """`2 I(U; V) / (H(U) + H(V))` of a contingency table `[U, V]`.

    1 where both groupings consist of a single group.
    """
    joint = _entropy(table.ravel())
    first, second = _entropy(table.sum(1)), _entropy(table.sum(0))
    return 2 * max(first + second - joint, 0.0) / (first + second) if first + second > 0 else 1.0


def adjusted_rand_index(table: NDArray[np.int64]) -> float:
    """`(pairs - expected) / (mean of both pairs - expected)` of a contingency table `[U, V]`.

    1 where the groupings are equal.
    """
    pairs, first, second, total = (
        _pairs(counts) for counts in (table, table.sum(1), table.sum(0), table.sum())
    )
    expected = first * second / total if total else 0.0
    most = (first + second) / 2
    return (pairs - expected) / (most - expected) if most > expected else 1.0


def _entropy(counts: NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _pairs(counts: NDArray[np.int64]) -> float:
    return float((counts * (counts - 1.0)).sum() / 2)
