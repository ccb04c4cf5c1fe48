"""Kill `lodisc open` while it embeds, is labelled and learns; nothing that was typed may be lost.

    python tests/hostile/kills_open.py [--kills 50] [--seed 0]

A person labels photographs of a growing collection as fast as the server answers, and starts a
training; the server is killed (SIGKILL) at random moments and opened again. After each start every
label is there that a server had answered for. In the end all photographs are in the collection with
the vectors that `lodisc embed` gives, and the training has gone to its end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import numpy as np
from kills import LODISC, lodisc, photographs

from lodisc.collection.collection import Collection
from lodisc.collection.learning import Learning
from lodisc.embedding.parts import read_table

NAMES = ("wren", "finch", "“owl” <b>", "Zaunkönig")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    rng = np.random.default_rng(settings.seed)
    wrong, labels = list[str](), dict[str, str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photographs(folder)
        lodisc("embed", folder / "run", folder / "photos", "--out", folder / "vectors")
        for kill in range(settings.kills):
            with opened(folder) as (process, address):
                wrong += _lost(address, labels, kill)
                _label(address, labels, rng, seconds=rng.uniform(0, 12))
                process.kill()
        with opened(folder) as (_, address):
            wrong += _lost(address, labels, settings.kills)
            httpx.post(f"{address}api/learning", json={}, timeout=60)
            _wait(address, "api/filling", "phase", "finished")
            _wait(address, "api/learning", "state", "finished")
        wrong += _differences(folder)
        learning = Learning(Collection(folder / "photos.lodisc"))
        wrong += [] if learning.state() == "finished" else ["the training did not end"]
    print("\n".join(wrong))
    print(json.dumps({"kills": settings.kills, "labels": len(labels), "wrong": len(wrong)}))
    sys.exit(1 if wrong else 0)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server, and its address."""
    words = ["open", str(folder / "photos"), "--run", str(folder / "run")]
    with subprocess.Popen(
        [*LODISC, *words, "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split("   ")[0].strip()
        finally:
            process.kill()


def _label(
    address: str, labels: dict[str, str], rng: np.random.Generator, *, seconds: float
) -> None:
    """Label photographs for so long; `labels` gets what the server has answered for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        listed = httpx.get(f"{address}api/photos", params={"limit": 500}, timeout=60)
        if listed.status_code != 200:  # there is no collection yet
            time.sleep(0.1)
            continue
        for photo in rng.permutation(np.array(listed.json()["photos"], object))[:8]:
            name = str(rng.choice(NAMES))
            answer = httpx.post(
                f"{address}api/labels", json={"ids": [photo["id"]], "label": name}, timeout=60
            )
            if answer.status_code == 200:
                labels[photo["key"]] = name
        if rng.random() < 0.2:
            httpx.post(f"{address}api/learning", json={}, timeout=60)


def _lost(address: str, labels: dict[str, str], kill: int) -> list[str]:
    """A line for each label that is not there, of the photographs that are."""
    answer = httpx.get(f"{address}api/photos", params={"limit": 500}, timeout=60)
    if answer.status_code != 200:
        return ["the collection has gone"] if labels else []
    now = {photo["key"]: photo["label"] for photo in answer.json()["photos"]}
    return [
        f"after {kill} kills {key} is {now.get(key)!r} instead of {label!r}"
        for key, label in labels.items()
        if now.get(key) != label
    ]


def _wait(address: str, path: str, name: str, value: str) -> None:
    end = time.monotonic() + 600
    while (answer := httpx.get(address + path, timeout=60).json())[name] != value:
        assert time.monotonic() < end and answer[name] != "failed", answer
        time.sleep(0.5)


def _differences(folder: Path) -> list[str]:
    """What is not as `lodisc embed` has it."""
    expected = {
        row["key"]: row["vector"]
        for part in sorted((folder / "vectors").glob("part-*.parquet"))
        for row in read_table(part).select(["key", "vector"]).to_pylist()
    }
    made = {
        row["key"]: row["vector"]
        for part in sorted((folder / "photos.lodisc" / "vectors").rglob("part-*.parquet"))
        for row in read_table(part).select(["key", "vector"]).to_pylist()
    }
    keys = set(Collection(folder / "photos.lodisc").photos().keys)
    if keys != expected.keys() or made.keys() != expected.keys():
        return ["other photographs"]
    return [f"another vector of {key}" for key in keys if made[key] != expected[key]]


if __name__ == "__main__":
    main()
