"""Checkpoints, which survive a process killed at any moment, and the versions behind a result."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
from torch import Tensor

from lodisc.errors import UserError
from lodisc.files import Kinds, flush, read_json, write_json
from lodisc.outcome import Outcome
from lodisc.tensors import DamagedTensors, load_tensors, save_tensors

logger = logging.getLogger("lodisc")

KEEP_LAST = 2
_KINDS: Kinds = {
    **dict.fromkeys(("step", "bad_steps"), int),
    **dict.fromkeys(("first", "smooth"), dict[str, float]),
    "tensors": str | None,
    # Those of older versions lack these
    "looks": dict[str, int] | None,
    "outcome": Outcome | None,
}


def save_checkpoint(
    checkpoints: Path, *, step: int, tensors: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write the folder step-N atomically, then drop all checkpoints but it and the one before."""
    folder = checkpoints / _name(step)
    draft = folder.with_suffix(".tmp")
    for unfinished in checkpoints.glob("step-*.tmp"):
        _remove(unfinished)
    draft.mkdir(parents=True)
    try:
        digest = save_tensors(tensors, draft / "state.safetensors")
        flush(draft / "state.safetensors")
        write_json(draft / "state.json", {"step": step, "tensors": digest, **state})
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        flush(checkpoints)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    folders = _folders(checkpoints)
    later = [path for path in folders if path.name > folder.name]  # damaged, or of another run
    for other in later + [path for path in folders if path not in later][:-KEEP_LAST]:
        shutil.rmtree(other)


def whole_checkpoints(checkpoints: Path) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """State and tensors of the checkpoints that are as they were written, the newest first.

    Those of older versions do not say which tensors belong to a state.
    """
    for folder in reversed(_folders(checkpoints)):
        try:
            state = read_json(folder / "state.json", kinds=_KINDS)
            if folder.name != _name(state["step"]):
                raise UserError(f"its state is that of step {state['step']}")
            yield state, load_tensors(folder / "state.safetensors", wanted=state.get("tensors"))
        except (DamagedTensors, OSError, UserError) as error:
            logger.info(f"note: {folder} is damaged ({error}); trying the one before it.")


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _folders(checkpoints: Path) -> list[Path]:
    """The checkpoints, the oldest first; a file or link of such a name is not one."""
    paths = checkpoints.glob("step-*[0-9]")
    return sorted(path for path in paths if path.is_dir() and not path.is_symlink())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    import platform

    import PIL
    import torch
    import torchvision

    from lodisc import __version__

    return {
        "lodisc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
        "pillow": PIL.__version__,
    }
