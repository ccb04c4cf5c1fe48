"""The projection to the plane: near is alike, it works for any number of photographs, and it is
always the same.
"""

import importlib.util

import numpy as np
import pytest

from lodisc.vectors import projection
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.projection import Method, project

METHODS: list[Method] = ["pca", "tsne"]


def crowds(each: int, seed: int = 0) -> np.ndarray:
    """Four crowds of vectors, one after the other."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.standard_normal((4, 32)), each, axis=0)
    return unit_rows((middles + 0.15 * rng.standard_normal((4 * each, 32))).astype(np.float32))


def share_beside_their_own(places_N2: np.ndarray, each: int) -> float:
    """Of all photographs, whose nearest one on the map is of the same crowd?"""
    away = ((places_N2[:, None] - places_N2) ** 2).sum(-1)
    np.fill_diagonal(away, np.inf)
    return float((away.argmin(1) // each == np.arange(4 * each) // each).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sample", [2500, 80])
def test_look_alikes_are_near(method: Method, sample: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "SAMPLE", sample)
    places = project(crowds(40), method=method)
    assert places.shape == (160, 2) and places.dtype == np.float32
    assert (
        places.min() >= 0 and places.max() <= 1 and np.ptp(places, axis=0).max() == pytest.approx(1)
    )
    assert share_beside_their_own(places, 40) > 0.95
    np.testing.assert_array_equal(places, project(crowds(40), method=method))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6])
def test_a_few_photographs_have_a_map(method: Method, count: int) -> None:
    places = project(crowds(2)[:count], method=method)
    assert places.shape == (count, 2) and np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == count


@pytest.mark.parametrize("method", METHODS)
def test_equal_photographs_lie_in_one_place(method: Method) -> None:
    places = project(np.repeat(crowds(1)[:1], 20, axis=0), method=method)
    assert np.isfinite(places).all() and np.ptp(places) < 0.01


def test_umap_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("umap"):
        pytest.skip("umap-learn is installed")
    with pytest.raises(ValueError, match=r"lodisc\[umap\]"):
        project(crowds(10), method="umap")
