"""`lodisc demo`: from drawn finches to a report, in minutes on two cores."""

import logging
import time
from pathlib import Path

from lodisc.config import TrainConfig, scratch
from lodisc.data.sources import find_photos
from lodisc.evaluation.benchmark import measure
from lodisc.evaluation.features import Pixels
from lodisc.evaluation.focus import focus
from lodisc.evaluation.result import Evaluation
from lodisc.explanation.overlay import explain
from lodisc.files import write_json
from lodisc.finches.finches import draw_finches
from lodisc.photo_encoder import load, load_start
from lodisc.report.page import write_report
from lodisc.training.loop import run_training

logger = logging.getLogger("lodisc")

SPECIES, TRAIN, TEST = 8, 100, 40


def settings() -> TrainConfig:
    """A small transformer and few steps, about two minutes on two cores; the method is the same."""
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


class DemoResult(Evaluation):
    """`lodisc demo --json`: an evaluation with the arm `pixels` and the attention as `focus`."""

    run: str
    pictures: str
    """The folder of the pictures."""
    report: str
    seconds: float


def run_demo(folder: Path) -> DemoResult:
    """Draw finches in `folder`, train, evaluate, explain and report.

    Called again, it resumes. Raises `UserError` when `folder` holds something else.
    """
    started_at = time.monotonic()
    data, run, config = folder / "finches", folder / "run", settings()
    if not data.exists():
        logger.info(
            f"1 of 5 · Drawing {SPECIES} species of finch that differ in small parts alone: {data}"
        )
        draw_finches(data, species=SPECIES, train=TRAIN, test=TEST, image_size=80, vivid=True)
    logger.info("2 of 5 · Learning what tells them apart, from random weights and without labels")
    run_training(data, run, config)
    logger.info("3 of 5 · Measuring, beside the untouched start and raw pixels")
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
    logger.info("4 of 5 · Drawing where it looks")
    pictures = explain(run, [photo.path for photo in test[:: max(1, len(test) // 8)]])
    logger.info("5 of 5 · Writing the report")
    report = write_report(run, data=data)
    return {
        **result,
        "run": str(run),
        "pictures": str(pictures[0].parent),
        "report": str(report),
        "seconds": time.monotonic() - started_at,
    }
