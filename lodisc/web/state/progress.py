"""Trainings and embeddings of the photographs of a collection, running and finished."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lodisc.data.photo import printable
from lodisc.embedding.embedding import PROGRESS_KINDS, Embedding
from lodisc.files import read_json
from lodisc.outcome import in_words
from lodisc.run import Run, steps_of
from lodisc.web import models
from lodisc.web.state.state import State

QUIET = 60  # seconds without an update, and ten times the usual pause: then a task has stopped
MOST_FOLDERS = 200  # read beside each folder that the collection names
MOST_POINTS = 200


def describe_progress(state: State) -> models.ProgressOut:
    """Every training and embedding of these photographs, newest first.

    Looks at the folder of the collection, its run and its parts, and the folders beside them, and
    at the runs and vectors inside it.
    """
    settings = state.collection.settings
    tasks = [(updated, task) for updated, task in _tasks(state, settings) if task.total]
    tasks.sort(key=lambda pair: -pair[0])
    return models.ProgressOut(
        running=[task for _, task in tasks if task.state == "running"],
        finished=[task for _, task in tasks if task.state != "running"],
    )


def _tasks(state: State, settings: Mapping[str, Any]) -> Iterator[tuple[float, models.TaskOut]]:
    """Every task and the time of its last update; damaged or half-written ones are skipped."""
    files = state.collection.files
    folders = [Path(settings[name]) for name in ("run", "parts") if settings.get(name)]
    beside = [folder.parent for folder in (*folders, state.collection.path.resolve())]
    ours, is_running = state.learning.run, state.learning.is_running
    for folder in _each_once([*folders, *_inside([*beside, files.runs, files.vectors])]):
        is_ours = ours is not None and folder == ours.path.resolve()
        for read in (partial(_training, is_running=is_running if is_ours else None), _embedding):
            try:
                yield from read(folder, data=settings.get("data"))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue


def _inside(folders: Iterable[Path]) -> Iterator[Path]:
    """What lies in these folders, of each so many at most."""
    for folder in folders:
        with suppress(OSError):
            yield from sorted(folder.iterdir(), key=lambda path: path.name)[:MOST_FOLDERS]


def _each_once(folders: Iterable[Path]) -> Iterator[Path]:
    """These folders without links, each once."""
    yield from dict.fromkeys(folder.resolve() for folder in folders)


def _training(
    folder: Path, *, data: str | None, is_running: bool | None
) -> Iterator[tuple[float, models.TaskOut]]:
    """`is_running` is None where that has to be told by how long nothing was logged."""
    run = Run(folder)
    if data is None or not run.exists:
        return
    config = run.config
    if Path(config["data"]["path"]) != Path(data).resolve():
        return
    entries = run.log()
    last = entries[-1] if entries else {}
    steps, done, settings = steps_of(config), last.get("step", 0), config["settings"]
    speed = last.get("images_per_second") or math.inf
    updated = (run.log_file if entries else run.config_file).stat().st_mtime
    pause = settings["log_every"] * settings["batch_size"] / speed
    state = _task_state(
        finished=done >= steps, quiet=time.time() - updated > max(QUIET, 10 * pause)
    )
    if state != "finished" and is_running is not None:
        state = "running" if is_running else "stopped"
    left = (steps - done) * settings["batch_size"] / speed
    task = models.TaskOut(
        kind="training",
        name=printable(folder.name),
        state=state,
        done=done,
        total=steps,
        unit="steps",
        seconds_left=left if state == "running" and entries else None,
        health=_verdict(last),
        outcome=in_words(outcome) if (outcome := config.get("outcome")) else None,
        figures=_metrics(last),
        curve=_curve(entries),
    )
    yield updated, task


def _embedding(folder: Path, *, data: str | None) -> Iterator[tuple[float, models.TaskOut]]:
    embedding = Embedding(folder)
    if data is None or not embedding.progress_file.is_file():
        return
    settings = embedding.settings()
    if settings["data"] != data:
        return
    is_inside = settings["fingerprint"].startswith(folder.name)  # a collection's own
    progress = read_json(embedding.progress_file, kinds=PROGRESS_KINDS)
    updated, done, total = progress["updated"], progress["done"], progress["total"]
    seconds = updated - progress["started"]
    speed = done / seconds if seconds > 0 else 0.0
    state = _task_state(finished=progress["finished"], quiet=time.time() - updated > QUIET)
    task = models.TaskOut(
        kind="embedding",
        name=settings["encoder"] if is_inside else printable(folder.name),
        state=state,
        done=done,
        total=total,
        unit="photographs",
        seconds_left=(total - done) / speed if state == "running" and speed else None,
        health=None,
        outcome=None,
        figures={"images_per_second": speed},
        curve=[],
    )
    yield updated, task


def _task_state(*, finished: bool, quiet: bool) -> Literal["running", "stopped", "finished"]:
    return "finished" if finished else "stopped" if quiet else "running"


def _verdict(entry: dict[str, Any]) -> models.VerdictOut | None:
    if "health" not in entry:
        return None
    return models.VerdictOut(verdict=entry["health"], advice=entry["advice"])


def _metrics(entry: dict[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in entry.items()
        if isinstance(value, int | float) and name != "step"
    }


def _curve(entries: list[dict[str, Any]]) -> list[list[float]]:
    """Step and loss of at most 200 entries, the last one among them."""
    points = [[entry["step"], entry["loss"]] for entry in entries if entry.get("loss") is not None]
    every = max(1, math.ceil(len(points) / MOST_POINTS))
    return points[::-1][::every][::-1]
