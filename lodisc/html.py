"""HTML from templates: every value is escaped and on one line."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lodisc.data.photo import printable


def html_environment(
    loader: PackageLoader, filters: Mapping[str, Callable[..., Any]]
) -> Environment:
    """Templates in which every text is `printable` and escaped and a missing value is an error."""
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    environment.filters |= filters
    return environment
