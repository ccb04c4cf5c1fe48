"""Every kind of file becomes upright RGB with the right colours, or is refused with a reason."""

import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from photos import QUARTERS, encoded, huge_png, odd, quarters, texture, turned, unreadable
from PIL import Image

from lodisc.data.decode import Unreadable, decode, dimensions, upright_dimensions

Colour = tuple[int, int, int]


def middle(image: Image.Image) -> Colour:
    assert image.mode == "RGB" and type(image) is Image.Image
    colour = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(colour, tuple)
    return colour[0], colour[1], colour[2]


def corners(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image).astype(int)
    height, width = pixels.shape[:2]
    return np.stack(
        [pixels[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    )


def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    for name, reason in unreadable(tmp_path).items():
        with pytest.raises(Unreadable) as refused:
            decode((tmp_path / name).read_bytes())
        assert str(refused.value) == reason, name


def test_unusual_photographs_have_their_colours(tmp_path: Path) -> None:
    for name, colour in odd(tmp_path).items():
        assert middle(decode((tmp_path / name).read_bytes())) == pytest.approx(colour, abs=2), name


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("at_least", [None, 10])
def test_every_exif_orientation_comes_upright(
    kind: str, orientation: int, at_least: int | None
) -> None:
    settings = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    image = decode(turned(orientation, kind, **settings), at_least=at_least)
    assert image.size == ((32, 24) if at_least is None else (16, 12))
    np.testing.assert_allclose(corners(image), QUARTERS, atol=12)


def test_damaged_exif_does_not_cost_the_photograph() -> None:
    data = encoded(quarters(), exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12 nonsense")
    np.testing.assert_allclose(corners(decode(data)), QUARTERS, atol=12)


@pytest.mark.parametrize(
    ("image", "kind", "settings", "colour"),
    [
        (Image.new("L", (16, 16), 77), "PNG", {}, (77, 77, 77)),
        (Image.new("1", (16, 16), 1), "PNG", {}, (255, 255, 255)),
        (Image.new("LA", (16, 16), (100, 0)), "PNG", {}, (255, 255, 255)),
        (Image.new("RGBA", (16, 16), (200, 0, 0, 51)), "PNG", {}, (244, 204, 204)),
        (Image.new("RGBA", (16, 16), (200, 0, 0, 0)), "WEBP", {"lossless": True}, (255, 255, 255)),
        (
            Image.new("RGB", (16, 16), (1, 2, 3)),
            "PNG",
            {"transparency": (1, 2, 3)},
            (255, 255, 255),
        ),
        (Image.new("L", (16, 16), 9), "PNG", {"transparency": 9}, (255, 255, 255)),
        (Image.new("RGB", (16, 16), (250, 10, 20)).quantize(2), "GIF", {}, (250, 10, 20)),
        (Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "TIFF", {}, (0, 255, 255)),
        (
            Image.new("RGB", (16, 16), (30, 90, 200)).convert("YCbCr"),
            "TIFF",
            {"compression": "tiff_lzw"},
            (30, 90, 200),
        ),
        (Image.new("LAB", (16, 16), (101, 128 + 14, 128 - 64)), "TIFF", {}, (30, 90, 200)),
        (Image.fromarray(np.full((16, 16), 257 * 77, ">u2")), "TIFF", {}, (77, 77, 77)),
        (Image.fromarray(np.full((16, 16), 65535, np.uint16)), "PNG", {}, (255, 255, 255)),
        (Image.fromarray(np.full((16, 16), 257 * 77, np.int32)), "PPM", {}, (77, 77, 77)),
        (Image.fromarray(np.full((16, 16), 200, np.int32)), "TIFF", {}, (200, 200, 200)),
        (Image.fromarray(np.full((16, 16), 0.5, np.float32)), "TIFF", {}, (128, 128, 128)),
        (Image.fromarray(np.full((16, 16), 64.0, np.float32)), "TIFF", {}, (64, 64, 64)),
    ],
)
def test_every_mode_and_depth_becomes_rgb(
    image: Image.Image, kind: str, settings: dict[str, object], colour: Colour
) -> None:
    assert middle(decode(encoded(image, kind, **settings))) == pytest.approx(colour, abs=4)


def test_values_beyond_eight_bits_are_stretched() -> None:
    ramp = np.tile(np.linspace(-3e6, 5e6, 200), (200, 1)).astype(np.float32)
    ramp[0, :3] = np.nan, np.inf, -np.inf
    for values in (ramp, np.nan_to_num(ramp, posinf=0, neginf=0).astype(np.int32)):
        grey = np.asarray(decode(encoded(Image.fromarray(values), "TIFF")))[100, :, 0]
        assert grey[0] == 0 and grey[-1] == 255 and abs(int(grey[100]) - 128) < 3
        assert (np.diff(grey.astype(int)) >= 0).all()


def test_sixteen_bit_grey_keeps_its_order_and_its_ends() -> None:
    ramp = np.tile(np.arange(0, 65536, 256, dtype=np.uint16), (16, 1))
    np.testing.assert_array_equal(
        np.asarray(decode(encoded(Image.fromarray(ramp), "PNG")))[8, :, 0], np.rint(ramp[8] / 257)
    )


def test_bombs_are_refused_before_they_are_decoded() -> None:
    started = time.perf_counter()
    for width, height in ((30_000, 30_000), (2**31 - 1, 9), (20_000, 10_000)):
        for read in (decode, dimensions):
            with pytest.raises(Unreadable, match=f"^{width} x {height} pixels is too large$"):
                read(huge_png(width=width, height=height))
    assert time.perf_counter() - started < 1


def test_a_few_bytes_are_no_image() -> None:
    for count in range(1, 20):
        for data in (bytes(count), b"\xff" * count, b"\x01" * count):
            for read in (decode, dimensions):
                with pytest.raises(Unreadable):
                    read(data)


def test_extreme_shapes_are_photographs() -> None:
    assert decode(encoded(Image.new("RGB", (4000, 8)))).size == (4000, 8)
    assert decode(encoded(Image.new("RGB", (4000, 8))), at_least=8).size == (4000, 8)
    with pytest.raises(Unreadable, match="smaller than 8 pixels"):
        decode(encoded(Image.new("RGB", (4000, 7))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("at_least", [20, 64, 99, 100, 101, 399, 400, 401, 1000])
def test_reduced_decoding_keeps_the_short_side(kind: str, at_least: int) -> None:
    photograph = texture(3, size=(600, 400))
    image = decode(encoded(photograph, kind), at_least=at_least)
    assert min(image.size) >= min(at_least, 400)
    assert min(image.size) < 2 * at_least
    assert image.width / image.height == pytest.approx(1.5, abs=0.05)
    wanted = np.asarray(photograph.resize(image.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(image).astype(int) - wanted).mean() < 8


def test_dimensions_need_the_header_only() -> None:
    data = encoded(texture(1, size=(640, 480)))
    assert dimensions(data[: len(data) // 2]) == (640, 480)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {}),
        ("BMP", {}),
        ("AVIF", {}),
        ("JPEG2000", {}),
    ],
)
def test_damage_gives_rgb_or_a_reason_and_nothing_else(
    kind: str, settings: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    exif = (
        {}
        if kind in ("GIF", "BMP", "JPEG2000")
        else {"exif": b"Exif\0\0" + turned(6).split(b"Exif\0\0")[1][:26]}
    )
    whole = encoded(texture(5, size=(48, 40)), kind, **settings, **exif)
    rng = np.random.default_rng(0)
    reasons = set()
    for attempt in range(120):
        data = bytearray(whole)
        if attempt % 3:
            for place in rng.integers(
                0, len(data) if attempt % 2 else min(len(data), 200), rng.integers(1, 12)
            ):
                data[place] = rng.integers(0, 256)
        if attempt % 3 != 1:
            data = data[: rng.integers(0, len(data))]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                image = decode(bytes(data), at_least=16 if attempt % 4 == 0 else None)
            except Unreadable as refused:
                reasons.add(str(refused))
            else:
                assert image.mode == "RGB" and np.asarray(image).shape[2] == 3
    assert reasons
    assert all(reason and len(reason) < 60 and "\n" not in reason for reason in reasons)
    if kind != "TIFF":  # libtiff itself speaks of broken codes
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_upright_dimensions_are_those_of_the_photograph_as_it_is_seen(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for orientation in range(1, 9):
        data = turned(orientation, kind)
        assert upright_dimensions(data) == decode(data).size == (32, 24)
    plain = encoded(texture(1, size=(32, 24)), kind)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)  # the header alone is read
    assert upright_dimensions(plain) == (32, 24)
    assert upright_dimensions(turned(6)[:-50]) == (32, 24)
    assert upright_dimensions(encoded(texture(1), exif=b"Exif\0\0damaged")) == (32, 24)
