"""Weights of a pickled checkpoint as a safetensors file:  python -m lodisc.pickled OLD NEW

No code of the checkpoint runs: objects of its classes come back as `_StandIn`.
"""

import pickle
import pickletools
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lodisc.errors import UserError
from lodisc.files import replacing
from lodisc.tensors import save_tensors

_AVERAGED = {"teacher", "target", "ema"}
"""Words in the names of weights that are moving averages of others."""
_OLD_PICKLES = 4  # that torch wrote before the tensors until 2020
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # names of Python 2


class _LikeDict(type):
    """The type of a class that torch fills as it does a dict, which it compares classes with."""

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is dict

    def __hash__(cls) -> int:
        return super().__hash__()


class _StandIn(dict[Any, Any], metaclass=_LikeDict):
    """An object of any class of a checkpoint; of a dict it holds the items."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def convert(old: Path, new: Path) -> None:
    """Write the largest dict of tensors in a checkpoint; one of averaged weights counts double.

    Raises `UserError` where there is none, for a file that cannot be read, and if `new` exists;
    `OSError` when the disk is full.
    """
    if new.exists():
        raise UserError(f"{new} is there already; give another name")
    candidates = list(_dicts(_read(old)))
    if not candidates:
        raise UserError(
            f"{old} holds no dict of tensors; "
            "save model.state_dict() with the program that wrote it"
        )
    _, tensors = max(candidates, key=lambda item: len(item[1]) * (2 if item[0] else 1))
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise UserError(f"{old}: {name} is sparse, quantised or without numbers; save it dense")
    with replacing(new) as draft:
        save_tensors({name: tensor.clone() for name, tensor in tensors.items()}, draft)


def _read(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        else:
            unknown = _old_globals(path)
        stand_ins: list[Any] = [(_StandIn, name) for name in unknown]
        # By its name, torch would take it for another kind of file
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(stand_ins),
            path.open("rb") as file,
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, ValueError, EOFError):
        raise UserError(
            f"{path} can't be read (it is damaged, or holds what only code of its own can read); "
            "save model.state_dict() with the program that wrote it"
        ) from None
    except Exception as error:  # of many kinds, by the damage
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} can't be read ({reason})") from None


def _old_globals(path: Path) -> list[str]:
    """The names of all classes and functions in a file as torch wrote it until 2020."""
    with path.open("rb") as file:
        names = [
            str(argument).split(" ", 1)
            for _ in range(_OLD_PICKLES)
            for opcode, argument, _ in pickletools.genops(file)
            if opcode.name == "GLOBAL"
        ]
    return [f"{_OLD_MODULES.get(module, module)}.{name}" for module, name in names]


def _dicts(content: Any) -> Iterator[tuple[bool, dict[str, Tensor]]]:
    """The tensors of every dict inside, and whether its name is that of averaged weights."""
    stack, visits = [(content, False)], set[tuple[int, bool]]()
    while stack:
        value, averaged = stack.pop()
        if not isinstance(value, dict | list | tuple) or (id(value), averaged) in visits:
            continue
        visits.add((id(value), averaged))
        items = dict(value if isinstance(value, dict) else enumerate(value))
        tensors = {
            name: tensor
            for name, tensor in items.items()
            if isinstance(name, str) and isinstance(tensor, Tensor)
        }
        if tensors:
            yield averaged, tensors
        for name, inner in reversed(items.items()):
            words = re.split(r"[_.]", str(name).lower())
            stack.append((inner, averaged or not _AVERAGED.isdisjoint(words)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m lodisc.pickled OLD NEW")
    try:
        convert(*map(Path, sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(str(error))
