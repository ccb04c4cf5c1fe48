"""How long a browser waits for a collection of 20,000 photographs.

Measures the page, listings, thumbnails, look-alikes, labels and the map.

    python bench/serve.py [--photographs 20000] [--folder DIR]

The photographs are synthetic (640 x 480 pixels), and their vectors are random, around 100 centres.
The server runs in another process.
"""

import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import torch
import tyro
from PIL import Image
from safetensors.torch import save_file

from lodisc.collection.index import index
from lodisc.console import note, table
from lodisc.embedding.embed import embed
from lodisc.embedding.embedding import Embedding
from lodisc.embedding.parts import Row, write_part
from lodisc.encoders import build_encoder

ENCODER, DIM = "vit_small_patch16_224", 384
CONNECTIONS = 6  # of a browser to one server


@dataclass
class Settings:
    photographs: int = 20_000
    folder: Path | None = None
    """Keep the collection here, and use it again next time."""


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = settings.folder or Path(temporary)
        if not (folder / "C").is_dir():
            note(f"Making {settings.photographs:,} photographs.")
            make_collection(folder, settings.photographs)
        for name in ("labels.sqlite", "cache"):
            subprocess.run(["rm", "-rf", folder / "C" / name], check=True)
        started_at = time.perf_counter()
        with served(folder / "C") as (address, process):
            rows = [once("Start to the first page", started_at), *measure(address)]
            memory = next(
                int(line.split()[1]) / 1024
                for line in Path(f"/proc/{process}/status").read_text().splitlines()
                if line.startswith("VmRSS")
            )
    threads = f"{torch.get_num_threads()} threads"
    title = f"{settings.photographs:,} photographs, {threads}; {memory:,.0f} MB at the end"
    table(title, ["", "times", "p50 ms", "p99 ms"], rows)


def measure(address: str) -> list[list[str]]:
    """One row of the table for each action of a browser."""
    with httpx.Client(base_url=address, timeout=300) as client:

        def get(path: str) -> Any:
            return client.get(path).raise_for_status()

        def label(id: str) -> None:
            body = {"ids": [id], "label": f"kind {ids.index(id) % 2}"}
            client.post("/api/labels", json=body).raise_for_status()

        def get_after_label(id: str, path: str) -> None:
            label(id)
            get(path)

        ids = random_ids(client, 300)
        pages = [f"/api/photos?limit=200&offset={200 * number}" for number in range(50)]
        thumbnails = [f"/api/photos/{id}/thumbnail" for id in ids[:150]]
        screen = [f"/api/photos/{id}/thumbnail" for id in ids[150:210]]
        connections = f"{CONNECTIONS} connections"
        rows = [
            timed("GET /", get, ["/"] * 20),
            timed("GET /api/photos, 200 of them", get, pages),
            timed(
                "GET /api/photos, typical first",
                get,
                [f"{page}&sort=typical" for page in pages[:20]],
            ),
            timed(
                "GET /api/photos, by words",
                get,
                [f"/api/photos?limit=200&q={number:02}1 jpg" for number in range(20)],
            ),
            timed(
                "GET /api/photos, by likeness",
                get,
                [f"/api/photos?limit=200&like={id}" for id in ids[:20]],
            ),
            timed("Thumbnail, cold", get, thumbnails),
            timed("Thumbnail, warm", get, thumbnails),
            at_once(f"60 thumbnails, cold, {connections}", address, screen),
            at_once(f"60 thumbnails, warm, {connections}", address, screen),
            timed("GET similar", get, [f"/api/photos/{id}/similar" for id in ids[:100]]),
            timed("GET look, new ones", get, [f"/api/photos/{id}/look" for id in ids[:10]]),
            timed("POST a label", label, ids[:50]),
            timed(
                "GET /api/photos after a label",
                partial(get_after_label, path="/api/photos?limit=200"),
                ids[100:120],
            ),
            timed("GET /labels", get, ["/labels"] * 5),
            timed(
                "GET /api/names after a label",
                partial(get_after_label, path="/api/names"),
                ids[200:203],
            ),
            timed("GET /api/map, the quick one", get, ["/api/map"]),
        ]
        started_at = time.perf_counter()
        while get("/api/map").json()["making"]:
            time.sleep(0.5)
        return [*rows, once("GET /api/map, until the better one", started_at)]


def random_ids(client: httpx.Client, count: int) -> list[str]:
    """Ids of photographs of the collection, at random."""
    total = client.get("/api/collection").json()["photographs"]
    chance = random.Random(0)
    offsets = [chance.randrange(total) for _ in range(count)]
    pages = [client.get(f"/api/photos?limit=1&offset={offset}").json() for offset in offsets]
    return [page["photos"][0]["id"] for page in pages]


def once(name: str, started_at: float) -> list[str]:
    """A row for an action that ran once and ends now."""
    return [name, "1", f"{1000 * (time.perf_counter() - started_at):,.0f}", ""]


def timed(name: str, act: Callable[[str], object], arguments: Sequence[str]) -> list[str]:
    """A row for an action that runs once for each argument."""
    milliseconds = []
    for argument in arguments:
        started_at = time.perf_counter()
        act(argument)
        milliseconds.append(1000 * (time.perf_counter() - started_at))
    p50, p99 = (f"{np.percentile(milliseconds, percent):,.1f}" for percent in (50, 99))
    return [name, str(len(arguments)), p50, p99 if len(arguments) > 1 else ""]


def at_once(name: str, address: str, paths: list[str]) -> list[str]:
    """A row for a screen of thumbnails over the connections of a browser."""
    own = threading.local()

    def get(path: str) -> None:
        own.client = getattr(own, "client", None) or httpx.Client(base_url=address, timeout=300)
        own.client.get(path).raise_for_status()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        started_at = time.perf_counter()
        list(pool.map(get, paths))
        return once(name, started_at)


@contextmanager
def served(collection: Path) -> Iterator[tuple[str, int]]:
    """A server that has answered once: its address and its process id."""
    code = f"from lodisc.web.serve import serve; serve({str(collection)!r}, port=0)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split("   ")[0].strip()
            httpx.get(address, timeout=300).raise_for_status()
            yield address, process.pid
        finally:
            process.kill()


def make_collection(folder: Path, count: int) -> None:
    """FOLDER/C of this many photographs; no two files are the same."""
    generator = np.random.default_rng(0)
    pictures = [jpeg(generator) for _ in range(50)]
    centres_CD = generator.standard_normal((100, DIM))
    photos, parts = folder / "photos", folder / "parts"
    photos.mkdir(parents=True)
    (photos / "000000.jpg").write_bytes(pictures[0])
    embed_untrained(folder)
    rows = []
    for number in range(1, count):
        path = photos / f"{number:06}.jpg"
        data = pictures[number % 50] + number.to_bytes(4, "big")
        path.write_bytes(data)
        vector_D = centres_CD[number % 100] + generator.standard_normal(DIM)
        row = Row(
            key=path.name,
            path=str(path),
            offset=None,
            label=f"kind {number % 100}",
            split=None,
            bytes=len(data),
            digest=blake2b(data, digest_size=16).hexdigest(),
            modified=path.stat().st_mtime_ns,
            vector=vector_D.astype(np.float16),
        )
        rows.append(row)
    fingerprint = Embedding(parts).settings()["fingerprint"]
    part = parts / "part-00001.parquet"
    write_part(part, rows, dim=DIM, dtype="float16", fingerprint=fingerprint)
    index(parts, collection=folder / "C")


def embed_untrained(folder: Path) -> None:
    """Embed FOLDER/photos into FOLDER/parts by an encoder with random weights."""
    torch.manual_seed(0)
    weights = folder / "encoder.safetensors"
    save_file(build_encoder(ENCODER, image_size=224).trunk.state_dict(), weights)
    embed(weights, folder / "photos", out=folder / "parts", encoder=ENCODER, workers=0)


def jpeg(generator: np.random.Generator) -> bytes:
    """A JPEG of 640 x 480 pixels, about as detailed as a photograph."""
    coarse, fine = (
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))
        for size in ((9, 12), (120, 160))
    )
    size = (640, 480)
    rough, detail = (image.resize(size, Image.Resampling.BICUBIC) for image in (coarse, fine))
    stream = BytesIO()
    Image.blend(rough, detail, 0.25).save(stream, "JPEG", quality=90)
    return stream.getvalue()


if __name__ == "__main__":
    main(tyro.cli(Settings))
