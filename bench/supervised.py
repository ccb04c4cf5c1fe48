"""A start fine-tuned with the labels of every second class. No part of lodisc does this.

    python bench/supervised.py DATA START OUT [--steps 120] [--share 1] [--seed 0]

START and OUT are timm directories, as `bench/encoders.py` writes them; train from OUT by
lodisc train DATA --init OUT/model.safetensors.
Cross-entropy with label smoothing 0.1 on one random view of at least 0.35 of the area, AdamW,
learning rate 3e-4 on a half cosine, batches of 64.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import nn
from torch.nn import functional as F

from lodisc.console import track
from lodisc.data.loader import places_of, training_batches
from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos
from lodisc.device import autocast, pick_device
from lodisc.encoders import load_encoder, save_encoder
from lodisc.method.mixture import mixed
from lodisc.training import optim

BATCH, RATE, MIN_CROP, SMOOTHING, CLIP = 64, 3e-4, 0.35, 0.1, 5.0


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    start: tyro.conf.Positional[Path]
    out: tyro.conf.Positional[Path]
    steps: int = 120
    share: float = 1.0
    """Of the fine-tuned weights in what is written; the rest are those of START (WiSE-FT)."""
    seed: int = 0
    device: str = "auto"
    workers: int = 1


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.split == "train"]
    classes = labelled_classes(photos)
    photos = [photo for photo in photos if photo.label in classes]
    batch = min(BATCH, len(photos))
    torch.manual_seed(settings.seed)
    device, start = pick_device(settings.device), load_encoder(settings.start)
    encoder = deepcopy(start)
    model = nn.ModuleDict({"encoder": encoder, "head": nn.Linear(encoder.dim, len(classes))})
    optimiser = optim.adamw(model.to(device), weight_decay=0.05)
    batches = training_batches(
        photos,
        seed=settings.seed,
        image_size=encoder.image_size,
        min_crop=MIN_CROP,
        batch_size=batch,
        steps=range(settings.steps),
        workers=settings.workers,
    )
    for step, views in enumerate(track(batches, description="learning", total=settings.steps)):
        places = places_of(step, count=len(photos), seed=settings.seed, batch_size=batch)
        labels = torch.tensor([classes.index(photos[place].label or "") for _, place in places])
        for group in optimiser.param_groups:
            group["lr"] = optim.learning_rate(step, steps=settings.steps, peak=RATE, warmup=0.1)
        with autocast("auto", device):
            scores = model["head"](model["encoder"](views[0].to(device))).float()
        loss = F.cross_entropy(scores, labels.to(device), label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
    save_encoder(mixed(start, encoder.cpu(), settings.share), settings.out)


def labelled_classes(photos: Iterable[Photo]) -> list[str]:
    """The classes whose labels are learnt from: every second one."""
    return sorted({photo.label for photo in photos if photo.label})[::2]


if __name__ == "__main__":
    main(tyro.cli(Settings))
