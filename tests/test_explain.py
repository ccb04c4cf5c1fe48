"""Attention, pivotal regions and their pictures; the attention to the parts of finches."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photos import ODD_NAMES, collection, encoded, texture, unreadable, write
from PIL import Image
from safetensors.torch import save_file

from lodisc.data.decode import decode
from lodisc.data.sources import find_photos
from lodisc.data.views import to_bytes, whole_square, whole_view
from lodisc.encoders import build_encoder
from lodisc.evaluation.focus import focus
from lodisc.explanation import attention_maps, explain, sheet, tiles
from lodisc.explanation.overlay import heat_map, region_picture
from lodisc.finches.finches import draw_finches
from lodisc.method.masking import choose_patches, product
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.training.loop import train

TINY: dict[str, Any] = {
    "encoder": "vit_tiny_patch16_224",
    "encoder_args": {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8},
    "init": "none",
    "image_size": 32,
    "epochs": 1,
    "batch_size": 4,
    "hidden_dim": 32,
    "out_dim": 16,
    "spared": 0.1,
    "workers": 0,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    return train(collection(folder / "birds"), out=folder / "run", **TINY)


@pytest.fixture(scope="module")
def encoder(run: Path) -> PhotoEncoder:
    return load(run, device="cpu")


def test_the_pivotal_region_is_the_one_that_training_would_keep(encoder: PhotoEncoder) -> None:
    images = [texture(seed) for seed in range(3)]
    views = torch.stack([whole_view(image, image_size=32) for image in images])
    _, rows = encoder.encoder.forward_with_attention(views)
    keep = choose_patches(
        product(rows), mask="pivotal", keep_ratio=0.25, grid=(4, 4), noise_BP=torch.zeros(3, 16)
    )
    for result, patches in zip(attention_maps(encoder, images), keep, strict=True):
        assert result.attention.shape == (4, 4)
        assert math.isclose(result.attention.sum(), 1, rel_tol=1e-5)
        assert np.flatnonzero(result.pivotal).tolist() == patches.tolist()
        assert result.pivotal.sum() == 4


def test_patch_features_are_unit_vectors_by_place(encoder: PhotoEncoder) -> None:
    images = [texture(seed) for seed in range(3)]
    features = encoder.patch_features(images, batch_size=2)
    assert features.shape == (3, 4, 4, 32)
    torch.testing.assert_close(features.norm(dim=3), torch.ones(3, 4, 4))
    views = torch.stack([whole_view(image, image_size=32) for image in images])
    expected = torch.nn.functional.normalize(encoder.encoder.patch_features(views), dim=2)
    assert (features.flatten(1, 2) * expected).sum(
        2
    ).min() > 0.9999  # not more, where the processor has bf16
    assert encoder.patch_features([]).shape == (0, 4, 4, 32)


def test_the_photograph_is_cut_as_the_encoder_sees_it() -> None:
    image = texture(1, size=(90, 60))
    assert torch.equal(
        to_bytes(whole_square(image, image_size=32, side=32)), whole_view(image, image_size=32)
    )


def test_heat_is_bright_where_attention_is() -> None:
    attention = np.full((4, 4), 0.01, np.float32)
    attention[3, 0] = 0.85
    picture = np.asarray(
        heat_map(Image.new("RGB", (64, 64), (90, 90, 90)), attention, low=0.01, high=0.85)
    ).astype(int)
    assert picture[60, 4].sum() > 2 * picture[4, 60].sum()
    even = np.asarray(
        heat_map(
            Image.new("RGB", (64, 64)), np.full((4, 4), 1 / 16, np.float32), low=1 / 16, high=1 / 16
        )
    )
    assert even.std() < 60  # an attention without any difference is drawn, not divided by


def test_the_region_keeps_its_colours_and_the_rest_loses_them() -> None:
    pivotal = np.zeros((4, 4), bool)
    pivotal[1:3, 1:3] = True
    picture = np.asarray(region_picture(Image.new("RGB", (64, 64), (200, 40, 30)), pivotal))
    assert (picture[17:47, 17:47] == (200, 40, 30)).all()
    assert np.ptp(picture[:12].astype(int), axis=2).max() == 0
    assert (picture[15, 20:40] == 255).all()


def test_explain_writes_one_picture_for_every_image_into_the_run(run: Path) -> None:
    images = sorted((run.parent / "birds" / "wren").glob("*.jpg"))[:2]
    written = explain(run, images, device="cpu")
    assert written == [run / "explain" / "0-explain.png", run / "explain" / "1-explain.png"]
    picture = decode(written[0].read_bytes())
    wide, high = picture.size
    assert 5 * 256 < wide < 5.6 * 256
    assert 256 < high < 1.3 * 256
    arms = {"start": load_start(run, device="cpu"), "run": load(run, device="cpu")}
    expected = sheet(arms, [decode(images[0].read_bytes(), at_least=512)])
    assert picture.tobytes() == expected.tobytes()
    assert explain(run, images, device="cpu") == written
    assert sorted(path.name for path in (run / "explain").iterdir()) == [
        "0-explain.png",
        "1-explain.png",
    ]


def test_a_sheet_has_a_row_for_every_photograph(encoder: PhotoEncoder) -> None:
    arms = {"start": encoder, "run": encoder}
    one, three = (
        sheet(arms, [texture(seed) for seed in range(count)], tile=64) for count in (1, 3)
    )
    assert one.width == three.width
    assert three.height - one.height == 2 * (64 + 4)
    assert tiles(arms, [], tile=64) == []


def test_images_of_odd_names_get_plain_ones_of_their_own(run: Path, tmp_path: Path) -> None:
    images = [write(tmp_path / "a" / name, encoded(texture(3))) for name in ODD_NAMES]
    images += [write(tmp_path / name / "two words.jpg", encoded(texture(4))) for name in "bc"]
    images += [
        write(tmp_path / "Upper.jpg", encoded(texture(5))),
        write(tmp_path / ("ö" * 120 + ".jpg"), encoded(texture(6))),
    ]
    written = explain(run, images, out=tmp_path / "out", device="cpu")
    names = [path.name for path in written]
    assert (
        len({name.casefold() for name in names})
        == len(images)
        == len(list((tmp_path / "out").iterdir()))
    )
    assert names[0] == "two_words-explain.png"
    assert "two_words-2-explain.png" in names
    assert all(
        name.isprintable() and len(name.encode()) < 255 and "/" not in name for name in names
    )


def test_images_that_cannot_be_read_are_skipped_with_a_line_each(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    bad = [tmp_path / name for name in unreadable(tmp_path)]
    good = write(tmp_path / "good.jpg", encoded(texture(3)))
    images = [*bad, good, tmp_path / "gone.jpg", tmp_path]
    assert explain(run, images, out=tmp_path / "out", device="cpu") == [
        tmp_path / "out" / "good-explain.png"
    ]
    lines = caplog.messages
    assert len(lines) == len(images)
    assert any("zero.jpg: empty file" in line for line in lines)
    assert lines[-1] == f"Skipped {len(images) - 1} of {len(images)} images."
    with pytest.raises(ValueError, match=r"none of the 5 images can be read"):
        explain(run, bad, out=tmp_path / "other", device="cpu")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ValueError, match=r"good\.jpg is a file"):
        explain(run, [good], out=good, device="cpu")


def test_a_weights_file_stands_alone(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_224"
    save_file(
        build_encoder(name, image_size=224).trunk.state_dict(), tmp_path / "weights.safetensors"
    )
    image = write(tmp_path / "bird.jpg", encoded(texture(1, size=(64, 48))))
    (written,) = explain(
        tmp_path / "weights.safetensors", [image], encoder=name, out=tmp_path / "out", device="cpu"
    )
    assert 3 * 256 < decode(written.read_bytes()).width < 3.6 * 256
    with pytest.raises(ValueError, match="name their timm model"):
        explain(tmp_path / "weights.safetensors", [image], out=tmp_path / "out", device="cpu")


def test_focus_is_the_attention_that_falls_on_the_masks(
    encoder: PhotoEncoder, tmp_path: Path
) -> None:
    draw_finches(tmp_path / "finches", species=2, train=1, test=3, image_size=64)
    photos = [photo for photo in find_photos(tmp_path / "finches").photos if photo.split == "test"]
    metrics = focus(encoder, photos, tmp_path / "finches" / "masks")
    assert list(metrics) == ["object", "part", "object_area", "part_area", "part_covered"]
    on_part, covered = [], []
    for photo in photos:
        (result,) = attention_maps(encoder, [decode(photo.read())])
        mask = decode(
            (tmp_path / "finches" / "masks" / photo.key.replace(".jpg", ".png")).read_bytes()
        ).convert("L")
        view = whole_square(
            mask.point([255 * (value >= 192) for value in range(256)]), image_size=32, side=32
        )
        part = np.asarray(view, dtype=np.float64).reshape(4, 8, 4, 8).mean((1, 3)) / 255
        on_part.append((part * result.attention).sum())
        covered.append((part * result.pivotal).sum() / part.sum())
    assert math.isclose(metrics["part"].value, 100 * np.mean(on_part), rel_tol=1e-4)
    assert math.isclose(metrics["part_covered"].value, 100 * np.mean(covered), rel_tol=1e-4)
    assert metrics["part"].low <= metrics["part"].value <= metrics["part"].high
    assert 0 < metrics["part_area"].value < metrics["object_area"].value < 100


def test_focus_on_masks_that_cover_everything_or_nothing(
    encoder: PhotoEncoder, tmp_path: Path
) -> None:
    photos = find_photos(collection(tmp_path / "birds", splits=("test",), per_label=2)).photos
    masks = tmp_path / "masks"
    for photo in photos:
        write(
            masks / photo.key.replace(".jpg", ".png"), encoded(Image.new("L", (32, 24), 255), "PNG")
        )
    metrics = focus(encoder, photos, masks)
    assert all(
        math.isclose(metrics[name].value, 100, rel_tol=1e-5)
        for name in ("object", "part", "object_area", "part_area")
    )
    assert math.isclose(metrics["part_covered"].value, 100 * 4 / 16, rel_tol=1e-5)
    for photo in photos:
        write(
            masks / photo.key.replace(".jpg", ".png"), encoded(Image.new("L", (32, 24), 128), "PNG")
        )
    with pytest.raises(ValueError, match="no mask shows a discriminative part"):
        focus(encoder, photos, masks)
    (masks / photos[0].key.replace(".jpg", ".png")).unlink()
    with pytest.raises(ValueError, match=r"0\.png, the mask of test/finch/0\.jpg: no such file"):
        focus(encoder, photos, masks)
