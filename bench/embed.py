"""Whether embedding is as fast as the bare model: images a second of the model alone, of the reader alone, and of `lodisc embed`.

    python bench/embed.py SOURCE DATA [--workers 2]

SOURCE is a run, timm:NAME, or a .safetensors file with --encoder. At least 95 % of the slower of the first two is the aim.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from lodisc.collection.embed import embed
from lodisc.console import table
from lodisc.data.loader import evaluation_batches
from lodisc.data.sources import find_photos
from lodisc.photo_encoder import load


@dataclass
class Settings:
    source: tyro.conf.Positional[str]
    data: tyro.conf.Positional[Path]
    encoder: str | None = None
    image_size: int | None = None
    workers: int = 2
    batch_size: int = 64
    device: str = "auto"


def main(settings: Settings) -> None:
    photos = find_photos(settings.data).photos
    encoder = load(settings.source, encoder=settings.encoder, image_size=settings.image_size, device=settings.device)
    batches = len(photos) // settings.batch_size
    still = torch.randint(0, 256, (settings.batch_size, 3, encoder.image_size, encoder.image_size), dtype=torch.uint8)
    speeds = {}

    encoder.features(still)
    begun = time.perf_counter()
    for _ in range(batches):
        encoder.features(still)
    speeds["model alone"] = batches * settings.batch_size / (time.perf_counter() - begun)

    begun = time.perf_counter()
    reader = evaluation_batches(photos, image_size=encoder.image_size, batch_size=settings.batch_size, workers=settings.workers)
    read = sum(len(batch.indices) for batch in reader)
    speeds["reader alone"] = read / (time.perf_counter() - begun)

    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        done = embed(
            settings.source, settings.data, out=Path(folder) / "vectors", encoder=settings.encoder, image_size=settings.image_size,
            workers=settings.workers, batch_size=settings.batch_size, device=settings.device,
        )  # fmt: skip
        speeds["lodisc embed, start to end"] = done["embedded"] / (time.perf_counter() - begun)
    limit = min(speeds["model alone"], speeds["reader alone"])
    rows = [[name, f"{speed:.0f}", f"{speed / limit:.2f}"] for name, speed in speeds.items()]
    title = f"{len(photos):,} photographs, {encoder.image_size} px, {torch.get_num_threads()} threads, {settings.workers} workers"
    table(title, ["", "images/s", "to the limit"], rows)


if __name__ == "__main__":
    main(tyro.cli(Settings))
