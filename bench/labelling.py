"""From unsorted photographs to a table of names, as a person does it in a browser.

    python bench/labelling.py DATA --init WEIGHTS.safetensors [--labels 400] [--pace 1.5]

DATA has a sub-folder for each kind. Its photographs are put into one folder, in an order drawn at
random, which `lodisc open` reads. A person then labels those that the Label page proposes: by the
digit of a suggestion that is right, else by typing. They look at suggested names of 90 % and more,
accept them, and export the table, whose names are compared with the sub-folders.
"""

import csv
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from playwright.sync_api import sync_playwright

from lodisc.console import note, table
from lodisc.data.sources import find_photos

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 600_000  # milliseconds
IS_SEEN = "[...document.images].some((image) => image.complete && image.naturalWidth)"


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    init: str
    labels: int = 400
    pace: float = 1.5
    """Seconds that a person looks at a photograph."""
    seed: int = 0


@dataclass
class Effort:
    """What a person did."""

    clicks: int = 0
    keys: int = 0
    by_digit: int = 0
    typed: int = 0


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        truth = unsorted(settings.data, folder, seed=settings.seed)
        started_at = time.perf_counter()
        with opened(folder, init=settings.init) as address, browser_page() as page:
            rows = [timed("Address printed", started_at)]
            page.goto(address)
            page.wait_for_function(IS_SEEN)
            rows.append(timed("First photograph seen", started_at))
            wait_until_read(page, address)
            rows.append(timed(f"{len(truth):,} read and grouped", started_at))
            effort, first = label(page, address, truth, settings)
            rows.append(("First suggestions", f"{first[0]} labels, {first[1]:.0f} s"))
            path = Path(temporary) / "labels.csv"
            accept_and_export(page, address, path, effort)
            rows.append(timed("Exported", started_at))
        rows += outcome(path, truth)
    rows.append(("Clicks, keys", f"{effort.clicks}, {effort.keys}"))
    rows.append(("Labels by digit, typed", f"{effort.by_digit}, {effort.typed}"))
    table(
        f"{settings.labels} labels, {settings.pace:g} s each", ["", ""], [list(row) for row in rows]
    )


def unsorted(data: Path, folder: Path, *, seed: int) -> dict[str, str]:
    """Copies of photographs under names that tell nothing; their kinds by key."""
    photos = find_photos(data).photos
    random.Random(seed).shuffle(photos)
    folder.mkdir()
    truth = {}
    for number, photo in enumerate(photos):
        key = f"{number:05}{photo.path.suffix.lower()}"
        shutil.copy(photo.path, folder / key)
        truth[key] = (photo.label or "").replace("_", " ")
    return truth


@contextmanager
def opened(folder: Path, *, init: str) -> Iterator[str]:
    """The address of `lodisc open`."""
    words = ["open", folder, "--init", init, "--port", "0", "--no-browser"]
    command = [sys.executable, "-m", "lodisc", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split("   ")[0].strip().rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def browser_page() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def wait_until_read(page: Any, address: str) -> None:
    while page.request.get(f"{address}/api/filling").json()["phase"] != "finished":
        time.sleep(0.5)


def label(
    page: Any, address: str, truth: dict[str, str], settings: Settings
) -> tuple[Effort, tuple[int, float]]:
    """Label what the page proposes; what it took, and when the first suggestions came."""
    page.goto(f"{address}/label")
    page.locator(".strip .tile").first.wait_for()
    effort, first, started_at = Effort(clicks=1), (0, 0.0), time.perf_counter()
    for number in range(settings.labels):
        time.sleep(settings.pace)
        name = truth[page.locator(".about .key").inner_text()]
        suggestions = page.locator("#suggestions:not([hidden]) .text").all_inner_texts()
        if suggestions and first == (0, 0.0):
            first = (number, time.perf_counter() - started_at)
        if name in suggestions:
            page.keyboard.press(str(suggestions.index(name) + 1))
            effort.by_digit += 1
            effort.keys += 1
        else:
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            effort.typed += 1
            effort.keys += len(name) + 1
        if (number + 1) % 50 == 0:
            note(f"{number + 1} labels, {effort.by_digit} of them by a digit")
    return effort, first


def accept_and_export(page: Any, address: str, path: Path, effort: Effort) -> None:
    """See the names of 90 % and more, accept all of them, and save the table."""
    time.sleep(10)  # until the page has learnt from the last labels
    page.locator("#see").click()
    page.locator(".grid.live .tile").first.wait_for()
    page.locator(".grid").focus()
    page.keyboard.press("Control+a")
    page.locator("#selected", has_text="selected").wait_for()
    page.locator("#accept").click()
    page.locator(".notice", has_text="named").wait_for()
    page.goto(f"{address}/label")
    with page.expect_download() as download:
        page.locator(".side a[download]").click()
    download.value.save_as(path)
    effort.clicks += 4
    effort.keys += 1


def timed(name: str, started_at: float) -> tuple[str, str]:
    return name, f"{time.perf_counter() - started_at:.1f} s"


def outcome(path: Path, truth: dict[str, str]) -> list[tuple[str, str]]:
    """How many names are right, and how sure the table says they are."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = {
        "Labels": [row for row in rows if row["label"] and not row["accepted_name"]],
        "Accepted names": [row for row in rows if row["accepted_name"]],
        "Other names": [row for row in rows if not row["label"]],
        "All": rows,
    }
    lines = []
    for name, some in parts.items():
        right = sum((row["label"] or row["name"]) == truth[row["key"]] for row in some)
        confidence = sum(_confidence(row) for row in some)
        share, said = (100 * count / max(1, len(some)) for count in (right, confidence))
        lines.append((name, f"{share:.1f} % of {len(some):,} right, said {said:.1f} %"))
    return lines


def _confidence(row: dict[str, str]) -> float:
    if row["label"] and not row["accepted_name"]:
        return 1.0
    return float(row["accepted_confidence"] or row["confidence"] or 0)


if __name__ == "__main__":
    main(tyro.cli(Settings))
