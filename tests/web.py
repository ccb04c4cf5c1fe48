"""Tiny collections for tests of the server, and clients that ask it as a browser or a program would."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from photos import ODD_NAMES, encoded, odd, texture, turned, unreadable, write
from photos import collection as photographs
from runs import TINY

import lodisc
from lodisc.collection.collection import photo_id
from lodisc.collection.embed import embed
from lodisc.collection.index import index
from lodisc.web.app import create_app
from lodisc.web.models import Photo

FINCHES = [f"finch/{number}.jpg" for number in range(8)]
WRENS = [f"wren/{number}.jpg" for number in range(8)]
FIRST = photo_id(FINCHES[0])


def make_collection(folder: Path, *, per_label: int = 8, labels: tuple[str, ...] = ("finch", "wren")) -> Path:
    """FOLDER/photos embedded by a run of a second into FOLDER/C."""
    photographs(folder / "photos", per_label=per_label, labels=labels, size=(48, 36))
    lodisc.train(photographs(folder / "seen"), out=folder / "run", **{**TINY, "epochs": 1})
    return index_again(folder)


def make_odd_collection(folder: Path) -> Path:
    """FOLDER/C of photographs of two kinds, plain ones, odd ones, odd names and some that can't be read; returns FOLDER."""
    unreadable(folder / "photos" / "bad")
    odd(folder / "photos" / "odd")
    write(folder / "photos" / "odd" / "upright.jpg", turned(6))
    for number, name in enumerate(ODD_NAMES):
        write(folder / "photos" / "names" / name, encoded(texture(900 + number)))
    make_collection(folder)
    return folder


def without_labels(collection: Path) -> Path:
    """A collection as it is before anybody did anything to it."""
    for name in ("labels.sqlite", "groups.json"):
        (collection / name).unlink(missing_ok=True)
    return collection


def index_again(folder: Path) -> Path:
    """Embed and index what is in FOLDER/photos now."""
    embed(folder / "run", folder / "photos", out=folder / "parts", workers=0)
    index(folder / "parts", collection=folder / "C")
    return folder / "C"


def client_of(collection: Path, *, host: str = "localhost", **settings: Any) -> TestClient:
    """A client in this process; what goes wrong in the server is an answer, as it is for everyone else."""
    return TestClient(create_app(collection, **settings), base_url=f"http://{host}", raise_server_exceptions=False)


def by_key(client: TestClient) -> dict[str, Photo]:
    """All photographs that are listed, by their key."""
    listed = client.get("/api/photos", params={"limit": 500}).json()["photos"]
    return {one["key"]: Photo(**one) for one in listed}


def label(client: TestClient, keys: list[str], name: str | None) -> Any:
    """Label photographs, and give the answer."""
    photos = by_key(client)
    return client.post("/api/labels", json={"ids": [photos[key].id for key in keys], "label": name}).json()


def listed(client: TestClient, **wanted: Any) -> list[str]:
    """The keys of a listing, in its order."""
    answer = client.get("/api/photos", params={"limit": 500, **wanted})
    assert answer.status_code == 200, answer.text
    found = [photo["key"] for photo in answer.json()["photos"]]
    assert len(found) == answer.json()["total"]
    return found


@contextmanager
def served(collection: Path, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and the address that it prints."""
    code = f"from lodisc.web.serve import serve; serve({str(collection)!r}, **{settings!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split("   ")[0].strip()
        finally:
            process.kill()
