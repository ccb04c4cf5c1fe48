"""The tools of `bench/peers.py`: lodisc and lightly-train, each trained in a process of its own.

lightly-train is licensed under the AGPL-3.0. Nothing of it is imported here or copied: `DRIVER`
calls it in a Python of another virtual environment.

Its own settings are for long trainings from random weights, and those of SimCLR for convolutional
networks. Four of them differ here, in its favour. Words after the name of the method take its own
ones, or another learning rate:

AdamW        with the rate and the weight decay that it has for AdamW; it scales the rate to the
             batch size by itself. `simclr-sgd` is by SGD, its default for both methods. Its rate
             destroys what a pretrained vision transformer knows: the loss rises at once.
[CLS]        is the feature that learns, as in the paper of DINO, and by which the start was
             trained. `simclr-patches`: the mean of the patches learns, its default for timm's
             models, which leaves [CLS] alone.
last layer   of DINO is frozen for a tenth of the steps, not for 1,250, which are more than all.
attention    is timm's plain one on a CPU, which is quicker there in bf16 than the fused one.

`simclr-x0.1` has a tenth of the learning rate, and `dino-sgd-patches` is DINO by its defaults.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

from lodisc.config import TrainConfig, adapt, as_flag
from lodisc.device import pick_device, pick_precision
from lodisc.errors import UserError
from lodisc.files import read_json_lines
from lodisc.photo_encoder import PhotoEncoder, load
from lodisc.run import Run
from lodisc.study.design import global_only
from lodisc.study.studies import variants

TOOLS = ("start", "simclr", "simclr-x0.1", "dino", "dino-x0.1", "moco", "paper", "lodisc")

LIGHTLY_RATES = {
    ("simclr", "sgd"): 0.3,
    ("simclr", "adamw"): 1e-3,
    ("dino", "sgd"): 0.03,
    ("dino", "adamw"): 5e-4,
}
"""The learning rates of lightly-train 0.18 for 256 photographs in a step."""

DRIVER = '''
import json, shutil, sys
from pathlib import Path

import lightly_train, timm, torch
from safetensors.torch import load_file, save_file


class ClassToken(torch.nn.Module):
    """A timm model whose feature is [CLS], as lightly-train takes models."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def feature_dim(self):
        return self.trunk.num_features

    def get_model(self):
        return self.trunk

    def forward_features(self, images):
        return {"features": self.trunk.forward_features(images)[:, 0, :, None, None]}

    def forward_pool(self, output):
        return {"pooled_features": output["features"]}


asked = json.loads(sys.argv[1])
trunk = timm.create_model(
    asked["encoder"], num_classes=0, img_size=asked["image_size"], dynamic_img_size=True
)
trunk.load_state_dict(load_file(asked["start"]))
model = ClassToken(trunk) if asked["feature"] == "cls" else trunk
lightly_train.pretrain(model=model, **asked["pretrain"])

out = Path(asked["pretrain"]["out"])
exported = torch.load(out / "exported_models" / "exported_last.pt", weights_only=True)
save_file({name: tensor.contiguous() for name, tensor in exported.items()}, asked["exported"])
# This process has just written the file, and lightly-train keeps whole modules in it.
checkpoint = torch.load(out / "checkpoints" / "last.ckpt", weights_only=False)["state_dict"]
student = {
    name.split(".", 3)[3]: tensor.contiguous()
    for name, tensor in checkpoint.items()
    if name.startswith("student_embedding_model.wrapped_model.")
}
if student:
    save_file(student, asked["student"])
shutil.rmtree(out / "checkpoints")
'''
"""From the start to the weights that lightly-train exports, and those of DINO's student."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """What is the same for all tools."""

    data: Path
    """The training photographs alone."""
    photos: int
    """How many they are."""
    start: Path
    """The weights that all begin with."""
    encoder: str
    image_size: int
    batch_size: int
    workers: int
    threads: int

    @property
    def on_cpu(self) -> bool:
        return pick_device("auto").type == "cpu"

    @property
    def precision(self) -> str:
        return pick_precision("auto", pick_device("auto"))

    def load(self, weights: Path) -> PhotoEncoder:
        return load(weights, encoder=self.encoder, image_size=self.image_size)


class Tool(Protocol):
    """What learns from photographs."""

    def train(self, folder: Path, *, steps: int, seed: int) -> list[float]:
        """Learn for so many steps; returns the seconds of each.

        Raises `UserError` when the process fails.
        """

    def encoders(self, folder: Path) -> dict[str, PhotoEncoder]:
        """What it has learnt, by name; the name is empty where there is one encoder only."""


@dataclass(frozen=True)
class Lodisc:
    """`lodisc train` with the settings of a config."""

    config: TrainConfig
    common: Common

    def train(self, folder: Path, *, steps: int, seed: int) -> list[float]:
        epochs = steps / (self.common.photos // self.config.batch_size)
        config, default = replace(self.config, seed=seed, epochs=epochs, log_every=1), adapt()
        flags = [
            word
            for row in fields(config)
            if (value := getattr(config, row.name)) != getattr(default, row.name)
            for word in as_flag(row.name, value).split(" ", 1)
        ]
        run = Run(folder / "run")
        words = [sys.executable, "-m", "lodisc", "train", self.common.data, "--out", run.path]
        call([*words, *flags], folder, threads=self.common.threads)
        shutil.rmtree(run.checkpoints)
        return [config.batch_size / line["images_per_second"] for line in run.log()]

    def encoders(self, folder: Path) -> dict[str, PhotoEncoder]:
        return {"": load(folder / "run")}


@dataclass(frozen=True)
class Lightly:
    """lightly-train with one of its methods; `rate` is a multiple of its own learning rate."""

    method: str
    python: Path
    common: Common
    optimiser: str = "adamw"
    feature: str = "cls"
    rate: float = 1

    def train(self, folder: Path, *, steps: int, seed: int) -> list[float]:
        out = folder / "lightly"
        asked = {
            "encoder": self.common.encoder,
            "image_size": self.common.image_size,
            "start": str(self.common.start),
            "feature": self.feature,
            "exported": str(folder / "exported.safetensors"),
            "student": str(folder / "student.safetensors"),
            "pretrain": self._arguments(out, steps=steps, seed=seed),
        }
        environment = {
            "LIGHTLY_TRAIN_EVENTS_DISABLED": "1",  # else it reports to its makers
            "LIGHTLY_TRAIN_CACHE_DIR": str(folder / "cache"),
            "LIGHTLY_TRAIN_DATALOADER_TIMEOUT_SEC": "0",  # else a busy machine ends the training
            **({"TIMM_FUSED_ATTN": "0"} if self.common.on_cpu else {}),
        }
        words = [self.python, "-c", DRIVER, json.dumps(asked)]
        call(words, folder, threads=self.common.threads, environment=environment)
        work, wait = "profiling/batch_time", "profiling/data_time"
        log = read_json_lines(out / "metrics.jsonl")
        return [line[work] + line.get(wait, 0.0) for line in log if work in line]

    def _arguments(self, out: Path, *, steps: int, seed: int) -> dict[str, Any]:
        """The arguments of `lightly_train.pretrain` but for the model."""
        common, side = self.common, self.common.image_size
        trunk = common.load(common.start).encoder.trunk
        colours = {name: list(trunk.pretrained_cfg[name]) for name in ("mean", "std")}
        transform: dict[str, Any] = {"image_size": [side, side], "normalize": colours}
        method: dict[str, Any] = {}
        if self.method == "dino":
            patch = trunk.patch_embed.patch_size[0]
            small = max(1, round(side * 96 / 224 / patch)) * patch
            transform["local_view"] = {"view_size": [small, small]}
            method["student_freeze_last_layer_steps"] = steps // 10
        return {
            "out": str(out),
            "data": str(common.data),
            "method": self.method,
            "method_args": method,
            "epochs": math.ceil(steps / (common.photos // common.batch_size)),
            "batch_size": common.batch_size,
            "num_workers": common.workers,
            "devices": 1,
            "precision": "bf16-mixed" if common.precision == "bf16" else "32-true",
            "seed": seed,
            "optim": self.optimiser,
            "optim_args": {"lr": self.rate * LIGHTLY_RATES[self.method, self.optimiser]},
            "transform_args": transform,
            "loggers": {"tensorboard": None},
            "loader_args": {"persistent_workers": True} if common.workers else {},
            "trainer_args": {"max_steps": steps, "log_every_n_steps": 1},
        }

    def encoders(self, folder: Path) -> dict[str, PhotoEncoder]:
        exported, student = folder / "exported.safetensors", folder / "student.safetensors"
        files = {"teacher": exported, "student": student} if student.exists() else {"": exported}
        return {name: self.common.load(file) for name, file in files.items()}


def tool_of(name: str, common: Common, *, lightly_python: Path | None) -> Tool:
    """The tool of a row; raises `UserError` for a name that means none."""
    method, *words = name.split("-")
    if method in ("simclr", "dino"):
        if lightly_python is None:
            raise UserError(f"--tools {name} needs --lightly-python; peers.py says how to make it")
        return _varied(name, Lightly(method, lightly_python, common), words)
    base = adapt(
        encoder=common.encoder,
        init=str(common.start),
        image_size=common.image_size,
        batch_size=common.batch_size,
        workers=common.workers,
    )
    configs = {"moco": global_only(base), "paper": variants(base)["paper"], "lodisc": base}
    if name not in configs:
        raise UserError(f"--tools {name}: there are {', '.join(TOOLS)}")
    return Lodisc(configs[name], common)


def _varied(name: str, tool: Lightly, words: Sequence[str]) -> Lightly:
    for word in words:
        if word == "sgd":
            tool = replace(tool, optimiser=word)
        elif word == "patches":
            tool = replace(tool, feature=word)
        elif word.startswith("x") and word[1:].replace(".", "", 1).isdecimal():
            tool = replace(tool, rate=float(word[1:]))
        else:
            raise UserError(f"--tools {name}: {word!r} is neither sgd, patches nor a rate as x0.1")
    return tool


def call(
    words: Sequence[object],
    folder: Path,
    *,
    threads: int,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a process whose output goes to a file; raises `UserError` when it fails."""
    output = folder / "output.txt"
    with output.open("w") as file:
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), **(environment or {})},
        )
    if done.returncode:
        raise UserError(f"it ended with status {done.returncode}; {output} says why")
