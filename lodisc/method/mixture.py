"""Mixtures of an encoder with its start, by their weights (Wortsman et al., arXiv 2109.01903)."""

from copy import deepcopy

import torch
from torch import Tensor

from lodisc.method.encoder import Encoder


def mixed(start: Encoder, run: Encoder, *, share: float) -> Encoder:
    """An encoder with the weights (1 − share) · start + share · run, in fp32; `share` in 0..1.

    With 0 it is the start and with 1 the run, to the bit. Where the run has a map, the start gets
    one that changes nothing.
    """
    if share == 0:
        return deepcopy(start)
    start = deepcopy(start).to(run.mean.device)
    if run.is_mapped and not start.is_mapped:
        start.map_features(torch.eye(start.dim))
    ours, theirs = run.trunk.state_dict(), start.trunk.state_dict()
    return with_weights(
        run,
        {
            name: tensor if share == 1 else torch.lerp(theirs[name].float(), tensor.float(), share)
            for name, tensor in ours.items()
        },
    )


def with_weights(encoder: Encoder, weights: dict[str, Tensor]) -> Encoder:
    """A copy of an encoder whose trunk has these weights."""
    copy = deepcopy(encoder)
    copy.trunk.load_state_dict(weights)
    return copy
