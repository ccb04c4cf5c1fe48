"""Checkpoints, which survive a process killed at any moment, and the versions behind a result."""

import shutil
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lodisc.encoders import save_tensors
from lodisc.files import flush, read_json, write_json

KEEP_LAST = 2


def save_checkpoint(
    checkpoints: Path, *, step: int, tensors: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write the folder step-N atomically, then drop all checkpoints but the last two."""
    folder = checkpoints / f"step-{step:08d}"
    draft = folder.with_suffix(".tmp")
    for unfinished in checkpoints.glob("step-*.tmp"):
        shutil.rmtree(unfinished)
    draft.mkdir(parents=True)
    try:
        save_tensors(tensors, draft / "state.safetensors")
        flush(draft / "state.safetensors")
        write_json(draft / "state.json", {"step": step, **state})
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        flush(checkpoints)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for older in sorted(checkpoints.glob("step-*[0-9]"))[:-KEEP_LAST]:
        shutil.rmtree(older)


def last_checkpoint(checkpoints: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """State and tensors of the newest checkpoint that is whole, or None."""
    for folder in sorted(checkpoints.glob("step-*[0-9]"), reverse=True):
        try:
            mapped = load_file(folder / "state.safetensors")
            return read_json(folder / "state.json", keys=("step",)), {
                name: tensor.clone() for name, tensor in mapped.items()
            }
        except (SafetensorError, OSError, ValueError):
            continue
    return None


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
