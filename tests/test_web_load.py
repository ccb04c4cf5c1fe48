"""Many people at a server in another process, and many photographs in a browser.

There must be no error, and no label may get lost.
"""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import web
from photos import encoded, texture
from test_index import synthetic
from web import PATIENCE, Server, make_collection, notice, served

from lodisc.collection.index import index
from lodisc.collection.labels import Labels
from lodisc.embedding.embedding import Embedding

pytestmark = [pytest.mark.slow, pytest.mark.alone]

browser = web.browser
CLIENTS, ROUNDS = 64, 2


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_collection(tmp_path_factory.mktemp("load"), run, per_label=CLIENTS // 2 + 8)


def work(
    address: str,
    number: int,
    *,
    photo: dict[str, Any],
    other: dict[str, Any],
    start: threading.Barrier,
) -> list[tuple[int, str]]:
    """The answers to one person who browses, searches, uploads, and labels one photograph often."""
    answers = []
    with httpx.Client(base_url=address, timeout=120, verify=False) as client:

        def ask(method: str, path: str, **settings: Any) -> None:
            answer = client.request(method, path, **settings)
            answers.append(
                (
                    answer.status_code,
                    f"{method} {path}: {answer.text[:100] if answer.is_error else ''}",
                )
            )

        start.wait()
        for again in range(ROUNDS):
            ask(
                "POST",
                "/api/labels",
                json={"ids": [photo["id"]], "label": f"label {number} {again}"},
            )
            ask("GET", "/" if again == 0 else "/api/photos?limit=100&sort=typical")
            ask("GET", f"/api/photos/{photo['id']}/thumbnail")
            ask("GET", f"/api/photos/{photo['id']}/similar")
            ask("GET", f"/api/photos/{photo['id']}/look")
            ask(
                "POST",
                "/api/similar",
                files={"file": (f"{number}.jpg", encoded(texture(5000 + number)))},
            )
            ask("GET", f"/api/pairs/{photo['id']}/{other['id']}")
            if number % 16 == 0:
                ask("GET", "/api/names" if again == 0 else "/api/progress")
                ask("POST", "/api/labels", json={"ids": [other["id"]], "label": "of all"})
    return answers


def test_64_clients_at_once_lose_nothing(collection: Path) -> None:
    with served(collection, port=0) as (_, address):
        photos = httpx.get(f"{address}api/photos", params={"limit": 500}).json()["photos"]
        start = threading.Barrier(CLIENTS)
        with ThreadPoolExecutor(CLIENTS) as pool:
            begun = [
                pool.submit(
                    work, address, number, photo=photos[number], other=photos[-1], start=start
                )
                for number in range(CLIENTS)
            ]
            answers = [answer for each in begun for answer in each.result()]
        assert [answer for answer in answers if answer[0] != 200] == []
        assert len(answers) >= 7 * ROUNDS * CLIENTS
        labelled = {
            photo["key"]: photo["label"]
            for photo in httpx.get(f"{address}api/photos", params={"limit": 500}).json()["photos"]
        }
    expected = {
        photos[number]["key"]: f"label {number} {ROUNDS - 1}" for number in range(CLIENTS)
    } | {photos[-1]["key"]: "of all"}
    assert {key: label for key, label in labelled.items() if label is not None} == expected
    typed = Labels(collection / "labels.sqlite")
    assert typed.current() == expected
    assert (
        len([action for action in typed.history(limit=10_000) if action.label != "of all"])
        == CLIENTS * ROUNDS
    ), "each is in the history"


def test_twenty_thousand_photographs(browser: Any, tmp_path: Path) -> None:
    parts = synthetic(tmp_path / "parts", rows=20_000)
    path = Embedding(parts).settings_file
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "image_size": 32}))
    index(parts, collection=tmp_path / "C")
    server = Server(tmp_path / "C")
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(server.address + "/?size=1")
    page.locator(".grid.live").wait_for()
    sizes = []
    for step in range(9):
        page.evaluate("step => scrollTo(0, document.documentElement.scrollHeight * step / 8)", step)
        page.wait_for_timeout(60)
        sizes.append(page.evaluate("document.querySelectorAll('*').length"))
    assert max(sizes) < 2500 and sizes[-1] < 2500
    page.locator(".tile[data-index='19999'][data-id]").wait_for()
    page.wait_for_url("**at=19*")
    page.reload()
    page.locator(".tile[data-index='19999'][data-id]").wait_for()
    assert page.evaluate("scrollY > 100000")
    page.keyboard.press("Control+a")
    page.locator("#selected", has_text="20,000 selected").wait_for()
    page.locator("#name input").fill("all")
    page.keyboard.press("Enter")
    notice(page, "20,000 photographs labelled “all”.")
    assert len(server.labels) == 20_000
    page.close()
    server.stop()
