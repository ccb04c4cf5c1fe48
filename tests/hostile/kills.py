"""Kill a command at random moments until it gets through; nothing may be lost, doubled or other.

    python tests/hostile/kills.py train|embed|index|label|export [--kills 50] [--seed 0]

Each run is killed (SIGKILL) after a random part of 1.6 times what it takes undisturbed, then
started again, until it ends by itself. What it leaves is compared with what it leaves when it
is never killed; then the next run begins, until there were so many kills. With --torn, the last
4 kB of the file written last are zeros after each kill, as after a power cut (train and embed).
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

from lodisc.collection.collection import Collection
from lodisc.embedding.parts import read_table

LODISC = (sys.executable, "-m", "lodisc")
TINY = (
    *("--encoder", "vit_tiny_patch16_224", "--encoder-args", "depth", "2", "--init", "none"),
    *("--image-size", "32", "--batch-size", "16", "--hidden-dim", "64", "--out-dim", "32"),
    *("--workers", "0"),
)


class Job(NamedTuple):
    """A command, what it needs, and what it has made, as far as that must always be the same."""

    words: Callable[[Path], list[str]]
    prepare: Callable[[Path], None]
    made: Callable[[Path], object]
    torn: str | None = None
    """The files that are torn, by their pattern."""


def lodisc(*words: str | Path) -> None:
    subprocess.run([*LODISC, *map(str, words)], check=True, capture_output=True)


def draw(folder: Path) -> None:
    lodisc(
        *("data", "finches", "--out", folder / "photos"),
        *("--species", "3", "--train", "12", "--test", "4", "--image-size", "48"),
    )


def photographs(folder: Path) -> None:
    draw(folder)
    lodisc("train", folder / "photos", "--out", folder / "run", *TINY, "--epochs", "1")


def vectors(folder: Path) -> None:
    photographs(folder)
    lodisc("embed", folder / "run", folder / "photos", "--out", folder / "vectors")


def collection(folder: Path) -> None:
    vectors(folder)
    lodisc("index", folder / "vectors", "--collection", folder / "birds")
    keys = sorted(row["key"] for row in _rows(folder))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("key", "label"), *((key, key.split("/")[1]) for key in keys)])


def labelled(folder: Path) -> None:
    collection(folder)
    lodisc("labels", "import", folder / "birds", folder / "labels.csv")


JOBS = {
    "train": Job(
        lambda folder: (
            ["train", *_texts(folder / "photos"), "--out", str(folder / "run")]
            + [*TINY, "--epochs", "10", "--checkpoint-minutes", "0.001", "--log-every", "1"]
        ),
        draw,
        lambda folder: {
            **_tensors(folder / "run" / "encoder" / "model.safetensors"),
            "steps": [
                json.loads(line)["step"]
                for line in (folder / "run" / "log.jsonl").read_text().splitlines()
            ],
        },
        torn="run/**/*.safetensors",
    ),
    "embed": Job(
        lambda folder: (
            ["embed", *_texts(folder / "run", folder / "photos")]
            + ["--out", str(folder / "vectors"), "--workers", "0"]
        ),
        photographs,
        lambda folder: sorted(
            (row["key"], row["vector"])
            for part in sorted((folder / "vectors").glob("part-*.parquet"))
            for row in read_table(part).select(["key", "vector"]).to_pylist()
        ),
        torn="vectors/part-*",
    ),
    "index": Job(
        lambda folder: ["index", str(folder / "vectors"), "--collection", str(folder / "birds")],
        vectors,
        lambda folder: sorted((row["key"], row["label"]) for row in _rows(folder)),
    ),
    "label": Job(
        lambda folder: ["labels", "import", *_texts(folder / "birds", folder / "labels.csv")],
        collection,
        lambda folder: (
            len(Collection(folder / "birds").labels.history()),
            sorted((row["key"], row["label"]) for row in _rows(folder)),
        ),
    ),
    "export": Job(
        lambda folder: ["labels", "export", *_texts(folder / "birds", folder / "out.csv")],
        labelled,
        lambda folder: (folder / "out.csv").read_text(),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=list(JOBS))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--torn", action="store_true")
    settings = parser.parse_args()
    job, rng = JOBS[settings.job], np.random.default_rng(settings.seed)
    kills = runs = wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        before, calm = Path(temporary) / "before", Path(temporary) / "calm"
        before.mkdir()
        job.prepare(before)
        _copy(before, calm)
        begun = time.monotonic()
        lodisc(*job.words(calm))
        seconds, expected = time.monotonic() - begun, job.made(calm)
        print(f"{seconds:.1f} s undisturbed", flush=True)
        while kills < settings.kills:
            folder = Path(temporary) / "killed"
            _copy(before, folder)
            while not (killed := _run(job.words(folder), seconds * rng.uniform(0.1, 1.6))).done:
                kills += 1
                if settings.torn and job.torn:
                    _tear(folder, job.torn)
            if problem := killed.error or _difference(job.made(folder), expected):
                wrong += 1
                print(f"after {kills} kills: {problem}", flush=True)
            runs += 1
            shutil.rmtree(folder)
    print(json.dumps({"job": settings.job, "kills": kills, "runs": runs, "wrong": wrong}))
    sys.exit(1 if wrong else 0)


def _difference(made: object, expected: object) -> str:
    """What is not as it must be; nothing if all is."""
    if isinstance(made, dict) and isinstance(expected, dict):
        keys = [key for key in expected | made if made.get(key) != expected.get(key)]
        return f"another {', '.join(map(str, keys[:3]))}" if keys else ""
    return "" if made == expected else "another result"


class Ended(NamedTuple):
    done: bool
    error: str


def _run(words: list[str], seconds: float) -> Ended:
    process = subprocess.Popen([*LODISC, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Ended(False, "")
    return Ended(True, told.decode()[-500:] if process.returncode else "")


def _tear(folder: Path, pattern: str) -> None:
    files = [path for path in folder.glob(pattern) if path.is_file()]
    if files:
        last = max(files, key=lambda path: path.stat().st_mtime_ns)
        size = last.stat().st_size
        with last.open("r+b") as file:
            file.seek(max(0, size - 4096))
            file.write(bytes(min(size, 4096)))


def _copy(before: Path, folder: Path) -> None:
    shutil.copytree(before, folder, symlinks=True)


def _rows(folder: Path) -> list[dict[str, str]]:
    """Key and label of every photograph of the collection."""
    birds = Collection(folder / "birds")
    labels = birds.labels.current()
    return [{"key": key, "label": labels.get(key, "")} for key in birds.photos().keys]


def _tensors(path: Path) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in load_file(path).items()}


def _texts(*paths: Path) -> list[str]:
    return [str(path) for path in paths]


if __name__ == "__main__":
    main()
