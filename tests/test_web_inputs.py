"""Hostile input: endless bodies, uploads that are not photographs, paths, names and values."""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient
from photos import encoded, huge_png, texture
from PIL import Image
from web import ask, by_key, client_of, make_collection

from lodisc.web.forms import MOST_UPLOAD
from lodisc.web.security import MOST_BODY
from lodisc.web.view import View


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_collection(tmp_path_factory.mktemp("inputs"), run)


@pytest.fixture(scope="module")
def client(made: Path) -> TestClient:
    return client_of(made)


FORM_BEGUN = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def chunks(size: int, sent: list[int], *, start: bytes = b"") -> Iterator[bytes]:
    """A body that goes on for ever."""
    yield start
    while True:
        sent.append(size)
        yield bytes(size)


@pytest.mark.parametrize(
    ("path", "kind", "start", "most"),
    [
        ("/api/labels", "application/json", b"[", MOST_BODY),
        ("/api/names/accept", "application/json", b"[", MOST_BODY),
        ("/api/similar", "multipart/form-data; boundary=x", FORM_BEGUN, MOST_UPLOAD),
        ("/api/labels/import", "multipart/form-data; boundary=x", FORM_BEGUN, MOST_UPLOAD),
    ],
)
def test_a_body_without_end_is_cut_off(
    client: TestClient, path: str, kind: str, start: bytes, most: int
) -> None:
    sent: list[int] = []
    headers = [
        (b"host", b"localhost"),
        (b"content-type", kind.encode()),
        (b"transfer-encoding", b"chunked"),
    ]
    assert (
        ask(
            client.app,
            path=path,
            method="POST",
            headers=headers,
            body=chunks(2**20, sent, start=start),
        )
        == 413
    )
    assert sum(sent) <= most + 2 * 2**20
    stated = [
        (b"host", b"localhost"),
        (b"content-type", kind.encode()),
        (b"content-length", str(most + 2**20).encode()),
    ]
    sent.clear()
    assert (
        ask(client.app, path=path, method="POST", headers=stated, body=chunks(2**20, sent)) == 413
    )
    assert sent == [], "it is refused before anything is read"


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e9", b"9" * 40])
def test_a_length_that_is_none_is_refused(client: TestClient, length: bytes) -> None:
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", length),
    ]
    assert ask(client.app, method="POST", headers=headers) in (400, 413)


def test_uploads_are_bounded_in_bytes_and_pixels(client: TestClient) -> None:
    wide = io.BytesIO()
    Image.new("1", (30_000, 2_200)).save(wide, "PNG")
    bad = {
        "empty file": b"",
        "not an image": b"Dear diary",
        "30000 x 30000 pixels is too large": huge_png(),
        "30000 x 2200 pixels is too large; 64 million are the most": wide.getvalue(),
        "truncated": encoded(texture(1, size=(640, 480)))[:900],
    }
    for reason, data in bad.items():
        answer = client.post("/api/similar", files={"file": ("bird.jpg", data)})
        assert answer.status_code == 422 and answer.json()["detail"].endswith(reason), answer.text
    assert (
        client.post(
            "/api/similar", files={"file": ("bird.jpg", bytes(MOST_UPLOAD + 1))}
        ).status_code
        == 413
    )


@pytest.mark.parametrize(
    "body", [b"", b"--X", b"--X\r\nConte\0nt: a\r\n\r\nb", b"--X\r\nContent-Disposition: form"]
)
def test_half_a_form_is_answered_and_prints_nothing(
    client: TestClient, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=X"}
    for path in ("/api/similar", "/api/labels/import"):
        assert 400 <= client.post(path, content=body, headers=headers).status_code < 500
    assert [record for record in caplog.records if "multipart" in record.name] == []


def test_uploads_touch_neither_disk_nor_collection(
    client: TestClient, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **settings: Any) -> None:
        raise AssertionError("an upload is written to the disk")

    client.get("/api/names")
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    large = encoded(Image.effect_noise((2000, 1500), 90).convert("RGB"), "PNG")
    assert len(large) > 2 * 2**20
    answer = client.post("/api/similar", files={"file": ("bird.png", large)})
    assert answer.status_code == 200
    id = answer.json()["query"]["id"]
    assert client.get(f"/api/photos/{id}/picture").status_code == 200
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    assert id not in [photo.id for photo in by_key(client).values()]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        'a"b\r\nX-Evil: 1.jpg',
        "\x00.jpg",
        "é" * 400,
        "<script>.jpg",
        "",
    ],
)
def test_names_of_uploads_are_only_shown(client: TestClient, name: str) -> None:
    answer = client.post(
        "/api/similar", files={"file": (name or "x", encoded(texture(3)))}, data={"top": "1"}
    )
    assert answer.status_code == 200
    shown = answer.json()["query"]["key"]
    assert len(shown) <= 100 and shown.isprintable() and "/" not in shown and "\\.." not in shown


OUTSIDE = [
    "..",
    "../../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cboot.ini",
    "/etc/passwd",
    "%00",
    "upload-../../../x",
    "0" * 15,
    "0" * 17,
    "0" * 16 + "%0a",
    "G" * 16,
    "A" * 16,
    "٠" * 16,
]


@pytest.mark.parametrize("place", OUTSIDE)
def test_no_path_of_a_request_reaches_the_files(client: TestClient, place: str) -> None:
    for path in (
        f"/api/photos/{place}",
        f"/api/photos/{place}/thumbnail",
        f"/api/photos/{place}/picture",
        f"/api/pairs/{place}/{place}",
        f"/static/{place}",
    ):
        assert ask(client.app, path=path, headers=[(b"host", b"localhost")]) in (404, 405, 422)
        assert ask(
            client.app, path=unquote(path, "latin-1"), headers=[(b"host", b"localhost")]
        ) in (404, 405, 422)
    assert (
        client.get("/static/../app.py").status_code
        == client.get("/static/%2e%2e/app.py").status_code
        == 404
    )


NASTY = [
    "-1",
    "0",
    "1e309",
    "NaN",
    "Infinity",
    "9" * 400,
    "%00",
    "%ED%A0%80",
    "%FF%FE",
    "%F0%9F%92%A5",
    "%0d%0aX-Evil:%201",
    "..%2F..%2Fetc%2Fpasswd",
    "';DROP%20TABLE%20labels;--",
    "",
    "null",
    "[]",
    "%E2%80%AE",
    "x" * 5000,
]


@pytest.mark.slow
def test_nasty_values_are_never_the_server_s_fault(client: TestClient) -> None:
    id = next(iter(by_key(client).values())).id
    calls = client.get("/api/openapi.json").json()["paths"]
    asked = [
        (path, part["name"])
        for path, call in calls.items()
        if "get" in call
        for part in call["get"].get("parameters", [])
    ]
    asked += [
        ("/similar/{id}", "id"),
        ("/look/{id}", "id"),
        *(("/", field.name) for field in fields(View)),
    ]
    assert len(asked) > 30
    for path, name in asked:
        for value in NASTY:
            places = {
                "id": id,
                "a": id,
                "b": id,
                **({name: value} if f"{{{name}}}" in path else {}),
            }
            answer = client.get(f"{path.format(**places)}?{name}={value}&{name}={value}")
            assert answer.status_code < 500, answer.url
            assert "x-evil" not in answer.headers
