"""From templates to HTML: every value is escaped and on one line."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from starlette.responses import HTMLResponse

from lodisc.html import html_environment
from lodisc.web.models import PhotoDetailOut, PhotoOut
from lodisc.web.text import duration, sentence

TITLES = {
    401: "This collection asks for its token",
    404: "Page not found",
    403: "Not from there",
    503: "Not now",
}


def render(template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """A template of this package, filled with values."""
    html = _environment().get_template(template).render(values)
    return HTMLResponse(html.encode("utf-8", "backslashreplace"), status)


def error_page(status: int, detail: str) -> HTMLResponse:
    """The page for a person whose request failed: what is wrong, and a way back."""
    detail = "There is no such page" if detail == HTTPStatus.NOT_FOUND.phrase else detail
    title, way_back = TITLES.get(status, "This did not work"), status not in (401, 403, 421)
    return render("error.html", status, title=title, detail=detail, way_back=way_back)


@cache
def _environment() -> Environment:
    filters: Sequence[Callable[..., Any]] = (
        number,
        photographs,
        percent,
        caption,
        spoken,
        likeness,
        facts,
        sentence,
        duration,
        metric,
        metric_name,
        verdict_style,
        curve_path,
        verbatim,
    )
    by_name = {function.__name__: function for function in filters}
    return html_environment(PackageLoader("lodisc.web"), by_name)


def number(value: int) -> str:
    """12,345."""
    return f"{value:,}"


def photographs(count: int) -> str:
    """12 photographs, 1 photograph."""
    return f"{count:,} photograph{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """A share of 0..1 in whole percent, rounded down, so that only 1 gives 100 %."""
    return f"{int(100 * share + 1e-6)}%"


def caption(photo: PhotoOut) -> tuple[str, str, str]:
    """What stands under a photograph, as `captionOf` in parts/tile.js: kind, text, share.

    The kind is label, guess or file; only a guess has a share, in percent.
    """
    if photo.label is not None:
        return "label", photo.label, ""
    if photo.name is None:
        return "file", photo.title, ""
    if photo.likely_new:
        return "guess", "None of these kinds", percent(photo.new_kind or 0)
    return "guess", photo.name, percent(photo.confidence or 0)


def spoken(photo: PhotoOut) -> str:
    """What a screen reader says of a photograph, as `spokenOf` in parts/tile.js."""
    kind, text, share = caption(photo)
    return photo.key if kind == "file" else ", ".join(filter(None, [text, share, photo.key]))


def likeness(score: float, same_kind: float | None) -> str:
    """How similar a look-alike is, in words."""
    words = f"{percent(max(0.0, score))} similar"
    return words if same_kind is None else f"{words}, {percent(same_kind)} same kind"


def facts(photo: PhotoDetailOut) -> str:
    """Sizes in pixels and bytes, when it was taken or the file changed, as far as is known."""
    return " · ".join(
        text
        for text, value in (
            (f"{photo.width} × {photo.height}", photo.width),
            (file_size(photo.bytes or 0), photo.bytes),
            (f"taken {(photo.taken or '')[:16].replace('T', ' ')}", photo.taken),
            (f"changed {(photo.modified or '')[:10]}", photo.modified),
        )
        if value is not None
    )


def file_size(count: int) -> str:
    """Bytes in a unit that suits them: 640 B, 12 kB, 3.4 MB."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"


def metric(value: float) -> str:
    """A metric with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def metric_name(name: str) -> str:
    """The name of a metric as a person writes it."""
    return name.replace("_", " ").capitalize()


def verdict_style(verdict: str) -> str:
    """The colour of a verdict on a training."""
    styles = {
        "healthy": "good",
        "good": "good",
        "collapsing": "bad",
        "collapsed": "bad",
        "bad": "bad",
    }
    return styles.get(verdict, "warning")


def curve_path(points: Sequence[tuple[float, float]]) -> str:
    """A line through (step, value), on 100 by 40."""
    steps, values = [step for step, _ in points], [value for _, value in points]
    wide, high = max(steps) - min(steps) or 1, max(values) - min(values) or 1
    places = [
        f"{100 * (step - min(steps)) / wide:.2f},{38 - 36 * (value - min(values)) / high:.2f}"
        for step, value in points
    ]
    return "M" + "L".join(places)


def verbatim(text: str) -> Markup:
    """Escaped, but otherwise unchanged: for scripts that compare it."""
    return Markup.escape(re.sub(r"\x00", "", text))
