"""How far five labels a class go: how many of the other photographs get the right name.

    python bench/naming.py RUN DATA [--labels 5] [--draws 3]

Labels are given through the API, for the run and for its untouched start. DATA has a sub-folder for
each class. Each draw labels other photographs; the names are those of GET /api/photos.
"""

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from starlette.testclient import TestClient

from lodisc.collection.index import index
from lodisc.console import table
from lodisc.embedding.embed import embed
from lodisc.files import read_json
from lodisc.web.app import create_app


@dataclass
class Settings:
    run: tyro.conf.Positional[Path]
    data: tyro.conf.Positional[Path]
    labels: int = 5
    draws: int = 3


def main(settings: Settings) -> None:
    encoder = read_json(settings.run / "start" / "config.json")
    start = {"encoder": encoder["architecture"], "image_size": encoder["model_args"]["img_size"]}
    arms: dict[str, tuple[Path, dict[str, Any]]] = {
        "start": (settings.run / "start" / "model.safetensors", start),
        "run": (settings.run, {}),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for arm, (source, choice) in arms.items():
            embed(source, settings.data, out=Path(folder) / arm, **choice)
        for arm in arms:
            collection = Path(folder) / f"{arm}-collection"
            index(Path(folder) / arm, collection=collection)
            with TestClient(create_app(collection), base_url="http://127.0.0.1") as client:
                draws = [
                    one_draw(client, labels=settings.labels, seed=seed)
                    for seed in range(settings.draws)
                ]
            means, deviations = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1)
            cells = [
                f"{100 * mean:.1f} ±{100 * deviation:.1f}"
                for mean, deviation in zip(means, deviations, strict=True)
            ]
            rows.append([arm, *cells])
    title = f"{settings.labels} labels a class given, {settings.draws} draws; percent of the others"
    columns = ["", "right name", "estimated accuracy", "confident (0.9)", "right of those"]
    table(title, columns, rows)


def one_draw(client: TestClient, *, labels: int, seed: int) -> tuple[float, float, float, float]:
    """Shares of the unlabelled photographs, after a draw of labels.

    Those with the right name, the accuracy that the API estimates for them, those with a confidence
    of at least 0.9, and of those the ones with the right name.
    """
    members = defaultdict(list)
    for photo in photographs(client, "all"):
        members[photo["folder"]].append(photo["id"])
    rng = np.random.default_rng(seed)
    for label, ids in sorted(members.items()):
        sample = [ids[index] for index in rng.permutation(len(ids))[:labels]]
        ask(client, "POST", "/api/labels", json={"ids": sample, "label": label})
    estimate = ask(client, "GET", "/api/names")["accuracy"]["value"]
    rest = photographs(client, "unlabelled")
    right = np.array([photo["name"] == photo["folder"] for photo in rest])
    confident = np.array([photo["confidence"] >= 0.9 for photo in rest])
    for _ in members:
        ask(client, "POST", "/api/labels/undo")
    assert ask(client, "GET", "/api/collection")["labelled"] == 0
    return right.mean(), estimate, confident.mean(), right[confident].mean()


def photographs(client: TestClient, state: str) -> list[dict[str, Any]]:
    """All photographs in this state, page by page."""
    photos: list[dict[str, Any]] = []
    while True:
        params = {"state": state, "offset": len(photos), "limit": 500}
        page = ask(client, "GET", "/api/photos", params=params)
        photos += page["photos"]
        if len(photos) >= page["total"]:
            return photos


def ask(client: TestClient, method: str, path: str, **content: Any) -> Any:
    """The answer of the API."""
    answer = client.request(method, path, **content)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main(tyro.cli(Settings))
