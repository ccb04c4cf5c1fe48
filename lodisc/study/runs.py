"""The runs of a study: ordinary runs, each trained and measured once for all studies that need it.

OUT/runs/
  global-1a2b3c4d/seed-0/      a run; its checkpoints are removed once it is measured
    recognition.safetensors    the scores of every test photograph
  start-5e6f7a8b/
    recognition.safetensors    the scores of an untouched start
  leaks-9c0d1e2f.json          test photographs that others give away
"""

import hashlib
import json
import logging
import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch

from lodisc.config import (
    BANK_SETTINGS,
    BATCH_SETTINGS,
    FREE_TO_CHANGE,
    LOCAL_SETTINGS,
    OLD_NAMES,
    SettledKeys,
    TrainConfig,
)
from lodisc.data.sources import find_photos, fingerprint, training_photos
from lodisc.errors import UserError
from lodisc.evaluation.benchmark import check_skipped, divide, labelled
from lodisc.evaluation.features import extract_arm
from lodisc.evaluation.focus import focus_scores
from lodisc.evaluation.leaks import Leaks, leaks
from lodisc.evaluation.paired import photo_scores
from lodisc.files import read_json, replacing, write_json
from lodisc.method import linear_map
from lodisc.photo_encoder import PhotoEncoder, load, load_start, load_start_at_own_size
from lodisc.run import NEWER, Run
from lodisc.study.design import FOCUS
from lodisc.study.result import ArmResult
from lodisc.tensors import DamagedTensors, load_tensors, save_tensors
from lodisc.training.loop import run_training
from lodisc.training.neighbours import keys_that_fit

logger = logging.getLogger("lodisc")

SHARE_RULE = "the smallest within two standard errors"
"""How runs find the share to spare; earlier ones took that with the most overlap."""

LATER_SETTINGS = ("tune", "keys", "neighbours", "spared", "fit", "head_warmup")
"""Settings that there were not yet when folders of runs got their names."""
FIRST_DEFAULTS = {"mask": "random", "keep_ratio": 0.75, "recolour": True}
"""Defaults that were others when folders of runs got their names."""

Scores = Mapping[str, np.ndarray]


class Runs:
    """Trains and measures the arms of the studies in one folder, on the same photographs.

    `base` says how to divide them. Raises `UserError` for photographs that cannot answer the
    question: not divided, without labels, with only one test photograph in each class, or without
    the masks that the metrics need.
    """

    def __init__(
        self, data: Path, out: Path, base: TrainConfig, *, metrics: Mapping[str, str]
    ) -> None:
        self.data, self.out, self.metrics, self.max_skipped = data, out, metrics, base.max_skipped
        listing = find_photos(data)
        photos = divide(
            listing.photos, data, train_split=base.train_split, run=None, seed=base.split_seed
        )
        self.train, self.test, self.classes = labelled(photos, data, learns=["linear", "kNN"])
        self.training = training_photos(photos)
        self.fingerprint = fingerprint([*self.training, *self.test])
        self._leaks_file = out / "runs" / f"leaks-{_digest(self.fingerprint)}.json"
        if max(Counter(photo.label for photo in self.test).values()) < 2:
            raise UserError(
                f"{data}: no class has two test photographs, so retrieval has no matches; "
                "add photographs"
            )
        self.masks = data / "masks" if FOCUS.keys() & metrics.keys() else None
        if self.masks and not self.masks.is_dir():
            raise UserError(
                f"{data} has no masks/ of what differs; "
                "`lodisc data finches --out DIR` draws photographs with masks"
            )

    def folder(self, config: TrainConfig) -> Path:
        """The folder of the run of a config.

        Its name has the objective and a digest of the data and of every setting that matters. The
        digest uses the first names of settings, and later settings only where they change what the
        first versions did, so that runs of older versions are found. Those are not whose share to
        spare was found by another rule.
        """
        first_names = {new: old for old, new in OLD_NAMES.items()}
        settings = {
            first_names.get(name, name): value
            for name, value in _without_unused_settings(config).to_dict().items()
            if name not in FREE_TO_CHANGE | {"seed"}
            and not (name in LATER_SETTINGS and value == NEWER[name])
        }
        if config.keys == "bank" and config.spared is None:
            settings["share"] = SHARE_RULE
        digest = _digest({**settings, "init": _identity(config.init), "data": self.fingerprint})
        return self.out / "runs" / f"{config.objective}-{digest}" / f"seed-{config.seed}"

    def keys_that_fit(self, config: TrainConfig) -> SettledKeys:
        """What `--keys auto` comes to on the training photographs; kept, as it takes a while."""
        if config.keys != "auto":
            return config.keys
        if config.spared is not None:
            return "bank"
        file = self._start_folder(config, config.image_size) / "keys.json"
        if not file.is_file():
            write_json(file, {"keys": keys_that_fit(config, photos=self.training)})
        keys: SettledKeys = read_json(file, kinds={"keys": str})["keys"]
        return keys

    def is_done(self, config: TrainConfig) -> bool:
        """Whether the run is trained to the end and measured."""
        return self._read_scores(self._scores_file(self.folder(config), config)) is not None

    def scores(self, config: TrainConfig) -> Scores:
        """The scores of the student on every test photograph, in 0..1; trains it if needed."""
        run = Run(self.folder(config))
        measured = {*run.path.glob("*.safetensors")} - {run.neighbours_file}
        if not measured:  # a measured run has lost its checkpoints
            settings = self._with_original_init(run, _without_unused_settings(config))
            run_training(self.data, run.path, settings)
        scores = self._measure(run.path, partial(load, run.path, device=config.device), config)
        shutil.rmtree(run.checkpoints, ignore_errors=True)
        return scores

    def start_scores(self, config: TrainConfig) -> Scores:
        """The scores of the untouched start of a config whose run exists."""
        return self._start_scores(
            config, config.image_size, partial(load_start, device=config.device)
        )

    def own_size_start_scores(self, config: TrainConfig) -> Scores | None:
        """The same at the image size that its model was made for, if that is another one.

        None also where the weights cannot be read any more.
        """
        try:
            encoder = load_start_at_own_size(self.folder(config), device=config.device)
        except UserError as error:
            logger.info(f"note: the start is not measured at its own image size: {error}")
            return None
        if encoder is None:
            return None
        return self._start_scores(config, encoder.image_size, lambda _: encoder)

    def _start_scores(
        self, config: TrainConfig, image_size: int, load_of_run: Callable[[Path], PhotoEncoder]
    ) -> Scores:
        folder = self._start_folder(config, image_size)
        return self._measure(folder, partial(load_of_run, self.folder(config)), config)

    def _start_folder(self, config: TrainConfig, image_size: int) -> Path:
        seed = config.seed if config.init == "none" else None
        start = [
            config.encoder,
            config.encoder_args,
            image_size,
            _identity(config.init),
            seed,
            self.fingerprint,
            *([config.fit] if config.fit != NEWER["fit"] else []),
        ]
        folder = self.out / "runs" / f"start-{_digest(start)}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def leaks(self) -> Leaks | None:
        """Test photographs that others give away; None where all was measured by older versions."""
        if not self._leaks_file.is_file():
            return None
        kinds = dict.fromkeys(Leaks.__annotations__, int)
        return cast(Leaks, read_json(self._leaks_file, kinds=kinds))

    def describe(self, config: TrainConfig, entry: ArmResult) -> None:
        """Add path, number of steps, time of a step and hardware of a finished run to its entry."""
        run = Run(self.folder(config))
        speeds = [line["images_per_second"] for line in run.log() if line.get("images_per_second")]
        entry["run"] = str(run.path)
        entry["steps"] = run.config["steps"]
        batch = config.batch_size
        if config.tune == "map":
            batch = min(linear_map.BATCH, run.config["data"]["photos"])
        speed = float(np.median(speeds or [math.inf]))  # a map of no neighbours takes no step
        entry["seconds_per_step"] = round(batch / speed, 4)
        entry["hardware"] = run.config["hardware"]

    def _with_original_init(self, run: Run, config: TrainConfig) -> TrainConfig:
        """The config with the path that the starting weights had when the run began.

        The name of the folder guarantees that the weights are the same.
        """
        return replace(config, init=run.config["settings"]["init"]) if run.has_begun else config

    def _scores_file(self, folder: Path, config: TrainConfig) -> Path:
        kind = f"focus-{config.fusion}" if self.masks else "recognition"
        return folder / f"{kind}.safetensors"

    def _read_scores(self, path: Path) -> Scores | None:
        """The scores in a file, if it is intact and has all metrics."""
        try:
            tensors = load_tensors(path)
        except DamagedTensors:
            return None
        scores = {name: tensor.numpy() for name, tensor in tensors.items()}
        return scores if self.metrics.keys() <= scores.keys() else None

    def _measure(
        self, folder: Path, load_encoder: Callable[[], PhotoEncoder], config: TrainConfig
    ) -> Scores:
        """The scores in the folder; measures them first if needed."""
        path = self._scores_file(folder, config)
        if (earlier := self._read_scores(path)) is not None:
            return earlier
        encoder, is_first = load_encoder(), not self._leaks_file.is_file()
        arm = extract_arm(
            encoder.name,
            encoder,
            self.train,
            self.test,
            classes=self.classes,
            workers=config.workers,
            with_thumbnails=is_first,
        )
        check_skipped(
            [*arm.train.skipped, *arm.test.skipped],
            total=len(self.train) + len(self.test),
            data=self.data,
            max_skipped=self.max_skipped,
        )
        if is_first:
            write_json(self._leaks_file, leaks(arm.train, arm.test))
        scores = photo_scores(arm)
        if self.masks:
            scores |= focus_scores(encoder, arm.test.photos, self.masks, fusion=config.fusion)
        with replacing(path) as draft:
            save_tensors({name: torch.from_numpy(values) for name, values in scores.items()}, draft)
        return scores


def _without_unused_settings(config: TrainConfig) -> TrainConfig:
    """The config with the settings that it does not use at their first defaults."""
    unused = LOCAL_SETTINGS if config.objective == "global" else frozenset[str]()
    unused |= BATCH_SETTINGS if config.keys == "bank" else BANK_SETTINGS
    defaults = TrainConfig().to_dict() | FIRST_DEFAULTS
    return replace(config, **{name: defaults[name] for name in unused})


def _digest(settings: object) -> str:
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _identity(init: str) -> str:
    """What identifies the starting weights, wherever their file is."""
    if init in {"timm", "none"} or not Path(init).is_file():
        return init
    with Path(init).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
