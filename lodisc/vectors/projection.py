"""A map of the collection: places in the plane at which look-alikes are near.

Axes: N photographs, D feature, S a sample, K nearest ones.
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
SAMPLE = 2500  # photographs that t-SNE lays out; the others are put among their nearest ones
COMPONENTS = 50
NEAREST = 3
PERPLEXITY = 30.0
_BLOCK = 4096


def layout(
    vectors_ND: NDArray[np.float32], *, method: Method = "auto", seed: int = 0
) -> NDArray[np.float32]:
    """Places [N, 2] in 0..1 of photographs, the same for the same vectors and seed.

    `auto` is UMAP where it is installed, else t-SNE from the first two principal components; of more than 2,500 photographs that
    lays out a sample, and each of the others comes to the middle of its three nearest ones there. Raises `UserError` for UMAP where it
    is not installed.
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
    placed_S2 = TSNE(2, perplexity=perplexity, init=start_S2, random_state=seed).fit_transform(
        points_NP[sample_S]
    )
    placed_N2 = np.empty((count, 2), np.float32)
    placed_N2[sample_S] = placed_S2
    others = np.setdiff1d(np.arange(count), sample_S)
    for rows in np.array_split(others, max(1, -(-len(others) // _BLOCK))):
        placed_N2[rows] = placed_S2[_nearest(points_NP[rows], points_NP[sample_S])].mean(1)
    return placed_N2


def _umap(points_NP: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of the one thread that a seed asks for
            import umap  # type: ignore[import-not-found, unused-ignore]

            fitted = umap.UMAP(
                n_neighbors=min(15, len(points_NP) - 1), init="pca", random_state=seed
            ).fit_transform(points_NP)
    except ImportError:
        raise UserError('the layout umap needs UMAP:  pip install "lodisc[umap]"') from None
    return np.asarray(fitted, np.float32)


def _plane(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first two principal components [N, 2]; zeros where there are fewer."""
    found_NP = principal_components(vectors_ND, 2)
    return np.pad(found_NP, ((0, 0), (0, 2 - found_NP.shape[1])))


def _nearest(points_BP: NDArray[np.float32], sample_SP: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rows [B, K] of the nearest ones in the sample."""
    away_BS = (sample_SP**2).sum(1) - 2 * points_BP @ sample_SP.T
    found_BK: NDArray[np.int64] = np.argpartition(
        away_BS, min(NEAREST, len(sample_SP) - 1), axis=1
    )[:, :NEAREST]
    return found_BK


def _in_frame(places_N2: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shifted and scaled into 0..1, both directions alike, in the middle."""
    if not len(places_N2):
        return places_N2.astype(np.float32)
    low_2, high_2 = places_N2.min(0), places_N2.max(0)
    side = float((high_2 - low_2).max())
    framed_N2 = 0.5 + (places_N2 - (low_2 + high_2) / 2) / (side or 1.0)
    return framed_N2.clip(0, 1).astype(np.float32)
