"""Progress of trainings and embeddings, and the health of a collection in plain words."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web import client_of, make_odd_collection, without_labels

from lodisc.collection.collection import Collection
from lodisc.config import TrainConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_odd_collection(tmp_path_factory.mktemp("progress"), run)


@pytest.fixture
def client(folder: Path) -> TestClient:
    """A server without labels and groups."""
    return client_of(without_labels(folder / "C"))


def running(run: Path, *, data: Path, steps: int, done: int, quiet: float = 0) -> None:
    """A run as a training leaves it on its way."""
    (run / "start").mkdir(parents=True)
    settings = {**TrainConfig().to_dict(), "batch_size": 4, "log_every": 1}
    about = {"path": str(data.resolve()), "photos": 100, "fingerprint": "0"}
    (run / "config.json").write_text(
        json.dumps({"settings": settings, "steps": steps, "data": about})
    )
    with (run / "log.jsonl").open("w") as log:
        for step in range(1, done + 1):
            entry = {
                "step": step,
                "epoch": step / 25,
                "loss": None if step == 2 else 4 - step / 100,
                "images_per_second": 8.0,
                "health": "healthy",
                "advice": "a view finds its partner",
            }
            log.write(json.dumps(entry) + "\n")
        log.write('{"step": 9')
    os.utime(run / "log.jsonl", (time.time() - quiet,) * 2)


def test_progress_of_trainings_and_embeddings(client: TestClient, folder: Path) -> None:
    running(folder / "on its way", data=folder / "photos", steps=1000, done=600)
    running(folder / "left", data=folder / "photos", steps=100, done=50, quiet=4000)
    running(folder / "of other photographs", data=folder / "seen", steps=100, done=50)
    (folder / "damaged" / "start").mkdir(parents=True)
    (folder / "damaged" / "config.json").write_text("{")
    parts = folder / "other parts"
    parts.mkdir()
    made_by: dict[str, Any] = {"encoder": "run", "fingerprint": "0", "dtype": "float16", "dim": 4}
    made_by |= {"data": str(folder / "photos"), "image_size": 32, "slices": 1}
    (parts / "_embedding.json").write_text(json.dumps(made_by))
    now = time.time()
    (parts / "_progress.json").write_text(
        json.dumps(
            {"done": 30, "total": 90, "started": now - 10, "updated": now, "finished": False}
        )
    )
    told = client.get("/api/progress").json()
    tasks = {task["name"]: task for task in (*told["running"], *told["finished"])}
    assert {task["name"] for task in told["running"]} == {"on its way", "other parts"}
    training = tasks["on its way"]
    assert (training["kind"], training["done"], training["total"], training["unit"]) == (
        "training",
        600,
        1000,
        "steps",
    )
    assert training["seconds_left"] == 200 and training["health"] == {
        "verdict": "healthy",
        "advice": "a view finds its partner",
    }
    assert len(training["curve"]) <= 200 and training["curve"][-1] == [600, -2.0]
    assert tasks["left"]["state"] == "stopped" and tasks["left"]["seconds_left"] is None
    embedding = tasks["other parts"]
    assert (
        embedding["kind"],
        embedding["done"],
        embedding["state"],
        round(embedding["seconds_left"]),
    ) == ("embedding", 30, "running", 20)
    assert (
        tasks["parts"]["state"] == "finished"
        and "of other photographs" not in tasks
        and "damaged" not in tasks
    )


def test_health_in_plain_words(client: TestClient, folder: Path) -> None:
    health = client.get("/api/health").json()
    words = " ".join(health["words"])
    assert (
        health["status"] == "warning"
        and "could not be read" in words
        and "photographs, 0 of them labelled" in words
    )
    (folder / "C" / "groups.json").write_text("{")
    health = client.get("/api/health").json()
    assert "The groups are damaged; group the photographs again." in health["words"]
    assert client.get("/api/photos").status_code == 200, "damaged groups do not hide the rest"


def test_photographs_whose_file_has_gone_are_counted(folder: Path, tmp_path: Path) -> None:
    collection = Path(shutil.copytree(folder / "C", tmp_path / "C"))
    photos = Collection(collection).photos()
    away = [row for row, key in enumerate(photos.keys) if key.startswith("wren/")][:3]
    for row in away:
        path = Path(photos.path(row))
        path.rename(path.with_suffix(".away"))
    try:
        words = " ".join(client_of(collection).get("/api/health").json()["words"])
        assert f"{len(away)} photographs are not at their place any more, such as wren/" in words
    finally:
        for row in away:
            path = Path(photos.path(row))
            path.with_suffix(".away").rename(path)
    words = " ".join(client_of(collection).get("/api/health").json()["words"])
    assert "any more" not in words
