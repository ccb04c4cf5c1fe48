"""Whether embedding is as fast as the model alone, in images a second.

    python bench/embed.py SOURCE DATA [--encoder NAME] [--image-size S] [--photographs 2048]

Measures the model alone, the reader alone, and `lodisc embed`. SOURCE is a run, timm:NAME, a
.safetensors file with --encoder, or `random`, for random weights of --encoder. The aim: 95 % of the
model alone if decoding is not the limit. On a CPU the reader and the model share the cores; the
table then also has the most that is possible.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro
from safetensors.torch import save_file

from lodisc.console import table
from lodisc.data.loader import batches_of, evaluation_batches
from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos
from lodisc.embedding.embed import embed_shards, plan
from lodisc.encoders import build_encoder, native_size
from lodisc.photo_encoder import PhotoEncoder, load


@dataclass
class Settings:
    source: tyro.conf.Positional[str]
    data: tyro.conf.Positional[Path]
    encoder: str | None = None
    image_size: int | None = None
    photographs: int = 2048
    rounds: int = 3
    workers: int = 2
    batch_size: int = 64
    device: str = "auto"


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        if settings.source == "random":
            settings.source = str(random_weights(Path(temporary) / "random.safetensors", settings))
        encoder = load(
            settings.source,
            encoder=settings.encoder,
            image_size=settings.image_size,
            device=settings.device,
        )
        photos = find_photos(settings.data).photos[: settings.photographs]
        assert len(photos) >= settings.batch_size, "not even one batch of photographs"
        rounds = [
            one_round(encoder, photos, Path(temporary) / str(number), settings)
            for number in range(settings.rounds)
        ]
    speeds = {name: median(speeds[name] for speeds in rounds) for name in rounds[0]}
    model, reader = speeds["model alone"], speeds["reader alone"]
    on_cpu = encoder.device.type == "cpu"
    speeds["at most, on shared cores" if on_cpu else "at most"] = (
        1 / (1 / model + 1 / reader) if on_cpu else min(model, reader)
    )
    rows = [[name, f"{speed:.0f}", f"{speed / model:.2f}"] for name, speed in speeds.items()]
    title = (
        f"{len(photos):,} photographs, {encoder.image_size} px, "
        f"{torch.get_num_threads()} threads, {settings.workers} workers"
    )
    table(title, ["", "images/s", "to the model"], rows)


def one_round(
    encoder: PhotoEncoder, photos: Sequence[Photo], folder: Path, settings: Settings
) -> dict[str, float]:
    """Images a second, by what was measured."""
    size = settings.batch_size
    views = torch.randint(
        0, 256, (size, 3, encoder.image_size, encoder.image_size), dtype=torch.uint8
    )
    encoder.features(views)
    started_at = time.perf_counter()
    for _ in range(len(photos) // size):
        encoder.features(views)
    speeds = {"model alone": len(photos) // size * size / (time.perf_counter() - started_at)}

    started_at = time.perf_counter()
    reader = evaluation_batches(
        batches_of(photos, size), image_size=encoder.image_size, workers=settings.workers
    )
    speeds["reader alone"] = sum(len(read.photos) for read in reader) / (
        time.perf_counter() - started_at
    )

    batches: list[tuple[float, int]] = []
    started_at = time.perf_counter()
    choice: dict[str, Any] = {
        "encoder": settings.encoder,
        "image_size": settings.image_size,
        "device": settings.device,
    }
    job = plan(settings.source, settings.data, out=folder, dtype="float16", writes=True, **choice)
    embed_shards(
        {folder / "part-0.parquet": photos},
        job.encoder,
        settings=job.settings,
        batch_size=size,
        workers=settings.workers,
        advance=lambda count: batches.append((time.perf_counter(), count)),
    )
    whole = time.perf_counter() - started_at
    (first, _), *later = batches[
        1:
    ]  # the very first is the number of photographs that were already there
    speeds["embed, from its first batch to its last"] = sum(count for _, count in later) / (
        later[-1][0] - first
    )
    speeds["embed, with loading and starting"] = len(photos) / whole
    return speeds


def random_weights(path: Path, settings: Settings) -> Path:
    assert settings.encoder, "--encoder says what the random weights are of"
    encoder = build_encoder(
        settings.encoder, image_size=settings.image_size or native_size(settings.encoder)
    )
    save_file(encoder.trunk.state_dict(), path)
    return path


if __name__ == "__main__":
    main(tyro.cli(Settings))
