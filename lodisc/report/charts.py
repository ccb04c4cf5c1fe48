"""Charts as inline SVG and pictures as data URIs, so that a page needs no other file."""

import base64
import math
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

from markupsafe import Markup
from PIL import Image

WIDTH, HEIGHT = 340, 172
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 24
MOST_POINTS = 160


class Line(NamedTuple):
    """A curve in a chart."""

    name: str
    style: str
    """Its class in the CSS of the page."""
    points: Sequence[tuple[float, float | None]]
    """The value at every step; None and NaN are ignored."""
    smooth: bool = True


class Interval(NamedTuple):
    """A metric in percent with its interval, and its class in the CSS of the page."""

    style: str
    value: float
    low: float
    high: float


def line_chart(
    lines: Sequence[Line], *, title: str, bottom: float | None = None, top: float | None = None
) -> Markup:
    """Curves over the steps; `bottom` and `top` fix the ends of the scale.

    Noisy curves are drawn twice: faint as they are, and smoothed.
    """
    curves = [(line, _thin(line.points)) for line in lines]
    values = [value for _, points in curves for _, value in points]
    if not values:
        return Markup('<p class="quiet">Nothing was logged.</p>')
    marks = ticks(min(values) if bottom is None else bottom, max(values) if top is None else top)
    low, high = min(marks[0], *values), max(marks[-1], *values)
    last = max(step for line in lines for step, _ in line.points)

    def place(step: float, value: float) -> str:
        x = LEFT + step / last * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    parts = [_axis(mark, place(0, mark)) for mark in marks]
    for mark in (step for step in ticks(0, last) if step <= last):
        x = place(mark, low).split(",")[0]
        anchor = "start" if mark == 0 else "end" if mark > 0.97 * last else "middle"
        parts.append(f'<text x="{x}" y="{HEIGHT - 7}" text-anchor="{anchor}">{mark:,.0f}</text>')
    for line, points in curves:
        smooth = _smooth(points) if line.smooth else points
        if smooth != points:
            parts.append(_path(line.style + " faint", [place(*point) for point in points]))
        parts.append(_path(line.style, [place(*point) for point in smooth]))
    label = Markup.escape(f"{title}, over the steps of the training")
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def interval_plot(intervals: Sequence[Interval]) -> Markup:
    """Dots with their intervals, in rows, on a scale from 0 to 100 percent of the full width."""
    gap = 11
    height = gap * len(intervals) + 5
    parts = [
        f'<line class="grid" x1="{mark}%" x2="{mark}%" y1="0" y2="{height}"/>'
        for mark in (0, 25, 50, 75, 100)
    ]
    for index, (style, value, low, high) in enumerate(intervals):
        y = gap * index + 8
        low, value, high = (min(100.0, max(0.0, number)) for number in (low, value, high))
        parts.append(
            f'<line class="bar {style}" x1="{low:.2f}%" x2="{high:.2f}%" y1="{y}" y2="{y}"/>'
        )
        parts.append(f'<circle class="dot {style}" cx="{value:.2f}%" cy="{y}" r="4"/>')
    return Markup(
        f'<svg class="intervals" height="{height}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def picture_uri(picture: Image.Image, *, quality: int = 82) -> str:
    """An RGB picture as the data URI of a JPEG."""
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about `most` of them."""
    span = high - low if high > low else max(abs(high), 1.0)
    raw = span / (most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _thin(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """The finite points; means of neighbours where there are more than a chart can show."""
    finite = [(step, value) for step, value in points if value is not None and math.isfinite(value)]
    size = math.ceil(len(finite) / MOST_POINTS)
    groups = [finite[first : first + size] for first in range(0, len(finite), max(size, 1))]
    return [
        (sum(step for step, _ in group) / len(group), sum(value for _, value in group) / len(group))
        for group in groups
    ]


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A centred moving mean over a tenth of the curve; short curves stay as they are."""
    reach = len(points) // 20
    if reach == 0:
        return points
    smooth = []
    for index, (step, _) in enumerate(points):
        near = min(reach, index, len(points) - 1 - index)
        window = points[index - near : index + near + 1]
        smooth.append((step, sum(value for _, value in window) / len(window)))
    return smooth


def _axis(mark: float, place: str) -> str:
    y = place.split(",")[1]
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    text = f'<text x="{LEFT - 6}" y="{float(y) + 3.5:.1f}" text-anchor="end">{_short(mark)}</text>'
    return line + text


def _path(style: str, places: list[str]) -> str:
    if len(places) == 1:
        x, y = places[0].split(",")
        return f'<circle class="dot {style}" cx="{x}" cy="{y}" r="3"/>'
    return f'<polyline class="curve {style}" points="{" ".join(places)}"/>'


def _short(value: float) -> str:
    if value and (abs(value) < 0.01 or abs(value) >= 100_000):
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:,.6g}"
