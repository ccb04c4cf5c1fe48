"""`lodisc demo`: the whole way on drawn finches, from photographs to a report, in minutes on two cores."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

from lodisc.config import TrainConfig, scratch
from lodisc.console import note, stdout
from lodisc.data.sources import find_photos
from lodisc.evaluation.benchmark import measure, print_table
from lodisc.evaluation.features import Pixels
from lodisc.evaluation.focus import focus
from lodisc.explain.overlay import explain
from lodisc.files import write_json
from lodisc.finches.finches import draw_finches
from lodisc.photo_encoder import load, load_start
from lodisc.report.page import write_report
from lodisc.training.loop import run_training

SPECIES, TRAIN, TEST = 8, 100, 40


def settings() -> TrainConfig:
    """A small transformer and few steps, so that two cores learn in about two minutes; the method is the same."""
    return scratch(
        encoder="vit_tiny_patch16_224",
        encoder_args={"depth": 2},
        image_size=64,
        hidden_dim=512,
        out_dim=128,
        epochs=100,
        lr=4e-3,
        momentum=0.9,
        freeze_patch_embed=False,
        checkpoint_minutes=0.5,
    )


def run_demo(folder: Path) -> dict[str, Any]:
    """Draw, train, evaluate, explain, report in `folder`; what `evaluate` returns, with raw pixels as a third arm and the focus.

    Called again it goes on where it stopped. Raises `ValueError` when `folder` holds something else.
    """
    begun = time.monotonic()
    data, run, config = folder / "finches", folder / "run", settings()
    if not data.exists():
        note(
            f"1 of 5 · Drawing {SPECIES} species of finch that differ in small parts alone: {data}"
        )
        draw_finches(data, species=SPECIES, train=TRAIN, test=TEST, image_size=80, vivid=True)
    note("2 of 5 · Learning what tells them apart, from random weights and without labels")
    run_training(data, run, config)
    note("3 of 5 · Measuring, beside the untouched start and raw pixels")
    photos = find_photos(data).photos
    encoders = {"run": load(run), "start": load_start(run)}
    result = measure(
        {**encoders, "pixels": Pixels(config.image_size)},
        photos,
        data=data,
        protocols=("retrieval", "linear", "knn"),
    )
    test = [photo for photo in photos if photo.split == "test"]
    for name, encoder in encoders.items():
        shares = focus(encoder, test, data / "masks", fusion=config.fusion)
        result["arms"][name]["focus"] = {
            share: estimate.to_dict() for share, estimate in shares.items()
        }
    write_json(run / "evaluation.json", result)
    note("4 of 5 · Drawing where it looks")
    pictures = explain(run, [photo.path for photo in test[:: max(1, len(test) // 8)]])
    note("5 of 5 · Writing the report")
    report = write_report(run, data=data)
    return result | {
        "run": str(run),
        "pictures": str(pictures[0].parent),
        "report": str(report),
        "seconds": time.monotonic() - begun,
    }


def print_summary(result: dict[str, Any]) -> None:
    """The table, and the way to a person's own photographs."""
    print_table(result)
    run, start = result["arms"]["run"]["focus"], result["arms"]["start"]["focus"]
    even = run["part_area"]["value"]
    stdout.print(
        f"Attention on the parts that differ: {run['part']['value']:.1f} %, untouched start {start['part']['value']:.1f} %, "
        f"an even look {even:.1f} %."
    )
    command = shlex.quote(sys.argv[0]) if sys.argv[0].endswith("lodisc") else "lodisc"
    lines = (
        "",
        f"Done in {result['seconds'] / 60:.1f} minutes. Look at {result['report']} in a browser, and at {result['pictures']}/.",
        "",
        "Now your own folder of photographs; sub-folders, if any, are read as labels to measure with:",
        f"  {command} data check PHOTOS",
        f"  {command} train PHOTOS --out runs/mine --init WEIGHTS.safetensors     (or --init timm, which downloads)",
        f"  {command} evaluate runs/mine PHOTOS --train-split 0.7",
        f"  {command} report runs/mine",
    )
    for line in lines:
        stdout.print(line, markup=False, soft_wrap=True)
