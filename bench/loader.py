"""Whether the training step or the loader is the limit: images a second of each alone, and of both
together.

python bench/loader.py DATA [--steps 12] [--workers 2]
"""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from lodisc.config import adapt
from lodisc.console import table
from lodisc.data.sources import find_photos, training_photos
from lodisc.device import pick_device
from lodisc.encoders import build_encoder
from lodisc.method.neighbours import mine
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner
from lodisc.training.prepare import run_batches


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    steps: int = 12
    workers: int = 2
    batch_size: int = 64
    image_size: int = 128
    encoder: str = "deit_tiny_patch16_224"


def main(settings: Settings) -> None:
    world = Processes(0, 1, pick_device("auto"))
    config = adapt(
        keys="bank",
        batch_size=settings.batch_size,
        image_size=settings.image_size,
        workers=settings.workers,
    )
    photos = training_photos(find_photos(settings.data).photos)
    encoder = build_encoder(settings.encoder, image_size=settings.image_size)
    neighbourhood = mine(torch.randn(len(photos), encoder.dim), neighbours=10, spared=0.03)
    learner = Learner(encoder, config, world, neighbourhood=neighbourhood)
    size = settings.image_size
    still = torch.randint(0, 256, (2, settings.batch_size, 3, size, size), dtype=torch.uint8)

    def speed(learn: bool, load: bool) -> float:
        batches = (
            run_batches(photos, config, world, range(settings.steps + 2))
            if load
            else iter([still] * (settings.steps + 2))
        )
        begun = 0.0
        for number, views in enumerate(batches):
            if learn:
                learner.step(views, step=number, steps=settings.steps + 2)
            if number == 1:
                begun = time.perf_counter()
        return settings.steps * settings.batch_size / (time.perf_counter() - begun)

    rows = [
        ["loader alone", f"{speed(False, True):.0f}"],
        ["step alone", f"{speed(True, False):.1f}"],
        ["both together", f"{speed(True, True):.1f}"],
    ]
    table(
        f"{settings.encoder}, {size} px, batch {settings.batch_size}, {settings.workers} workers",
        ["", "images/s"],
        rows,
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
