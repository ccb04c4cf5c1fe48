"""Encoders on the way of a training, good and bad ones, for `bench/without_labels.py`.

    python bench/encoders.py DATA ENCODERS --name NAME --steps N --marks 15,45 --init WEIGHTS \
        [--photos 256] [any setting of lodisc train]

Writes ENCODERS/NAME@STEP, a timm directory, after each mark and at the end; in a new folder also
the start and an encoder of random weights. Nothing is watched or kept back.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from lodisc.commands.learn import Config
from lodisc.config import TrainConfig, settled
from lodisc.console import progress_bar
from lodisc.data.sources import find_photos, training_photos
from lodisc.encoders import load_encoder, save_encoder, training_size
from lodisc.run import Run
from lodisc.training.distributed import processes
from lodisc.training.learner import Learner
from lodisc.training.neighbours import run_neighbourhood
from lodisc.training.prepare import new_encoder, run_batches


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    encoders: tyro.conf.Positional[Path]
    config: Config
    name: str
    steps: int
    marks: str = ""
    photos: int = 0
    """So many training photographs, drawn at random; all when not given."""


def main(settings: Settings) -> None:
    size = settings.config.image_size or training_size(
        settings.config.encoder, settings.config.encoder_args
    )
    config = TrainConfig(**{**vars(settings.config), "image_size": size})
    photos = training_photos(find_photos(settings.data).photos)
    if settings.photos:
        generator = torch.Generator().manual_seed(5)
        drawn = torch.randperm(len(photos), generator=generator)[: settings.photos]
        photos = [photos[index] for index in sorted(drawn.tolist())]
    with processes(config.device) as world:
        for name, init in (("start@0", config.init), ("random@0", "none")):
            if not (settings.encoders / name).exists():
                other = TrainConfig(**{**vars(config), "init": init, "seed": 0})
                save_encoder(new_encoder(other, world), settings.encoders / name)
        encoder = new_encoder(config, world)
        work = Run(settings.encoders / f"{settings.name}-neighbours")
        work.path.mkdir(parents=True, exist_ok=True)
        neighbourhood = run_neighbourhood(work, config, world, photos=photos, encoder=encoder)
        config = settled(config, keys="bank" if neighbourhood is not None else "batch")
        learner = Learner(encoder, config, world, neighbourhood=neighbourhood)
        marks = {int(mark) for mark in settings.marks.split(",") if mark} | {settings.steps}
        with progress_bar() as progress:
            bar = progress.add_task(settings.name, total=settings.steps, note="")
            batches = run_batches(photos, config, world, range(settings.steps))
            for step, views in enumerate(batches, start=1):
                learner.step(views, step=step - 1, steps=settings.steps)
                progress.advance(bar)
                if step in marks:
                    path = settings.encoders / f"{settings.name}@{step}"
                    save_encoder(learner.model.encoder, path)
                    load_encoder(path)


if __name__ == "__main__":
    main(tyro.cli(Settings))
