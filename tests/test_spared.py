"""The map of frozen vectors, and the share to spare that it finds, on vectors of known kinds.

Axes: N vectors, D features.
"""

import pytest
import torch
from torch.nn import functional as F

from lodisc.method import linear_map
from lodisc.method.linear_map import learn_map, share_to_spare
from lodisc.method.neighbours import mine
from lodisc.vectors import neighbours
from lodisc.vectors.neighbours import TRUSTED, agreement, overlap


def kinds(count: int, each: int, *, width: float = 0.7) -> torch.Tensor:
    """Vectors [count · each, 48] of so many kinds; half of the features are noise."""
    generator = torch.Generator().manual_seed(count)
    centres_ND = torch.randn(count, 24, generator=generator).repeat_interleave(each, dim=0)
    signal_ND = centres_ND + width * torch.randn(count * each, 24, generator=generator)
    noise_ND = torch.randn(count * each, 24, generator=generator)
    return torch.cat([signal_ND, noise_ND], dim=1)


def test_a_map_brings_neighbours_together_that_it_has_not_learnt_from() -> None:
    vectors_ND = kinds(12, 40)
    order_N = torch.randperm(len(vectors_ND), generator=torch.Generator().manual_seed(0))
    learnt_ND, other_ND = vectors_ND[order_N].chunk(2)
    found = mine(learnt_ND, neighbours=10, spared=0.03)
    map_DD = learn_map(found, seed=0)
    centred_ND = other_ND - found.mean_D
    before, after = (
        overlap(F.normalize(vectors_ND, dim=1)).mean()
        for vectors_ND in (centred_ND, centred_ND @ map_DD)
    )
    assert after > before + 0.05


def test_the_same_seed_learns_the_same_map_and_another_seed_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear_map, "STEPS", 10)
    monkeypatch.setattr(linear_map, "BATCH", 50)
    found = mine(kinds(12, 10), neighbours=5, spared=0.03)
    first, again, other = (learn_map(found, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.allclose(first, other, atol=1e-4)


def test_without_any_neighbour_the_map_changes_nothing() -> None:
    assert torch.equal(learn_map(mine(kinds(5, 4), neighbours=0, spared=0), seed=0), torch.eye(48))


def test_few_large_kinds_are_spared_more_than_many_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A third of the photographs is one kind of three, and ten kinds of 32."""
    monkeypatch.setattr(linear_map, "SHARES", (0.1, 0.3))
    done: list[float] = []
    few, many = (
        share_to_spare(
            kinds(count, 640 // count), neighbours=5, seed=0, advance=lambda: done.append(0)
        )
        for count in (3, 32)
    )
    assert (few, many) == (0.3, 0.1) and len(done) == 8


def test_of_shares_that_are_as_good_the_smallest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_map, "SHARES", (0.0, 0.1, 0.2, 0.3))
    monkeypatch.setattr(linear_map, "STEPS", 1)
    rng = torch.Generator().manual_seed(0)
    means = iter((0.3, 0.3, 0.495, 0.495, 0.5, 0.5, 0.4, 0.4))  # of both halves

    def drawn(units_ND: torch.Tensor) -> torch.Tensor:
        return next(means) + 0.1 * torch.randn(len(units_ND), generator=rng)

    monkeypatch.setattr(linear_map, "overlap", drawn)
    assert share_to_spare(kinds(10, 40), neighbours=5, seed=0) == 0.1


def test_both_halves_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first half alone, 0.1 would do as well as the best."""
    monkeypatch.setattr(linear_map, "SHARES", (0.1, 0.2))
    monkeypatch.setattr(linear_map, "STEPS", 1)
    rng = torch.Generator().manual_seed(0)
    means = iter((0.5, 0.4, 0.505, 0.505))

    def drawn(units_ND: torch.Tensor) -> torch.Tensor:
        return next(means) + 0.1 * torch.randn(len(units_ND), generator=rng)

    monkeypatch.setattr(linear_map, "overlap", drawn)
    assert share_to_spare(kinds(10, 40), neighbours=5, seed=0) == 0.2


@pytest.mark.parametrize(("count", "each"), [(100, 12), (20, 20), (3, 150), (10, 40)])
def test_neighbours_agree_where_there_are_kinds_large_or_small(count: int, each: int) -> None:
    assert agreement(kinds(count, each, width=0.4)) >= TRUSTED


@pytest.mark.parametrize("number", [2, 12, 50, 100, 300, 1500])
@pytest.mark.parametrize("fall", [0.0, 0.3, 0.6])
def test_neighbours_without_kinds_agree_by_chance_however_few_they_are(
    number: int, fall: float
) -> None:
    """Features fall off in scale, so that a few of them decide who is near."""
    scales_D = torch.arange(1, 49) ** -fall
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        drawn_ND = torch.randn(number, 48, generator=generator) * scales_D + 3
        assert agreement(drawn_ND) < (0.1 if number >= 300 else TRUSTED)


def test_agreement_is_that_of_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "LISTS", (5,))
    monkeypatch.setattr(neighbours, "COMPARED", 5)
    units_ND = F.normalize(kinds(4, 10), dim=1)
    cosines = (units_ND @ units_ND.T).tolist()
    near = []
    for one, row in enumerate(cosines):
        by_cosine = sorted(range(40), key=row.__getitem__, reverse=True)
        near.append([other for other in by_cosine if other != one])
    shares = [
        len(set(near[one][:5]) & set(near[other][:5])) / 5
        for one in range(40)
        for other in near[one][:5]
    ]
    found = neighbours._in_common(units_ND, torch.arange(40), 5)
    assert found == pytest.approx(sum(shares) / len(shares))
