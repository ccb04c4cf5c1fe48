"""The folder of a run, and how it survives being killed at any moment.

RUN/
  config.json      every setting resolved, number of steps, versions, fingerprint of the photographs
  log.jsonl        loss, speed and health, one line every few steps
  skipped.jsonl    photographs that could not be read, and why
  start/           the untouched starting encoder     } each a timm directory: config.json and
  encoder/         the student, what `load` gives      } model.safetensors; open it with
  momentum/        the momentum encoder                } timm.create_model("local-dir:RUN/encoder")
  checkpoint/
    step-00000138/ state.safetensors and state.json: the last one, and the one before it
  evaluation.json  written by `lodisc evaluate RUN DATA`
  report.html      written by `lodisc report RUN`
"""

import shutil
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lodisc.encoders import save_tensors
from lodisc.files import flush, read_json, write_json

KEPT = 2


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    return (path / "config.json").is_file() and (path / "start").is_dir()


def save_checkpoint(
    run: Path, *, step: int, tensors: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write checkpoint/step-N whole or not at all, then drop all but the last two."""
    folder = run / "checkpoint" / f"step-{step:08d}"
    beside = folder.with_suffix(".tmp")
    for unfinished in folder.parent.glob("step-*.tmp"):
        shutil.rmtree(unfinished)
    beside.mkdir(parents=True)
    try:
        save_tensors(tensors, beside / "state.safetensors")
        flush(beside / "state.safetensors")
        write_json(beside / "state.json", {"step": step, **state})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for older in sorted(folder.parent.glob("step-*[0-9]"))[:-KEPT]:
        shutil.rmtree(older)


def last_checkpoint(run: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """State and tensors of the newest checkpoint that is whole, or None."""
    for folder in sorted((run / "checkpoint").glob("step-*[0-9]"), reverse=True):
        try:
            mapped = load_file(folder / "state.safetensors")
            return read_json(folder / "state.json"), {
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
