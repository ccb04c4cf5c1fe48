"""How far five labels a class go: they are given through the API, the probe names the rest; the run beside its untouched start.

    python bench/naming.py RUN DATA [--labels 5] [--draws 3]

DATA has a sub-folder for each class. Each draw labels other photographs; the names are those that GET /api/photos gives.
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
        for arm, (source, how) in arms.items():
            embed(source, settings.data, out=Path(folder) / arm, **how)
        for arm in arms:
            collection = Path(folder) / f"{arm}-collection"
            index(Path(folder) / arm, collection=collection)
            with TestClient(create_app(collection), base_url="http://127.0.0.1") as client:
                figures = np.array(
                    [
                        one_draw(client, labels=settings.labels, seed=seed)
                        for seed in range(settings.draws)
                    ]
                )
            mean, deviation = figures.mean(0), figures.std(0, ddof=1)
            rows.append(
                [
                    arm,
                    *(
                        f"{100 * m:.1f} ±{100 * d:.1f}"
                        for m, d in zip(mean, deviation, strict=True)
                    ),
                ]
            )
    title = f"{settings.labels} labels a class given, {settings.draws} draws; percent of the others"
    table(
        title, ["", "named right", "told by the probe", "confident (0.9)", "right of those"], rows
    )


def one_draw(client: TestClient, *, labels: int, seed: int) -> tuple[float, float, float, float]:
    """Share of the unlabelled named right, the accuracy that the probe tells of itself, share with confidence 0.9, share right of those."""
    members = defaultdict(list)
    for photo in photographs(client, "all"):
        members[photo["folder"]].append(photo["id"])
    rng = np.random.default_rng(seed)
    for label, ids in sorted(members.items()):
        chosen = [ids[index] for index in rng.permutation(len(ids))[:labels]]
        ask(client, "POST", "/api/labels", json={"ids": chosen, "label": label})
    told = ask(client, "GET", "/api/names")["accuracy"]["value"]
    rest = photographs(client, "unlabelled")
    right = np.array([photo["name"] == photo["folder"] for photo in rest])
    sure = np.array([photo["confidence"] >= 0.9 for photo in rest])
    for _ in members:
        ask(client, "POST", "/api/labels/undo")
    assert ask(client, "GET", "/api/collection")["labelled"] == 0
    return right.mean(), told, sure.mean(), right[sure].mean()


def photographs(client: TestClient, state: str) -> list[dict[str, Any]]:
    """All photographs in this state, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = ask(
            client,
            "GET",
            "/api/photos",
            params={"state": state, "offset": len(found), "limit": 500},
        )
        found += page["photos"]
        if len(found) >= page["total"]:
            return found


def ask(client: TestClient, method: str, path: str, **what: Any) -> Any:
    """What the API answers."""
    answer = client.request(method, path, **what)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main(tyro.cli(Settings))
