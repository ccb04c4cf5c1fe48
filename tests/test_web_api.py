"""Listings, photographs and their pictures, the map, and what to check: against the library."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from photos import encoded, texture, write
from PIL import Image
from web import (
    FINCHES,
    WRENS,
    by_key,
    client_of,
    index_again,
    label,
    listed,
    make_collection,
    make_odd_collection,
    without_labels,
)

from lodisc.collection.collection import Collection
from lodisc.data.decode import decode
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.view import View


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_odd_collection(tmp_path_factory.mktemp("api"), run)


@pytest.fixture
def client(folder: Path) -> TestClient:
    """A server without labels and groups."""
    return client_of(without_labels(folder / "C"))


def test_the_collection_in_figures(client: TestClient, folder: Path) -> None:
    label(client, FINCHES[:3], "Buchfink")
    summary = client.get("/api/collection").json()
    keys = Collection(folder / "C").photos().keys
    assert (
        summary["photographs"] == len(keys)
        and summary["labelled"] == 3
        and summary["groups"] is None
    )
    assert summary["labels"] == [{"label": "Buchfink", "count": 3}]
    assert {"folder": "wren", "count": 8} in summary["folders"]
    assert sum(one["count"] for one in summary["folders"]) == len(keys)
    assert (
        summary["encoder"] == {"name": "run", "dim": 32, "image_size": 32}
        and summary["name"] == "C"
    )
    assert summary["skipped"] == len(Collection(folder / "C").skipped()) > 5
    label(client, WRENS[:1], "wren")
    assert client.get("/api/collection").json()["version"] != summary["version"]


def test_listings_filter_and_page(client: TestClient, folder: Path) -> None:
    keys = Collection(folder / "C").photos().keys
    assert listed(client) == keys == sorted(keys)
    assert listed(client, folder="finch") == sorted(FINCHES)
    assert (
        listed(client, folder="finch", label="wren")
        == listed(client, group=1)
        == listed(client, label="")
        == []
    )
    paged = [
        client.get("/api/photos", params={"offset": first, "limit": 7}).json()
        for first in range(0, len(keys) + 7, 7)
    ]
    assert [photo["key"] for page in paged for photo in page["photos"]] == keys and {
        page["total"] for page in paged
    } == {len(keys)}
    label(client, [*FINCHES[:2], "names/two words.jpg"], "B'\"<ö> 🐦")
    assert (
        listed(client, state="labelled")
        == listed(client, label="B'\"<ö> 🐦")
        == sorted([*FINCHES[:2], "names/two words.jpg"])
    )
    assert listed(client, state="labelled", folder="finch") == FINCHES[:2]
    assert listed(client, state="unlabelled") == [
        key for key in keys if key not in [*FINCHES[:2], "names/two words.jpg"]
    ]
    assert listed(client, state="doubtful") == [], (
        "nothing is in doubt before there are names or groups"
    )


def test_typical_is_near_the_middle(client: TestClient, folder: Path) -> None:
    photos = Collection(folder / "C").photos()
    order = np.argsort(-(photos.vectors @ photos.vectors.mean(axis=0)), kind="stable")
    assert listed(client, sort="typical") == [photos.keys[row] for row in order]


def test_one_photograph(client: TestClient, folder: Path) -> None:
    file = folder / "photos" / "odd" / "upright.jpg"
    known = client.get(f"/api/photos/{by_key(client)['odd/upright.jpg'].id}").json()
    assert (known["width"], known["height"], known["bytes"]) == (32, 24, file.stat().st_size)
    assert (
        known["folder"] == "odd"
        and len(known["digest"]) == 32
        and known["modified"].startswith(time.strftime("%Y"))
    )
    missing = client.get("/api/photos/0123456789abcdef")
    assert missing.status_code == 404 and missing.json() == {
        "detail": "No photograph of the collection has that id"
    }


def test_thumbnails_are_small_upright_and_kept(client: TestClient, folder: Path, run: Path) -> None:
    write(folder / "photos" / "large.jpg", encoded(texture(5, size=(900, 600))))
    write(folder / "photos" / "long.png", encoded(texture(6, size=(2000, 200)), "PNG"))
    index_again(folder, run)
    photos = by_key(client)
    sizes = {}
    for key in (
        "large.jpg",
        "long.png",
        "odd/upright.jpg",
        "odd/deep.png",
        "odd/cmyk.jpg",
        "names/line\nbreak.jpg",
    ):
        for size in (160, 320):
            answer = client.get(f"/api/photos/{photos[key].id}/thumbnail", params={"size": size})
            assert answer.status_code == 200 and answer.headers["content-type"] == "image/webp"
            assert "no-cache" in answer.headers["cache-control"]
            sizes[key, size] = decode(answer.content).size
    assert sizes["large.jpg", 160] == (240, 160) and sizes["large.jpg", 320] == (480, 320)
    assert sizes["long.png", 160] == (480, 160) and sizes["odd/upright.jpg", 160] == (32, 24)
    digest = client.get(f"/api/photos/{photos['large.jpg'].id}").json()["digest"]
    kept = folder / "C" / "cache" / "thumbnails" / digest[:2] / f"{digest}-160.webp"
    assert decode(kept.read_bytes()).size == (240, 160)
    again = client.get(
        f"/api/photos/{photos['large.jpg'].id}/thumbnail",
        headers={"If-None-Match": f'"{digest}-160"'},
    )
    assert again.status_code == 304 and again.content == b""
    whole = kept.read_bytes()
    webp = client.get(f"/api/photos/{photos['large.jpg'].id}/thumbnail").content
    assert kept.read_bytes() == whole and whole.startswith(webp)
    half = len(webp) // 2
    for harm in (
        b"",
        bytes(len(whole)),
        whole[:-1],
        whole[:9],
        whole + b"x",
        webp,
        webp[:half] + bytes(len(whole) - half),  # torn: the end never reached the disk
        webp[:half] + bytes(len(webp) - half) + whole[len(webp) :],
        webp + bytes(len(whole) - len(webp)),
    ):
        assert harm != whole
        kept.write_bytes(harm)
        answer = client.get(f"/api/photos/{photos['large.jpg'].id}/thumbnail")
        assert answer.content == webp and kept.read_bytes() == whole
    kept.unlink()
    os.mkfifo(kept)
    assert client.get(f"/api/photos/{photos['large.jpg'].id}/thumbnail").content == webp
    assert not list((folder / "C" / "cache").rglob(".*"))


def test_photographs_that_are_gone_changed_or_broken(
    client: TestClient, folder: Path, run: Path
) -> None:
    file = write(folder / "photos" / "passing.jpg", encoded(texture(50)))
    index_again(folder, run)
    id = by_key(client)["passing.jpg"].id
    cached = folder / "C" / "cache" / "thumbnails"
    write(file, encoded(texture(51)))
    before = sorted(cached.rglob("*.webp"))
    assert client.get(f"/api/photos/{id}/thumbnail").status_code == 200
    assert sorted(cached.rglob("*.webp")) == before, (
        "another picture is not kept under the old digest"
    )
    for data, reason, status in (
        (b"", "empty file", 404),
        (encoded(texture(50))[:300], "truncated", 404),
        (None, "no such file or directory", 410),
    ):
        file.unlink()
        if data is not None:
            write(file, data)
        for what in ("thumbnail", "picture", "look"):
            answer = client.get(f"/api/photos/{id}/{what}")
            assert answer.status_code == status and answer.json() == {
                "detail": f"The photograph can't be read: {reason}"
            }
        told = client.get(f"/api/photos/{id}").json()
        assert told["width"] is None and told["trouble"] == reason and told["path"] == str(file)
        assert reason in client.get(f"/similar/{id}").text
        assert client.get(f"/api/photos/{id}/similar").status_code == 200, (
            "its vector is still there"
        )
        if data is None:
            break
    index_again(folder, run)
    assert client.get(f"/api/photos/{id}").status_code == 200, "it may come back"
    index_again(folder, run, remove=True)
    assert client.get(f"/api/photos/{id}").status_code == 404


def test_the_counts_at_the_side_describe_no_photographs(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(client, FINCHES, "finch")
    groups = client.post("/api/groups", json={"k": 3}).json()["groups"]
    monkeypatch.delattr(Snapshot, "photo")
    page = client.get("/?state=skipped").text
    for group in groups:
        number, title = group["group"], group["title"]
        title = f"Group {number}" if title is None else f"{number} · {title}"
        assert f"<span>{title}</span><span>{group['size']}</span>" in page


def test_a_cache_that_cannot_be_written_costs_nothing_else(
    client: TestClient, folder: Path, run: Path
) -> None:
    write(folder / "photos" / "uncached.jpg", encoded(texture(60)))
    index_again(folder, run)
    id = by_key(client)["uncached.jpg"].id
    cache = folder / "C" / "cache"
    if cache.exists():
        cache.rename(folder / "cache-before")
    cache.write_text("a file in the way")
    assert client.get(f"/api/photos/{id}/thumbnail").status_code == 200
    cache.unlink()


def test_pictures_are_upright_bounded_and_without_metadata(
    client: TestClient, folder: Path, run: Path
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRET"
    write(folder / "photos" / "huge.jpg", encoded(texture(7, size=(4000, 1000)), exif=exif))
    index_again(folder, run)
    photos = by_key(client)
    answer = client.get(f"/api/photos/{photos['huge.jpg'].id}/picture")
    assert answer.headers["content-type"] == "image/jpeg" and Image.open(
        io.BytesIO(answer.content)
    ).size == (1600, 400)
    assert b"SECRET" not in answer.content
    upright = Image.open(
        io.BytesIO(client.get(f"/api/photos/{photos['odd/upright.jpg'].id}/picture").content)
    )
    assert upright.size == (32, 24) and not upright.getexif()


def test_the_map(client: TestClient, folder: Path) -> None:
    making = client.get("/api/map/status").json()["making"]
    begun = time.monotonic()
    while client.get("/api/map/status").json()["making"] and time.monotonic() - begun < 60:
        time.sleep(0.05)
    places = client.get("/api/map").json()
    assert places["method"] == making and places["making"] is None
    photos = Collection(folder / "C").photos()
    assert places["ids"] == photos.ids and places["method"] in ("tsne", "umap")
    assert all(len(places[name]) == len(photos) for name in ("x", "y", "group", "label"))
    assert (
        all(0 <= place <= 1 for place in places["x"] + places["y"])
        and len(set(places["x"])) > len(photos) / 2
    )
    again = client_of(folder / "C").get("/api/map").json()
    assert again == places and len(list((folder / "C" / "cache" / "maps").iterdir())) >= 1, (
        "it is kept on disk"
    )


def test_a_change_of_the_collection_is_seen_at_once(
    client: TestClient, folder: Path, run: Path
) -> None:
    before = client.get("/api/collection").json()
    write(folder / "photos" / "finch" / "new.jpg", encoded(texture(77)))
    index_again(folder, run)
    after = client.get("/api/collection").json()
    assert (
        after["photographs"] == before["photographs"] + 1 and after["version"] != before["version"]
    )
    assert "finch/new.jpg" in listed(client)
    Collection(folder / "C").labels.set(["finch/new.jpg"], "typed elsewhere")
    assert by_key(client)["finch/new.jpg"].label == "typed elsewhere"


def test_a_collection_of_one_photograph(tmp_path: Path, run: Path) -> None:
    client = client_of(make_collection(tmp_path, run, per_label=1, labels=("finch",)))
    (photo,) = by_key(client).values()
    for path in (
        "collection",
        "photos?sort=typical",
        "photos?state=doubtful",
        "photos?state=outliers",
        f"photos/{photo.id}/similar",
        "names",
        "groups",
        "map",
        "duplicates",
        "outliers",
        "skipped",
        "progress",
        "health",
        "labels/export",
    ):
        assert client.get(f"/api/{path}").status_code == 200, path
    assert client.get(f"/api/photos/{photo.id}/similar").json()["similar"] == []
    assert client.post("/api/groups", json={}).json()["k"] == 1
    assert client.get("/api/groups").json()["groups"][0]["size"] == 1


@pytest.mark.parametrize("damage", ["NULs", "no folder"])
def test_what_the_collection_cannot_say_of_its_encoder_is_one_line(
    tmp_path: Path, run: Path, damage: str
) -> None:
    collection = make_collection(tmp_path, run, per_label=1)
    client = client_of(collection)
    photo = by_key(client)[FINCHES[0]].id
    (encoder,) = (collection / "encoders").iterdir()
    if damage == "NULs":
        (encoder / "embedding.json").write_bytes(bytes(300))
    else:
        encoder.rename(tmp_path / "away")
    for path in ("collection", "progress", "health", f"photos/{photo}/look"):
        answer = client.get(f"/api/{path}")
        assert answer.status_code == 503, path
        assert answer.json()["detail"].endswith("run lodisc index again"), path
    for path in ("/", "/label", "/progress"):
        answer = client.get(path)
        assert answer.status_code == 503 and "lodisc index" in answer.text, path
    assert client.get("/api/photos").status_code == 200
    assert client.get(f"/api/photos/{photo}/thumbnail").status_code == 200


def test_the_api_describes_itself(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()
    calls = [(method, path) for path, methods in described["paths"].items() for method in methods]
    html = client.get("/api/docs").text
    assert "\\n" not in html, "descriptions of several lines are one paragraph"
    assert ("get", "/api/photos/{id}/look") in calls and not any(
        path.startswith(("/similar", "/look")) for _, path in calls
    )
    for method, path in calls:
        operation = described["paths"][path][method]
        assert operation["description"] and f"<code>{path}</code>" in html
        refusal = operation["responses"]["422"]["content"]["application/json"]["schema"]
        assert refusal == {"$ref": "#/components/schemas/ErrorOut"}


def test_what_to_look_at(client: TestClient, folder: Path, run: Path) -> None:
    write(folder / "photos" / "copy of a finch.jpg", (folder / "photos" / FINCHES[0]).read_bytes())
    index_again(folder, run)
    sets = client.get("/api/duplicates").json()
    assert any(
        {"copy of a finch.jpg", FINCHES[0]} <= {photo["key"] for photo in one}
        for one in sets["sets"]
    )
    assert sets["total"] == len(sets["sets"])
    assert {photo["key"] for one in sets["sets"] for photo in one} == set(
        listed(client, state="duplicates")
    )
    odd_ones = client.get("/api/outliers").json()
    assert 0 < odd_ones["total"] < len(by_key(client))
    assert [photo["key"] for photo in odd_ones["photos"]] == listed(client, state="outliers")
    skipped = client.get("/api/skipped").json()
    assert {"key": "bad/cut.jpg", "reason": "truncated"} in skipped["skipped"] and skipped[
        "total"
    ] == len(skipped["skipped"])
    assert all(one["key"].isprintable() for one in skipped["skipped"])


@pytest.mark.parametrize(
    "query",
    [
        {"group": "abc"},
        {"size": "abc"},
        {"size": "0"},
        {"at": "-1"},
        {"state": "odd"},
        {"sort": "size"},
    ],
)
def test_what_makes_no_sense_in_an_address_is_passed_over(query: dict[str, str]) -> None:
    assert View.of(query) == View()
    assert View.of({**query, "folder": "finch"}) == View(folder="finch")


def test_numbers_in_an_address_are_bounded() -> None:
    assert View.of({"group": "3", "size": "9", "at": "120"}) == View(group=3, size=6, at=120)
