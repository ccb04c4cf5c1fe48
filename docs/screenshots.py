"""The two pictures of the page in the README, from drawn finches: browse.png and lookalikes.png.

    python docs/screenshots.py FOLDER [RUN]

FOLDER gets the finches, their collection and, without RUN, a run on them, which takes minutes on
two cores; what is already there is used again. Needs playwright and chromium. The pictures in the
README were made with the run on birds that the results are about.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from lodisc.collection.collection import Collection
from lodisc.collection.groups_file import group_photos
from lodisc.collection.index import index
from lodisc.config import scratch
from lodisc.embedding.embed import embed
from lodisc.finches.finches import draw_finches
from lodisc.training.loop import run_training

DOCS = Path(__file__).parent
SPECIES, TRAIN, TEST, LABELS = 12, 40, 12, 9
WIDTH, HEIGHT = 1360, 850


def train(data: Path, run: Path) -> Path:
    """Train a small transformer on the finches."""
    settings = scratch(
        encoder="vit_tiny_patch16_224",
        encoder_args={"depth": 2, "patch_size": 8},
        image_size=64,
        hidden_dim=512,
        out_dim=128,
        epochs=40,
        lr=4e-3,
        momentum=0.9,
        freeze_patch_embed=False,
        checkpoint_minutes=0.5,
    )
    return run_training(data, run, settings)


def collection(folder: Path, run: Path | None) -> Path:
    """Finches and their collection with groups and some labels."""
    data, path = folder / "finches", folder / "Finches of June"
    if not data.exists():
        draw_finches(data, species=SPECIES, train=TRAIN, test=TEST, image_size=224, vivid=True)
    embed(run or train(data, folder / "run"), data, out=folder / "parts")
    index(folder / "parts", collection=path)
    opened = Collection(path)
    photos = opened.photos()
    group_photos(opened, photos, k=SPECIES)
    species = photos.table["folder"].to_pylist()
    first = [row for row, name in enumerate(species) if species[:row].count(name) < LABELS]
    opened.labels.set_each(
        {photos.keys[row]: species[row].replace("_", " ") for row in first}, how="typed"
    )
    return path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `lodisc serve` on a free port, while it runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "lodisc", "serve", str(folder), "--port", str(port)]
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(address + "/api/collection", timeout=30).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def pictures(page: Page, address: str) -> Iterator[tuple[str, bytes]]:
    """The name of each picture, and what the page shows."""
    page.goto(address + "/label")
    page.locator(".estimate").wait_for()  # from here on the photographs have names
    page.goto(address + "/?sort=typical")
    page.locator(".caption .guess").first.wait_for()
    page.wait_for_load_state("networkidle")
    yield "browse.png", page.screenshot()
    tile = page.locator(".tile:has(.label)").nth(3)
    page.goto(address + (tile.locator("a").get_attribute("href") or ""))
    page.locator("#query canvas").wait_for()
    page.locator(".nearest .tile a").nth(1).click()
    page.locator(".nearest .tile").nth(1).locator("canvas").wait_for()
    x, y = page.evaluate(MOST_LOOKED_AT, tile_id(page))
    box: Any = page.locator("#query .frame").bounding_box()
    with page.expect_response("**/api/pairs/**"):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    page.wait_for_timeout(1500)
    yield "lookalikes.png", page.screenshot()


MOST_LOOKED_AT = """async (id) => {
  const { rows, columns, attention, box } = await (await fetch(`/api/photos/${id}/look`)).json();
  const flat = attention.flat();
  const best = flat.indexOf(Math.max(...flat));
  const [x, y] = [(best % columns + 0.5) / columns, (Math.floor(best / columns) + 0.5) / rows];
  return [box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])];
}"""


def tile_id(page: Page) -> str:
    """The id of the photograph whose look-alikes are shown."""
    return page.locator("main").get_attribute("data-id") or ""


def main(folder: Path, run: Path | None = None) -> None:
    """Make everything and write the pictures."""
    chromium = next(
        (
            path
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (path := shutil.which(name))
        ),
        None,
    )
    with served(collection(folder, run)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        for name, picture in pictures(page, address):
            Image.open(BytesIO(picture)).convert("RGB").save(DOCS / name, optimize=True)
            print(DOCS / name)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
