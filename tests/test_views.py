"""The augmented views: what is drawn, what stays the same, what a second change of colours does."""

import numpy as np
import pytest
import torch
from PIL import Image

from lodisc.data.views import colour_matrix, crop_box, two_views

SIZE = 32


def photograph(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC)


def drawn(seed: int, *, recolour: bool = False) -> torch.Tensor:
    return two_views(
        photograph(), np.random.default_rng(seed), image_size=SIZE, min_crop=0.2, recolour=recolour
    )


def test_views_are_a_function_of_the_seed() -> None:
    assert drawn(1).shape == (2, 3, SIZE, SIZE) and drawn(1).dtype == torch.uint8
    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    assert not torch.equal(*drawn(1))


@pytest.mark.parametrize("seed", range(8))
def test_recoloured_views_follow_the_views_themselves(seed: int) -> None:
    views, with_recoloured = drawn(seed), drawn(seed, recolour=True)
    assert with_recoloured.shape == (4, 3, SIZE, SIZE)
    assert torch.equal(with_recoloured[:2], views)


def test_recoloured_views_differ_by_one_linear_change_of_colours() -> None:
    """What is not clipped is an affine function of the view's colours, the same at every pixel."""
    changed = 0
    for seed in range(20):
        for view, other in drawn(seed, recolour=True).unflatten(0, (2, 2)).transpose(0, 1):
            colours, target = view.flatten(1).T.double(), other.flatten(1).T.double()
            inside = ((target > 0) & (target < 255)).all(1)
            design = torch.cat([colours, torch.ones(len(colours), 1, dtype=torch.double)], dim=1)[
                inside
            ].numpy()
            fitted, *_ = np.linalg.lstsq(design, target[inside].numpy(), rcond=None)
            assert np.abs(design @ fitted - target[inside].numpy()).max() < 1.5
            changed += not torch.equal(view, other)
    assert 24 <= changed < 40, "a colour jitter with chance .8, of 40 views"


def test_crops_lie_inside_and_keep_to_their_area_and_shape() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, right, bottom = crop_box(96, 64, rng, min_crop=0.2)
        assert 0 <= left < right <= 96 + 1e-9 and 0 <= top < bottom <= 64 + 1e-9
        assert 0.2 - 1e-9 <= (right - left) * (bottom - top) / (96 * 64) <= 1
        assert 3 / 4 - 1e-9 <= (right - left) / (bottom - top) <= 4 / 3 + 1e-9


def test_the_colour_matrix_equals_its_steps_one_after_the_other() -> None:
    """Brightness, contrast about the mean grey, saturation, hue: by plain numbers."""
    grey, mean = np.array([0.299, 0.587, 0.114]), 90.0
    matrix = colour_matrix(brightness=1.3, contrast=0.7, saturation=0.8, turn=0.0, mean=mean)
    for colour in np.random.default_rng(0).uniform(0, 255, (10, 3)):
        bright = 1.3 * colour
        contrasted = 0.7 * bright + 0.3 * 1.3 * mean
        saturated = 0.8 * contrasted + 0.2 * (grey @ contrasted)
        np.testing.assert_allclose(matrix @ [*colour, 1], saturated, atol=0.05)
    turned = colour_matrix(brightness=1, contrast=1, saturation=1, turn=0.5, mean=mean)
    np.testing.assert_allclose(
        grey @ turned[:, :3], grey, atol=2e-3, err_msg="a turn of the hue keeps the grey"
    )
