"""Encoders by name, file or folder: built by timm, filled, saved as timm directories."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from lodisc.errors import UserError
from lodisc.files import (
    Kinds,
    has_changed,
    is_of_kind,
    read_json,
    replacing,
    with_digest,
    write_json,
)
from lodisc.method.encoder import Encoder
from lodisc.method.lora import merged
from lodisc.tensors import DamagedTensors, load_tensors, notes_of, save_tensors
from lodisc.weight_files import read_weights
from lodisc.weight_names import as_timm

CONFIG, WEIGHTS = "config.json", "model.safetensors"
LEARNT_FROM = "lodisc.learnt_from"
CLASSIFIERS = ("head.", "head_dist.")
CROP_MODES = {
    "crop": "center",
    "pad": "border",
    "squeeze": "squash",
    "tiles": "tiles",
}
"""What timm calls each way to make a photograph square; it has no tiles."""
_KINDS: Kinds = {"architecture": str, "model_args": dict, "pretrained_cfg": dict}


class WeightsUnavailable(UserError):
    """Pretrained weights could not be downloaded."""


def native_size(name: str) -> int:
    """The image size that a timm model was made for, in pixels; 224 where timm does not say."""
    try:
        cfg = timm.get_pretrained_cfg(name)
    except RuntimeError:
        return 224
    return cfg.input_size[-1] if cfg else 224


def training_size(name: str, args: Mapping[str, int]) -> int:
    """The default image size for training: the model's own, at most 224.

    It is a multiple of a patch size among the arguments.
    """
    size = min(native_size(name), 224)
    patch = args.get("patch_size") or 1
    return max(patch, size // patch * patch)


def build_encoder(
    name: str, *, image_size: int, args: dict[str, Any] | None = None, pretrained: bool = False
) -> Encoder:
    """An encoder by its timm name at any image size; loading weights resamples its positions.

    Raises `UserError` for an unknown name, a model that lodisc can't use, or an image size that is
    not a multiple of the patch size, and `WeightsUnavailable` when a download fails.
    """
    if not timm.is_model(name.split(".")[0]):
        near = timm.list_models(f"*{name.split('.')[0].split('_')[0]}*")[:3]
        raise UserError(
            f"--encoder {name}: timm knows no such model"
            f"{': try ' + ', '.join(near) if near else ''}"
        )
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UserError(f"--encoder {name}: {str(error).splitlines()[0]}") from None
    if image_size < 1:
        raise UserError(f"--image-size {image_size} is out of range; use at least the patch size")
    given = (
        f" with --encoder-args {' '.join(f'{key} {value}' for key, value in args.items())}"
        if args
        else ""
    )
    try:
        trunk = timm.create_model(
            name, pretrained=pretrained, num_classes=0, img_size=image_size, **(args or {})
        )
    except (TypeError, AttributeError) as error:
        raise UserError(
            f"--encoder {name}{given} is not a vision transformer that lodisc can use ({error})"
        ) from error
    except AssertionError as error:
        raise UserError(
            f"--encoder {name}{given} cannot take --image-size {image_size}: {error}"
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        if pretrained:  # hubs raise errors of many libraries
            raise WeightsUnavailable(_why_not_downloaded(name, error)) from None
        if not isinstance(error, RuntimeError | ArithmeticError | ValueError):
            raise
        raise UserError(
            f"--encoder {name}{given} cannot be built: {str(error).splitlines()[0]}"
        ) from error
    patch_sizes = getattr(getattr(trunk, "patch_embed", None), "patch_size", (1,))
    if image_size % patch_sizes[0]:
        low = image_size // patch_sizes[0] * patch_sizes[0]
        sizes = f"use {low or patch_sizes[0]} or {low + patch_sizes[0]}"
        raise UserError(
            f"--image-size {image_size} is not a multiple of the patch size {patch_sizes[0]} "
            f"of {name}; {sizes}"
        )
    try:
        return Encoder(trunk, name=name, args=args)
    except ValueError as error:
        raise UserError(f"--encoder {name}: {error}") from None


def fill(encoder: Encoder, tensors: dict[str, Tensor]) -> None:
    """Load all tensors of an encoder, without a classifier; raises `UserError` if any does not fit.

    Position embeddings and patch projections are resampled to the encoder's image size. The head of
    a mapped encoder is not a classifier.
    """
    if not encoder.is_mapped:
        tensors = {
            name: tensor for name, tensor in tensors.items() if not name.startswith(CLASSIFIERS)
        }
    resample = getattr(sys.modules[type(encoder.trunk).__module__], "checkpoint_filter_fn", None)
    own = encoder.trunk.state_dict()
    for name, tensor in tensors.items():
        if name in own and own[name].is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise UserError(f"{name} holds {kind} numbers; give weights in floating point")
    try:
        fitted = resample(tensors, encoder.trunk) if resample else tensors
        missing, unknown = encoder.trunk.load_state_dict(fitted, strict=False)
    except (RuntimeError, KeyError) as error:
        raise UserError(str(error).splitlines()[-1].strip()) from None
    if missing:
        raise UserError(
            f"{len(missing)} tensors are missing, such as {missing[0]}; "
            "name the matching model with --encoder"
        )
    if unknown:
        raise UserError(
            f"{len(unknown)} tensors are unknown, such as {unknown[0]}; "
            "name the matching model with --encoder"
        )
    if not all(torch.isfinite(tensor).all() for tensor in encoder.trunk.state_dict().values()):
        raise UserError("some are not finite numbers")


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write a timm directory, adapters merged; a second call replaces its files atomically."""
    encoder = merged(encoder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS, alone=True) as draft:
        notes = {LEARNT_FROM: " ".join(encoder.learnt_from)} if encoder.learnt_from else {}
        save_tensors(encoder.trunk.state_dict(), draft, notes=notes)
    write_json(folder / CONFIG, _description(encoder))


def is_saved(encoder: Encoder, folder: Path) -> bool:
    """Whether a timm directory holds this encoder, undamaged."""
    try:
        described = read_json(folder / CONFIG)
        tensors = load_tensors(folder / WEIGHTS)
    except (OSError, UserError, DamagedTensors):
        return False
    own = encoder.trunk.state_dict()
    return (
        described == json.loads(json.dumps(_description(encoder)))
        and tensors.keys() == own.keys()
        and all(tensors[name].equal(tensor.cpu()) for name, tensor in own.items())
    )


def _description(encoder: Encoder) -> dict[str, Any]:
    """What timm and `load_encoder` need to know besides the weights."""
    cfg = encoder.trunk.pretrained_cfg
    size, outputs = encoder.image_size, encoder.dim if encoder.is_mapped else 0
    described = {
        key: cfg[key]
        for key in ("mean", "std", "interpolation", "crop_pct", "first_conv", "classifier")
        if key in cfg
    }
    return with_digest(
        {
            "architecture": encoder.name.split(".")[0],
            "num_classes": outputs,
            "num_features": encoder.dim,
            "model_args": {**encoder.args, "img_size": size},
            "pretrained_cfg": {
                **described,
                "input_size": [3, size, size],
                "fixed_input_size": True,
                "crop_mode": CROP_MODES[encoder.fit],
                "num_classes": outputs,
                "tag": "lodisc",
            },
        }
    )


def load_encoder(folder: Path) -> Encoder:
    """Read a timm directory of `save_encoder`; a `UserError` names what is missing or damaged."""
    path = folder / CONFIG
    if not path.is_file():
        raise UserError(f"{folder} holds no encoder; has the training begun?")
    config = read_json(path, kinds=_KINDS)
    if has_changed(config):
        raise UserError(
            f"{path} is damaged (its content has changed since it was written); "
            "take it from a copy, or remove its digest if you changed it"
        )
    args, described = dict(config["model_args"]), config["pretrained_cfg"]
    colours = [described.get(name) for name in ("mean", "std")]
    if not all(is_of_kind(values, list[float]) and len(values) == 3 for values in colours):
        raise UserError(f"{path} is damaged (mean and std are not of 3 colours)")
    fits = {mode: fit for fit, mode in CROP_MODES.items()}
    mode = described.get("crop_mode", CROP_MODES["crop"])
    if not isinstance(mode, str) or mode not in fits:
        raise UserError(f"{path} is damaged (its crop_mode is none of {', '.join(fits)})")
    try:
        encoder = build_encoder(config["architecture"], image_size=args.pop("img_size"), args=args)
        encoder.set_normalisation(mean=colours[0], std=colours[1])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error})") from None
    encoder.fit = fits[mode]
    if described.get("num_classes"):
        encoder.map_features(torch.eye(encoder.dim))
    load_weights(encoder, folder / WEIGHTS)
    return encoder


def load_weights(encoder: Encoder, path: Path) -> None:
    """Fill an encoder from a safetensors file; a `UserError` names the file and what is wrong."""
    tensors = read_weights(path, model=encoder.name)
    try:
        fill(encoder, as_timm(tensors))
    except ValueError as error:
        raise UserError(f"{path} does not fit the encoder: {error}") from None
    encoder.learnt_from = tuple(notes_of(path).get(LEARNT_FROM, "").split())


def _why_not_downloaded(name: str, error: Exception) -> str:
    """What to say of pretrained weights that did not come."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
    words = f"could not download the pretrained weights of {name} ({reason})"
    if type(error).__name__ == "ProxyError" or re.search(r"\b(403|407|421|ProxyError)\b", reason):
        words += (
            "; a proxy refused: name the right one in HTTPS_PROXY, "
            "a host to reach without it in NO_PROXY, or a mirror in HF_ENDPOINT"
        )
    return f"{words}; or give a file of weights"
