"""Where and in which precision to compute."""

from contextlib import AbstractContextManager

import torch

from lodisc.config import Precision
from lodisc.errors import UserError


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one; a `UserError` says when the named device is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(
            f"--device {name}: no such kind of device; use auto, cpu, cuda or cuda:N"
        ) from None
    if device.type not in {"cpu", "cuda"}:
        raise UserError(
            f"--device {name}: lodisc computes on cpu and cuda alone; use auto, cpu, cuda or cuda:N"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; use --device cpu"
        )
    return device


def pick_precision(precision: Precision, device: torch.device) -> Precision:
    """Resolve `auto`: bf16 on hardware that multiplies matrices in it, fp32 elsewhere."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported() else "fp32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision for `precision` as `pick_precision` resolves it; does nothing for fp32."""
    enabled = pick_precision(precision, device) == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
