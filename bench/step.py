"""What a training step costs: global alone against the other objectives, taken in turn in one run.

python bench/step.py [--rounds 7] [--batch-size 64] [--image-size 128] [--encoder
deit_tiny_patch16_224]

Prints for every arm the median seconds of a whole step (views of bytes to updated weights) and the
median of its ratio to the global-only step of the same round.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
import tyro

from lodisc.config import adapt
from lodisc.console import table, track
from lodisc.device import pick_device, pick_precision
from lodisc.encoders import build_encoder
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner

ARMS: dict[str, dict[str, Any]] = {
    "global": {"objective": "global", "recolour": False},
    "local": {"objective": "local"},
    "local, ρ 0.5": {"objective": "local", "keep_ratio": 0.5},
    "local, ρ 0.25": {"objective": "local", "keep_ratio": 0.25},
    "both, ρ 0.25": {"objective": "both", "keep_ratio": 0.25, "recolour": False},
    "both, ρ 0.25, key": {
        "objective": "both",
        "keep_ratio": 0.25,
        "recolour": False,
        "masked_side": "key",
    },
    "both, ρ 0.25, key, zero": {
        "objective": "both",
        "keep_ratio": 0.25,
        "recolour": False,
        "masked_side": "key",
        "mask_mode": "zero",
    },
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
    for name, changes in ARMS.items():
        config = adapt(batch_size=settings.batch_size, **changes)
        learners[name] = Learner(
            build_encoder(settings.encoder, image_size=settings.image_size), config, world
        )
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
