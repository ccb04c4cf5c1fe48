"""Tiny runs for tests: a two-layer transformer on a few photographs, in about a second."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from lodisc import cli
from lodisc.config import as_flag
from lodisc.files import read_json_lines

TINY: dict[str, Any] = {
    "encoder": "vit_tiny_patch16_224",
    "encoder_args": {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8},
    "init": "none",
    "image_size": 32,
    "batch_size": 4,
    "hidden_dim": 32,
    "out_dim": 16,
    "spared": 0.1,
    "workers": 0,
    "log_every": 1,
    "precision": "fp32",
}


BATCH: dict[str, Any] = {"keys": "batch", "temperature": 0.2, "recolour": True}
"""The contrast of a batch, as it was the default before there was a bank."""


def flags(**settings: Any) -> list[str]:
    """Settings as words of the command line."""
    return [word for row in {**TINY, **settings}.items() for word in as_flag(*row).split()]


def command(*words: Any, **settings: Any) -> subprocess.Popen[str]:
    """Start `lodisc` in a process of its own."""
    arguments = [
        sys.executable,
        "-m",
        "lodisc",
        *map(str, words),
        *(flags(**settings) if words[0] in ("train", "study") else []),
    ]
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def run_command(*words: Any, timeout: float = 120, **settings: Any) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `lodisc`."""
    process = command(*words, **settings)
    stdout, stderr = process.communicate(timeout=timeout)
    return process.returncode, stdout, stderr


def last_state(run: Path) -> dict[str, Any]:
    """All tensors of the newest checkpoint."""
    mapped = load_file(max((run / "checkpoint").glob("step-*")) / "state.safetensors")
    return {name: tensor.clone() for name, tensor in mapped.items()}


def logged_steps(run: Path) -> list[int]:
    """The steps in the log."""
    return [entry["step"] for entry in read_json_lines(run / "log.jsonl")]


def until(holds: Callable[[], object], *, seconds: float = 90) -> None:
    """Wait for what another process or thread does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def lodisc_json(capsys: pytest.CaptureFixture[str], *words: Any) -> Any:
    """What a command prints as JSON."""
    assert cli.main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)
