"""How long a browser waits for a collection of 20,000 photographs: the page, listings, thumbnails, look-alikes, labels, the map.

    python bench/serve.py [--photographs 20000] [--folder DIR]

The photographs are drawn (640 x 480 pixels) and their vectors are drawn too, around 100 centres; the server is a process of its own.
"""

import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

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

ENCODER = "vit_small_patch16_224"
CONNECTIONS = 6  # of a browser to one server


@dataclass
class Settings:
    photographs: int = 20_000
    folder: Path | None = None
    """Keep the collection here, for another time."""


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = settings.folder or Path(temporary)
        if not (folder / "C").is_dir():
            note(f"Drawing {settings.photographs:,} photographs.")
            draw(folder, settings.photographs)
        for name in ("labels.sqlite", "cache"):
            subprocess.run(["rm", "-rf", folder / "C" / name], check=True)
        begun = time.perf_counter()
        with served(folder / "C") as (address, process):
            rows = [
                ["Start to the first page", "1", f"{1000 * (time.perf_counter() - begun):,.0f}", ""]
            ]
            rows += measure(address)
            memory = next(
                line.split()[1]
                for line in Path(f"/proc/{process}/status").read_text().splitlines()
                if line.startswith("VmRSS")
            )
    title = f"{settings.photographs:,} photographs, {torch.get_num_threads()} threads; {int(memory) / 1024:,.0f} MB in the end"
    table(title, ["", "times", "p50 ms", "p99 ms"], rows)


def measure(address: str) -> list[list[str]]:
    """One row of the table for each thing that a browser does."""
    with httpx.Client(base_url=address, timeout=300) as client:
        total = client.get("/api/collection").json()["photographs"]
        chance = random.Random(0)
        ids = [
            client.get(f"/api/photos?limit=1&offset={chance.randrange(total)}").json()["photos"][0][
                "id"
            ]
            for _ in range(300)
        ]

        def get(path: str) -> None:
            client.get(path).raise_for_status()

        def label(number: int) -> None:
            client.post(
                "/api/labels", json={"ids": [ids[number]], "label": f"kind {number % 2}"}
            ).raise_for_status()

        def labelled(number: int, path: str) -> str:
            label(number)
            return path

        rows = [
            timed("GET /", 20, lambda number: get("/")),
            timed(
                "GET /api/photos, 200 of them",
                50,
                lambda number: get(f"/api/photos?limit=200&offset={200 * number}"),
            ),
            timed(
                "GET /api/photos, typical first",
                20,
                lambda number: get(f"/api/photos?limit=200&sort=typical&offset={200 * number}"),
            ),
            timed(
                "Thumbnail, cold", 150, lambda number: get(f"/api/photos/{ids[number]}/thumbnail")
            ),
            timed(
                "Thumbnail, warm", 150, lambda number: get(f"/api/photos/{ids[number]}/thumbnail")
            ),
            at_once(f"60 thumbnails, cold, {CONNECTIONS} connections", address, ids[150:210]),
            at_once(f"60 thumbnails, warm, {CONNECTIONS} connections", address, ids[150:210]),
            timed("GET similar", 100, lambda number: get(f"/api/photos/{ids[number]}/similar")),
            timed("GET look, new ones", 10, lambda number: get(f"/api/photos/{ids[number]}/look")),
            timed("POST a label", 50, label),
            timed(
                "GET /api/photos after a label",
                20,
                lambda number: get(labelled(100 + number, "/api/photos?limit=200")),
            ),
            timed(
                "GET /api/names after a label",
                3,
                lambda number: get(labelled(200 + number, "/api/names")),
            ),
            timed("GET /api/map, the quick one", 1, lambda number: get("/api/map")),
        ]
        begun = time.perf_counter()
        while client.get("/api/map").json()["making"]:
            time.sleep(0.5)
        return [
            *rows,
            [
                "GET /api/map, until the better one",
                "1",
                f"{1000 * (time.perf_counter() - begun):,.0f}",
                "",
            ],
        ]


def timed(name: str, times: int, work: Callable[[int], object]) -> list[str]:
    """How long the work takes, again and again."""
    took = []
    for number in range(times):
        begun = time.perf_counter()
        work(number)
        took.append(1000 * (time.perf_counter() - begun))
    return [
        name,
        str(times),
        f"{np.percentile(took, 50):,.1f}",
        f"{np.percentile(took, 99):,.1f}" if times > 1 else "",
    ]


def at_once(name: str, address: str, ids: list[str]) -> list[str]:
    """How long a screen of thumbnails takes over the connections of a browser."""
    own = threading.local()

    def get(id: str) -> None:
        own.client = getattr(own, "client", None) or httpx.Client(base_url=address, timeout=300)
        own.client.get(f"/api/photos/{id}/thumbnail").raise_for_status()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        begun = time.perf_counter()
        list(pool.map(get, ids))
        return [name, "1", f"{1000 * (time.perf_counter() - begun):,.0f}", ""]


@contextmanager
def served(collection: Path) -> Iterator[tuple[str, int]]:
    """A server that has answered once: its address and the number of its process."""
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


def draw(folder: Path, count: int) -> None:
    """FOLDER/C, of so many photographs of which no two files are the same."""
    random_numbers = np.random.default_rng(0)
    pictures = [drawn(random_numbers) for _ in range(50)]
    centres_CD = random_numbers.standard_normal((100, 384))
    first = folder / "photos" / "000000.jpg"
    first.parent.mkdir(parents=True)
    first.write_bytes(pictures[0])
    torch.manual_seed(0)
    save_file(
        build_encoder(ENCODER, image_size=224).trunk.state_dict(), folder / "encoder.safetensors"
    )
    embed(
        folder / "encoder.safetensors",
        folder / "photos",
        out=folder / "parts",
        encoder=ENCODER,
        workers=0,
    )
    rows = []
    for number in range(1, count):
        path, data = (
            folder / "photos" / f"{number:06}.jpg",
            pictures[number % 50] + number.to_bytes(4, "big"),
        )
        path.write_bytes(data)
        vector_D = (centres_CD[number % 100] + random_numbers.standard_normal(384)).astype(
            np.float16
        )
        digest = blake2b(data, digest_size=16).hexdigest()
        rows.append(
            Row(
                path.name,
                str(path),
                None,
                f"kind {number % 100}",
                None,
                len(data),
                digest,
                path.stat().st_mtime_ns,
                vector_D,
            )
        )
    settings = Embedding(folder / "parts").settings()
    write_part(
        folder / "parts" / "part-rest.parquet",
        rows,
        dim=384,
        dtype="float16",
        fingerprint=settings["fingerprint"],
    )
    index(folder / "parts", collection=folder / "C")


def drawn(random_numbers: np.random.Generator) -> bytes:
    """A JPEG of the usual size, about as detailed as a photograph."""
    coarse, fine = (
        random_numbers.integers(0, 256, (*size, 3), dtype=np.uint8)
        for size in ((9, 12), (120, 160))
    )
    coarsely, finely = (
        Image.fromarray(layer).resize((640, 480), Image.Resampling.BICUBIC)
        for layer in (coarse, fine)
    )
    stream = BytesIO()
    Image.blend(coarsely, finely, 0.25).save(stream, "JPEG", quality=90)
    return stream.getvalue()


if __name__ == "__main__":
    main(tyro.cli(Settings))
