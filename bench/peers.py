"""What other tools learn from the same photographs, start and minutes, by lodisc's protocols.

    python bench/peers.py DATA --init WEIGHTS.safetensors --lightly-python PEERS/bin/python
        [--tools start simclr lodisc …] [--minutes 12] [--seeds 0] [--out peers] [--json]

DATA has train/ and test/ with a folder for each class. The tools only get train/, without labels.

start    the untouched start
simclr   lightly-train by its method "simclr"; simclr-x0.1: by a tenth of its learning rate
dino     lightly-train by its method "dino"; dino-x0.1 likewise
moco     plain MoCo v3: lodisc train --objective global --keys batch --temperature 0.2
paper    the paper's variant at this image size, as in `lodisc study variants`
lodisc   lodisc's default

lightly-train is licensed under the AGPL-3.0, so it only runs as a process of its own, in a virtual
environment of its own. `bench/peers_tools.py` tells and explains its settings. To make it:

    python -m venv PEERS && PEERS/bin/pip install lightly-train timm

The minutes are those of the whole process of a tool, from its start to its weights on the disk. Ten
steps before each training tell how many fit. Batch size, threads, reading processes and precision
are the same for all. The table tells how long each took indeed: the minutes are equal on a machine
that does nothing else.

Every encoder is measured by [CLS] and by the mean of its patches, and DINO's by its teacher and its
student. The table has the feature with the best Rank-1, for every tool alike; OUT/peers.json has
all. A finished tool is neither trained nor measured again.
"""

import hashlib
import os
import shutil
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from peers_tools import TOOLS, Common, Tool, tool_of
from torch import Tensor

from lodisc.console import log_as_notes, note, stdout, table
from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos, fingerprint, training_photos
from lodisc.device import autocast
from lodisc.errors import UserError
from lodisc.evaluation.benchmark import measure
from lodisc.evaluation.result import ArmMetrics
from lodisc.files import read_json, replacing, write_json
from lodisc.photo_encoder import PhotoEncoder, load
from lodisc.tensors import save_tensors

METRICS = {
    "Rank-1": ("retrieval", "rank1"),
    "mAP": ("retrieval", "map"),
    "linear": ("linear", "top1"),
    "kNN": ("knn", "top1"),
}
PROTOCOLS = ("retrieval", "linear", "knn")
CALIBRATION_STEPS, WARM_UP = 10, 3
FREE = {"data", "tools", "seeds", "out", "lightly_python", "json"}
"""Settings that a result in a folder does not depend on."""


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    init: str = "timm"
    """Starting weights: `timm` (downloads) or a .safetensors file."""
    encoder: str = "deit_tiny_patch16_224"
    image_size: int = 224
    minutes: float = 12
    tools: tuple[str, ...] = TOOLS
    seeds: tuple[int, ...] = (0,)
    out: Path = Path("peers")
    batch_size: int = 64
    threads: int = os.cpu_count() or 1
    """OMP_NUM_THREADS of every tool."""
    workers: int = 2
    """Processes that read photographs."""
    lightly_python: Path | None = None
    """Python of a virtual environment that has lightly-train."""
    json: bool = False
    """Print all that was measured as JSON."""


class MeanPatches:
    """An encoder whose feature is the mean of its patches."""

    def __init__(self, encoder: PhotoEncoder) -> None:
        self.encoder, self.image_size, self.fit = encoder, encoder.image_size, encoder.fit

    @torch.inference_mode()
    def features(self, images_B3SS: Tensor) -> Tensor:
        device = self.encoder.device
        with autocast("auto", device):
            patches_BPD = self.encoder.encoder.patch_features(images_B3SS.to(device))
        return patches_BPD.float().mean(dim=1).cpu()


def main(settings: Settings) -> int:
    torch.set_num_threads(settings.threads)
    photos = find_photos(settings.data).photos
    if {photo.split for photo in photos} != {"train", "test"}:
        raise UserError(f"{settings.data} must have train/ and test/")
    out = settings.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    common = Common(
        data=(settings.data / "train").resolve(),
        photos=len(training_photos(photos)),
        start=write_start(settings, out),
        encoder=settings.encoder,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        workers=settings.workers,
        threads=settings.threads,
    )
    if common.photos < common.batch_size:
        raise UserError(
            f"--batch-size {common.batch_size} is more than {common.photos} photographs"
        )
    require_same(settings, out, start=common.start, photos=photos)
    tools = {
        name: None
        if name == "start"
        else tool_of(name, common, lightly_python=settings.lightly_python)
        for name in settings.tools
    }
    failures = []
    for seed in settings.seeds:
        for name, tool in tools.items():
            folder = out / name / f"seed-{seed}"
            if (folder / "metrics.json").exists():
                continue
            try:
                if tool:
                    train(f"{name}, seed {seed}", tool, folder, minutes=settings.minutes, seed=seed)
                encoders = tool.encoders(folder) if tool else {"": common.load(common.start)}
                note(f"{name}, seed {seed}: measuring")
                metrics = measured(encoders, photos, settings)
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / "metrics.json", metrics)
            except UserError as error:
                failures.append(f"{name}, seed {seed}: {error}")
                note(f"failed: {failures[-1]}")
    results = {name: read_results(out / name, settings.seeds) for name in tools}
    content = {"settings": read_json(out / "settings.json"), "tools": results}
    write_json(out / "peers.json", content)
    if settings.json:
        stdout.print_json(data=content)
    else:
        print_table(results, settings, precision=common.precision)
    for failure in failures:
        note(f"failed: {failure}")
    return 1 if failures else 0


def train(title: str, tool: Tool, folder: Path, *, minutes: float, seed: int) -> None:
    """Train for the minutes, unless it is done; what was broken off begins again."""
    if (folder / "training.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    note(f"{title}: {CALIBRATION_STEPS} steps, to see how many fit")
    trial = timed(tool, folder / "trial", steps=CALIBRATION_STEPS, seed=seed)
    shutil.rmtree(folder / "trial")
    step = trial["seconds_per_step"]
    around = max(0.0, 60 * trial["minutes"] - CALIBRATION_STEPS * step)
    steps = max(1, int((60 * minutes - around) / step))
    note(f"{title}: {steps} steps of {step:.2f} s, and {around:.0f} s around them")
    write_json(folder / "training.json", timed(tool, folder, steps=steps, seed=seed))


def timed(tool: Tool, folder: Path, *, steps: int, seed: int) -> dict[str, float]:
    """Train; returns the steps, the minutes of the whole process and the seconds of a step.

    The first few steps, in which all gets warm, do not count for the seconds of a step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    seconds = tool.train(folder, steps=steps, seed=seed)
    return {
        "steps": len(seconds),
        "minutes": (time.monotonic() - begun) / 60,
        "seconds_per_step": statistics.mean(seconds[WARM_UP:] or seconds),
    }


def measured(
    encoders: Mapping[str, PhotoEncoder], photos: list[Photo], settings: Settings
) -> dict[str, ArmMetrics]:
    """The metrics of both features of the encoders."""
    arms: dict[str, PhotoEncoder | MeanPatches] = {}
    for name, encoder in encoders.items():
        arms[f"{name} [CLS]".strip()] = encoder
        arms[f"{name} patches".strip()] = MeanPatches(encoder)
    workers = settings.workers
    return measure(arms, photos, data=settings.data, protocols=PROTOCOLS, workers=workers)["arms"]


def read_results(folder: Path, seeds: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    """The training and the metrics of every seed that is done."""
    results = {}
    for seed in seeds:
        training, metrics = (
            folder / f"seed-{seed}" / name for name in ("training.json", "metrics.json")
        )
        if metrics.exists():
            results[seed] = {
                "training": read_json(training) if training.exists() else None,
                "features": read_json(metrics),
            }
    return results


def print_table(
    results: Mapping[str, Mapping[int, dict[str, Any]]], settings: Settings, *, precision: str
) -> None:
    rows = []
    for name, by_seed in results.items():
        seeds = list(by_seed.values())
        if not seeds:
            rows.append([name, "failed", *[""] * (3 + len(METRICS))])
            continue
        scores = {
            feature: {
                title: [entry["features"][feature][protocol][metric]["value"] for entry in seeds]
                for title, (protocol, metric) in METRICS.items()
            }
            for feature in seeds[0]["features"]
        }
        best = max(scores, key=lambda feature: statistics.mean(scores[feature]["Rank-1"]))
        trainings = [entry["training"] for entry in seeds if entry["training"]]
        costs = [
            f"{statistics.mean(training[key] for training in trainings):{form}}"
            if trainings
            else ""
            for key, form in (("steps", ".0f"), ("minutes", ".1f"), ("seconds_per_step", ".2f"))
        ]
        rows.append([name, best, *costs, *map(mean, scores[best].values())])
    title = (
        f"{settings.data}, {settings.image_size} px, batch {settings.batch_size}, "
        f"{settings.minutes:g} min, {settings.threads} threads, all in {precision}"
    )
    table(title, ["tool", "feature", "steps", "min", "s/step", *METRICS], rows)


def mean(values: list[float]) -> str:
    """The mean over the seeds, and the standard deviation where there are several."""
    deviation = f" ±{statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def write_start(settings: Settings, out: Path) -> Path:
    """The file of the weights that all tools begin with, at the image size."""
    path = out / "start.safetensors"
    if not path.exists():
        source = f"timm:{settings.encoder}" if settings.init == "timm" else settings.init
        name = None if settings.init == "timm" else settings.encoder
        encoder = load(source, encoder=name, image_size=settings.image_size, device="cpu")
        with replacing(path) as draft:
            save_tensors(encoder.encoder.trunk.state_dict(), draft)
    return path


def require_same(settings: Settings, out: Path, *, start: Path, photos: list[Photo]) -> None:
    """Raise a `UserError` if the results in the folder are of other settings or photographs."""
    content = {name: value for name, value in asdict(settings).items() if name not in FREE} | {
        "start": hashlib.sha256(start.read_bytes()).hexdigest(),
        "photographs": fingerprint(photos),
    }
    path = out / "settings.json"
    earlier = read_json(path) if path.exists() else content
    for name, value in content.items():
        if earlier.get(name) != value:
            raise UserError(
                f"{settings.out} was begun with {name} {earlier.get(name)}, not {value}; "
                "use that, or another --out"
            )
    write_json(path, content)


if __name__ == "__main__":
    try:
        with log_as_notes():
            sys.exit(main(tyro.cli(Settings)))
    except UserError as error:
        note(f"bench/peers.py: {error}")
        sys.exit(1)
