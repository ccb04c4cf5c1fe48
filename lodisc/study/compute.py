"""Equal operations: every arm gets the floating-point operations of the base config."""

from dataclasses import replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lodisc.config import TrainConfig
from lodisc.encoders import build_encoder
from lodisc.method.neighbours import mine
from lodisc.study.design import Arms
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner


def operations(config: TrainConfig) -> int:
    """Floating-point operations of a training step on two photographs, counted while it runs.

    Includes encoders, heads, loss and backward pass: one forward, and up to twice as much back
    through what learns. Frozen blocks before all that learns have no backward pass, and frozen
    weights with adapters only that to their inputs.
    """
    encoder = build_encoder(config.encoder, image_size=config.image_size, args=config.encoder_args)
    neighbourhood = None
    if config.keys == "bank":
        neighbourhood = mine(torch.eye(2, encoder.dim), neighbours=config.neighbours, spared=0)
    world = Processes(0, 1, torch.device("cpu"))
    learner = Learner(encoder, replace(config, batch_size=2), world, neighbourhood=neighbourhood)
    views = torch.zeros(2, 2, 3, config.image_size, config.image_size, dtype=torch.uint8)
    # The counter ignores the fused attention kernels of the CPU, so the plain one is used.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        learner.loss(views, step=0).loss.backward()
    return counter.get_total_flops()


def of_equal_compute(arms: Arms, base: TrainConfig) -> Arms:
    """The arms with their epochs scaled to equal operations.

    Each then costs as much as the same number of epochs with the settings of the base. A linear map
    has a fixed number of steps, which cost less by far; it stays as it is.
    """
    costs: dict[str, int] = {}

    def cost(config: TrainConfig) -> int:
        step = repr(replace(config, epochs=None))
        costs[step] = costs.get(step) or operations(config)
        return costs[step]

    equal = {}
    for arm, config in arms.items():
        if config.tune == "map":
            equal[arm] = config
            continue
        assert config.epochs is not None
        reference = replace(
            base,
            encoder=config.encoder,
            encoder_args=config.encoder_args,
            image_size=config.image_size,
        )
        equal[arm] = replace(config, epochs=config.epochs * cost(reference) / cost(config))
    return equal
