"""How a command prints its result: JSON for machines, else by the function for people."""

import json as json_module
import os
import sys
from collections.abc import Callable
from typing import TypeVar

from lodisc.console import stdout

Result = TypeVar("Result")


def print_result(result: Result, *, json: bool, people: Callable[[Result], None]) -> None:
    """Print JSON to stdout, or hand the result to the function for people.

    Of several processes that `torchrun` started, only the first one prints.
    """
    if int(os.environ.get("RANK", "0")) > 0:
        return
    if json:
        sys.stdout.write(json_module.dumps(result, indent=2) + "\n")
    else:
        people(result)


def print_json_line(result: object) -> None:
    """Print JSON on a line of its own, at once."""
    sys.stdout.write(json_module.dumps(result) + "\n")
    sys.stdout.flush()


def print_line(text: str) -> None:
    """Print a text as it is, without wrapping its lines."""
    stdout.print(text, markup=False, soft_wrap=True)
