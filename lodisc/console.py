"""What people see on the terminal: results and tables on stdout, notes and progress on stderr."""

import codecs
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

Element = TypeVar("Element")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a pipe that nobody reads to the command line, which knows what to exit with."""
        raise BrokenPipeError


stdout = _Console(highlight=False, emoji=False)
stderr = _Console(stderr=True, highlight=False, emoji=False)


_PLAIN = {
    **dict.fromkeys("–—·", "-"),
    **dict.fromkeys("“”", '"'),
    "’": "'",
    "…": "...",
    "×": "x",
    "ρ": "rho",
}


def replace_what_cannot_be_shown() -> None:
    """Print a plain sign, or ?, for each that the encoding of the terminal lacks.

    A handler of errors that the environment names in PYTHONIOENCODING stays.
    """
    if os.environ.get("PYTHONIOENCODING", "").partition(":")[2]:
        return
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in signs), error.end


def note(message: str) -> None:
    """Print one line for people; on stderr, so that stdout stays clean for results and JSON."""
    stderr.print(message, markup=False, soft_wrap=True)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


@contextmanager
def log_as_notes() -> Iterator[None]:
    """Print what the package logs, from level info on, as notes for people."""
    logger, handler = logging.getLogger("lodisc"), _Notes()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar with time left and a free `note` field; silent without a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as progress:
        yield progress


def track(elements: Iterable[Element], *, description: str, total: int) -> Iterator[Element]:
    """Yield the elements beside a progress bar."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=total, note="")
        for element in elements:
            yield element
            progress.advance(task)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    grid = Table(
        title=escape(title), title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        grid.add_row(*map(escape, row))
    stdout.print(grid)
