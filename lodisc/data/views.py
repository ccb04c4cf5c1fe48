"""Two random views of a photograph for training, one centred view for everything else.

The asymmetric recipe of MoCo v3. All colour changes of a view are one 3×4 matrix on its pixels, so
that they cost one pass.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from lodisc.config import Fit

GREY = np.array([0.299, 0.587, 0.114])
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
FROM_YIQ = np.linalg.inv(TO_YIQ)
BICUBIC = Image.Resampling.BICUBIC
CENTRE_SCALE = 1.14
"""Short side of the photograph from which the centre view is cut, in sides of the view."""
ELONGATED, MOST_TILES = 1.5, 4
"""Long side in short sides from which on there are tiles, and how many at most."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Augmentation(NamedTuple):
    """Probabilities of the augmentations in which the two views differ."""

    blur: float
    solarise: float


FIRST, SECOND = Augmentation(blur=1.0, solarise=0.0), Augmentation(blur=0.1, solarise=0.2)


def two_views(
    image: Image.Image,
    rng: np.random.Generator,
    *,
    image_size: int,
    min_crop: float,
    recolour: bool = False,
) -> torch.Tensor:
    """Two augmented views of an RGB image, bytes [2, 3, S, S]; all randomness comes from `rng`.

    Random resized crop, flip, colour jitter (.4, .4, .2, .1) with probability .8, grey with
    probability .2, blur, solarise. With `recolour` [4, 3, S, S]: both views follow once more, each
    after another colour jitter.
    """
    views = [
        _view(image, rng, kind, image_size=image_size, min_crop=min_crop)
        for kind in (FIRST, SECOND)
    ]
    if recolour:
        views += [_change_colours(view, rng, grey=0.0) for view in views]
    return torch.stack([to_bytes(view) for view in views])


def whole_views(image: Image.Image, *, image_size: int, fit: Fit = "crop") -> torch.Tensor:
    """The views [T, 3, S, S] of a whole RGB image, bytes: T = 1, or with `tiles` one for each.

    A photograph that is not elongated has one tile, which is that of `crop`. Tiles overlap, or are
    squeezed where even the most of them would leave gaps.
    """
    width, height = image.size
    short, long = sorted(image.size)
    count = min(MOST_TILES, math.ceil(long / short)) if long > ELONGATED * short else 1
    if fit != "tiles" or count == 1:
        return whole_view(image, image_size=image_size, fit=fit)[None]
    side = max(short, long / count)
    boxes = [
        (start, 0.0, start + side, float(short))
        if width > height
        else (0.0, start, float(short), start + side)
        for start in np.linspace(0, long - side, count).tolist()
    ]
    return torch.stack([to_bytes(_square(image, box, image_size)) for box in boxes])


def whole_view(image: Image.Image, *, image_size: int, fit: Fit = "crop") -> torch.Tensor:
    """The one view [3, S, S] of a whole RGB image, bytes; for `tiles` it is that of `crop`."""
    return to_bytes(whole_square(image, image_size=image_size, side=image_size, fit=fit))


def whole_square(
    image: Image.Image, *, image_size: int, side: int, fit: Fit = "crop"
) -> Image.Image:
    """What the view of S pixels shows of an image, at `side` pixels; its mean colour is around."""
    box = whole_box(*image.size, image_size=image_size, fit=fit)
    if fit != "pad":
        return _square(image, box, side)
    scale = side / max(image.size)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    mean = np.asarray(image.resize((8, 8), Image.Resampling.BOX)).reshape(-1, 3).mean(0)
    square = Image.new("RGB", (side, side), tuple(round(value) for value in mean.tolist()))
    square.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return square


def whole_box(width: int, height: int, *, image_size: int, fit: Fit = "crop") -> Box:
    """The part of an image that its one view shows; with `pad` it is larger than the image."""
    if fit == "squeeze":
        return 0.0, 0.0, float(width), float(height)
    if fit == "pad":
        side = max(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side
    return centre_box(width, height, image_size=image_size)


def _square(image: Image.Image, box: Box, side: int) -> Image.Image:
    return image.resize((side, side), BICUBIC, box=box, reducing_gap=3.0)


def centre_box(width: int, height: int, *, image_size: int) -> Box:
    """The part of an image that its centre view shows.

    The same as to resize the short side to 1.14·S, rounded, and to crop the middle S by S.
    """
    side = image_size / (round(CENTRE_SCALE * image_size) / min(width, height))
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def random_crop_view(
    image: Image.Image, rng: np.random.Generator, *, image_size: int, min_crop: float
) -> torch.Tensor:
    """A random resized crop with a random flip, bytes [3, S, S]."""
    return to_bytes(_crop_and_flip(image, rng, image_size=image_size, min_crop=min_crop))


def to_bytes(image: Image.Image) -> torch.Tensor:
    """An RGB image as a tensor [3, H, W] of bytes."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def crop_box(width: int, height: int, rng: np.random.Generator, *, min_crop: float) -> Box:
    """A random crop of `min_crop` to 1 of the area, with an aspect ratio from 3:4 to 4:3."""
    for _ in range(10):
        area = width * height * rng.uniform(min_crop, 1)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if wide <= width and high <= height:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
            return left, top, left + wide, top + high
    wide, high = min(width, height * 4 / 3), min(height, width * 4 / 3)
    left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
    return left, top, left + wide, top + high


def colour_matrix(
    *, brightness: float, contrast: float, saturation: float, turn: float, mean: float
) -> NDArray[np.float64]:
    """The 3×4 matrix that changes brightness, contrast about the mean grey, saturation, then hue.

    `mean` is the mean grey of the image in bytes. `turn` is the rotation of the hue in turns, in
    the I-Q plane of YIQ.
    """
    angle = 2 * math.pi * turn
    rotation = np.array(
        [[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]]
    )
    saturate = saturation * np.eye(3) + (1 - saturation) * GREY
    linear = FROM_YIQ @ rotation @ TO_YIQ @ saturate * contrast * brightness
    return np.column_stack([linear, np.full(3, (1 - contrast) * brightness * mean)])


def _view(
    image: Image.Image,
    rng: np.random.Generator,
    kind: Augmentation,
    *,
    image_size: int,
    min_crop: float,
) -> Image.Image:
    view = _crop_and_flip(image, rng, image_size=image_size, min_crop=min_crop)
    view = _change_colours(view, rng, grey=0.2)
    if rng.random() < kind.blur:
        view = view.filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 2.0) * image_size / 224))
    return ImageOps.solarize(view) if rng.random() < kind.solarise else view


def _crop_and_flip(
    image: Image.Image, rng: np.random.Generator, *, image_size: int, min_crop: float
) -> Image.Image:
    box = crop_box(image.width, image.height, rng, min_crop=min_crop)
    view = image.resize((image_size, image_size), BICUBIC, box=box, reducing_gap=3.0)
    return ImageOps.mirror(view) if rng.random() < 0.5 else view


def _change_colours(view: Image.Image, rng: np.random.Generator, *, grey: float) -> Image.Image:
    """Colour jitter with probability .8, and grey with probability `grey`."""
    jitter, to_grey = rng.random() < 0.8, rng.random() < grey
    matrix = np.eye(3, 4)
    if jitter:
        brightness, contrast = rng.uniform(0.6, 1.4, 2)
        matrix = colour_matrix(
            brightness=brightness,
            contrast=contrast,
            saturation=rng.uniform(0.8, 1.2),
            turn=rng.uniform(-0.1, 0.1),
            mean=float(np.asarray(view.convert("L")).mean()),
        )
    if to_grey:
        matrix = np.tile(GREY @ matrix, (3, 1))
    return view.convert("RGB", tuple(matrix.flatten().tolist())) if jitter or to_grey else view
