"""Look-alikes, uploads, looks and pairs through the JSON API, against what the library gives."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from photos import encoded, texture
from web import FINCHES, WRENS, by_key, client_of, make_odd_collection, without_labels

from lodisc.collection.collection import Collection
from lodisc.data.decode import decode
from lodisc.explanation.attention import attention_maps
from lodisc.web.state.encoding import view_box


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return make_odd_collection(tmp_path_factory.mktemp("similar"), run)


@pytest.fixture
def client(folder: Path) -> TestClient:
    """A server without labels and groups."""
    return client_of(without_labels(folder / "C"))


def test_look_alikes_are_the_nearest_vectors(client: TestClient, folder: Path) -> None:
    photos = Collection(folder / "C").photos()
    for key in (FINCHES[0], "names/line\nbreak.jpg"):
        row = photos.position[key]
        scores = photos.vectors @ photos.vectors[row]
        order = [int(other) for other in np.argsort(-scores, kind="stable") if other != row][:5]
        found = client.get(f"/api/photos/{photos.ids[row]}/similar", params={"top": 5}).json()
        assert found["query"]["key"] == key
        assert [one["photo"]["key"] for one in found["similar"]] == [
            photos.keys[other] for other in order
        ]
        np.testing.assert_allclose(
            [one["score"] for one in found["similar"]], scores[order], atol=1e-4
        )
    every = client.get(f"/api/photos/{photos.ids[0]}/similar", params={"top": 200}).json()[
        "similar"
    ]
    assert len(every) == len(photos) - 1


def test_an_upload_finds_itself_and_works_like_a_photograph(
    client: TestClient, folder: Path
) -> None:
    data = (folder / "photos" / FINCHES[3]).read_bytes()
    answer = client.post(
        "/api/similar", files={"file": ("my bird.jpg", data)}, data={"top": "3"}
    ).json()
    id = answer["query"]["id"]
    assert (
        id.startswith("upload-")
        and answer["query"]["key"] == "my bird.jpg"
        and len(answer["similar"]) == 3
    )
    assert (
        answer["similar"][0]["photo"]["key"] == FINCHES[3] and answer["similar"][0]["score"] > 0.999
    )
    for what in ("", "/picture", "/thumbnail", "/look", "/similar"):
        assert client.get(f"/api/photos/{id}{what}").status_code == 200, what
    other = by_key(client)[WRENS[0]].id
    assert client.get(f"/api/pairs/{id}/{other}").status_code == 200
    refused = client.post("/api/labels", json={"ids": [id], "label": "x"})
    assert refused.status_code == 422, "an upload is not a photograph of the collection"
    gone = client.get("/api/photos/upload-0123456789abcdef/look")
    assert (
        gone.status_code == 404
        and gone.json()["detail"] == "That upload has expired; upload it again"
    )


def test_a_bookmark_of_the_former_address_leads_to_the_look_alikes(client: TestClient) -> None:
    id = by_key(client)[WRENS[0]].id
    answer = client.get(f"/look/{id}", follow_redirects=False)
    assert answer.status_code == 308 and answer.headers["location"] == f"/similar/{id}"
    assert client.get("/look//evil.example", follow_redirects=False).status_code == 404
    assert client.get("/look/evil.example", follow_redirects=False).status_code == 422
    assert "Look-alikes of" in client.get(f"/look/{id}").text


@pytest.mark.parametrize("top", ["0", "201", "-1", "x", "1e3", "", "９"])
def test_uploads_ask_for_a_sound_number(client: TestClient, top: str) -> None:
    answer = client.post(
        "/api/similar", files={"file": ("bird.jpg", encoded(texture(1)))}, data={"top": top}
    )
    assert answer.status_code == 422 and answer.json()["detail"].startswith("top: ")


def test_forms_that_are_none(client: TestClient) -> None:
    photo = encoded(texture(1))
    assert (
        client.post(
            "/api/similar", content=photo, headers={"Content-Type": "image/jpeg"}
        ).status_code
        == 415
    )
    assert client.post("/api/similar").status_code == 415
    assert (
        client.post(
            "/api/similar", content=b"x", headers={"Content-Type": "multipart/form-data"}
        ).status_code
        == 400
    )
    assert (
        client.post(
            "/api/similar",
            content=b"x",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        ).status_code
        == 400
    )
    assert (
        client.post(
            "/api/similar", data={"file": "text"}, files={"other": ("a", photo)}
        ).status_code
        == 422
    )
    assert (
        client.post(
            "/api/similar", files=[("file", ("a", photo)), ("file", ("b", photo))]
        ).status_code
        == 400
    )
    assert (
        client.post("/api/similar", files={"file": ("a", photo)}, data={"path": "/etc"}).status_code
        == 422
    )


def test_looks_are_those_of_the_library(client: TestClient, folder: Path) -> None:
    encoder = Collection(folder / "C").encoder()
    photos = by_key(client)
    images = [decode((folder / "photos" / key).read_bytes()) for key in (FINCHES[0], WRENS[0])]
    expected = attention_maps(encoder, images, fusion="product")
    features = encoder.patch_features(images).flatten(1, 2).numpy()
    pair = client.get(f"/api/pairs/{photos[FINCHES[0]].id}/{photos[WRENS[0]].id}").json()
    for key, side, one in zip((FINCHES[0], WRENS[0]), "ab", expected, strict=True):
        got = client.get(f"/api/photos/{photos[key].id}/look").json()
        assert got == pair[side] and (got["rows"], got["columns"]) == (4, 4)
        np.testing.assert_allclose(got["attention"], one.attention / one.attention.max(), atol=1e-3)
        assert got["pivotal"] == one.pivotal.tolist()
        assert got["box"] == view_box(48, 36, image_size=32)
    np.testing.assert_allclose(pair["similarity"], features[0] @ features[1].T, atol=0.006)


def test_the_box_is_what_the_encoder_sees() -> None:
    image = texture(3, size=(90, 60))
    left, top, right, bottom = view_box(90, 60, image_size=32)
    seen = 60 * 32 / 36
    np.testing.assert_allclose(
        [left * 90, top * 60, right * 90, bottom * 60],
        [45 - seen / 2, 30 - seen / 2, 45 + seen / 2, 30 + seen / 2],
    )
    assert image.size == (90, 60)
