"""Which patches the local task keeps: attention fused over the layers, then a mask.

Axes: B batch, L layers, P patches, K kept patches, S side in pixels. Noise is P
uniform random numbers in [0, 1) for each image.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

PIVOTAL_SHARE = 0.25
"""Share of the patches that pictures and metrics call the pivotal region, whatever a run kept."""


def product(rows_BLP: Tensor) -> Tensor:
    """A = ∏_l a_l, as Σ_l log a_l: a product of twelve maps underflows, and only order matters."""
    return rows_BLP.clamp_min(torch.finfo(torch.float32).tiny).log().sum(dim=1)


def mean(rows_BLP: Tensor) -> Tensor:
    """A = 1/L · Σ_l a_l."""
    return rows_BLP.mean(dim=1)


def last(rows_BLP: Tensor) -> Tensor:
    """A = a_L."""
    return rows_BLP[:, -1]


def rollout(rows_BLP: Tensor) -> Tensor:
    """Attention rollout of the [CLS] row, each patch token standing for its own place.

    Half of every layer's output comes from its input, and c_l = 1 − Σ_p a_l(p) is the attention
    that stays on [CLS] and registers: R_l = (1 + c_l)/2 · R_{l−1} + a_l/2, R_0 = 0, A = R_L.
    """
    rolled_BP = torch.zeros_like(rows_BLP[:, 0])
    for row_BP in rows_BLP.unbind(dim=1):
        stays_B1 = 1 - row_BP.sum(dim=1, keepdim=True)
        rolled_BP = (1 + stays_B1) / 2 * rolled_BP + row_BP / 2
    return rolled_BP


def geometric_mean(rows_BLP: Tensor) -> Tensor:
    """(∏_l a_l)^(1/L), scaled to sum 1: the product over L layers is too peaked to look at."""
    return (product(rows_BLP) / rows_BLP.shape[1]).softmax(dim=1)


class Fusion(NamedTuple):
    """One way to fuse the attention rows [B, L, P] of the layers."""

    score: Callable[[Tensor], Tensor]
    """[B, P], by which patches are put in order."""
    density: Callable[[Tensor], Tensor]
    """[B, P], at least 0, in the same order, for maps that people look at."""


FUSIONS: dict[str, Fusion] = {
    "product": Fusion(score=product, density=geometric_mean),
    "mean": Fusion(score=mean, density=mean),
    "last": Fusion(score=last, density=last),
    "rollout": Fusion(score=rollout, density=rollout),
}


def attention_map(rows_BLP: Tensor, *, fusion: str) -> Tensor:
    """The fused attention [B, P] as a map that sums to 1."""
    density_BP = FUSIONS[fusion].density(rows_BLP)
    return density_BP / density_BP.sum(dim=1, keepdim=True)


def kept_count(patches: int, keep_ratio: float) -> int:
    """⌈ρ·P⌉, at least one; raises `ValueError` when ρ is not in (0, 1]."""
    if not 0 < keep_ratio <= 1:
        raise ValueError(
            f"a keep ratio of {keep_ratio} keeps nothing or too much; use more than 0 and at most 1"
        )
    return math.ceil(round(keep_ratio * patches, 9))


def pivotal(score_BP: Tensor, *, count: int, grid: tuple[int, int], noise_BP: Tensor) -> Tensor:
    """The patches with the highest score; ties go to the lower index."""
    return score_BP.argsort(dim=1, descending=True, stable=True)[:, :count]


def least(score_BP: Tensor, *, count: int, grid: tuple[int, int], noise_BP: Tensor) -> Tensor:
    """The patches with the lowest score; ties go to the lower index."""
    return score_BP.argsort(dim=1, stable=True)[:, :count]


def random(score_BP: Tensor, *, count: int, grid: tuple[int, int], noise_BP: Tensor) -> Tensor:
    """Patches drawn without replacement."""
    return noise_BP.argsort(dim=1)[:, :count]


def even_grid(score_BP: Tensor, *, count: int, grid: tuple[int, int], noise_BP: Tensor) -> Tensor:
    """Patches spread evenly by a lattice of two irrational steps, the same in every image."""
    row, column = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    height = (row * 0.7548776662466927 + column * 0.5698402909980532).double().frac().flatten()
    return height.argsort(stable=True)[:count].expand(len(score_BP), -1)


def block(score_BP: Tensor, *, count: int, grid: tuple[int, int], noise_BP: Tensor) -> Tensor:
    """One nearly square block an image, at a random place; its last row may be shorter."""
    rows, columns = grid
    wide = min(columns, max(math.ceil(math.sqrt(count)), math.ceil(count / rows)))
    high = math.ceil(count / wide)
    top_B1, left_B1 = (
        (noise_BP[:, :2] * torch.tensor([rows - high + 1, columns - wide + 1]))
        .long()
        .split(1, dim=1)
    )
    inside_K = torch.arange(count)
    return (top_B1 + inside_K // wide) * columns + left_B1 + inside_K % wide


MASKS: dict[str, Callable[..., Tensor]] = {
    "pivotal": pivotal,
    "random": random,
    "grid": even_grid,
    "block": block,
    "least": least,
}


def choose_patches(
    score_BP: Tensor, *, mask: str, keep_ratio: float, grid: tuple[int, int], noise_BP: Tensor
) -> Tensor:
    """The sorted positions [B, K] of K = ⌈ρ·P⌉ patches an image, on the device of the score.

    Masks at random follow `noise_BP`, which is on the CPU: they are the same on every device.
    """
    count = kept_count(score_BP.shape[1], keep_ratio)
    keep_BK = MASKS[mask](score_BP, count=count, grid=grid, noise_BP=noise_BP)
    return keep_BK.to(score_BP.device).sort(dim=1).values


def pivotal_region(score_BP: Tensor) -> Tensor:
    """Whether a patch is in the quarter with the highest score, bool [B, P]."""
    count = kept_count(score_BP.shape[1], PIVOTAL_SHARE)
    keep_BK = score_BP.argsort(dim=1, descending=True, stable=True)[:, :count]
    return torch.zeros_like(score_BP, dtype=torch.bool).scatter(1, keep_BK, True)


def zero_patches(images_B3SS: Tensor, keep_BK: Tensor, *, grid: tuple[int, int]) -> Tensor:
    """Set every pixel of normalised images outside the kept patches to 0: the mode `zero`."""
    inside_BP = torch.zeros(len(images_B3SS), math.prod(grid), device=images_B3SS.device).scatter(
        1, keep_BK, 1
    )
    side = images_B3SS.shape[-1] // grid[1]
    pixels_B1SS = (
        inside_BP.view(-1, 1, *grid).repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)
    )
    return images_B3SS * pixels_B1SS
