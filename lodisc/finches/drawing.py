"""Draw a finch in a scene.

Pose, light, tint, background and leaves in front of the bird are random and independent of its
species. A vivid picture is easier: every variant of a part has a colour of its own, and the rest of
bird and scene is muted and sparse.

The random numbers are the same for all species: pictures of two species by equal generators differ
in their parts only.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lodisc.finches.shapes import PARTS, Points, bird, disc, ribbon, spline

Colour = tuple[float, float, float]  # red, green, blue, 0..255
Paint = Callable[[float, float, float], Colour]  # of hue, saturation and value, 0..1
WHITE, BLACK, GOLD = (250, 247, 238), (24, 24, 32), (252, 200, 46)
ORANGE, RED = (244, 124, 26), (206, 36, 44)
PART_TINTS = {
    "wing_bars": WHITE,
    "tail_tip": GOLD,
    "crown": RED,
    "face": WHITE,
    "beak": ORANGE,
    "beak_dark": (134, 68, 14),
    "accent": BLACK,
    "pupil": (22, 17, 20),
    "highlight": (255, 255, 255),
}
VIVID = (
    RED,
    GOLD,
    WHITE,
    (40, 70, 200),
    (20, 20, 26),
    (30, 150, 60),
    (214, 50, 170),
    (60, 200, 215),
)
"""Colours of the eight variants of a part in vivid pictures."""
VIVID_SCENES = 4
"""Number of different backgrounds of vivid pictures."""
BERRIES = (WHITE, BLACK, GOLD, ORANGE, RED)
"""Colours of the parts, so that colour alone does not find a part."""
SUPERSAMPLE = 3
LEAF = spline((0, 0), (0.25, -0.2), (0.6, -0.2), (1, 0), (0.6, 0.2), (0.25, 0.2), samples=4)
HALF_LEAF = spline((0, 0), (0.5, 0.0), (1, 0), (0.6, 0.2), (0.25, 0.2), samples=4)
VEIN = ribbon((0, 0), (0.5, 0.02), (0.95, 0), widths=(0.04, 0.02))
ANCHORS = np.array(
    [(1.15, -0.66), (0.6, -0.74), (0.45, -1.08), (-0.25, 0.0), (0.1, 0.0), (-1.4, 0.75)]
)
"""The middles of the parts."""
EXTENT = np.array(
    [
        *((1.66, -0.62), (1.55, -1.0), (0.2, -1.5), (-1.95, 0.66)),
        *((-1.7, 1.15), (0.3, 1.15), (0.9, -1.1), (-1.2, 0.4)),
    ]
)
"""The outermost points of a bird."""
HEAD, RUMP = np.array([0.5, -0.66]), np.array([-0.8, 0.35])


@dataclass(frozen=True)
class Pose:
    """Maps bird coordinates to pixels: a slight bend of head, body and tail, then a similarity."""

    head_scale: float
    head_turn: float  # radians
    plump: float
    tail_turn: float  # radians
    matrix: Points  # [2, 2], from bird units to pixels
    middle: Points  # [2], pixels

    @property
    def unit(self) -> float:
        """Pixels per bird unit."""
        return float(np.linalg.norm(self.matrix[:, 1]))

    def bend(self, points_N2: Points) -> Points:
        x, y = points_N2.T
        bent = points_N2 * (1.0, self.plump)
        for centre, turn, scale, weight in (
            (HEAD, self.head_turn, self.head_scale, 1 / (1 + np.exp(-9 * (0.5 * x - y - 0.42)))),
            (RUMP, self.tail_turn, 1.0, 1 / (1 + np.exp(9 * (x + 0.92)))),
        ):
            turned = (bent - centre) @ (scale * _rotation(turn)).T + centre
            bent = bent + weight[:, None] * (turned - bent)
        return bent

    def place(self, points_N2: Points) -> Points:
        return self.bend(points_N2) @ self.matrix.T + self.middle


def _rotation(angle: float) -> Points:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _pose(rng: Generator, side: int, vivid: bool) -> Pose:
    """A random pose in which the bird is inside a picture of `side` pixels."""
    pose = Pose(
        head_scale=rng.uniform(0.94, 1.08),
        head_turn=rng.uniform(-0.2, 0.2),
        plump=rng.uniform(0.92, 1.08),
        tail_turn=rng.uniform(-0.25, 0.25),
        matrix=np.eye(2),
        middle=np.zeros(2),
    )
    matrix = _rotation(rng.uniform(-0.26, 0.26)) @ np.diag([rng.choice([-1.0, 1.0]), 1.0])
    corners = pose.bend(EXTENT) @ matrix.T
    low, high = corners.min(0), corners.max(0)
    scale = rng.uniform(*((0.5, 0.8) if vivid else (0.8, 1.0))) * side / (high - low).max()
    slack = side - scale * (high - low)
    middle = -scale * low + slack * rng.uniform(0.04, 0.96, 2)
    return replace(pose, matrix=scale * matrix, middle=middle)


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(saturation, 1), min(value, 1))
    return (255 * red, 255 * green, 255 * blue)


def _muted(hue: float, saturation: float, value: float) -> Colour:
    return _hsv(hue, 0.45 * saturation, 0.25 + 0.6 * value)


def _tints(rng: Generator, paint: Paint) -> dict[str, Colour]:
    """The colours of a bird by the names in `Shape.tint`, independent of its species."""
    hue, saturation, value = rng.uniform(), rng.uniform(0.12, 0.5), rng.uniform(0.5, 0.78)
    other, pale = hue + rng.uniform(-0.12, 0.12), rng.uniform(0.2, 1)
    leg = paint(rng.uniform(0.02, 0.1), 0.4, rng.uniform(0.25, 0.6))
    wing = rng.uniform(0.66, 0.82) * value
    bellies = {
        f"belly{i}": paint(
            other, saturation * (1 - 0.2 * pale * (i + 1)), value * (1 + 0.09 * pale * (i + 1))
        )
        for i in range(3)
    }
    return {
        "body": paint(hue, saturation, value),
        "leg": leg,
        "wing": paint(other, saturation * 1.1, wing),
        "wing_dark": paint(other, saturation * 1.2, wing * 0.8),
        "wing_edge": paint(other, saturation * 0.8, wing * 1.25),
        "tail": paint(other, saturation, wing * 0.85),
        **bellies,
        "cheek": paint(hue, saturation * 0.85, value * 1.06),
        "rim": paint(hue, saturation, value * 0.6),
        **PART_TINTS,
    }


def _fill(draw: ImageDraw.ImageDraw, points_N2: Points, colour: Sequence[float]) -> None:
    draw.polygon(points_N2.ravel().tolist(), fill=tuple(int(c) for c in colour))  # pyright: ignore[reportArgumentType]


def _leaf(draw: ImageDraw.ImageDraw, at: Points, size: float, angle: float, colour: Colour) -> None:
    turn = size * _rotation(angle).T
    _fill(draw, LEAF @ turn + at, colour)
    _fill(draw, HALF_LEAF @ turn + at, [0.84 * c for c in colour])
    _fill(draw, VEIN @ turn + at, [0.7 * c + 40 for c in colour])


def _foliage(rng: Generator, paint: Paint) -> Callable[[], Colour]:
    """A function that returns random leaf colours of one season."""
    hue = rng.choice([0.09, 0.2, 0.27, 0.33, 0.4, 0.5])
    saturation, value = rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.75)
    return lambda: paint(
        hue + rng.normal(0, 0.03),
        saturation * rng.uniform(0.7, 1.2),
        value * rng.uniform(0.65, 1.2),
    )


def _background(
    rng: Generator, side: int, paint: Paint, leaf_colour: Callable[[], Colour], berries: int
) -> Image.Image:
    """A sky or thicket far away, then branches, leaves and berries, out of focus."""
    far = _far_background(rng, paint, leaf_colour).resize((side, side), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(far)
    for _ in range(rng.integers(0, 4)):
        ends = rng.uniform(-0.2, 1.2, (3, 2)) * side
        band = ribbon(
            *(tuple(end) for end in ends),
            widths=[side * width for width in rng.uniform(0.01, 0.05, 2)],
        )
        _fill(draw, band, paint(rng.uniform(0.03, 0.12), 0.35, rng.uniform(0.2, 0.6)))
    for _ in range(rng.integers(0, 16)):
        _leaf(
            draw,
            rng.uniform(-0.1, 1.1, 2) * side,
            side * rng.uniform(0.08, 0.3),
            rng.uniform(0, 6.3),
            leaf_colour(),
        )
    for _ in range(berries):
        _fill(
            draw,
            disc(rng.uniform(0, side, 2), side * rng.uniform(0.012, 0.05)),
            BERRIES[rng.integers(len(BERRIES))],
        )
    return far.filter(ImageFilter.GaussianBlur(side / 128 * rng.uniform(0.5, 2.2)))


def _far_background(
    rng: Generator, paint: Paint, leaf_colour: Callable[[], Colour], small: int = 48
) -> Image.Image:
    """A gradient with blurred discs, at `small` pixels."""
    top, bottom = (
        np.array(paint(rng.uniform(), rng.uniform(0.05, 0.4), rng.uniform(0.45, 0.95)))
        for _ in range(2)
    )
    slope = rng.uniform(-0.5, 0.5)
    grid = np.mgrid[0:small, 0:small] / small
    mix = np.clip(grid[0] + slope * (grid[1] - 0.5), 0, 1)[..., None]
    far = Image.fromarray((top + (bottom - top) * mix).astype(np.uint8))
    draw = ImageDraw.Draw(far)
    for _ in range(rng.integers(0, 26)):
        _fill(draw, disc(rng.uniform(-4, small + 4, 2), rng.uniform(2, 8)), leaf_colour())
    return far.filter(ImageFilter.GaussianBlur(rng.uniform(1.2, 3)))


def _perch(
    draw: ImageDraw.ImageDraw,
    rng: Generator,
    pose: Pose,
    side: int,
    paint: Paint,
    leaf_colour: Callable[[], Colour],
    *,
    bare: bool,
) -> None:
    """Draw the branch under the feet, with leaves and berries unless it is bare."""
    unit = pose.unit
    feet = pose.place(np.array([(0.12, 1.1)]))[0]
    along = _rotation(rng.uniform(-0.35, 0.35))[:, 0] * side * 1.6
    thick, sag = unit * rng.uniform(0.16, 0.3), np.array([0, side * rng.uniform(-0.1, 0.1)])
    feet = feet + (0, 0.35 * thick)
    start, bend, end = feet - along + sag, feet - sag, feet + along + sag
    hue, value = rng.uniform(0.03, 0.12), rng.uniform(0.3, 0.62)
    for lift, share, light in ((0, 1, 0.72), (-0.14, 0.72, 1.0), (-0.26, 0.3, 1.25)):
        line = [tuple(p + (0, lift * thick)) for p in (start, bend, end)]
        _fill(
            draw,
            ribbon(*line, widths=(thick * share * 0.8, thick * share, thick * share * 0.7)),
            paint(hue, 0.38, value * light),
        )
    if bare:
        return
    for _ in range(rng.integers(0, 5)):
        at = feet + along * rng.uniform(-0.6, 0.6)
        _leaf(draw, at, unit * rng.uniform(0.35, 0.8), rng.uniform(0, 6.3), leaf_colour())
    for _ in range(rng.integers(0, 5)):
        at = feet + along * rng.uniform(-0.6, 0.6) + (0, thick * rng.uniform(-0.8, 0.8))
        colour, radius = BERRIES[rng.integers(len(BERRIES))], unit * rng.uniform(0.05, 0.13)
        _fill(draw, disc(at, radius), colour)
        _fill(draw, disc(at - 0.35 * radius, 0.3 * radius), [min(255, c + 70) for c in colour])


def _occluders(
    rng: Generator, pose: Pose, leaf_colour: Callable[[], Colour], most: int
) -> list[tuple[Points, float, float, Colour]]:
    """Leaves in front of the bird, as position, size, angle and colour.

    They do not hide the middle of any part.
    """
    unit = pose.unit
    anchors = pose.place(ANCHORS)
    tries = 14
    starts = pose.place(rng.uniform((-1.8, -1.4), (1.5, 1.3), (tries, 2)))
    sizes = unit * rng.uniform(0.5, 1.1, tries)
    angles = rng.uniform(0, 6.3, tries)
    colours = [leaf_colour() for _ in range(tries)]
    ways = sizes[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    spines = starts[:, None] + np.linspace(0, 1, 5)[:, None] * ways[:, None]
    distance = np.linalg.norm(spines[:, :, None] - anchors, axis=-1).min((1, 2))
    clear = np.flatnonzero(distance > 0.2 * sizes + 0.16 * unit)[: rng.integers(0, most + 1)]
    return [(starts[i], float(sizes[i]), float(angles[i]), colours[i]) for i in clear]


def _light(
    rng: Generator, pose: Pose, unevenness: float, covered_HW: NDArray[np.float32]
) -> list[NDArray[Any]]:
    """Factors [H, W] for red, green and blue.

    Light varies over the whole picture. The covered pixels are shaded like spheres under body and
    head.
    """
    side = len(covered_HW)
    lit = _sunlight(rng, pose, side)
    strength = rng.uniform(0.25, 0.55)
    cool = [0.1, 0.03, 0.0] if rng.uniform() < 0.5 else [0.0, 0.02, 0.06]
    angle, centred = rng.uniform(0, 6.3), _pixel_centres(side) / side - 0.5
    ramp = 1 + np.float32(rng.uniform(0, 0.4 * unevenness)) * (
        np.float32(np.cos(angle)) * centred[:, None] + np.float32(np.sin(angle)) * centred
    )
    exposure = 1 + unevenness * rng.uniform(-0.18, 0.2)
    cast = 1 + unevenness * rng.uniform(-0.1, 0.1, 3)
    shade = (1 + np.float32(strength) * (lit - np.float32(0.45))) * covered_HW
    rest = 1 - covered_HW
    return [
        (shade * (1 - np.float32(cool[i]) * (1 - lit)) + rest)
        * ramp
        * np.float32(exposure * cast[i])
        for i in range(3)
    ]


def _sunlight(rng: Generator, pose: Pose, side: int) -> NDArray[Any]:
    """How much a sun lights two spheres, under body and head, at each pixel: -0.25..1, [H, W]."""
    x, y = _bird_coordinates(pose, side)
    tilt, height = rng.uniform(-1.2, 1.2), rng.uniform(0.35, 0.8)
    sun = np.linalg.solve(pose.matrix, np.array([np.sin(tilt), -np.cos(tilt)]))
    sun = (sun * np.sqrt(1 - height**2) / np.linalg.norm(sun)).astype(np.float32)
    spheres = []
    for (cx, cy), (rx, ry) in (((-0.05, 0.05), (1.15, 0.8)), ((0.52, -0.66), (0.6, 0.56))):
        u, v = (x - cx) / rx, (y - cy) / ry
        up = np.sqrt(np.maximum(0, 1 - u * u - v * v))
        spheres.append((up, u * sun[0] + v * sun[1] + up * np.float32(height)))
    (up_body, lit_body), (up_head, lit_head) = spheres
    head_share = 1 / (1 + np.exp(-8 * (0.6 * up_head - up_body * 0.8 + 0.12)))
    return np.clip(lit_body + (lit_head - lit_body) * head_share, -0.25, 1)


def _bird_coordinates(pose: Pose, side: int) -> list[NDArray[Any]]:
    """x [H, W] and y [H, W] of each pixel, as `Pose.matrix` maps them."""
    steps = _pixel_centres(side)
    across, down = np.linalg.inv(pose.matrix).T.astype(np.float32)
    corner = -across * np.float32(pose.middle[0]) - down * np.float32(pose.middle[1])
    return [(corner[i] + down[i] * steps)[:, None] + across[i] * steps for i in range(2)]


def _pixel_centres(side: int) -> NDArray[Any]:
    """float32 `[side]`."""
    return np.arange(side, dtype=np.float32) + np.float32(0.5)


def draw_finch(
    parts: Sequence[int],
    rng: Generator,
    image_size: int,
    *,
    vivid: bool = False,
    differing: Sequence[str] = tuple(PARTS),
) -> tuple[Image.Image, Image.Image]:
    """A finch with these variants of `shapes.PARTS`: its picture (RGB) and its mask (L).

    The mask is 0 on the background, 128 on the object and 255 on the `differing` parts.
    """
    paint = _muted if vivid else _hsv
    pose, tints = _pose(rng, image_size, vivid), _tints(rng, paint)
    if vivid:
        names = ("beak", "face", "wing_bars", "crown", "tail_tip")
        tints |= {name: VIVID[variant] for name, variant in zip(names, parts, strict=True)}
    scene = np.random.default_rng(rng.integers(VIVID_SCENES)) if vivid else rng
    leaf_colour, berries = _foliage(scene, paint), 0 if vivid else int(rng.integers(0, 14))
    large = (image_size * SUPERSAMPLE, image_size * SUPERSAMPLE)
    picture = _background(scene, image_size, paint, leaf_colour, berries)
    picture = picture.resize(large, Image.Resampling.NEAREST)
    mask = Image.new("L", large)
    pen, stencil = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    fine = replace(pose, matrix=pose.matrix * SUPERSAMPLE, middle=pose.middle * SUPERSAMPLE)
    _perch(pen, rng, fine, large[0], paint, leaf_colour, bare=vivid)
    points, shapes = bird(tuple(parts), differing=tuple(differing))
    pixels, start = fine.place(points), 0
    for shape in shapes:
        outline, start = pixels[start : start + len(shape.points)], start + len(shape.points)
        _fill(pen, outline, tints[shape.tint])
        _fill(stencil, outline, (shape.mask,))
    for at, size, angle, colour in _occluders(rng, fine, leaf_colour, 2 if vivid else 4):
        _leaf(pen, at, size, angle, colour)
        _fill(stencil, LEAF @ (size * _rotation(angle).T) + at, (0,))
    object_mask = mask.point(lambda value: 255 if value else 0).reduce(SUPERSAMPLE)
    covered_HW = np.asarray(object_mask, np.float32) / np.float32(255)
    light = _light(rng, pose, 0.5 if vivid else 1.0, covered_HW)
    bands = [
        Image.fromarray(np.minimum(np.asarray(band) * factor, 255).astype(np.uint8))
        for band, factor in zip(picture.reduce(SUPERSAMPLE).split(), light, strict=True)
    ]
    middle = SUPERSAMPLE // 2
    small_mask = np.asarray(mask)[middle::SUPERSAMPLE, middle::SUPERSAMPLE]
    return Image.merge("RGB", bands), Image.fromarray(small_mask)
