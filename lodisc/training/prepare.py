"""Before the first step: the folder, the photographs, the start, the number of steps; and whether a run that is there is the same."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lodisc.config import FREE_TO_CHANGE, TrainConfig, as_flag, split_seed
from lodisc.data.check import check_photos, write_skipped
from lodisc.data.loader import training_batches
from lodisc.data.photo import Photo, printable
from lodisc.data.sources import (
    find_photos,
    fingerprint,
    log_passed_over,
    split_photos,
    training_photos,
)
from lodisc.device import pick_precision
from lodisc.encoders import build_encoder, load_encoder, load_weights, save_encoder, training_size
from lodisc.errors import UserError
from lodisc.files import read_json, read_json_lines, write_json
from lodisc.method.encoder import Encoder
from lodisc.training import checkpoint
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner

logger = logging.getLogger("lodisc")

CALIBRATION_STEPS = 4
# How versions without a setting did; every new setting goes here.
NEWER = {
    "positives": "other",
    "attention": "momentum",
    "recolour": False,
}
GONE = {"whole_every": 1}  # settings of older versions, and the value by which they changed nothing
DEFAULT_EPOCHS, LEAST_STEPS = 4, 224
SMALL = 0.55  # of the size a model was made for: DeiT-Ti (224) finds 88 % of look-alike monkeys at 128 pixels, 66 % at 112, 32 % at 96


class WeightsUnavailable(UserError):
    """Pretrained weights could not be downloaded."""


def claim(out: Path) -> None:
    """Make the folder of a run; raises `UserError` when something else is there."""
    try:
        str(out.resolve()).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"--out {printable(out)} is no text, so its files could not be opened again; choose another"
        ) from None
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose another --out")
    ours = (
        ".",
        "config.json.",
        "skipped.jsonl",
        "start",
    )  # of a run that was killed before it began
    if (
        out.is_dir()
        and not (out / "config.json").exists()
        and any(not path.name.startswith(ours) for path in out.iterdir())
    ):
        raise UserError(f"{out} is not empty and holds no run; choose another --out")
    out.mkdir(parents=True, exist_ok=True)


def image_size_of(out: Path, config: TrainConfig) -> int:
    """The side of the views: as given, that of the run which is there already, or the encoder's own."""
    if config.image_size:
        return config.image_size
    if (out / "config.json").is_file():
        return int(read_json(out / "config.json")["settings"]["image_size"])
    return training_size(config.encoder, config.encoder_args)


def readable_photos(data: Path, out: Path, config: TrainConfig, world: Processes) -> list[Photo]:
    """The photographs to learn from. A new run reads each of them once and writes `skipped.jsonl`; a resumed one goes by that.

    Raises `UserError` when there are none, when too many can't be read, or when they don't fill a batch.
    """
    listing = find_photos(data)
    if config.train_split is not None:
        listing = listing._replace(
            photos=split_photos(
                listing.photos, train_split=config.train_split, seed=config.split_seed
            )
        )
    listing = listing._replace(photos=training_photos(listing.photos))
    record = out / "skipped.jsonl"
    if world.is_first and not (out / "config.json").exists():
        log_passed_over(data, listing)
        checked = check_photos(listing, workers=config.workers, max_skipped=config.max_skipped)
        write_skipped(record, checked.skipped)
        if checked.skipped:
            logger.info(
                f"Skipped {len(checked.skipped)} of {len(listing.photos) + len(listing.skipped)} photographs; {record} names them."
            )
    world.wait()
    skipped = {entry["key"] for entry in read_json_lines(record)}
    photos = [photo for photo in listing.photos if photo.key not in skipped]
    if len(photos) < config.batch_size:
        fits = (
            f"use --batch-size {len(photos)} or less" if len(photos) > 1 else "add more photographs"
        )
        raise UserError(
            f"--batch-size {config.batch_size} is more than the {len(photos)} photographs in {data}; {fits}"
        )
    return photos


def starting_encoder(out: Path, config: TrainConfig, world: Processes) -> Encoder:
    """The run's own copy of the start; in a new run what `--init` names. Raises `UserError` when that can't be had."""
    if (out / "config.json").exists():
        return load_encoder(out / "start")
    torch.manual_seed(config.seed)
    if config.init == "timm" and world.is_first:
        logger.info(
            f"Downloading the pretrained weights of {config.encoder} from its hub, unless they are here already."
        )
    try:
        encoder = build_encoder(
            config.encoder,
            image_size=config.image_size,
            args=config.encoder_args,
            pretrained=config.init == "timm",
        )
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:100]
        raise WeightsUnavailable(
            f"the pretrained weights of {config.encoder} could not be had ({reason}); give a file with --init PATH.safetensors, "
            "or start from random weights with --recipe scratch"
        ) from None
    if config.init not in {"timm", "none"}:
        load_weights(encoder, Path(config.init))
    native = encoder.trunk.pretrained_cfg["input_size"][-1]
    if config.init != "none" and config.image_size < SMALL * native and world.is_first:
        logger.info(
            f"note: {config.encoder} was made for {native} pixels and may know little at {config.image_size}; try a larger --image-size"
        )
    return encoder


def plan(
    data: Path,
    out: Path,
    config: TrainConfig,
    world: Processes,
    *,
    photos: list[Photo],
    encoder: Encoder,
) -> int:
    """The number of steps. A new run is written down, a run that is there must have the same settings and photographs.

    Raises `UserError` that names the first setting which differs.
    """
    path, mark = out / "config.json", fingerprint(photos)
    if path.exists():
        before = read_json(path)
        _require_same(out, before["settings"], config)
        if before["data"]["fingerprint"] != mark:
            raise UserError(
                f"the photographs in {data} are not those that {out} was begun with; use another --out"
            )
        return before["steps"]
    if world.is_first:
        save_encoder(encoder, out / "start")
    world.wait()
    steps = world.from_first(
        _steps_in_time(out, config, world, photos)
        if config.minutes
        else steps_of_epochs(config, len(photos))
    )
    if world.is_first:
        skipped = len(read_json_lines(out / "skipped.jsonl"))
        precision = pick_precision(config.precision, world.device)
        write_json(
            path,
            {
                "settings": config.to_dict(),
                "steps": steps,
                "data": {
                    "path": str(data.resolve()),
                    "photos": len(photos),
                    "skipped": skipped,
                    "fingerprint": mark,
                },
                "hardware": {
                    "device": str(world.device),
                    "precision": precision,
                    "processes": world.size,
                    "threads": torch.get_num_threads(),
                },
                "versions": checkpoint.versions(),
            },
        )
    world.wait()
    return steps


def batches_of(
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


def _require_same(out: Path, before: dict[str, Any], config: TrainConfig) -> None:
    before = {**NEWER, "split_seed": split_seed(before), **before}
    for name, without_effect in GONE.items():
        if before.get(name, without_effect) != without_effect:
            raise UserError(
                f"{out} was begun with {as_flag(name, before[name])}, which this version does not have; use another --out"
            )
    kept = {
        name: value
        for name, value in config.to_dict().items()
        if name not in FREE_TO_CHANGE | {"recipe"}
    }  # a recipe is its settings
    other = [name for name, value in kept.items() if before[name] != value]
    if other:
        begun, now = (
            " ".join(as_flag(name, settings[name]) for name in other) for settings in (before, kept)
        )
        raise UserError(f"{out} was begun with {begun}, not {now}; use that, or another --out")


def steps_of_epochs(config: TrainConfig, photos: int) -> int:
    """The number of steps when `--minutes` does not say it."""
    per_epoch = photos // config.batch_size
    if config.epochs is None:
        return max(DEFAULT_EPOCHS * per_epoch, LEAST_STEPS)
    return max(1, round(config.epochs * per_epoch))


def _steps_in_time(out: Path, config: TrainConfig, world: Processes, photos: list[Photo]) -> int:
    """How many steps fit in `--minutes`, judged by a few on a learner that is then thrown away."""
    learner = Learner(load_encoder(out / "start"), config, world)
    begun = 0.0
    for number, views in enumerate(batches_of(photos, config, world, range(CALIBRATION_STEPS + 1))):
        learner.step(views, step=number, steps=CALIBRATION_STEPS + 1)
        begun = begun or time.monotonic()
    assert config.minutes is not None
    return max(1, round(config.minutes * 60 * CALIBRATION_STEPS / (time.monotonic() - begun)))
