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


def head_steps(steps: int, *, share: float) -> int:
    """The number of steps in which the heads learn alone; at least one step is left."""
    return min(int(share * steps), steps - 1)


def adamw(model: nn.Module, *, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what learns; no weight decay on norms, biases, tokens and position embedding.

    A group says whether it is of `model.encoder`: `is_encoder`. The order of the parameters is part
    of the format of checkpoints: those that decay, then the others, each as the model has them.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {
        (decays, is_encoder): [] for decays in (True, False) for is_encoder in (True, False)
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and not name.endswith(TOKENS)
            groups[decays, name.startswith("encoder.")].append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": weight_decay if decays else 0.0,
                "is_encoder": is_encoder,
            }
            for (decays, is_encoder), parameters in groups.items()
        ],
        lr=0.0,
        fused=True,
    )
