"""Fusions and masks against plain loops."""

import math

import pytest
import torch

from lodisc.method.masking import (
    FUSIONS,
    MASKS,
    choose_patches,
    kept_count,
    pivotal_region,
    zero_patches,
)

GRID = (4, 5)
PATCHES = 20


def rows(batch: int = 3, layers: int = 12) -> torch.Tensor:
    logits = torch.randn(batch, layers, PATCHES + 1, generator=torch.Generator().manual_seed(0))
    return logits.softmax(-1)[:, :, 1:]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def choose(score: torch.Tensor, mask: str, keep_ratio: float, seed: int = 0) -> torch.Tensor:
    noise = torch.rand(score.shape, generator=generator(seed))
    return choose_patches(score, mask=mask, keep_ratio=keep_ratio, grid=GRID, noise_BP=noise)


def test_product_is_the_log_of_the_plain_product() -> None:
    a_BLP = rows(layers=3)
    fused = FUSIONS["product"].score(a_BLP)
    for b in range(3):
        for p in range(PATCHES):
            plain = 1.0
            for layer in range(3):
                plain *= a_BLP[b, layer, p].item()
            assert math.exp(fused[b, p].item()) == pytest.approx(plain, rel=1e-4)


def test_product_keeps_its_order_where_a_plain_product_underflows() -> None:
    a_BLP = torch.full((1, 12, 2), 1e-6)
    a_BLP[0, :, 1] = 2e-6
    assert a_BLP.prod(dim=1).eq(0).all()
    fused = FUSIONS["product"].score(a_BLP)
    assert fused.isfinite().all() and fused[0, 1] > fused[0, 0]
    assert FUSIONS["product"].score(torch.zeros(1, 12, 2)).isfinite().all()


def test_mean_and_last() -> None:
    a_BLP = rows()
    for b in range(3):
        for p in range(PATCHES):
            values = [a_BLP[b, layer, p].item() for layer in range(12)]
            assert FUSIONS["mean"].score(a_BLP)[b, p].item() == pytest.approx(
                sum(values) / 12, rel=1e-4
            )
            assert FUSIONS["last"].score(a_BLP)[b, p].item() == values[-1]


def test_rollout_equals_the_product_of_whole_matrices() -> None:
    """Full T×T matrices, patches staying in place: A = Π (I + A_l)/2, of which the [CLS] row is
    taken.
    """
    a_BLP = rows(layers=4)
    for b in range(3):
        rolled = torch.eye(PATCHES + 1)
        for layer in range(4):
            matrix = torch.eye(PATCHES + 1)
            matrix[0, 0] = 1 - a_BLP[b, layer].sum()
            matrix[0, 1:] = a_BLP[b, layer]
            half = torch.eye(PATCHES + 1)
            half[0] = (half[0] + matrix[0]) / 2
            rolled = half @ rolled
        torch.testing.assert_close(FUSIONS["rollout"].score(a_BLP)[b], rolled[0, 1:])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_density_is_not_negative_and_in_the_order_of_the_score(fusion: str) -> None:
    score, density = FUSIONS[fusion].score(rows()), FUSIONS[fusion].density(rows())
    assert (density >= 0).all()
    assert torch.equal(score.argsort(dim=1, stable=True), density.argsort(dim=1, stable=True))


def test_the_density_of_the_product_is_its_root() -> None:
    root = rows().double().log().mean(dim=1).exp()
    expected = (root / root.sum(dim=1, keepdim=True)).float()
    torch.testing.assert_close(FUSIONS["product"].density(rows()), expected)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("keep_ratio", [0.01, 0.1, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("kind", ["ties", "random", "infinite"])
def test_exactly_the_asked_number_of_different_patches(
    mask: str, keep_ratio: float, kind: str
) -> None:
    score = {
        "ties": torch.zeros(3, PATCHES),
        "random": torch.rand(3, PATCHES),
        "infinite": torch.full((3, PATCHES), -torch.inf),
    }[kind]
    keep = choose(score, mask, keep_ratio)
    assert keep.shape == (3, math.ceil(keep_ratio * PATCHES - 1e-9))
    for positions in keep.tolist():
        assert positions == sorted(set(positions)) and positions[0] >= 0 and positions[-1] < PATCHES


def test_pivotal_and_least_equal_plain_sorting_with_ties_by_position() -> None:
    score = torch.randint(0, 4, (5, PATCHES), generator=generator()).float()
    for b in range(5):
        by_score = sorted(range(PATCHES), key=lambda p: (-score[b, p].item(), p))
        assert choose(score, "pivotal", 0.3)[b].tolist() == sorted(by_score[:6])
        by_least = sorted(range(PATCHES), key=lambda p: (score[b, p].item(), p))
        assert choose(score, "least", 0.3)[b].tolist() == sorted(by_least[:6])


def test_block_is_contiguous_and_moves() -> None:
    places = set()
    for seed in range(20):
        keep = choose(torch.zeros(1, PATCHES), "block", 0.3, seed)[0].tolist()
        r, c = [p // 5 for p in keep], [p % 5 for p in keep]
        assert (max(r) - min(r) + 1) * (max(c) - min(c) + 1) <= 9
        places.add(tuple(keep))
    assert len(places) > 5


def test_grid_is_spread_over_all_quarters() -> None:
    keep = choose_patches(
        torch.zeros(1, 64), mask="grid", keep_ratio=0.25, grid=(8, 8), noise_BP=torch.zeros(1, 64)
    )[0].tolist()
    quarters = [
        sum((p // 8 >= 4) == down and (p % 8 >= 4) == right for p in keep)
        for down in (False, True)
        for right in (False, True)
    ]
    assert all(3 <= quarter <= 5 for quarter in quarters)


def test_random_depends_on_the_noise_alone() -> None:
    first = choose(torch.zeros(4, PATCHES), "random", 0.5, seed=1)
    assert torch.equal(first, choose(torch.rand(4, PATCHES), "random", 0.5, seed=1))
    assert not torch.equal(first, choose(torch.zeros(4, PATCHES), "random", 0.5, seed=2))
    assert not torch.equal(first[0], first[1])


def test_the_pivotal_region_is_the_quarter_that_training_would_keep() -> None:
    score = FUSIONS["product"].score(rows())
    region = pivotal_region(score)
    assert [row.nonzero().flatten().tolist() for row in region] == choose(
        score, "pivotal", 0.25
    ).tolist()


def test_counts_round_up_but_not_on_float_dust() -> None:
    assert [
        kept_count(196, 0.3),
        kept_count(64, 0.25),
        kept_count(30, 0.1),
        kept_count(100, 0.07),
        kept_count(64, 0.001),
    ] == [
        59,
        16,
        3,
        7,
        1,
    ]
    for ratio in (0.0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="keep ratio"):
            kept_count(64, ratio)


def test_zero_patches_equals_plain_loops() -> None:
    images = torch.randn(2, 3, 8, 10, generator=generator())
    keep = torch.tensor([[0, 7, 19], [3, 4, 12]])
    masked = zero_patches(images, keep, grid=GRID)
    for b in range(2):
        for y in range(8):
            for x in range(10):
                kept = (y // 2) * 5 + x // 2 in keep[b].tolist()
                assert torch.equal(
                    masked[b, :, y, x], images[b, :, y, x] if kept else torch.zeros(3)
                )
