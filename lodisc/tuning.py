"""What of the encoder learns: the grammar of `--tune`."""

import re
from typing import NamedTuple

from lodisc.errors import UserError

FORM = re.compile(r"(all|map)|(last|lora):([1-9][0-9]{0,5})")
WORDS = "use all, last:N for the last N blocks, lora:R for adapters of rank R, or map"


class Tuning(NamedTuple):
    """A value of `--tune`."""

    part: str
    """all, last, lora or map."""
    number: int
    """The number of blocks, or the rank; 0 where there is none."""


def is_tuning(text: str) -> bool:
    """Whether `tuning` knows this value."""
    return FORM.fullmatch(text) is not None


def tuning(text: str) -> Tuning:
    """The value in `text`, such as `last:4`; raises `UserError` for anything else."""
    form = FORM.fullmatch(text)
    if form is None:
        raise UserError(f"--tune {text} is not known; {WORDS}")
    whole, part, number = form.groups()
    return Tuning(whole or part, int(number or 0))
