"""Weights of a pickled checkpoint as a safetensors file:  python -m lodisc.pickled OLD NEW

No code of the checkpoint runs. What is no tensor comes back as a `_StandIn`.
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lodisc.errors import UserError

_AVERAGED = {"teacher", "target", "ema"}
"""Words in the names of weights that are moving averages of others."""


class _StandIn:
    """An object of any class of a checkpoint."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def convert(old: Path, new: Path) -> None:
    """Write the largest dict of tensors in a checkpoint; one of averaged weights counts double.

    Raises `UserError` where there is none, or for a file that cannot be read.
    """
    candidates = list(_dicts(_read(old)))
    if not candidates:
        raise UserError(
            f"{old} holds no dict of tensors; "
            "save model.state_dict() with the program that wrote it"
        )
    _, tensors = max(candidates, key=lambda item: len(item[1]) * (2 if item[0] else 1))
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, new)


def _read(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        else:  # as torch wrote until 2020
            unknown = ["argparse.Namespace"]
        stand_ins: list[Any] = [(_StandIn, name) for name in unknown]
        # By its name, torch would take it for another kind of file
        with torch.serialization.safe_globals(stand_ins), path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by the damage
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} can't be read ({reason})") from None


def _dicts(content: Any, *, averaged: bool = False) -> Iterator[tuple[bool, dict[str, Tensor]]]:
    """The tensors of every dict inside, and whether its name is that of averaged weights."""
    if isinstance(content, list | tuple):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        return
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors and all(isinstance(name, str) for name in tensors):
        yield averaged, tensors
    for name, value in content.items():
        words = re.split(r"[_.]", str(name).lower())
        yield from _dicts(value, averaged=averaged or not _AVERAGED.isdisjoint(words))


if __name__ == "__main__":
    try:
        convert(*map(Path, sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))
