"""The runs of a study: ordinary run directories, each trained once and measured once, whichever studies need it.

OUT/runs/global-1a2b3c4d/seed-0/                         a run, without its checkpoints once it is measured, and in it
OUT/runs/global-1a2b3c4d/seed-0/recognition.safetensors  the scores of every test photograph
OUT/runs/start-5e6f7a8b/recognition.safetensors          those of an untouched start
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lodisc.config import FREE_TO_CHANGE, LOCAL_SETTINGS, TrainConfig
from lodisc.data.sources import find_photos, fingerprint, training_photos
from lodisc.encoders import save_tensors
from lodisc.errors import UserError
from lodisc.evaluation.benchmark import check_skipped, divide, labelled
from lodisc.evaluation.features import Arm, extract
from lodisc.evaluation.focus import focus_scores
from lodisc.evaluation.paired import photo_scores
from lodisc.files import read_json, read_json_lines, replacing
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.study.design import FOCUS
from lodisc.training.loop import run_training

Scores = Mapping[str, np.ndarray]


class Runs:
    """Trains and measures the arms of the studies in one folder, on one collection of photographs, divided as `base` says.

    Raises `UserError` for photographs that can't answer the question: undivided, without labels, with classes of one test photograph
    alone, or without masks where the figures need them.
    """

    def __init__(
        self, data: Path, out: Path, base: TrainConfig, *, figures: Mapping[str, str]
    ) -> None:
        self.data, self.out, self.figures, self.max_skipped = data, out, figures, base.max_skipped
        listing = find_photos(data)
        photos = divide(
            listing.photos, data, train_split=base.train_split, run=None, seed=base.split_seed
        )
        self.train, self.test, self.classes = labelled(photos, data, learns=["linear", "kNN"])
        learnt = training_photos(photos)
        self.learnt = len(learnt)
        self.mark = fingerprint([*learnt, *self.test])
        if max(Counter(photo.label for photo in self.test).values()) < 2:
            raise UserError(
                f"{data}: no class has two test photographs, so none can be found by another; use more photographs"
            )
        self.masks = data / "masks" if FOCUS.keys() & figures.keys() else None
        if self.masks and not self.masks.is_dir():
            raise UserError(
                f"{data} has no masks/ of what differs; `lodisc data finches --out DIR` draws photographs that have them"
            )

    def folder(self, config: TrainConfig) -> Path:
        """The run directory of a config: named by its objective and a digest of the data and every setting that changes its result."""
        settings = {
            name: value
            for name, value in _plain(config).to_dict().items()
            if name not in FREE_TO_CHANGE | {"seed"}
        }
        digest = _digest({**settings, "init": _identity(config.init), "data": self.mark})
        return self.out / "runs" / f"{config.objective}-{digest}" / f"seed-{config.seed}"

    def is_done(self, config: TrainConfig) -> bool:
        """Whether the run is trained to its end and measured."""
        return self._kept(self._scores_file(self.folder(config), config)) is not None

    def scores(self, config: TrainConfig) -> Scores:
        """The scores of the trained student on every test photograph, in 0..1; trains it first where that is still to be done."""
        run = self.folder(config)
        if not any(run.glob("*.safetensors")):  # once measured, a run has lost its checkpoints
            run_training(self.data, run, self._as_begun(run, _plain(config)))
        scores = self._measured(run, partial(load, run, device=config.device), config)
        shutil.rmtree(run / "checkpoint", ignore_errors=True)
        return scores

    def start_scores(self, config: TrainConfig) -> Scores:
        """The same for the untouched start of a config whose run is there."""
        seed = config.seed if config.init == "none" else None
        start = [
            config.encoder,
            config.encoder_args,
            config.image_size,
            _identity(config.init),
            seed,
            self.mark,
        ]
        folder = self.out / "runs" / f"start-{_digest(start)}"
        folder.mkdir(parents=True, exist_ok=True)
        return self._measured(
            folder, partial(load_start, self.folder(config), device=config.device), config
        )

    def about(self, config: TrainConfig) -> dict[str, object]:
        """Where a finished run is, on what it was trained, its steps, and the seconds that one took (the median over its log)."""
        run = self.folder(config)
        settled = read_json(run / "config.json")
        speeds = [entry["images_per_second"] for entry in read_json_lines(run / "log.jsonl")]
        seconds = round(config.batch_size / float(np.median(speeds)), 4)
        return {
            "run": str(run),
            "steps": settled["steps"],
            "seconds_per_step": seconds,
            "hardware": settled["hardware"],
        }

    def _as_begun(self, run: Path, config: TrainConfig) -> TrainConfig:
        """The config with the path of the starting weights when the run was begun: its folder's name vouches that they are the same."""
        settled = run / "config.json"
        return (
            replace(config, init=read_json(settled)["settings"]["init"])
            if settled.exists()
            else config
        )

    def _scores_file(self, folder: Path, config: TrainConfig) -> Path:
        kind = f"focus-{config.fusion}" if self.masks else "recognition"
        return folder / f"{kind}.safetensors"

    def _kept(self, path: Path) -> Scores | None:
        """The scores in a file, if it is whole and has all figures."""
        try:
            scores = load_file(path)
        except (OSError, SafetensorError):
            return None
        return scores if self.figures.keys() <= scores.keys() else None

    def _measured(
        self, folder: Path, load_encoder: Callable[[], PhotoEncoder], config: TrainConfig
    ) -> Scores:
        path = self._scores_file(folder, config)
        kept = self._kept(path)
        if kept is not None:
            return kept
        encoder = load_encoder()
        train, test = (
            extract(
                encoder,
                part,
                classes=self.classes,
                workers=config.workers,
                description=f"{encoder.name}: {title} photographs",
            )
            for part, title in ((self.train, "training"), (self.test, "test"))
        )
        total = len(self.train) + len(self.test)
        check_skipped(
            [*train.skipped, *test.skipped],
            total=total,
            data=self.data,
            max_skipped=self.max_skipped,
        )
        scores = photo_scores(Arm(encoder.name, encoder, train, test))
        if self.masks:
            scores |= focus_scores(encoder, test.photos, self.masks, fusion=config.fusion)
        with replacing(path) as draft:
            save_tensors(
                {figure: torch.from_numpy(values) for figure, values in scores.items()}, draft
            )
        return scores


def _plain(config: TrainConfig) -> TrainConfig:
    """The config with all settings at their defaults that it does not depend on: global only knows nothing of the local task."""
    defaults = {name: getattr(TrainConfig(), name) for name in LOCAL_SETTINGS}
    return replace(config, **defaults) if config.objective == "global" else config


def _digest(settings: object) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[
        :8
    ]


def _identity(init: str) -> str:
    """What the starting weights are, wherever their file lies."""
    if init in {"timm", "none"} or not Path(init).is_file():
        return init
    with Path(init).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
