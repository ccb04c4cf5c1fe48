"""The optimiser's parameter groups, and every schedule as a function of the step."""

import math

import torch
from torch import nn

TOKENS = ("cls_token", "pos_embed", "reg_token", "dist_token")


def cosine(step: int, *, steps: int, start: float, end: float) -> float:
    """Half a cosine from `start` at step 0 to `end` at step `steps`."""
    return end + (start - end) * (1 + math.cos(math.pi * min(step, steps) / max(steps, 1))) / 2


def learning_rate(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """A straight rise over the first `warmup` share of the steps, then half a cosine to 0."""
    rise = round(warmup * steps)
    if step < rise:
        return peak * (step + 1) / rise
    return cosine(step - rise, steps=steps - rise, start=peak, end=0.0)


def momentum(step: int, *, steps: int, start: float) -> float:
    """m on half a cosine from `start` to 1."""
    return cosine(step, steps=steps, start=start, end=1.0)


def adamw(model: nn.Module, *, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what learns; no weight decay on norms, biases, tokens and position embedding."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (free if parameter.ndim <= 1 or name.endswith(TOKENS) else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, fused=True)
