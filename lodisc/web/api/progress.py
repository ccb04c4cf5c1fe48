"""Trainings and embeddings of the photographs of the collection: those under way, and those that are over."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from lodisc.data.photo import printable
from lodisc.embedding.embedding import Embedding
from lodisc.files import read_json_lines
from lodisc.web import models
from lodisc.web.state.state import Opened, State

router = APIRouter(tags=["progress"])
QUIET = 60  # seconds without a word, and ten times as long as it usually takes: then it has stopped
MOST_FOLDERS = 200  # looked at beside the ones that the collection names
MOST_POINTS = 200


@router.get("/progress")
def progress(opened: Opened) -> models.Progress:
    """What is running on the photographs of this collection, and what is over, newest first."""
    return describe_progress(opened)


def describe_progress(state: State) -> models.Progress:
    """Every training and embedding of these photographs that lies beside the run and the parts of the collection."""
    settings = state.collection.settings
    tasks = [(when, task) for when, task in _tasks(state.collection.path, settings) if task.total]
    tasks.sort(key=lambda pair: -pair[0])
    running = [task for _, task in tasks if task.state == "running"]
    return models.Progress(
        running=running, finished=[task for _, task in tasks if task.state != "running"]
    )


def _tasks(collection: Path, settings: Mapping[str, Any]) -> Iterator[tuple[float, models.Task]]:
    """Every task and when it last gave a sign of life; what is damaged or half written is left out."""
    named = [Path(settings[name]) for name in ("run", "parts") if settings.get(name)]
    for folder in _folders([*named, collection.resolve()]):
        for read in (_training, _embedding):
            try:
                yield from read(folder, data=settings.get("data"))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue


def _folders(named: Iterable[Path]) -> Iterator[Path]:
    """These folders and those beside them, each once."""
    seen: set[Path] = set()
    for path in named:
        try:
            beside = sorted(path.parent.iterdir(), key=lambda other: other.name)[:MOST_FOLDERS]
        except OSError:
            beside = []
        for folder in (path, *beside):
            if folder not in seen:
                seen.add(folder)
                yield folder


def _training(folder: Path, *, data: str | None) -> Iterator[tuple[float, models.Task]]:
    path = folder / "config.json"
    if not path.is_file() or not (folder / "start").is_dir():
        return
    config = json.loads(path.read_bytes())
    if data is None or Path(config["data"]["path"]) != Path(data).resolve():
        return
    entries = _log(folder / "log.jsonl")
    last = entries[-1] if entries else {}
    steps, done, batch = config["steps"], last.get("step", 0), config["settings"]["batch_size"]
    speed = last.get("images_per_second") or math.inf
    told = (folder / "log.jsonl" if entries else path).stat().st_mtime
    quiet = max(QUIET, 10 * config["settings"]["log_every"] * batch / speed)
    state = _state(finished=done >= steps, quiet=time.time() - told > quiet)
    verdict = (
        models.Verdict(verdict=last["health"], advice=last["advice"]) if "health" in last else None
    )
    figures = {
        name: value
        for name, value in last.items()
        if isinstance(value, int | float) and name != "step"
    }
    yield (
        told,
        models.Task(
            kind="training",
            name=printable(folder.name),
            state=state,
            done=done,
            total=steps,
            unit="steps",
            seconds_left=(steps - done) * batch / speed if state == "running" and entries else None,
            health=verdict,
            figures=figures,
            curve=_curve(entries),
        ),
    )


def _embedding(folder: Path, *, data: str | None) -> Iterator[tuple[float, models.Task]]:
    path = Embedding(folder).progress_file
    if (
        not path.is_file()
        or data is None
        or json.loads(Embedding(folder).settings_file.read_bytes()).get("data") != data
    ):
        return
    told = json.loads(path.read_bytes())
    took, state = (
        told["updated"] - told["started"],
        _state(finished=told["finished"], quiet=time.time() - told["updated"] > QUIET),
    )
    speed = told["done"] / took if took > 0 else 0.0
    yield (
        told["updated"],
        models.Task(
            kind="embedding",
            name=printable(folder.name),
            state=state,
            done=told["done"],
            total=told["total"],
            unit="photographs",
            seconds_left=(told["total"] - told["done"]) / speed
            if state == "running" and speed
            else None,
            health=None,
            figures={"images_per_second": speed},
            curve=[],
        ),
    )


def _state(*, finished: bool, quiet: bool) -> Any:
    return "finished" if finished else "stopped" if quiet else "running"


def _log(path: Path) -> list[dict[str, Any]]:
    return read_json_lines(path)


def _curve(entries: list[dict[str, Any]]) -> list[list[float]]:
    """The loss of at most 200 steps, the last one among them."""
    points = [[entry["step"], entry["loss"]] for entry in entries if entry.get("loss") is not None]
    every = max(1, math.ceil(len(points) / MOST_POINTS))
    return points[::-1][::every][::-1]
