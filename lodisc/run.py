"""The folder of a run: what lies where, and how the runs of older versions are read.

RUN/
  config.json      every setting resolved, steps, versions, fingerprint of the photographs, outcome
  log.jsonl        loss, speed and health, one line every few steps
  skipped.jsonl    photographs that could not be read, and why
  neighbours.safetensors   who is whose neighbour to the start, with `--keys bank`
  start/           the untouched starting encoder     } each a timm directory: config.json and
  encoder/         what is kept, and `load` gives      } model.safetensors; open it with
  momentum/        the momentum encoder                } timm.create_model("local-dir:RUN/encoder")
  checkpoint/
    step-00000138/ state.safetensors and state.json: the last one, and the one before it
  evaluation.json  written by `lodisc evaluate RUN DATA`
  report.html      written by `lodisc report RUN`
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast, get_type_hints

from lodisc.config import OLD_NAMES, OLD_VALUES, TrainConfig, first_out_of_range
from lodisc.errors import UserError
from lodisc.files import (
    Kinds,
    flush,
    problem_of,
    read_json,
    read_json_lines,
    write_json,
    write_json_lines,
)
from lodisc.outcome import Outcome

NEWER = {
    row.name: row.metadata["before"]
    for row in fields(TrainConfig)
    if row.metadata["before"] is not MISSING
}
"""Settings that older versions did not have, with the value that describes what they did."""
GONE = {"whole_every": 1}
"""Settings that only older versions have, with the value that changed nothing."""
_KINDS: Kinds = {
    "settings": dict,
    "steps": int,
    "data": dict,
    # Those of early versions lack these
    "hardware": dict | None,
    "versions": dict[str, str] | None,
    "outcome": Outcome | None,
}
_SETTING_KINDS: Kinds = {**get_type_hints(TrainConfig), "recipe": str}  # older ones had others
_DATA_KINDS: Kinds = {"path": str, "photos": int, "fingerprint": str, "skipped": int | None}
_LOG_KINDS: Kinds = {
    "step": int,
    "epoch": float,
    **dict.fromkeys(("loss", "loss_global", "loss_local", "lr", "images_per_second"), float | None),
    **dict.fromkeys(("agreement", "chance_agreement", "spread"), float | None),
    **dict.fromkeys(("effective_rank", "attention_entropy", "separation"), float | None),
    **dict.fromkeys(("health", "advice"), str | None),
}


class RunData(TypedDict):
    """The photographs that a run learns from."""

    path: str
    photos: int
    skipped: int
    fingerprint: str


class RunConfig(TypedDict):
    """What `config.json` holds."""

    settings: dict[str, Any]
    """Every field of `TrainConfig`, by the names of this version."""
    steps: int
    data: RunData
    hardware: dict[str, Any]
    """device, precision, processes, threads"""
    versions: dict[str, str]
    outcome: NotRequired[Outcome | None]
    """What it came to, once it is finished. It may have ended before all steps were done."""


@dataclass(frozen=True)
class Run:
    """The folder of a run; nothing else spells its file names."""

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Raises `UserError` for a folder that does not hold a run."""
        run = cls(Path(path))
        if not run.exists:
            raise UserError(f"{path} is not a run; train one with  lodisc train DATA --out {path}")
        return run

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self.has_begun and self.start.is_dir()

    @property
    def has_begun(self) -> bool:
        """Whether its settings are written down."""
        return self.config_file.is_file()

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def start(self) -> Path:
        return self.path / "start"

    @property
    def neighbours_file(self) -> Path:
        return self.path / "neighbours.safetensors"

    @property
    def encoder(self) -> Path:
        return self.path / "encoder"

    @property
    def momentum(self) -> Path:
        return self.path / "momentum"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoint"

    @property
    def log_file(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def skipped_file(self) -> Path:
        return self.path / "skipped.jsonl"

    @property
    def evaluation_file(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    def foreign_files(self) -> list[Path]:
        """Files that lodisc did not write; a start that was killed leaves only its own."""
        names = [self.skipped_file.name, self.neighbours_file.name, self.start.name]
        ours = (".", "config.json.", *names)
        return [path for path in self.path.iterdir() if not path.name.startswith(ours)]

    @cached_property
    def config(self) -> RunConfig:
        """Its `config.json`, the settings by the names and with the defaults of this version.

        Raises `UserError` for a file that is damaged or of another shape.
        """
        config = read_json(self.config_file, kinds=_KINDS)
        try:
            config["settings"] = upgraded(config["settings"])
            missing = _SETTING_KINDS.keys() - config["settings"].keys()
            problem = f"it has no {min(missing)}" if missing else None
            problem = problem or problem_of(config["settings"], _SETTING_KINDS)
            if not problem and (name := first_out_of_range(config["settings"])):
                problem = f"its {name} is out of range"
        except KeyError as error:
            problem = f"it has no {error.args[0]}"
        if problem := problem or problem_of(config["data"], _DATA_KINDS):
            raise UserError(f"{self.config_file} is damaged ({problem})")
        return cast(RunConfig, config)

    def write_config(self, config: RunConfig) -> None:
        """Write `config.json` atomically: from now on the folder holds a run."""
        write_json(self.config_file, config)

    def write_outcome(self, outcome: Outcome | None) -> None:
        """Write down what the training came to; None where it goes on."""
        config = read_json(self.config_file, kinds=_KINDS)
        write_json(self.config_file, {**config, "outcome": outcome})
        self.__dict__.pop("config", None)  # cached

    def log(self) -> list[dict[str, Any]]:
        """All whole lines of the log; an empty list where nothing was logged.

        A power cut may leave lines that are not whole.
        """
        return read_json_lines(self.log_file, kinds=_LOG_KINDS, tolerant=True)

    def append_to_log(self, entry: Mapping[str, Any]) -> None:
        """Add one line and hand it to the system, so that a killed process leaves whole lines."""
        with self.log_file.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def flush_log(self) -> None:
        """Wait until the log is on the disk, as a checkpoint needs its lines."""
        if self.log_file.exists():
            flush(self.log_file)

    def cut_log(self, step: int) -> None:
        """Drop the lines of later steps, which are about to be done again, and a torn last line."""
        write_json_lines(self.log_file, [entry for entry in self.log() if entry["step"] <= step])

    def skipped(self) -> list[dict[str, str]]:
        """`key` and `reason` of the photographs that could not be read."""
        return read_json_lines(self.skipped_file, kinds={"key": str, "reason": str})


def steps_of(config: RunConfig) -> int:
    """The number of steps that a training has or, if it ended before, took."""
    outcome = config.get("outcome")
    return outcome["steps"] if outcome else config["steps"]


def upgraded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run of any version, by the names and with the defaults of this one.

    Before there was a split seed, photographs were divided by the seed of everything else.
    """
    renamed = {OLD_NAMES.get(name, name): value for name, value in settings.items()}
    renamed |= {name: new for name, old, new in OLD_VALUES if renamed.get(name) == old}
    return {**NEWER, "split_seed": renamed["seed"], **renamed}
