"""A strong start: fine-tuned with the labels of every second class. No part of lodisc does this.

    python bench/supervised.py DATA OUT --init WEIGHTS [--steps 120] [--seed 0]

OUT is a timm directory; train from it by  lodisc train DATA --init OUT/model.safetensors.
Cross-entropy with label smoothing 0.1 on one random view of at least 0.35 of the area, AdamW,
learning rate 3e-4 on a half cosine, batches of 64.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import nn
from torch.nn import functional as F

from lodisc.console import track
from lodisc.data.loader import places_of, training_batches
from lodisc.data.sources import find_photos
from lodisc.device import autocast, pick_device
from lodisc.encoders import build_encoder, load_weights, save_encoder, training_size
from lodisc.training import optim

BATCH, RATE, MIN_CROP, SMOOTHING, CLIP = 64, 3e-4, 0.35, 0.1, 5.0


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    out: tyro.conf.Positional[Path]
    init: Path
    encoder: str = "deit_tiny_patch16_224"
    steps: int = 120
    seed: int = 0
    device: str = "auto"
    workers: int = 1


def main(settings: Settings) -> None:
    photos = [photo for photo in find_photos(settings.data).photos if photo.split == "train"]
    classes = sorted({photo.label for photo in photos if photo.label})[::2]
    photos = [photo for photo in photos if photo.label in classes]
    torch.manual_seed(settings.seed)
    device, size = pick_device(settings.device), training_size(settings.encoder, {})
    encoder = build_encoder(settings.encoder, image_size=size)
    encoder.fit = "tiles"
    load_weights(encoder, settings.init)
    model = nn.ModuleDict({"encoder": encoder, "head": nn.Linear(encoder.dim, len(classes))})
    optimiser = optim.adamw(model.to(device), weight_decay=0.05)
    batches = training_batches(
        photos,
        seed=settings.seed,
        image_size=size,
        min_crop=MIN_CROP,
        batch_size=BATCH,
        steps=range(settings.steps),
        workers=settings.workers,
    )
    for step, views in enumerate(track(batches, description="learning", total=settings.steps)):
        places = places_of(step, count=len(photos), seed=settings.seed, batch_size=BATCH)
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
    save_encoder(encoder, settings.out)


if __name__ == "__main__":
    main(tyro.cli(Settings))
