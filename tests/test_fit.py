"""How a photograph that is longer than high becomes the square that an encoder sees."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from photos import encoded, texture, write
from PIL import Image
from runs import TINY, run_command

import lodisc
from lodisc.config import Fit
from lodisc.data.loader import means_of
from lodisc.data.views import MOST_TILES, to_bytes, whole_box, whole_view, whole_views
from lodisc.embedding.embed import embed
from lodisc.embedding.embedding import Embedding
from lodisc.encoders import load_encoder

FITS: tuple[Fit, ...] = ("crop", "pad", "squeeze", "tiles")


def strip(ends: tuple[int, int, int], *, upright: bool = False) -> Image.Image:
    """Ten times as long as high: a texture in the middle, and ends of one colour."""
    image = texture(1, size=(400, 40))
    for left in (0, 340):
        image.paste(ends, (left, 0, left + 60, 40))
    return image.transpose(Image.Transpose.ROTATE_90) if upright else image


@pytest.mark.parametrize("upright", [False, True])
def test_only_the_crop_does_not_see_the_ends(upright: bool) -> None:
    red, blue = strip((220, 20, 20), upright=upright), strip((20, 20, 220), upright=upright)
    for fit in FITS:
        views = [whole_views(image, image_size=32, fit=fit) for image in (red, blue)]
        assert views[0].shape == (MOST_TILES if fit == "tiles" else 1, 3, 32, 32)
        assert bool((views[0] == views[1]).all()) == (fit == "crop"), fit


def test_no_tile_leaves_a_gap() -> None:
    for ratio in (2, 7, 8, 9, 30):
        plain = Image.new("RGB", (16 * ratio, 16), "grey")
        before = whole_views(plain, image_size=32, fit="tiles")
        for left in range(0, plain.width - 16, 8):
            image = plain.copy()
            image.paste((220, 20, 20), (left, 0, left + 16, 16))
            assert not torch.equal(whole_views(image, image_size=32, fit="tiles"), before), left


def test_what_is_not_longer_than_3_to_2_is_one_tile() -> None:
    for size, count in (
        ((64, 48), 1),
        ((96, 64), 1),
        ((64, 96), 1),
        ((128, 72), 2),
        ((72, 150), 3),
    ):
        assert len(whole_views(texture(1, size=size), image_size=32, fit="tiles")) == count


def test_a_square_photograph_is_nearly_the_same_in_all() -> None:
    image = texture(2, size=(64, 64))
    whole = to_bytes(image.resize((32, 32), Image.Resampling.BICUBIC)).int()
    for fit in FITS:
        view = whole_view(image, image_size=32, fit=fit)
        assert torch.equal(whole_views(image, image_size=32, fit=fit)[0], view)
        if fit in ("pad", "squeeze"):
            assert (view.int() - whole).abs().float().mean() < 3


def test_padding_shows_all_in_its_proportions() -> None:
    image = Image.new("RGB", (200, 100), (200, 100, 50))
    image.paste((0, 0, 0), (0, 0, 100, 100))
    view = whole_view(image, image_size=40, fit="pad").permute(1, 2, 0).numpy()
    assert (view[:8] == view[0, 0]).all() and (view[-8:] == view[0, 0]).all()
    np.testing.assert_allclose(view[0, 0], [100, 50, 25], atol=8)
    np.testing.assert_allclose(view[20, 5], [0, 0, 0], atol=8)
    np.testing.assert_allclose(view[20, 35], [200, 100, 50], atol=8)


def test_boxes_are_what_the_views_show() -> None:
    assert whole_box(300, 100, image_size=32, fit="squeeze") == (0, 0, 300, 100)
    assert whole_box(300, 100, image_size=32, fit="pad") == (0, -100, 300, 200)
    assert whole_box(100, 300, image_size=32, fit="pad") == (-100, 0, 200, 300)
    crop = whole_box(300, 100, image_size=32, fit="crop")
    assert whole_box(300, 100, image_size=32, fit="tiles") == crop


def test_tiles_cover_the_long_side_and_are_averaged(run: Path) -> None:
    encoder = lodisc.load(run, fit="tiles")
    image = texture(3, size=(215, 60))
    tiles = [image.crop((left, 0, left + 60, 60)) for left in (0, 155)]
    views = whole_views(image, image_size=encoder.image_size, fit="tiles")
    assert len(views) == 4
    for tile, view in zip(tiles, (views[0], views[-1]), strict=True):
        expected = to_bytes(tile.resize((encoder.image_size,) * 2, Image.Resampling.BICUBIC))
        assert (view.int() - expected.int()).abs().float().mean() < 3
    features = encoder.features(views)
    torch.testing.assert_close(encoder.embed([image])[0], features.mean(0))
    torch.testing.assert_close(means_of(features, [1, 3])[1], features[1:].mean(0))
    assert encoder.embed([image, texture(4), image]).shape == (3, encoder.dim)


@pytest.mark.parametrize("fit", FITS)
def test_an_embedding_and_its_encoder_know_their_fit(run: Path, tmp_path: Path, fit: Fit) -> None:
    for name, colour in (("a", (220, 20, 20)), ("b", (20, 20, 220))):
        write(tmp_path / "photos" / f"{name}.png", encoded(strip(colour), "PNG"))
    write(tmp_path / "photos" / "c.png", encoded(texture(9, size=(64, 64)), "PNG"))
    command = ("embed", run, tmp_path / "photos", "--out", tmp_path / "out", "--fit", fit)
    status, out, messages = run_command(*command, "--json")
    assert status == 0, messages
    assert json.loads(out)["embedded"] == 3
    assert load_encoder(Embedding(tmp_path / "out").encoder).fit == fit
    other: Fit = "crop" if fit != "crop" else "pad"
    with pytest.raises(ValueError, match=f"holds vectors made with --fit {fit}"):
        embed(run, tmp_path / "photos", out=tmp_path / "out", fit=other, workers=0)
    assert embed(run, tmp_path / "photos", out=tmp_path / "out", workers=0)["kept"] == 3


def test_an_unknown_fit_is_refused(run: Path) -> None:
    with pytest.raises(ValueError, match="the fit tile is none of crop, pad, squeeze, tiles"):
        lodisc.load(run, fit="tile")  # type: ignore[arg-type]


def test_a_run_hands_its_fit_on(tmp_path: Path) -> None:
    for number in range(8):
        image = texture(number, size=(200, 40))
        write(tmp_path / "photos" / f"{number}.jpg", encoded(image))
    settings = {**TINY, "fit": "squeeze", "epochs": 1}
    run = lodisc.train(tmp_path / "photos", out=tmp_path / "run", **settings)
    assert lodisc.load(run).fit == "squeeze" and lodisc.load(run, fit="pad").fit == "pad"
    done = embed(run, tmp_path / "photos", out=tmp_path / "out", workers=0)
    assert done["embedded"] == 8
    assert load_encoder(Embedding(tmp_path / "out").encoder).fit == "squeeze"
