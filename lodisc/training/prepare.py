"""Before the first step: the folder, the photographs, the start and the number of steps.

A run that exists already must have the same settings and photographs.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lodisc.config import FREE_TO_CHANGE, TrainConfig, as_flag, settled
from lodisc.data.check import check_photos, write_skipped
from lodisc.data.loader import training_batches
from lodisc.data.photo import Photo, printable
from lodisc.data.sample import sample_of
from lodisc.data.sketch import share_among
from lodisc.data.sources import (
    find_photos,
    fingerprint,
    log_passed_over,
    split_photos,
    training_photos,
)
from lodisc.device import pick_precision
from lodisc.encoders import (
    WeightsUnavailable,
    build_encoder,
    load_encoder,
    load_weights,
    save_encoder,
    training_size,
)
from lodisc.errors import UserError
from lodisc.method import linear_map
from lodisc.method.encoder import Encoder
from lodisc.method.lora import require_adaptable
from lodisc.method.neighbours import Neighbourhood
from lodisc.run import GONE, Run
from lodisc.training.checkpoint import versions
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner
from lodisc.training.watch import steps_beside_looks
from lodisc.tuning import tuning

logger = logging.getLogger("lodisc")

CALIBRATION_STEPS = 4
DEFAULT_LENGTH = {"bank": (3, 180), "batch": (4, 224)}
"""Epochs, and the least number of steps."""
# Of the size that a model was made for. DeiT-Ti (224) finds 88 % of look-alike monkeys at 128
# pixels, 66 % at 112 and 32 % at 96.
SMALL = 0.55
MOSTLY = 0.5


def make_run_folder(run: Run) -> None:
    """Make the folder of a run; raises `UserError` when something else is there."""
    out = run.path
    try:
        str(out.resolve()).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"--out {printable(out)} is not text, so its files could not be opened again; "
            "choose another"
        ) from None
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose another --out")
    if out.is_dir() and not run.has_begun and run.foreign_files():
        raise UserError(f"{out} is not empty and holds no run; choose another --out")
    out.mkdir(parents=True, exist_ok=True)


def as_begun(run: Run, config: TrainConfig) -> TrainConfig:
    """The config with what it leaves open, side of the views and keys, as the existing run has it.

    In a new run the side is the encoder's own, and the keys stay open: neighbours decide.
    """
    if run.has_begun:
        settings = run.config["settings"]
        config = settled(config, keys=settings["keys"])
        size = settings["image_size"]
    else:
        size = training_size(config.encoder, config.encoder_args)
    return replace(config, image_size=config.image_size or size)


def readable_photos(data: Path, run: Run, config: TrainConfig, world: Processes) -> list[Photo]:
    """The photographs to learn from.

    A new run reads each of them once and writes down what it skips; a resumed run skips the same.
    Raises `UserError` when there are none, too many can't be read, or they don't fill a batch.
    """
    listing = find_photos(data)
    if world.is_first:
        log_passed_over(data, listing)
    photos = listing.photos
    if config.train_split is not None:
        photos = split_photos(photos, train_split=config.train_split, seed=config.split_seed)
    listing = listing._replace(photos=training_photos(photos))
    if world.is_first and not run.has_begun:
        checked = check_photos(listing, workers=config.workers, max_skipped=config.max_skipped)
        write_skipped(run.skipped_file, checked.skipped)
        if checked.skipped:
            total = len(listing.photos) + len(listing.skipped)
            logger.info(
                f"Skipped {len(checked.skipped)} of {total} photographs; "
                f"{run.skipped_file} names them."
            )
    world.wait()
    skipped = {entry["key"] for entry in run.skipped()}
    photos = [photo for photo in listing.photos if photo.key not in skipped]
    if len(photos) < config.batch_size:
        advice = "add more photographs"
        if len(photos) > 1:
            advice = f"use --batch-size {len(photos)} or less"
        raise UserError(
            f"--batch-size {config.batch_size} is more than the {len(photos)} photographs "
            f"in {data}; {advice}"
        )
    return photos


def starting_encoder(run: Run, config: TrainConfig, world: Processes) -> Encoder:
    """The run's own copy of its start, or in a new run what `--init` names.

    Raises `UserError` when the weights are not available.
    """
    return load_encoder(run.start) if run.has_begun else new_encoder(config, world)


def new_encoder(config: TrainConfig, world: Processes) -> Encoder:
    """What `--init` names; raises `UserError` when the weights are not available."""
    torch.manual_seed(config.seed)
    if config.init == "timm" and world.is_first:
        logger.info(
            f"Downloading the pretrained weights of {config.encoder} from its hub, "
            "unless they are here already."
        )
    try:
        encoder = build_encoder(
            config.encoder,
            image_size=config.image_size,
            args=config.encoder_args,
            pretrained=config.init == "timm",
        )
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{error} with --init PATH.safetensors, or start from random weights "
            "with --recipe scratch"
        ) from None
    encoder.fit = config.fit
    if config.init not in {"timm", "none"}:
        load_weights(encoder, Path(config.init))
    _require_tunable(encoder, config)
    native = encoder.trunk.pretrained_cfg["input_size"][-1]
    is_small = config.image_size < SMALL * min(native, 224)
    if config.init != "none" and is_small and world.is_first:
        logger.info(
            f"note: {config.encoder} was made for {native} pixels and may know little "
            f"at {config.image_size}; try a larger --image-size"
        )
    return encoder


def _require_tunable(encoder: Encoder, config: TrainConfig) -> None:
    """Raise `UserError` where the encoder has not what `--tune` names."""
    part, number = tuning(config.tune)
    setting, depth = as_flag("tune", config.tune), len(encoder.trunk.blocks)
    if part == "last" and number > depth:
        raise UserError(f"{setting}: {config.encoder} has {depth} blocks; use last:{depth} or less")
    if part == "lora":
        if number > encoder.dim:
            raise UserError(
                f"{setting}: the features of {config.encoder} have {encoder.dim} dimensions; "
                f"use lora:{encoder.dim} or less"
            )
        try:
            require_adaptable(encoder)
        except ValueError as error:
            raise UserError(f"{setting}: {config.encoder} {error}; use last:N") from None


def require_new_photographs(photos: list[Photo], config: TrainConfig, *, start: Encoder) -> None:
    """Raise `UserError` where lodisc has trained the start on most of the photographs already.

    For a training whose keys would become those of a batch: to learn twice against one harms.
    """
    share = share_among(photos, start.learnt_from)
    if share >= MOSTLY:
        raise UserError(
            f"{config.init} has learnt from {share:.0%} of these photographs already, and few "
            "neighbours are of one kind: learning once more made features worse where that was "
            "measured; use it as it is, or learn all the same with --keys batch"
        )


def require_same_run(data: Path, run: Run, config: TrainConfig, photos: list[Photo]) -> None:
    """Raise `UserError` for an existing run with other settings, which it names, or photographs."""
    if not run.has_begun:
        return
    _require_same_settings(run, config)
    if run.config["data"]["fingerprint"] != fingerprint(photos):
        raise UserError(
            f"the photographs in {data} are not those that {run.path} was begun with; "
            "use another --out"
        )


def begin_run(
    data: Path,
    run: Run,
    config: TrainConfig,
    world: Processes,
    *,
    photos: list[Photo],
    encoder: Encoder,
    neighbourhood: Neighbourhood | None,
) -> int:
    """Write down a new run; returns the number of steps, of an existing run those it has."""
    if run.has_begun:
        return run.config["steps"]
    if world.is_first:
        save_encoder(encoder, run.start)
    world.wait()
    if config.minutes:
        steps = world.from_first(_steps_in_time(run, config, world, photos, neighbourhood))
    else:
        steps = world.from_first(steps_of_epochs(config, len(photos)))
    if world.is_first:
        run.write_config(
            {
                "settings": config.to_dict(),
                "steps": steps,
                "data": {
                    "path": str(data.resolve()),
                    "photos": len(photos),
                    "skipped": len(run.skipped()),
                    "fingerprint": fingerprint(photos),
                },
                "hardware": {
                    "device": str(world.device),
                    "precision": pick_precision(config.precision, world.device),
                    "processes": world.size,
                    "threads": torch.get_num_threads(),
                },
                "versions": versions(),
            }
        )
    world.wait()
    return steps


def run_batches(
    photos: list[Photo], config: TrainConfig, world: Processes, steps: range
) -> Iterator[Tensor]:
    """This process's share of the batches of these steps."""
    return training_batches(
        photos,
        seed=config.seed,
        image_size=config.image_size,
        min_crop=config.min_crop,
        batch_size=config.batch_size,
        steps=steps,
        recolour=config.recolour and config.objective != "global",
        rank=world.rank,
        world=world.size,
        workers=config.workers,
        pin_memory=world.device.type == "cuda",
    )


def _require_same_settings(run: Run, config: TrainConfig) -> None:
    before = run.config["settings"]
    for name, without_effect in GONE.items():
        if before.get(name, without_effect) != without_effect:
            raise UserError(
                f"{run.path} was begun with {as_flag(name, before[name])}, "
                "which this version does not have; use another --out"
            )
    free = FREE_TO_CHANGE | {"recipe"}  # a recipe is its settings
    settings = {name: value for name, value in config.to_dict().items() if name not in free}
    others = [name for name, value in settings.items() if before[name] != value]

    def flags(values: dict[str, Any]) -> str:
        return " ".join(as_flag(name, values[name]) for name in others)

    if others:
        raise UserError(
            f"{run.path} was begun with {flags(before)}, not {flags(settings)}; "
            "use that, or another --out"
        )


def steps_of_epochs(config: TrainConfig, photos: int) -> int:
    """The number of steps when `--minutes` does not set it."""
    if config.tune == "map":
        return linear_map.STEPS
    per_epoch = photos // config.batch_size
    if config.epochs is None:
        epochs, least = DEFAULT_LENGTH["batch" if config.keys == "batch" else "bank"]
        return max(epochs * per_epoch, least)
    return max(1, round(config.epochs * per_epoch))


def _steps_in_time(
    run: Run,
    config: TrainConfig,
    world: Processes,
    photos: list[Photo],
    neighbourhood: Neighbourhood | None,
) -> int:
    """How many steps fit in `--minutes` beside looks, by a few steps of another learner."""
    learner = Learner(load_encoder(run.start), config, world, neighbourhood=neighbourhood)
    started_at = 0.0
    batches = run_batches(photos, config, world, range(CALIBRATION_STEPS + 1))
    for number, views in enumerate(batches):
        learner.step(views, step=number, steps=CALIBRATION_STEPS + 1)
        started_at = started_at or time.monotonic()
    assert config.minutes is not None
    steps = config.minutes * 60 * CALIBRATION_STEPS / (time.monotonic() - started_at)
    sample = sample_of(photos, image_size=config.image_size)
    return steps_beside_looks(steps, len(sample), config, processes=world.size)
