"""The shapes of a finch: those of all species, and the variants of the five parts that differ.

Bird coordinates: the bird faces right, x goes to the right, y goes down, and the body is about 2
wide. Later shapes cover earlier ones.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # [n, 2]

OBJECT, PART = 128, 255
STEPS = np.linspace(0, 1, 9)[:, None]
CIRCLE = np.stack(
    [
        np.cos(np.linspace(0, 2 * np.pi, 20, endpoint=False)),
        np.sin(np.linspace(0, 2 * np.pi, 20, endpoint=False)),
    ],
    1,
)


class Shape(NamedTuple):
    """A filled outline."""

    points: Points
    tint: str  # the name of a colour, which is random for every bird
    mask: int  # `OBJECT` or `PART`


def spline(*knots: tuple[float, float], samples: int = 6) -> Points:
    """The closed Catmull-Rom curve through the knots."""
    p = np.array(knots)
    t = np.linspace(0, 1, samples, endpoint=False)[:, None, None]
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    square, cube = 2 * before - 5 * p + 4 * after - beyond, 3 * (p - after) + beyond - before
    curve = p + 0.5 * (t * (after - before) + t**2 * square + t**3 * cube)
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def ribbon(
    start: tuple[float, float],
    bend: tuple[float, float],
    end: tuple[float, float],
    *,
    widths: Sequence[float],
) -> Points:
    """A curved band from start to end, bent towards `bend`, whose width runs through `widths`."""
    a, b, c = np.array(start), np.array(bend), np.array(end)
    line = (1 - STEPS) ** 2 * a + 2 * STEPS * (1 - STEPS) * b + STEPS**2 * c
    along = (1 - STEPS) * (b - a) + STEPS * (c - b)
    across = along[:, ::-1] * (-1.0, 1.0) / np.sqrt((along * along).sum(1, keepdims=True))
    half = np.interp(STEPS[:, 0], np.arange(len(widths)) / (len(widths) - 1), widths)[:, None] / 2
    return np.concatenate([line + across * half, (line - across * half)[::-1]])


def disc(centre: tuple[float, float] | Points, radius: float) -> Points:
    return CIRCLE * radius + np.asarray(centre)


BODY = spline(
    (0.55, -1.13),
    (0.88, -0.98),
    (1.0, -0.7),
    (0.93, -0.42),
    (0.96, -0.08),
    (0.82, 0.38),
    (0.42, 0.7),
    (-0.15, 0.74),
    (-0.68, 0.6),
    (-1.0, 0.5),
    (-1.08, 0.3),
    (-0.82, 0.02),
    (-0.5, -0.34),
    (-0.12, -0.68),
    (0.18, -0.98),
)
BELLIES = [
    spline(
        (0.9, -0.2),
        (0.8, 0.32),
        (0.42, 0.64),
        (-0.15, 0.69),
        (-0.68, 0.57),
        (-0.5, 0.3),
        (0.1, 0.05),
        (0.6, -0.3),
    ),
    spline(
        (0.84, -0.05),
        (0.74, 0.34),
        (0.38, 0.6),
        (-0.15, 0.66),
        (-0.6, 0.55),
        (-0.3, 0.4),
        (0.2, 0.15),
        (0.62, -0.18),
    ),
    spline(
        (0.74, 0.12),
        (0.64, 0.38),
        (0.32, 0.57),
        (-0.15, 0.62),
        (-0.45, 0.54),
        (-0.1, 0.42),
        (0.25, 0.25),
        (0.58, 0.0),
    ),
]
CHEEK = spline((0.86, -0.5), (0.6, -0.38), (0.34, -0.5), (0.36, -0.68), (0.62, -0.6))
WING = spline(
    (0.46, -0.02),
    (0.34, -0.3),
    (0.04, -0.44),
    (-0.4, -0.26),
    (-0.82, 0.1),
    (-1.28, 0.52),
    (-0.7, 0.46),
    (-0.2, 0.44),
    (0.24, 0.3),
)
TAIL_BASE = spline(
    (-0.8, 0.22), (-1.1, 0.42), (-1.36, 0.6), (-1.28, 0.86), (-1.0, 0.74), (-0.66, 0.58)
)
LEGS = [
    ribbon((x, 0.68), (x + 0.02, 0.82), (x + 0.06, 1.0), widths=(0.1, 0.05, 0.05))
    for x in (-0.08, 0.24)
]
TOES = [
    ribbon((x - 0.1, 1.04), (x + 0.04, 0.97), (x + 0.22, 1.05), widths=(0.05, 0.08, 0.03))
    for x in (-0.08, 0.24)
]


def _wing() -> list[Shape]:
    shapes = [Shape(WING, "wing", OBJECT)]
    for i in range(5):  # primaries, from the back down
        start, end = (-0.3 + 0.05 * i, -0.2 + 0.13 * i), (-1.26 + 0.14 * i, 0.5 - 0.012 * i)
        bend = (-0.75 + 0.06 * i, 0.0 + 0.13 * i)
        shapes.append(
            Shape(ribbon(start, bend, end, widths=(0.04, 0.15, 0.13, 0.03)), "wing_edge", OBJECT)
        )
        shapes.append(
            Shape(ribbon(start, bend, end, widths=(0.02, 0.1, 0.08, 0.01)), "wing_dark", OBJECT)
        )
    for i in range(4):  # scapulars at the shoulder
        shapes.append(Shape(disc((0.28 - 0.03 * i, -0.2 + 0.13 * i), 0.11), "wing_edge", OBJECT))
        shapes.append(Shape(disc((0.3 - 0.03 * i, -0.2 + 0.13 * i), 0.105), "wing", OBJECT))
    return shapes


def _eye() -> list[Shape]:
    return [
        Shape(disc((0.62, -0.74), 0.14), "rim", OBJECT),
        Shape(disc((0.62, -0.74), 0.12), "pupil", OBJECT),
        Shape(disc((0.665, -0.79), 0.042), "highlight", OBJECT),
    ]


def _beak(shape: int) -> list[Shape]:
    outline = (
        spline(
            (0.86, -0.92), (1.06, -0.95), (1.28, -0.82), (1.44, -0.58), (1.16, -0.46), (0.88, -0.42)
        ),
        spline((0.9, -0.8), (1.2, -0.76), (1.68, -0.62), (1.2, -0.51), (0.9, -0.5)),
        spline(
            (0.86, -0.86), (1.2, -0.92), (1.44, -0.66), (1.38, -0.32), (1.24, -0.54), (0.9, -0.48)
        ),
        spline(
            (0.9, -0.6),
            (1.2, -0.72),
            (1.52, -0.92),
            (1.58, -1.06),
            (1.42, -0.7),
            (1.2, -0.5),
            (0.9, -0.44),
        ),
    )[shape]  # thick, slim, hooked, upturned
    mouth = (
        ((0.9, -0.62), (1.22, -0.66), (1.42, -0.58)),
        ((0.92, -0.65), (1.2, -0.65), (1.6, -0.62)),
        ((0.9, -0.62), (1.14, -0.68), (1.32, -0.52)),
        ((0.9, -0.54), (1.2, -0.54), (1.54, -0.98)),
    )[shape]
    return [
        Shape(outline, "beak", PART),
        Shape(ribbon(*mouth, widths=(0.05, 0.04, 0.02)), "beak_dark", PART),
    ]


def _eye_ring(shape: int) -> list[Shape]:
    outline = (
        disc((0.62, -0.74), 0.235),
        spline(
            (0.95, -0.72),
            (0.62, -0.84),
            (0.36, -0.84),
            (0.1, -0.7),
            (0.0, -0.52),
            (0.24, -0.6),
            (0.62, -0.64),
            (0.95, -0.62),
        ),
        spline(
            (0.97, -0.84), (0.66, -1.04), (0.28, -0.94), (0.02, -0.62), (0.3, -0.8), (0.64, -0.88)
        ),
        spline((0.74, -0.78), (0.7, -0.36), (0.56, -0.22), (0.46, -0.4), (0.48, -0.78)),
    )[shape]  # ring, bandit's mask, brow, tear
    return [Shape(outline, "face", PART)]


def _wing_bars(shape: int) -> list[Shape]:
    if shape == 0:  # two bars
        lines = [
            ((0.16, -0.38), (0.02, -0.02), (0.22, 0.32)),
            ((-0.2, -0.34), (-0.3, 0.02), (-0.1, 0.4)),
        ]
        outlines = [ribbon(*line, widths=(0.1, 0.15, 0.1)) for line in lines]
    elif shape == 1:  # one patch
        outlines = [
            spline(
                (0.18, -0.14),
                (0.0, -0.24),
                (-0.22, -0.16),
                (-0.32, 0.04),
                (-0.14, 0.2),
                (0.1, 0.16),
                (0.22, 0.0),
            )
        ]
    elif shape == 2:  # spots
        spots = [
            (0.16, -0.28),
            (0.08, -0.02),
            (0.16, 0.22),
            (-0.16, -0.26),
            (-0.2, 0.04),
            (-0.1, 0.3),
            (-0.48, -0.04),
            (-0.46, 0.24),
        ]
        outlines = [disc(spot, 0.086) for spot in spots]
    else:  # one stripe along the wing
        outlines = [ribbon((0.4, -0.1), (-0.2, -0.12), (-0.9, 0.36), widths=(0.08, 0.18, 0.1))]
    return [Shape(outline, "wing_bars", PART) for outline in outlines]


def _crown(shape: int) -> list[Shape]:
    if shape == 1:  # crest
        tips = [
            ((0.78, -1.02), (0.64, -1.32), (0.36, -1.48)),
            ((0.66, -1.06), (0.44, -1.24), (0.14, -1.34)),
            ((0.54, -1.08), (0.3, -1.14), (0.04, -1.14)),
        ]
        return [Shape(ribbon(*tip, widths=(0.19, 0.17, 0.1, 0.02)), "crown", PART) for tip in tips]
    outlines = (
        [
            spline(
                (0.92, -0.93),
                (0.78, -1.08),
                (0.53, -1.15),
                (0.2, -1.0),
                (-0.08, -0.66),
                (0.22, -0.82),
                (0.52, -0.95),
            )
        ],
        [],
        [
            ribbon((0.9, -0.96 + d), (0.5, -1.2 + d), (0.02, -0.8 + d), widths=(0.06, 0.08, 0.06))
            for d in (0.0, 0.14)
        ],
        [
            spline(
                (1.0, -0.78),
                (0.94, -1.02),
                (0.72, -1.16),
                (0.44, -1.14),
                (0.56, -0.98),
                (0.84, -0.86),
            )
        ],
    )[shape]  # cap, -, two stripes, forehead
    return [Shape(outline, "crown", PART) for outline in outlines]


def _tail(shape: int) -> list[Shape]:
    outlines = (
        [
            spline((-1.2, 0.5), (-1.5, 0.52), (-1.96, 0.6), (-1.66, 0.78), (-1.3, 0.74)),
            spline((-1.3, 0.66), (-1.48, 0.92), (-1.6, 1.24), (-1.32, 1.04), (-1.12, 0.78)),
        ],
        [
            spline(
                (-1.16, 0.46),
                (-1.42, 0.46),
                (-1.62, 0.64),
                (-1.6, 0.9),
                (-1.38, 1.06),
                (-1.12, 0.96),
                (-1.1, 0.78),
            )
        ],
        [spline((-1.14, 0.5), (-1.5, 0.66), (-2.06, 1.08), (-1.4, 0.94), (-1.1, 0.8))],
        [
            ribbon((x, y), (x - 0.05, y + 0.22), (x + 0.1, y + 0.42), widths=(0.13, 0.14, 0.13))
            for x, y in ((-1.18, 0.49), (-1.4, 0.41), (-1.62, 0.34))
        ],
    )[shape]  # forked, fan, pointed, three bands
    return [Shape(outline, "tail_tip", PART) for outline in outlines]


MARKS = {  # the same for all shapes of a part
    "beak": Shape(disc((1.0, -0.66), 0.11), "accent", PART),
    "eye_ring": Shape(
        ribbon((0.42, -0.5), (0.3, -0.4), (0.3, -0.28), widths=(0.06, 0.14, 0.06)), "accent", PART
    ),
    "wing_bars": Shape(
        ribbon((-0.5, -0.1), (-0.62, 0.1), (-0.56, 0.34), widths=(0.06, 0.12, 0.06)), "accent", PART
    ),
    "crown": Shape(
        spline((0.1, -0.98), (-0.12, -0.74), (-0.2, -0.54), (-0.04, -0.58), (0.14, -0.8)),
        "accent",
        PART,
    ),
    "tail": Shape(
        ribbon((-1.1, 0.36), (-1.12, 0.66), (-0.98, 0.84), widths=(0.12, 0.14, 0.12)),
        "accent",
        PART,
    ),
}
PARTS = {
    "beak": _beak,
    "eye_ring": _eye_ring,
    "wing_bars": _wing_bars,
    "crown": _crown,
    "tail": _tail,
}


@lru_cache(maxsize=64)
def bird(
    parts: tuple[int, ...], *, differing: tuple[str, ...] = tuple(PARTS)
) -> tuple[Points, tuple[Shape, ...]]:
    """All shapes of a species from back to front, and their points in one array.

    `parts` are the variants of `PARTS`, each 0..7: four shapes, without and with a mark. The mask
    shows the `differing` ones.
    """
    shapes_of = {
        name: PARTS[name](variant & 3) + [MARKS[name]] * (variant >> 2)
        for name, variant in zip(PARTS, parts, strict=True)
    }
    shapes_of = {
        name: shapes if name in differing else [shape._replace(mask=OBJECT) for shape in shapes]
        for name, shapes in shapes_of.items()
    }
    shapes = [Shape(TAIL_BASE, "tail", OBJECT), *shapes_of["tail"]]
    shapes += [Shape(leg, "leg", OBJECT) for leg in LEGS + TOES]
    shapes += [Shape(BODY, "body", OBJECT)]
    shapes += [Shape(belly, f"belly{i}", OBJECT) for i, belly in enumerate(BELLIES)]
    shapes += [
        Shape(CHEEK, "cheek", OBJECT),
        *_wing(),
        *shapes_of["wing_bars"],
        *shapes_of["crown"],
        *shapes_of["eye_ring"],
        *_eye(),
        *shapes_of["beak"],
    ]
    return np.concatenate([shape.points for shape in shapes]), tuple(shapes)
