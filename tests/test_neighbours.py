"""Neighbours among photographs, and what is mined from them, against plain loops."""

from typing import cast

import pytest
import torch
from torch.nn import functional as F

from lodisc.method import neighbours as method_neighbours
from lodisc.method.neighbours import Neighbourhood, mine
from lodisc.vectors import neighbours
from lodisc.vectors.neighbours import mutual_neighbours, nearest_others, overlap, smoothed

COUNTS = [1, 2, 3, 30]
"""Numbers of photographs."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks for 30 photographs: seven of them at a time."""
    monkeypatch.setattr(neighbours, "_BLOCK", 7 * 30)


def features(count: int, dim: int = 5) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(count))


def units(count: int) -> torch.Tensor:
    return F.normalize(features(count), dim=1)


def plain_nearest(units_ND: torch.Tensor, count: int) -> list[list[int]]:
    """The most similar others of each row, best first."""
    rows = range(len(units_ND))
    return [
        sorted((j for j in rows if j != i), key=lambda j: -float(units_ND[i] @ units_ND[j]))[:count]
        for i in rows
    ]


def plain_mutual(units_ND: torch.Tensor, count: int) -> list[list[int]]:
    """The same, with -1 for those that do not have the row among their own."""
    nearest = plain_nearest(units_ND, count)
    return [[j if i in nearest[j] else -1 for j in row] for i, row in enumerate(nearest)]


def plain_smoothed(vectors_ND: torch.Tensor) -> torch.Tensor:
    """Each row of length 1 plus its five nearest, by the cube of their cosine."""
    units_ND = torch.stack([vector / vector.norm() for vector in vectors_ND])
    rows = []
    for own, nearest in zip(units_ND, plain_nearest(units_ND, 5), strict=True):
        total = own.clone()
        for j in nearest:
            total += max(0.0, float(own @ units_ND[j])) ** 3 * units_ND[j]
        rows.append(total / total.norm())
    return torch.stack(rows)


@pytest.mark.parametrize("count", COUNTS)
def test_nearest_others_equal_a_plain_loop(count: int) -> None:
    units_ND = units(count)
    rows_NK, cosines_NK = nearest_others(units_ND, 4)
    expected = plain_nearest(units_ND, 4)
    assert rows_NK.tolist() == expected
    for i, row in enumerate(expected):
        plain = [float(units_ND[i] @ units_ND[j]) for j in row]
        assert cosines_NK[i].tolist() == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize("count", COUNTS)
def test_mutual_neighbours_equal_a_plain_loop(count: int) -> None:
    assert mutual_neighbours(units(count), 4).tolist() == plain_mutual(units(count), 4)


def test_some_neighbours_are_mutual_and_some_are_not() -> None:
    mutual_NK = mutual_neighbours(units(30), 4)
    assert 0 < (mutual_NK < 0).sum() < mutual_NK.numel()


@pytest.mark.parametrize("count", COUNTS)
def test_smoothed_vectors_equal_a_plain_loop(count: int) -> None:
    vectors_ND = 3 * features(count)
    torch.testing.assert_close(smoothed(vectors_ND), plain_smoothed(vectors_ND))


@pytest.mark.parametrize("count", COUNTS)
def test_overlap_equals_a_plain_loop(count: int) -> None:
    nearest = plain_nearest(units(count), 4)
    shares = [len(set(row) & set(nearest[j])) / min(4, count - 1) for row in nearest for j in row]
    plain = sum(shares) / len(shares) if shares else 0.0
    assert float(overlap(units(count), 4).mean()) == pytest.approx(plain)


def test_overlap_is_whole_in_tight_kinds() -> None:
    """Six photographs of a kind name each other: of five, four are shared with each neighbour."""
    kinds_ND = torch.eye(3).repeat_interleave(6, dim=0) + 0.01 * features(18, 3)
    overlap_N = overlap(F.normalize(kinds_ND, dim=1), 5)
    torch.testing.assert_close(overlap_N, torch.full((len(kinds_ND),), 4 / 5))


def plain_negatives(
    found: Neighbourhood, photo: int, others: list[int], *, spared: int
) -> list[bool]:
    """Which others are negatives: all but itself, its mutual neighbours and the spared ones."""
    alike = plain_nearest(found.smooth_ND, spared)[photo]
    return [other not in (photo, *alike, *found.mutual_NK[photo].tolist()) for other in others]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("count", [2, 3, 30])
def test_a_neighbourhood_equals_a_plain_loop(count: int, share: float) -> None:
    features_ND = features(count) + 2
    found = mine(features_ND, neighbours=4, spared=share)
    centred_ND = features_ND - sum(features_ND) / count
    torch.testing.assert_close(found.mean_D, cast(torch.Tensor, sum(features_ND) / count))
    torch.testing.assert_close(
        found.vectors_ND, torch.stack([vector / vector.norm() for vector in centred_ND])
    )
    torch.testing.assert_close(found.smooth_ND, plain_smoothed(centred_ND))
    assert found.mutual_NK.tolist() == plain_mutual(found.smooth_ND, 4)

    photos_B = torch.arange(count).flip(0)
    others_M = torch.randperm(count, generator=torch.Generator().manual_seed(0))[: count - 1]
    positives_BK, is_real_BK = found.positives(photos_B)
    negatives_BM = found.negatives(photos_B, others_M)
    spared = min(round(share * count), count - 1)
    for photo, positives, is_real, negatives in zip(
        photos_B.tolist(), positives_BK, is_real_BK, negatives_BM, strict=True
    ):
        mutual = [j for j in plain_mutual(found.smooth_ND, 4)[photo] if j >= 0]
        assert positives[is_real].tolist() == [photo, *mutual]
        assert negatives.tolist() == plain_negatives(found, photo, others_M.tolist(), spared=spared)


def test_nothing_is_spared_by_a_share_of_nothing_and_all_by_one_of_all() -> None:
    everyone = torch.arange(30)
    nothing = mine(features(30), neighbours=0, spared=0.0)
    assert nothing.mutual_NK.shape == (30, 0)
    assert torch.equal(nothing.negatives(everyone, everyone), ~torch.eye(30, dtype=torch.bool))
    assert not mine(features(30), neighbours=0, spared=0.99).negatives(everyone, everyone).any()


def test_batches_of_any_size_have_the_same_negatives() -> None:
    """Cosines of other numbers of photographs are rounded otherwise."""
    found, others_M = mine(features(300, 192), neighbours=10, spared=0.1), torch.arange(300)
    together = found.negatives(others_M, others_M)
    for size in (1, 2, 8, 150):
        parts = [found.negatives(photos_B, others_M) for photos_B in others_M.split(size)]
        assert torch.equal(torch.cat(parts), together)


def test_of_many_photographs_about_the_share_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the most alike begin is then estimated from some that are drawn at random."""
    everyone = torch.arange(300)
    exact = mine(features(300), neighbours=0, spared=0.2)
    monkeypatch.setattr(method_neighbours, "MOST", 100)
    found = mine(features(300), neighbours=0, spared=0.2)
    assert not torch.equal(found.spared_from_N, exact.spared_from_N)
    negatives_NN = found.negatives(everyone, everyone)
    assert 1 - negatives_NN.float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_features_stay_where_they_are_if_they_cannot_be_centred() -> None:
    found = mine(features(30) + 2, neighbours=4, spared=0.1, centred=False)
    assert not found.mean_D.any()
    torch.testing.assert_close(found.vectors_ND, F.normalize(features(30) + 2, dim=1))
