"""Where and in which precision to compute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lodisc.config import Precision
from lodisc.errors import UserError

SHORT = 300  # tokens; measured up to 257


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one; raises `UserError` for a device that is not there."""
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
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; "
            "use --device cpu"
        )
    return device


def pick_precision(precision: Precision, device: torch.device) -> Precision:
    """Resolve `auto`: bf16 on hardware that multiplies matrices in it, fp32 elsewhere."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported() else "fp32"


@contextmanager
def autocast(precision: Precision, device: torch.device) -> Iterator[None]:
    """Mixed precision for `precision` as `pick_precision` resolves it; does nothing for fp32."""
    if pick_precision(precision, device) != "bf16":
        yield
        return
    with torch.autocast(device.type, torch.bfloat16):
        if device.type == "cpu":
            with ShortAttention():
                yield
        else:
            yield


class ShortAttention(TorchFunctionMode):
    """Computes the attention of short sequences on a CPU in bf16 by two matrix products.

    torch's fused kernel is slower there: `bench/attention.py`.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        quick = None
        if func is F.scaled_dot_product_attention:
            quick = _two_products(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if quick is None else quick


def _two_products(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """softmax(q kᵀ·scale) v in bf16 on the CPU; None for anything else.

    Axes: B batch, H heads, T tokens.
    """
    plain = attn_mask is None and not dropout_p and not is_causal and not enable_gqa
    if (
        not plain
        or query.device.type != "cpu"
        or query.dtype != torch.bfloat16
        or key.shape[-2] > SHORT
    ):
        return None
    logits_BHTT = query * (scale or query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return logits_BHTT.softmax(dim=-1) @ value
