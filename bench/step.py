"""What a training step costs: global alone against the other objectives, taken in turn in one run.

python bench/step.py [--rounds 7] [--batch-size 64] [--image-size 128] [--encoder
deit_tiny_patch16_224]

Arms against a batch are called after their objective, or after the recipe `batch`. Prints for every
arm the median seconds of a whole step (views of bytes to updated weights) and the
median of its ratio to the global-only step of the same round.
"""

import statistics
import time
from dataclasses import dataclass, replace

import torch
import tyro

from lodisc.config import TrainConfig, adapt, batch
from lodisc.console import table, track
from lodisc.device import pick_device, pick_precision
from lodisc.encoders import build_encoder
from lodisc.method.neighbours import mine
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner

PHOTOGRAPHS = 3000
"""In the bank."""
ARMS: dict[str, TrainConfig] = {
    "global": batch(objective="global", recolour=False),
    "batch": batch(),
    "batch, ρ 0.5": batch(keep_ratio=0.5),
    "batch, ρ 0.25": batch(keep_ratio=0.25),
    "both, ρ 0.25": batch(objective="both", keep_ratio=0.25, recolour=False),
    "both, ρ 0.25, key": batch(
        objective="both", keep_ratio=0.25, recolour=False, masked_side="key"
    ),
    "both, ρ 0.25, key, zero": batch(
        objective="both", keep_ratio=0.25, recolour=False, masked_side="key", mask_mode="zero"
    ),
    "bank: the default": adapt(keys="bank"),
    "bank, both, ρ 0.3": adapt(keys="bank", objective="both"),
    "bank, local, ρ 0.3": adapt(keys="bank", objective="local"),
}


@dataclass
class Settings:
    rounds: int = 7
    batch_size: int = 64
    image_size: int = 128
    encoder: str = "deit_tiny_patch16_224"
    device: str = "auto"


def main(settings: Settings) -> None:
    world = Processes(0, 1, pick_device(settings.device))
    learners = {}
    for name, arm in ARMS.items():
        encoder = build_encoder(settings.encoder, image_size=settings.image_size)
        neighbourhood = None
        if arm.keys == "bank":
            neighbourhood = mine(torch.randn(PHOTOGRAPHS, encoder.dim), neighbours=10, spared=0.03)
        config = replace(arm, batch_size=settings.batch_size)
        learners[name] = Learner(encoder, config, world, neighbourhood=neighbourhood)
    size = settings.image_size
    views = torch.randint(0, 256, (4, settings.batch_size, 3, size, size), dtype=torch.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in ARMS}
    for number in track(
        range(settings.rounds + 1), description="Rounds", total=settings.rounds + 1
    ):
        for name, learner in learners.items():
            begun = time.perf_counter()
            learner.step(
                views if learner.config.recolour else views[:2],
                step=number,
                steps=settings.rounds + 1,
            )
            if world.device.type == "cuda":
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    rows = []
    for name, taken in seconds.items():
        ratios = [a / b for a, b in zip(taken, seconds["global"], strict=True)]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        rows.append(
            [name, f"{statistics.median(taken):.3f}", f"{statistics.median(ratios):.3f}", spread]
        )
    precision = pick_precision("auto", world.device)
    title = f"{settings.encoder}, {size} px, batch {settings.batch_size}, {precision}"
    title += f", {torch.get_num_threads()} threads"
    table(title, ["arm", "seconds", "to global", "range"], rows)


if __name__ == "__main__":
    main(tyro.cli(Settings))
