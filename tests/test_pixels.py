"""Pixels by what is in them, and what a file says when it cannot be read."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from photos import encoded, png, quarters, texture, tiff, write
from PIL import Image

from lodisc.data.decode import Unreadable, decode, examine
from lodisc.data.photo import Photo

GREY = np.asarray(texture(5, size=(64, 48)).convert("L"))


def png48(values_HW3: NDArray[np.uint16]) -> bytes:
    """A PNG with 16 bits a colour."""
    return png(values_HW3.astype(">u2"), colour_type=2)


def apart(data: bytes, expected: NDArray) -> float:
    """The mean difference in grey."""
    got = np.asarray(decode(data).convert("L")).astype(float)
    return float(np.abs(got - expected.astype(float)).mean())


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["png", "tiff", "big-endian", "int32", "float32", "jpeg2000"])
def test_bits_count_not_their_container(bits: int, kind: str) -> None:
    values: NDArray[Any] = (GREY.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
    data = {
        "png": lambda: encoded(Image.fromarray(values), "PNG"),
        "tiff": lambda: tiff(values),
        "big-endian": lambda: encoded(Image.fromarray(values.astype(">u2")), "TIFF"),
        "int32": lambda: tiff(values.astype(np.int32), sample=2),
        "float32": lambda: tiff(values.astype(np.float32), sample=3),
        "jpeg2000": lambda: encoded(Image.fromarray(values), "JPEG2000"),
    }[kind]()
    assert apart(data, GREY) < 2
    small = np.asarray(decode(data, at_least=24).convert("L"))
    assert small.shape == (24, 32) and abs(small.mean() - GREY.mean()) < 3
    if kind in ("png", "tiff", "big-endian") and bits < 16:
        assert examine(data).remarks == [f"{bits} of 16 bits used"]


@pytest.mark.parametrize("value", [2**15 - 1, 2**16 - 1])
def test_a_few_hot_pixels_darken_nothing(value: int) -> None:
    few = GREY.astype(np.uint32) * 4095 // 255
    few[20, 30] = few[40, 50] = value
    colours = np.repeat(few[:, :, None], 3, 2).astype(np.uint16)
    for data in (
        encoded(Image.fromarray(few.astype(np.uint16)), "PNG"),
        tiff(few.astype(np.int32), sample=2),
        tiff(few.astype(np.float32), sample=3),
        png48(colours),
    ):
        assert apart(data, GREY) < 12
    assert examine(encoded(Image.fromarray(few.astype(np.uint16)), "PNG")).remarks == [
        "12 of 16 bits used"
    ]


@pytest.mark.parametrize("pixels", [4, 40, 80])
def test_an_overlay_darkens_nothing(pixels: int) -> None:
    """A scale, or the time, burnt into a photograph of 12 bits."""
    values = GREY.astype(np.uint32) * 4095 // 255
    values[44:46, 10 : 10 + pixels // 2] = 2**16 - 1
    colours = np.repeat(values[:, :, None], 3, 2).astype(np.uint16)
    for data in (
        encoded(Image.fromarray(values.astype(np.uint16)), "PNG"),
        tiff(values.astype(np.uint16)),
        tiff(values.astype(np.int32), sample=2),
        png48(colours),
    ):
        assert apart(data, np.where(values > 4095, 255, GREY)) < 12
        assert decode(data).getpixel((10, 44)) == (255, 255, 255)


@pytest.mark.parametrize("maximum", [1000, 4095, 2**16 - 1])
@pytest.mark.parametrize("kind", ["P5", "P2", "P6"])
def test_the_greatest_value_of_a_ppm_counts_unless_it_is_that_of_the_container(
    kind: str, maximum: int
) -> None:
    values = GREY.astype(np.uint16) * np.uint16(3 if maximum == 1000 else 16)
    values = np.repeat(values[:, :, None], 3, 2) if kind == "P6" else values
    words = " ".join(map(str, values.ravel().tolist())).encode()
    body = words if kind == "P2" else values.astype(">u2").tobytes()
    expected = GREY * 0.765 if maximum == 1000 else GREY
    assert apart(f"{kind}\n64 48\n{maximum}\n".encode() + body, expected) < 8


def test_the_scale_of_a_pfm_is_no_greatest_value() -> None:
    for values in (GREY, GREY / np.float32(255)):
        assert apart(encoded(Image.fromarray(values.astype(np.float32)), "PPM"), GREY) < 2


def test_what_stands_for_no_value_takes_no_part_in_the_range() -> None:
    hole = np.zeros(GREY.shape, bool)
    hole[:12] = True
    light = GREY / np.float32(255)
    for values, sample in (
        (np.where(hole, -9999, GREY.astype(np.int32)), 2),
        (np.where(hole, -9999, light).astype(np.float32), 3),
        (np.where(hole, np.nan, light).astype(np.float32), 3),
        (np.where(hole, -1e38, light).astype(np.float32), 3),
    ):
        assert apart(tiff(values, sample=sample), np.where(hole, 0, GREY)) < 2
    bright = tiff(np.where(hole, 1e38, light).astype(np.float32), sample=3)
    assert apart(bright, np.where(hole, 255, GREY)) < 2


@pytest.mark.parametrize("value", [2.5, 4.0, 90.0])
def test_highlights_of_floats_darken_nothing(value: float) -> None:
    values = GREY.astype(np.float32) / 255
    values[:4, :8] = value
    assert apart(tiff(values, sample=3), np.where(values > 1, 255, GREY)) < 3
    ramp = np.tile(np.arange(256, dtype=np.float32), (16, 1))
    assert apart(tiff(ramp / 255 * np.float32(2.2), sample=3), ramp) < 4


@pytest.mark.parametrize("at_least", [None, 24])
@pytest.mark.parametrize("bits", [24, 31, 32])
@pytest.mark.parametrize("dtype", [np.uint32, np.int32])
def test_whole_numbers_of_32_bits_never_wrap(dtype: type, bits: int, at_least: int | None) -> None:
    ramp = np.tile(np.linspace(0, 1, 96), (64, 1))
    values = (ramp * (2 ** min(bits, 31 if dtype is np.int32 else 32) - 1)).astype(dtype)
    data = tiff(values, sample=1 if dtype is np.uint32 else 2)
    grey = np.asarray(decode(data, at_least=at_least).convert("L"))[3].astype(int)
    assert (np.diff(grey) >= 0).all() and grey[0] < 5 and grey[-1] > 250


def test_masks_of_two_values_stay_black_and_white() -> None:
    mask = GREY > 200
    for data in (
        encoded(Image.fromarray(np.where(mask, 2**16 - 1, 0).astype(np.uint16)), "PNG"),
        png48(np.repeat(np.where(mask, 2**16 - 1, 0)[:, :, None], 3, 2).astype(np.uint16)),
        tiff(mask.astype(np.float32), sample=3),
        tiff(np.where(mask, 255, 0).astype(np.int32), sample=2),
    ):
        assert apart(data, 255 * mask) == 0


def test_floats_that_hardly_exceed_one_are_shares() -> None:
    for top in (0.98, 1.0, 1.02, 1.3):
        values = GREY.astype(np.float32) / 255
        values[10, 10:20] = top
        assert apart(tiff(values, sample=3), GREY) < 2
    assert apart(tiff(GREY.astype(np.float32) / 255 - 0.0005, sample=3), GREY) < 2


@pytest.mark.parametrize("at_least", [None, 300, 64, 16])
def test_a_photograph_is_as_bright_at_every_size(at_least: int | None) -> None:
    values = np.tile(np.linspace(0, 3000, 640), (480, 1)).astype(np.uint16)
    values[::97, ::89] = 60_000
    for data in (encoded(Image.fromarray(values), "PNG"), tiff(values.astype(np.int32), sample=2)):
        image = np.asarray(decode(data, at_least=at_least).convert("L")).astype(float)
        assert np.median(image) == pytest.approx(255 * 1500 / 4095, abs=4)


def test_sixteen_bits_in_planes_are_refused_rather_than_misread() -> None:
    planes = np.stack([np.full((24, 32), value, np.uint16) for value in (40000, 20000, 1000)])
    data = tiff(planes.reshape(24, 32, 3), photometric=2, more=[(284, 3, 1, 2)])
    with pytest.raises(Unreadable, match="16 bits in separate planes"):
        decode(data)
    image = decode(tiff(planes.transpose(1, 2, 0).copy(), photometric=2, more=[(284, 3, 1, 1)]))
    assert image.getpixel((3, 3)) == pytest.approx((156, 78, 3), abs=1)


@pytest.mark.parametrize("tag", [(254, 4, 1, 1), (50706, 4, 1, 0x00000401)])
def test_the_preview_in_a_raw_file_is_no_photograph(tag: tuple[int, int, int, int]) -> None:
    colours = np.asarray(texture(3, size=(32, 24)))
    with pytest.raises(Unreadable, match="a raw photograph"):
        decode(tiff(colours, photometric=2, more=[tag]))
    assert decode(tiff(colours, photometric=2, more=[(254, 4, 1, 0)])).size == (32, 24)


@pytest.mark.parametrize(("bits", "tolerance"), [(10, 60), (12, 12), (14, 4), (16, 1)])
def test_colours_of_few_bits_are_no_longer_black_and_it_is_said(bits: int, tolerance: int) -> None:
    colours = np.asarray(texture(7, size=(64, 48))).astype(np.uint32)
    data = png48((colours * (2**bits - 1) // 255).astype(np.uint16))
    got = np.asarray(decode(data)).astype(float)
    assert np.abs(got - colours).mean() < tolerance
    remarks = examine(data).remarks
    assert remarks == (
        [] if bits == 16 else [f"{bits} of 16 bits used, of which {bits - 8} could be read"]
    )


def test_white_may_be_the_least_of_floats() -> None:
    assert apart(tiff((255 - GREY).astype(np.float32), sample=3, photometric=0), GREY) < 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_the_least_value(dtype: type) -> None:
    values: NDArray[Any] = (GREY.astype(np.uint32) * (257 if dtype is np.uint16 else 1)).astype(
        dtype
    )
    assert apart(tiff(np.iinfo(dtype).max - values, photometric=0), GREY) < 2


def test_alpha_that_hides_a_picture_is_left_out() -> None:
    picture = texture(3, size=(64, 48))
    formats: dict[str, dict[str, Any]] = {
        "PNG": {},
        "TIFF": {},
        "WEBP": {"lossless": True, "exact": True},
    }
    for kind, settings in formats.items():
        hidden = picture.copy()
        hidden.putalpha(0)
        got = np.asarray(decode(encoded(hidden, kind, **settings))).astype(int)
        assert np.abs(got - np.asarray(picture)).max() <= 1, kind
    for faint in (1, 100):
        hidden.putalpha(faint)
        got = np.asarray(decode(encoded(hidden, "PNG"))).astype(int)
        assert np.abs(got - np.asarray(picture)).max() <= 1
    alpha = Image.new("L", picture.size, 0)
    alpha.putpixel((3, 3), 255)
    hidden.putalpha(alpha)
    assert np.asarray(decode(encoded(hidden, "PNG"))).mean() < 200
    half = quarters()
    half.putalpha(
        Image.linear_gradient("L").resize(half.size).point(lambda value: 255 * (value > 127))
    )
    assert decode(encoded(half, "PNG")).getpixel((5, 2)) == (255, 255, 255)
    assert decode(encoded(half, "PNG")).getpixel((5, 20)) == (40, 70, 190)


def test_a_transparent_value_of_sixteen_bits_is_white() -> None:
    values = GREY.astype(np.uint16) * 257
    values[:12] = 258
    data = encoded(Image.fromarray(values), "PNG", transparency=258)
    for at_least in (None, 24):
        image = np.asarray(decode(data, at_least=at_least)).astype(int)
        assert (image[:5] == 255).all()
        assert np.abs(image[-8:].mean() - GREY[-16 if at_least else -8 :].mean()) < 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("alpha", [0, 100])
def test_what_alpha_hides_is_seen_at_every_size(kind: str, alpha: int) -> None:
    picture = texture(3, size=(640, 480))
    hidden = picture.copy()
    hidden.putalpha(alpha)
    data = encoded(hidden, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    for at_least in (480, 240, 60):
        image = decode(data, at_least=at_least)
        expected = np.asarray(picture.resize(image.size, Image.Resampling.BOX)).astype(int)
        assert np.abs(np.asarray(image) - expected).mean() < 2


@pytest.mark.parametrize("at_least", [None, 24])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_colours_multiplied_by_alpha_are_over_white(depth: type, at_least: int | None) -> None:
    colours = np.asarray(texture(3, size=(96, 64))).astype(float)
    alpha = np.zeros((64, 96, 1))
    alpha[:, 48:] = 1
    alpha[:, 40:48] = 0.5
    stored = np.concatenate([colours * alpha, 255 * alpha], 2)
    stored = (stored * (np.iinfo(depth).max // 255)).astype(depth)
    image = decode(tiff(stored, photometric=2, extra=1), at_least=at_least)
    expected = Image.fromarray((colours * alpha + 255 * (1 - alpha)).astype(np.uint8))
    small = np.asarray(expected.resize(image.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(image) - small).mean() < 3


@pytest.mark.parametrize("at_least", [None, 24])
def test_alpha_of_single_pixels_is_a_mask_at_every_size(at_least: int | None) -> None:
    alpha = np.zeros((64, 96), np.uint8)
    alpha[::2, ::2] = 255
    colours = np.zeros((64, 96, 3), np.uint8)
    data = tiff(np.concatenate([colours, alpha[:, :, None]], 2), photometric=2, extra=2)
    assert np.asarray(decode(data, at_least=at_least)).mean() == pytest.approx(191, abs=2)


@pytest.mark.parametrize("extra", [None, 0, 1, 2])
def test_infrared_is_no_transparency(extra: int | None) -> None:
    colours = np.asarray(texture(3, size=(64, 48)))
    infrared = np.asarray(texture(4, size=(64, 48)).convert("L"))[:, :, None]
    data = tiff(np.concatenate([colours, infrared], 2), photometric=2, extra=extra)
    assert np.abs(np.asarray(decode(data)).astype(int) - colours).max() <= 1


def test_several_pictures_and_long_ones_are_remarked() -> None:
    pages = [texture(seed, size=(32, 24)) for seed in range(3)]
    for kind in ("TIFF", "GIF", "WEBP", "PNG"):
        data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
        assert examine(data).remarks == ["several pictures in a file: the first is read"], kind
    assert examine(encoded(texture(1, size=(400, 40)))).remarks == ["longer than 3 to 1"]
    assert examine(encoded(texture(1, size=(120, 40)))).remarks == []


def test_only_the_first_picture_must_be_whole() -> None:
    pages = [texture(seed, size=(32, 24)) for seed in range(2)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    broken = bytearray(data)
    second = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[second : second + 2], "little")
    following = second + 2 + 12 * count
    place = int.from_bytes(data[following : following + 4], "little")
    broken[place : place + 40] = b"\xff" * 40
    assert examine(bytes(broken)).image.size == decode(bytes(broken)).size == (32, 24)


def test_jpeg_2000_is_read_from_its_smaller_picture() -> None:
    whole = texture(3, size=(640, 480))
    for settings in ({}, {"num_resolutions": 2}, {"no_jp2": True}, {"tile_size": (200, 200)}):
        image = decode(encoded(whole, "JPEG2000", **settings), at_least=50)
        assert image.size == (71, 53) or image.size == (80, 60) or min(image.size) >= 50
        expected = np.asarray(whole.resize(image.size, Image.Resampling.BOX)).astype(int)
        assert np.abs(np.asarray(image).astype(int) - expected).mean() < 6


def test_a_file_that_is_no_photograph_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "hole.jpg").open("wb") as hole:
        hole.truncate(900 << 20)
    for name, reason in (("pipe.jpg", "not a file"), ("hole.jpg", "nothing but zeros")):
        with pytest.raises(Unreadable, match=reason):
            Photo(name, tmp_path / name).read()
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(Unreadable, match="not a file"):
            Photo("x.jpg", Path(device)).read()
    write(tmp_path / "cut.tar", bytes(600))
    with pytest.raises(Unreadable, match="truncated"):
        Photo("x.jpg", tmp_path / "cut.tar", offset=512, size=5 << 20).read()
