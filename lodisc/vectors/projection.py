"""A projection to the plane in which look-alikes are near each other.

Axes: N photographs, D features, P components, S a sample, B a block, K neighbours.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lodisc.errors import UserError
from lodisc.vectors.components import principal_components

Method = Literal["auto", "pca", "tsne", "umap"]
SAMPLE = 2500  # photographs that t-SNE places; the others go among their nearest ones
COMPONENTS = 50
NEAREST = 3
PERPLEXITY = 30.0
_BLOCK_ROWS = 4096


def project(
    vectors_ND: NDArray[np.float32], *, method: Method = "auto", seed: int = 0
) -> NDArray[np.float32]:
    """Places [N, 2] of the photographs in 0..1, the same for the same vectors and seed.

    `auto` is UMAP if it is installed, else t-SNE, which begins at the first two principal
    components. Of more than 2,500 photographs, t-SNE places a random sample, and each other one
    goes to the mean of its three nearest ones there. Raises `UserError` for UMAP if it is not
    installed.
    """
    if method == "auto":
        method = "umap" if importlib.util.find_spec("umap") else "tsne"
    if len(vectors_ND) < 5 or method == "pca" or np.ptp(vectors_ND, axis=0).max(initial=0) < 1e-6:
        return _in_frame(_plane(vectors_ND))
    points_NP = principal_components(vectors_ND, COMPONENTS)
    return _in_frame(
        _umap(points_NP, seed=seed) if method == "umap" else _tsne(points_NP, seed=seed)
    )


def _tsne(points_NP: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    count = len(points_NP)
    sample_S = (
        np.arange(count)
        if count <= SAMPLE
        else np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))
    )
    start_S2 = _plane(points_NP[sample_S])
    start_S2 *= 1e-4 / max(float(start_S2[:, 0].std()), 1e-12)
    perplexity = min(PERPLEXITY, (len(sample_S) - 1) / 3)
    sample_S2 = TSNE(2, perplexity=perplexity, init=start_S2, random_state=seed).fit_transform(
        points_NP[sample_S]
    )
    places_N2 = np.empty((count, 2), np.float32)
    places_N2[sample_S] = sample_S2
    others = np.setdiff1d(np.arange(count), sample_S)
    for rows in np.array_split(others, max(1, -(-len(others) // _BLOCK_ROWS))):
        places_N2[rows] = sample_S2[_nearest(points_NP[rows], points_NP[sample_S])].mean(1)
    return places_N2


def _umap(points_NP: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of the one thread that a seed asks for
            import umap  # type: ignore[import-not-found, unused-ignore]

            places_N2 = umap.UMAP(
                n_neighbors=min(15, len(points_NP) - 1), init="pca", random_state=seed
            ).fit_transform(points_NP)
    except ImportError:
        raise UserError('the projection umap needs UMAP:  pip install "lodisc[umap]"') from None
    return np.asarray(places_N2, np.float32)


def _plane(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first two principal components [N, 2]; zeros if there are fewer."""
    points_NP = principal_components(vectors_ND, 2)
    return np.pad(points_NP, ((0, 0), (0, 2 - points_NP.shape[1])))


def _nearest(points_BP: NDArray[np.float32], sample_SP: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rows [B, K] of the nearest points in the sample."""
    distance_BS = (sample_SP**2).sum(1) - 2 * points_BP @ sample_SP.T
    last = min(NEAREST, len(sample_SP) - 1)
    rows_BK: NDArray[np.int64] = np.argpartition(distance_BS, last, axis=1)[:, :NEAREST]
    return rows_BK


def _in_frame(places_N2: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shifted and scaled into 0..1, by the same factor in both directions, and centred."""
    if not len(places_N2):
        return places_N2.astype(np.float32)
    low_2, high_2 = places_N2.min(0), places_N2.max(0)
    side = float((high_2 - low_2).max())
    scaled_N2 = 0.5 + (places_N2 - (low_2 + high_2) / 2) / (side or 1.0)
    return scaled_N2.clip(0, 1).astype(np.float32)
