"""What the [CLS] token attends to, read at the fused attention call of every timm layer.

Axes: B batch, H heads, T tokens, d head.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class AttentionRows(TorchFunctionMode):
    """Collects the row of the first token, averaged over heads, at every fused attention call.

    timm hands its final queries and keys (normed, rotated) to `scaled_dot_product_attention`. One
    row of softmax(q kᵀ) costs O(T·d) beside that call, so the fused kernel stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows_BT: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            self.rows_BT.append(_first_row(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))


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
