"""How fast a large collection answers: indexing, the first look-alikes of a process, later ones.

    python bench/search.py [--photographs 200000] [--features 384]

The vectors are drawn around 500 centres and stored as float16. The aim: of 200,000 photographs the
first answer within three seconds, then under 50 ms each. More than a million are searched by an
index, and its recall is printed.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.collection.lookalikes import look_alikes, measured_recall
from lodisc.collection.where import rows_where
from lodisc.console import stdout, table
from lodisc.embedding.embedding import Embedding
from lodisc.embedding.parts import Row, write_part

FINGERPRINT = "f" * 64
PART = 4096


@dataclass
class Settings:
    photographs: int = 200_000
    features: int = 384
    starts: int = 5
    queries: int = 300
    top: int = 12


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        parts, folder = Path(temporary) / "vectors", Path(temporary) / "C"
        draw(parts, photographs=settings.photographs, features=settings.features)
        started_at = time.perf_counter()
        index(parts, collection=folder)
        indexing = time.perf_counter() - started_at
        keys = np.random.default_rng(1).choice(settings.photographs, settings.starts, replace=False)
        lancedb = timed(lambda _: run("-c", "import lancedb"), times=settings.starts)
        first = timed(
            lambda number: run("-m", "lodisc", "search", folder, f"{keys[number]:08}.jpg"),
            times=settings.starts,
        )
        collection = Collection(folder)
        recall = measured_recall(collection, collection.photos())
        rows = [
            ["Python that imports LanceDB", *milliseconds(lancedb), "1.0"],
            [
                "lodisc search C KEY, start to end",
                *milliseconds(first),
                f"{np.median(first) / np.median(lancedb):.1f}",
            ],
            *later_answers(collection, settings),
        ]
    title = (
        f"{settings.photographs:,} x {settings.features}; indexed in {indexing:.1f} s, "
        f"{settings.photographs / indexing:,.0f} photographs/s"
    )
    table(title, ["", "p50 ms", "p99 ms", "ratio"], rows)
    if recall:
        stdout.print(recall.words)


def later_answers(collection: Collection, settings: Settings) -> list[list[str]]:
    """One row of the table for each kind of query.

    The last column compares it with the matrix product alone, which every exact answer needs.
    """
    photos = collection.photos()
    queries = np.random.default_rng(2).choice(len(photos), settings.queries, replace=False)
    labels = dict.fromkeys(photos.keys[::10], "wren")
    allowed_N = rows_where(photos, labels, "label = 'wren'")
    ways: dict[str, Callable[[int], object]] = {
        "matrix product alone": lambda number: photos.vectors @ photos.vectors[queries[number]],
        "look-alikes": lambda number: look_alikes(
            collection, photos, photos.vectors[queries[number], None], top=settings.top
        ),
        "look-alikes, one in ten allowed": lambda number: look_alikes(
            collection,
            photos,
            photos.vectors[queries[number], None],
            top=settings.top,
            allowed_N=allowed_N,
        ),
        "the condition in SQL": lambda _: rows_where(photos, labels, "label = 'wren'"),
        "LanceDB's own scan": lambda number: (
            collection.store.table.search(
                photos.vectors[queries[number]], vector_column_name="vector"
            )
            .distance_type("cosine")
            .select(["key", "_distance"])
            .limit(settings.top)
            .to_arrow()
        ),
    }
    spent = {
        name: timed(way, times=settings.queries if "look" in name or "alone" in name else 20)
        for name, way in ways.items()
    }
    limit = np.median(spent["matrix product alone"])
    return [
        [name, *milliseconds(seconds), f"{np.median(seconds) / limit:.1f}"]
        for name, seconds in spent.items()
    ]


def draw(parts: Path, *, photographs: int, features: int) -> None:
    """An embedding of vectors around centres, without photographs or encoder."""
    Embedding(parts).encoder.mkdir(parents=True)
    content = {"encoder": "none", "fingerprint": FINGERPRINT, "dim": features, "dtype": "float16"}
    Embedding(parts).settings_file.write_text(json.dumps(content))
    random = np.random.default_rng(0)
    centres = random.standard_normal((500, features), np.float32)
    for number, first in enumerate(range(0, photographs, PART)):
        count = min(PART, photographs - first)
        vectors = centres[random.integers(0, 500, count)] + random.standard_normal(
            (count, features), np.float32
        )
        rows = [
            Row(
                key=f"{row:08}.jpg",
                path=f"/photos/{row:08}.jpg",
                offset=None,
                label=None,
                split=None,
                bytes=1,
                digest=f"{row:064x}",
                modified=1,
                vector=vector,
            )
            for row, vector in enumerate(vectors.astype(np.float16), start=first)
        ]
        write_part(
            parts / f"part-{number:05}.parquet",
            rows,
            dim=features,
            dtype="float16",
            fingerprint=FINGERPRINT,
        )


def run(*words: object) -> None:
    """Python in a process of its own."""
    subprocess.run([sys.executable, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def timed(call: Callable[[int], object], *, times: int) -> list[float]:
    """Seconds of each call, after one that does not count."""
    seconds = []
    for number in (0, *range(times)):
        started_at = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - started_at)
    return seconds[1:]


def milliseconds(seconds: list[float]) -> list[str]:
    return [f"{1000 * np.quantile(seconds, share):,.1f}" for share in (0.5, 0.99)]


if __name__ == "__main__":
    main(tyro.cli(Settings))
