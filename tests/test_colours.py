"""Colours follow their profile by what it does, and a PNG its gamma."""

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from photos import encoded, quarters, texture
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from lodisc.data.decode import decode, examine

COLOURS = texture(7, size=(64, 48))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
PCS_WHITE = (0.9642, 1.0, 0.8249)
PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))


def profile(
    name: str,
    *,
    gamma: float = 1.0,
    primaries: tuple[tuple[float, float, float], ...] = PRIMARIES,
    padding: int = 0,
) -> bytes:
    """A profile of colours, or of grey where there are no primaries."""

    def fixed(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(
            f">{len(values)}i", *(round(65536 * v) for v in values)
        )

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    words = name.encode()
    description = b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + bytes(79)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0none", b"wtpt": fixed(PCS_WHITE)}
    if primaries:
        tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(fixed, primaries), strict=True))
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    body += bytes(padding)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02400000, b"mntr",
        b"RGB " if primaries else b"GRAY", b"XYZ ")  # fmt: skip
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(PCS_WHITE)[8:]
    return header + bytes(128 - len(header)) + table + body


LINEAR, LINEAR_GREY = profile("linear"), profile("linear", primaries=())


def brightened(image: Image.Image) -> NDArray[Any]:
    """As sRGB, of a picture whose values are in proportion to light."""
    light = np.asarray(image) / 255
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def apart(data: bytes, expected: NDArray[Any]) -> float:
    return float(np.abs(np.asarray(decode(data)).astype(float) - expected).mean())


@pytest.mark.parametrize("name", ["linear", "sRGB-elle-V2-g10.icc", "scRGB", "sRGB"])
def test_a_profile_counts_whatever_its_name(name: str) -> None:
    assert apart(encoded(COLOURS, "PNG", icc_profile=profile(name)), brightened(COLOURS)) < 1
    red, green, blue = PRIMARIES
    other = profile(name, gamma=2.2, primaries=(green, red, blue))
    swapped = np.asarray(COLOURS)[:, :, [1, 0, 2]]
    assert apart(encoded(COLOURS, "PNG", icc_profile=other), swapped) < 6


def test_the_profile_of_srgb_changes_nothing() -> None:
    for kind in ("PNG", "TIFF"):
        data = encoded(COLOURS, kind, icc_profile=SRGB.tobytes())
        np.testing.assert_array_equal(np.asarray(decode(data)), np.asarray(COLOURS))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "LA", "clear"])
def test_grey_follows_its_profile_beside_alpha_too(kind: str, mode: str) -> None:
    grey = COLOURS.convert("L")
    if mode == "clear" and kind == "TIFF":
        pytest.skip("TIFF has no transparent value")
    settings = {"transparency": 0} if mode == "clear" else {}
    image = grey if mode == "clear" else grey.convert(mode)
    data = encoded(image, kind, icc_profile=LINEAR_GREY, **settings)
    assert apart(data, brightened(grey)[:, :, None]) < 1


@pytest.mark.parametrize("mode", ["RGB", "YCbCr", "P"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_a_profile_counts_in_every_mode_of_colours(mode: str, compression: str) -> None:
    image = COLOURS.quantize(200) if mode == "P" else COLOURS.convert(mode)
    data = encoded(image, "TIFF", icc_profile=LINEAR, compression=compression)
    assert apart(data, brightened(image.convert("RGB"))) < 2


def test_a_profile_of_many_megabytes_counts() -> None:
    data = encoded(COLOURS, "TIFF", icc_profile=profile("large", padding=5_000_000))
    assert apart(data, brightened(COLOURS)) < 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_only_exif_turns_a_photograph(kind: str) -> None:
    """As in browsers; what a program put into XMP alone may be done already."""
    description = (
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    )
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{description}</x:xmpmeta>'.encode()
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    settings: dict[str, Any] = {"pnginfo": info} if kind == "PNG" else {"xmp": xmp}
    assert decode(encoded(quarters(), kind, **settings)).size == (32, 24)


def test_a_colour_profile_is_followed() -> None:
    """Display P3, of phones: its red is redder than that of sRGB."""
    swapped = swapped_primaries(SRGB)
    image = Image.new("RGB", (16, 16), (200, 40, 40))
    formats: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "PNG": {},
        "TIFF": {},
        "WEBP": {"lossless": True},
    }
    for kind, settings in formats.items():
        data = encoded(image, kind, icc_profile=swapped, **settings)
        red, green, _ = np.asarray(decode(data))[8, 8]
        assert green > 150 and red < 100, kind
        assert (
            np.asarray(decode(encoded(image, kind, icc_profile=SRGB.tobytes(), **settings)))[
                8, 8, 0
            ]
            > 190
        )
        broken = encoded(image, kind, icc_profile=b"no profile" * 20, **settings)
        assert np.asarray(decode(broken))[8, 8, 0] > 190


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "I;16"])
def test_the_gamma_of_a_png_is_followed(mode: str) -> None:
    """Values in proportion to light, whose half is 188 in sRGB."""
    pixels: NDArray[Any] = np.full((16, 16), 128, np.uint8)
    grey = Image.fromarray(pixels)
    deep = Image.fromarray(pixels.astype(np.uint16) * 257)
    image = deep if mode == "I;16" else grey.convert(mode)

    def value(*chunks: tuple[bytes, bytes]) -> int:
        info = PngInfo()
        for name, data in chunks:
            info.add(name, data)
        return int(np.asarray(decode(encoded(image, "PNG", pnginfo=info)))[8, 8, 0])

    def gamma(times: int) -> tuple[bytes, bytes]:
        return b"gAMA", struct.pack(">I", times)

    assert value(gamma(100_000)) == pytest.approx(188, abs=1)
    assert value(gamma(55_556)) == pytest.approx(255 * (128 / 255) ** (1.8 / 2.2), abs=2)
    assert value((b"sRGB", b"\0"), gamma(100_000)) == value() == 128
    assert {value(gamma(times)) for times in (0, 45_455, 2**31)} == {128}


def test_adobe_rgb_that_only_exif_tells_is_remarked() -> None:
    exif = Image.Exif()
    exif[0x8769] = {0xA005: {1: "R03"}}
    data = encoded(texture(1, size=(64, 48)), exif=exif.tobytes())
    assert examine(data).remarks == ["Adobe RGB without its profile: the colours are read as sRGB"]
    assert examine(encoded(texture(1, size=(64, 48)))).remarks == []


def swapped_primaries(profile: ImageCms.ImageCmsProfile) -> bytes:
    """sRGB with red and green exchanged, under another name."""
    data = bytearray(profile.tobytes())
    table: dict[bytes, int] = {}
    count = int.from_bytes(data[128:132], "big")
    for number in range(count):
        place = 132 + 12 * number
        table[bytes(data[place : place + 4])] = place
    red, green = table[b"rXYZ"] + 4, table[b"gXYZ"] + 4
    data[red : red + 8], data[green : green + 8] = data[green : green + 8], data[red : red + 8]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "GRBs".encode("utf-16-be"))
