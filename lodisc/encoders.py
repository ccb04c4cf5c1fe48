"""Encoders by name, file or folder: built by timm, filled, saved as timm directories."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lodisc.errors import UserError
from lodisc.files import read_json, replacing, write_json
from lodisc.method.encoder import Encoder

CLASSIFIERS = ("head.", "head_dist.")


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
    not a multiple of the patch size.
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
    except (RuntimeError, ArithmeticError, ValueError) as error:
        if pretrained:  # the weights, more likely than the model
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
    """Write a timm directory; a second call replaces its weights atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.safetensors", alone=True) as draft:
        save_tensors(encoder.trunk.state_dict(), draft)
    cfg = encoder.trunk.pretrained_cfg
    size, outputs = encoder.image_size, encoder.dim if encoder.is_mapped else 0
    described = {
        key: cfg[key]
        for key in ("mean", "std", "interpolation", "crop_pct", "first_conv", "classifier")
        if key in cfg
    }
    write_json(
        folder / "config.json",
        {
            "architecture": encoder.name.split(".")[0],
            "num_classes": outputs,
            "num_features": encoder.dim,
            "model_args": {**encoder.args, "img_size": size},
            "pretrained_cfg": {
                **described,
                "input_size": [3, size, size],
                "fixed_input_size": True,
                "num_classes": outputs,
                "tag": "lodisc",
            },
        },
    )


def load_encoder(folder: Path) -> Encoder:
    """Read a timm directory of `save_encoder`; a `UserError` names what is missing or damaged."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no encoder; has the training begun?")
    keys = ("architecture", "model_args", "pretrained_cfg")
    config = read_json(folder / "config.json", keys=keys)
    args = dict(config["model_args"])
    encoder = build_encoder(config["architecture"], image_size=args.pop("img_size"), args=args)
    encoder.set_normalisation(
        mean=config["pretrained_cfg"]["mean"], std=config["pretrained_cfg"]["std"]
    )
    if config["pretrained_cfg"].get("num_classes"):
        encoder.map_features(torch.eye(encoder.dim))
    load_weights(encoder, folder / "model.safetensors")
    return encoder


def load_weights(encoder: Encoder, path: Path) -> None:
    """Fill an encoder from a safetensors file; a `UserError` names the file and what is wrong."""
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path} is not a readable safetensors file ({error}); "
            "pickled checkpoints are never loaded"
        ) from None
    try:
        fill(encoder, tensors)
    except ValueError as error:
        raise UserError(f"{path} does not fit the encoder: {error}") from None


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file; raises `OSError` when the disk is full."""
    try:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path
        )
    except SafetensorError as error:
        raise OSError(
            f"{path} could not be written ({error}); free some room, "
            "then run the same command again"
        ) from None
