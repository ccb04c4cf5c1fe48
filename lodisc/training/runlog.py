"""`log.jsonl`: one JSON object a line, every few steps."""

import json
from pathlib import Path
from typing import Any

from lodisc.files import read_json_lines, write_json_lines


def append(run: Path, entry: dict[str, Any]) -> None:
    """Add one line and hand it to the system, so that a killed process leaves whole lines."""
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def read(run: Path) -> list[dict[str, Any]]:
    """All whole lines; an empty list where nothing was logged."""
    return read_json_lines(run / "log.jsonl")


def forget_after(run: Path, step: int) -> None:
    """Drop the lines of steps that are about to be done again, and a torn last line."""
    kept = [entry for entry in read(run) if entry["step"] <= step]
    write_json_lines(run / "log.jsonl", kept)
