"""Equal compute: every arm gets as many tokens through the transformer as the base recipe."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.method.encoder import build_encoder
from lodisc.method.masking import kept_count

FORWARD, BACKWARD = 1, 2
"""The backward pass of a layer computes two matrix products for each of the forward pass."""


def tokens_per_view(config: TrainConfig) -> float:
    """Tokens that a layer computes for one view in one step, a backward pass counted as two forward passes."""
    encoder = build_encoder(config.encoder, image_size=config.image_size, args=config.encoder_args)
    prefix = encoder.trunk.num_prefix_tokens
    whole = encoder.patches + prefix
    kept = whole if config.mask_mode == "zero" else kept_count(encoder.patches, config.keep_ratio) + prefix
    passes = {"key": FORWARD, "query": FORWARD + BACKWARD}[config.direction]
    return whole * (FORWARD + BACKWARD) + whole * FORWARD + (0 if config.objective == "global" else kept * passes)


def of_equal_compute(config: TrainConfig, base: TrainConfig) -> TrainConfig:
    """The config with its number of epochs changed so that they cost what as many epochs by the base's way to train would cost."""
    assert config.epochs is not None
    like_base = replace(config, objective=base.objective, direction=base.direction, keep_ratio=base.keep_ratio, mask_mode=base.mask_mode)
    return replace(config, epochs=config.epochs * tokens_per_view(like_base) / tokens_per_view(config))
