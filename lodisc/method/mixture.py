"""An encoder between its start and its end, by the weights (WiSE-FT, arXiv 2109.01903)."""

from copy import deepcopy

import torch
from torch import Tensor

from lodisc.method.encoder import Encoder
from lodisc.method.lora import merged


@torch.no_grad()
def mixed(start: Encoder, run: Encoder, share: float) -> Encoder:
    """An encoder with the weights (1 − share) · start + share · run, reckoned in fp32 or better.

    A share of 0 has the weights of `start`, one of 1 those of `run`, bit for bit. Adapters are
    merged first; where one of the two has a map as its head, the other has the identity. A start
    is not centred as a run against a bank is: the shift is mixed too. Both arguments stay as they
    are, and the result is on the device of `run`.

    Raises `ValueError` for a share outside 0 to 1, and for encoders of other shapes.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} is not from 0 to 1")
    start, mixture = _with_head(start, of=run), deepcopy(_with_head(run, of=start))
    ends, weights = start.state_dict(), mixture.state_dict()
    if {name: tensor.shape for name, tensor in ends.items()} != {
        name: tensor.shape for name, tensor in weights.items()
    }:
        raise ValueError("encoders of other shapes cannot be mixed")
    for name, weight in weights.items():
        if weight.is_floating_point():
            weight.copy_(_between(ends[name].to(weight.device), weight, share))
    return mixture


def _between(start: Tensor, end: Tensor, share: float) -> Tensor:
    """(1 − share) · start + share · end; exact at both ends and where the two are equal."""
    exact = torch.promote_types(end.dtype, torch.float32)
    return torch.lerp(start.to(exact), end.to(exact), share)


def _with_head(encoder: Encoder, *, of: Encoder) -> Encoder:
    """The encoder without adapters, and with the identity as its head if `of` alone has a map."""
    encoder = merged(encoder)
    if of.is_mapped and not encoder.is_mapped:
        encoder = deepcopy(encoder)
        encoder.map_features(torch.eye(encoder.dim))
    return encoder
