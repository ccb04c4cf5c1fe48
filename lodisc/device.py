"""Where and in which precision to compute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lodisc.config import Precision
from lodisc.errors import UserError

QUICK_TOKENS = 300  # measured up to 257: bench/attention.py


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one; raises `UserError` when the named device is not there."""
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
        count = torch.cuda.device_count()
        raise UserError(f"--device {name}: this machine has {count} CUDA devices; use --device cpu")
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
    bf16 = pick_precision(precision, device) == "bf16"
    quick = QuickAttention() if bf16 and device.type == "cpu" else nullcontext()
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16), quick:
        yield


class QuickAttention(TorchFunctionMode):
    """Runs short bf16 attention on the CPU as two matrix products: torch's fused kernel is slower.

    softmax(q kᵀ·scale) v, of all calls of `scaled_dot_product_attention` inside it that take no
    mask, no dropout and at most `QUICK_TOKENS` tokens. Axes: B batch, H heads, T tokens.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            attended = _quick_attention(*args, **(kwargs or {}))
            if attended is not None:
                return attended
        return func(*args, **(kwargs or {}))


def _quick_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """softmax(q kᵀ·scale) v by two matrix products; None where torch's own kernel must do it."""
    plain = attn_mask is None and not dropout_p and not is_causal and not enable_gqa
    on_cpu_in_bf16 = query.device.type == "cpu" and query.dtype == torch.bfloat16
    if not plain or not on_cpu_in_bf16 or key.shape[-2] > QUICK_TOKENS:
        return None
    logits_BHTT = query * (scale or query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return logits_BHTT.softmax(dim=-1) @ value
