"""The runs of a study: ordinary run directories, each trained once and measured once, whichever studies need it.

OUT/runs/global-1a2b3c4d/seed-0/                a run, and in it
OUT/runs/global-1a2b3c4d/seed-0/scores-….safetensors    the scores of every test photograph
OUT/runs/start-5e6f7a8b/scores-….safetensors    those of an untouched start
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from lodisc.config import FREE_TO_CHANGE, TrainConfig
from lodisc.data.sources import Photo, find_photos, fingerprint
from lodisc.evaluation.benchmark import divide, labelled
from lodisc.evaluation.features import Arm, extract
from lodisc.evaluation.focus import focus_scores
from lodisc.evaluation.paired import photo_scores
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.study.design import FOCUS
from lodisc.training.checkpoint import read_json, read_json_lines
from lodisc.training.loop import run_training

Scores = Mapping[str, np.ndarray]


class Runs:
    """Trains and measures the arms of the studies in one folder, on one collection of photographs.

    Raises `ValueError` where `train` and `evaluate` do, and where figures need masks that DATA lacks.
    """

    def __init__(self, data: Path, out: Path, *, figures: Mapping[str, str]) -> None:
        self.data, self.out = data, out
        self.masks = data / "masks" if FOCUS.keys() & figures.keys() else None
        if self.masks and not self.masks.is_dir():
            raise ValueError(f"{data} has no masks/ of what differs; `lodisc data finches --out DIR` draws photographs that have them")

    def folder(self, config: TrainConfig) -> Path:
        """The run directory of a config: named by its objective and a digest of every setting that changes its result."""
        settings = {name: value for name, value in config.to_dict().items() if name not in FREE_TO_CHANGE | {"seed"}}
        return self.out / "runs" / f"{config.objective}-{_digest(settings)}" / f"seed-{config.seed}"

    def is_done(self, config: TrainConfig) -> bool:
        """Whether the run is trained to its end and measured."""
        return self._kept(self.folder(config), config).exists()

    def scores(self, config: TrainConfig) -> Scores:
        """The scores of the trained student on every test photograph, in 0..1; trains it first where that is still to be done."""
        run = self.folder(config)
        if not self.is_done(config):
            run_training(self.data, run, config)
        return self._measured(run, partial(load, run, device=config.device), config)

    def start_scores(self, config: TrainConfig) -> Scores:
        """The same for the untouched start of a config whose run is there."""
        start = {name: getattr(config, name) for name in ("encoder", "encoder_args", "init", "image_size")}
        start["seed"] = config.seed if config.init == "none" else None
        folder = self.out / "runs" / f"start-{_digest(start)}"
        folder.mkdir(parents=True, exist_ok=True)
        return self._measured(folder, partial(load_start, self.folder(config), device=config.device), config)

    def seconds_per_step(self, config: TrainConfig) -> float:
        """Seconds of a training step, the median over the log."""
        speeds = [entry["images_per_second"] for entry in read_json_lines(self.folder(config) / "log.jsonl")]
        return config.batch_size / float(np.median(speeds))

    def steps(self, config: TrainConfig) -> int:
        """The number of steps of a run that is there."""
        steps: int = read_json(self.folder(config) / "config.json")["steps"]
        return steps

    def _photos(self, config: TrainConfig) -> tuple[list[Photo], list[Photo], list[str]]:
        """Train, test and classes."""
        photos = divide(find_photos(self.data).photos, self.data, train_split=config.train_split, run=None, seed=config.seed)
        return labelled(photos, self.data, learns=["linear", "kNN"])

    def _kept(self, folder: Path, config: TrainConfig) -> Path:
        """Where the scores of these very photographs are kept."""
        train, test, _ = self._photos(config)
        kind = "focus" if self.masks else "recognition"
        return folder / f"scores-{kind}-{fingerprint([*train, *test])[:8]}.safetensors"

    def _measured(self, folder: Path, load_encoder: Callable[[], PhotoEncoder], config: TrainConfig) -> Scores:
        path = self._kept(folder, config)
        if path.exists():
            return load_file(path)
        train, test, classes = self._photos(config)
        encoder = load_encoder()
        description = f"{encoder.name}: photographs"
        parts = (extract(encoder, part, classes=classes, workers=config.workers, description=description) for part in (train, test))
        scores = photo_scores(Arm(encoder.name, encoder, *parts))
        if self.masks:
            scores |= focus_scores(encoder, test, self.masks, fusion=config.fusion, keep_ratio=config.keep_ratio)
        beside = path.with_suffix(".tmp")
        save_file({figure: np.ascontiguousarray(values) for figure, values in scores.items()}, beside)
        beside.replace(path)
        return scores


def _digest(settings: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:8]
