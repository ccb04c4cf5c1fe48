"""What happens at the fused attention call of a timm layer: the [CLS] row is read there, and short sequences take a quicker way.

Axes: B batch, H heads, T tokens, d head.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

SHORT = 300  # tokens; measured up to 257, `bench/attention.py`


class FusedAttention(TorchFunctionMode):
    """Stands at every fused attention call inside it; with `collect_rows` keeps the head-averaged row of the first token.

    timm hands its final queries and keys (normed, rotated) to `scaled_dot_product_attention`; one row of softmax(q kᵀ) costs
    O(T·d) beside the call.
    """

    def __init__(self, *, collect_rows: bool = False) -> None:
        super().__init__()
        self.collect_rows = collect_rows
        self.rows_BT: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        if self.collect_rows:
            self.rows_BT.append(_first_row(*args, **(kwargs or {})))
        quick = _quick_attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if quick is None else quick


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
    """softmax(q kᵀ·scale) v by two matrix products, where torch's fused kernel is slower: bf16 on the CPU; None elsewhere."""
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


@torch.no_grad()
def _first_row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    assert not is_causal
    q_BH1d, k_BHTd = query[:, :, :1].float(), key.float()
    if enable_gqa:
        k_BHTd = k_BHTd.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    with torch.autocast(query.device.type, enabled=False):
        logits_BH1T = q_BH1d @ k_BHTd.transpose(-2, -1) * (scale or query.shape[-1] ** -0.5)
    if attn_mask is not None:
        row = attn_mask.expand(*logits_BH1T.shape[:2], *attn_mask.shape[-2:])[:, :, :1]
        logits_BH1T = (
            logits_BH1T.masked_fill(~row, -torch.inf)
            if row.dtype == torch.bool
            else logits_BH1T + row
        )
    return logits_BH1T.softmax(dim=-1).mean(dim=1).squeeze(1)
