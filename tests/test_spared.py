"""A linear map of frozen vectors, and the share to spare that it finds, on vectors of known kinds.

Axes: N vectors, D features.
"""

import torch
from torch.nn import functional as F

from lodisc.method.linear_map import learn_map, share_to_spare
from lodisc.method.neighbours import mine
from lodisc.vectors.neighbours import overlap


def kinds(count: int, each: int) -> torch.Tensor:
    """Vectors [count · each, 24] of so many kinds, which noise in half of the features hides."""
    generator = torch.Generator().manual_seed(count)
    centres_ND = torch.randn(count, 12, generator=generator).repeat_interleave(each, dim=0)
    signal_ND = centres_ND + 0.6 * torch.randn(count * each, 12, generator=generator)
    noise_ND = torch.randn(count * each, 12, generator=generator)
    return torch.cat([signal_ND, noise_ND], dim=1)


def shuffled(vectors_ND: torch.Tensor) -> torch.Tensor:
    return vectors_ND[torch.randperm(len(vectors_ND), generator=torch.Generator().manual_seed(0))]


def test_a_map_brings_neighbours_together_that_it_has_not_learnt_from() -> None:
    learnt_ND, other_ND = shuffled(kinds(12, 40)).chunk(2)
    found = mine(learnt_ND, neighbours=10, spared=0.03)
    map_DD = learn_map(found, seed=0)
    centred_ND = other_ND - found.mean_D
    before, after = (
        overlap(F.normalize(vectors_ND, dim=1)) for vectors_ND in (centred_ND, centred_ND @ map_DD)
    )
    print("overlap", before, after)
    assert after > before + 0.05


def test_the_same_seed_learns_the_same_map_and_another_seed_another() -> None:
    found = mine(kinds(12, 10), neighbours=5, spared=0.03)
    first, again, other = (learn_map(found, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_without_any_neighbour_the_map_changes_nothing() -> None:
    assert torch.equal(learn_map(mine(kinds(5, 4), neighbours=0, spared=0), seed=0), torch.eye(24))


def test_few_large_kinds_are_spared_more_than_many_small_ones() -> None:
    few, many = (
        share_to_spare(kinds(count, 480 // count), neighbours=10, seed=0) for count in (4, 48)
    )
    print("shares", few, many)
    assert few > many
