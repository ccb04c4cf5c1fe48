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

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lodisc.jsonfiles import read_json, write_json
from lodisc.method.encoder import Encoder, build_encoder, fill

KEPT = 2


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    return (path / "config.json").is_file() and (path / "start").is_dir()


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep a second training out of the same folder; raises `ValueError` when one is at work there."""
    with (run / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{run} is being trained by another process; wait for it or choose another --out") from None
        yield


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write a timm directory; a second call replaces its weights in one go."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / "model.safetensors.tmp"
    try:
        save_tensors(encoder.trunk.state_dict(), beside)
        beside.replace(folder / "model.safetensors")
        _flush(folder)
    finally:
        beside.unlink(missing_ok=True)
    cfg = encoder.trunk.pretrained_cfg
    size = encoder.image_size
    described = {key: cfg[key] for key in ("mean", "std", "interpolation", "crop_pct", "first_conv", "classifier") if key in cfg}
    write_json(folder / "config.json", {
        "architecture": encoder.name.split(".")[0],
        "num_classes": 0,
        "num_features": encoder.dim,
        "model_args": {**encoder.args, "img_size": size},
        "pretrained_cfg": {**described, "input_size": [3, size, size], "fixed_input_size": True, "num_classes": 0, "tag": "lodisc"},
    })  # fmt: skip


def load_encoder(folder: Path) -> Encoder:
    """Read a timm directory that `save_encoder` wrote; a `ValueError` names what is missing or damaged."""
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} holds no encoder; has the training begun?")
    config = read_json(folder / "config.json")
    args = dict(config["model_args"])
    encoder = build_encoder(config["architecture"], image_size=args.pop("img_size"), args=args)
    encoder.set_normalisation(mean=config["pretrained_cfg"]["mean"], std=config["pretrained_cfg"]["std"])
    load_weights(encoder, folder / "model.safetensors")
    return encoder


def load_weights(encoder: Encoder, path: Path) -> None:
    """Fill an encoder from a safetensors file, or raise a `ValueError` that names the file and what is wrong with it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such weights file")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file ({error}); pickled checkpoints are never loaded") from None
    try:
        fill(encoder, tensors)
    except ValueError as error:
        raise ValueError(f"{path} does not fit the encoder: {error}") from None


def save_checkpoint(run: Path, *, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write checkpoint/step-N whole or not at all, then drop all but the last two."""
    folder = run / "checkpoint" / f"step-{step:08d}"
    beside = folder.with_suffix(".tmp")
    for unfinished in folder.parent.glob("step-*.tmp"):
        shutil.rmtree(unfinished)
    beside.mkdir(parents=True)
    try:
        save_tensors(tensors, beside / "state.safetensors")
        write_json(beside / "state.json", {"step": step, **state})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        _flush(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for older in sorted(folder.parent.glob("step-*[0-9]"))[:-KEPT]:
        shutil.rmtree(older)


def last_checkpoint(run: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """State and tensors of the newest checkpoint that is whole, or None."""
    for folder in sorted((run / "checkpoint").glob("step-*[0-9]"), reverse=True):
        try:
            mapped = load_file(folder / "state.safetensors")
            return read_json(folder / "state.json"), {name: tensor.clone() for name, tensor in mapped.items()}
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
        "lodisc": __version__, "python": platform.python_version(), "torch": torch.__version__,
        "torchvision": torchvision.__version__, "timm": timm.__version__, "pillow": PIL.__version__,
    }  # fmt: skip


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write and flush; an `OSError` says when the disk is full, which safetensors reports by an error of its own."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        raise OSError(f"{path} could not be written ({error}); free some room, then run the same command again") from None
    _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
