"""Bounds on the memory and the time that decoding takes, from the header of an image."""

import math
from typing import Any

from PIL import Image

from lodisc.data.jpeg import SCANS

MOST_SECONDS = 5.0
"""Of one core, for an image."""
_MOST_MEMORY = 800e6  # bytes of an image, while it is decoded
# Bytes of a pixel while an image is decoded and reduced, by mode and by format; measured.
_BY_MODE = {"RGBA": 9, "LA": 9, "La": 9, "LAB": 9, "I": 14, "F": 6, "P": 6, "PA": 14}
_BY_FORMAT = {"WEBP": 17, "AVIF": 14, "HEIF": 10, "JPEG2000": 25}
_DEEP, _OTHERS = 7, 5  # of 16 bits of grey; of all other modes
_TRANSPARENT = 14  # where one colour is transparent
_WHOLE = 5  # more, where it is not reduced
# Nanoseconds of one core for a pixel, by format; measured, on noise.
_NANOSECONDS = {"PNG": 50.0, "WEBP": 35.0, "AVIF": 35.0, "HEIF": 100.0}
_IN_PYTHON = 1200.0  # where Pillow's decoder is written in Python
_IN_C = 20.0


def memory(image: Image.Image, at_least: int | None) -> float:
    """Bytes that decoding takes at most, and making it sRGB whose short side is about that long."""
    bytes_a_pixel = _BY_MODE.get(image.mode, _DEEP if image.mode.startswith("I;16") else _OTHERS)
    if "transparency" in image.info:
        bytes_a_pixel = max(bytes_a_pixel, _TRANSPARENT)
    bytes_a_pixel = max(bytes_a_pixel, _BY_FORMAT.get(image.format or "", 0))
    if at_least is None or min(image.size) < 2 * at_least:
        bytes_a_pixel += _WHOLE
    return image.width * image.height * bytes_a_pixel


def reason_against(image: Any, data: bytes, at_least: int | None, *, seconds: float) -> str | None:
    """Have it decoded reduced where the format can; a reason if it takes too much even so."""
    width, height = image.size
    pixels, coefficients, halvings = width * height, 0.0, 0
    if image.format in ("JPEG", "MPO"):
        scans = image.info[SCANS]
        is_progressive = bool(image.info.get("progressive"))
        nanoseconds = 8 + 1.2 * scans.total if is_progressive else 3 + 1.2 * max(0, scans.total - 4)
        coefficients = 0 if scans.is_single else pixels * _coefficients(image)
        if memory(image, at_least) + coefficients > _MOST_MEMORY:
            at_least = min(at_least or width, min(width, height) // 8)
        if at_least:
            image.draft("RGB", (at_least, at_least))
    elif image.format == "JPEG2000":
        halvings = _halvings(data, min(image.size), at_least)
        image.reduce = halvings
        nanoseconds = 10 + 200 / 4**halvings
    else:
        is_in_python = any(tile[0] in Image.DECODERS for tile in image.tile)
        nanoseconds = _IN_PYTHON if is_in_python else _NANOSECONDS.get(image.format, _IN_C)
    if memory(image, at_least) / 4**halvings + coefficients > _MOST_MEMORY:
        return f"{width} x {height} pixels is too large"
    if pixels * nanoseconds > seconds * 1e9:
        return f"{width} x {height} pixels take too long to decode; save it anew"
    return None


def _coefficients(image: Any) -> float:
    """Bytes of a pixel that a JPEG of many scans takes beside the image."""
    samples = [high * wide for _, high, wide, _ in image.layer]
    return 2 * sum(samples) / max([1, *samples])


def _halvings(data: bytes, side: int, at_least: int | None) -> int:
    """How often JPEG 2000 may halve the sides: it holds that many smaller pictures."""
    start = data.find(b"\xff\x52\x00")  # the marker COD; the number stands nine bytes after it
    if at_least is None or start < 0 or start + 9 >= len(data):
        return 0
    return max(0, min(data[start + 9], int(math.log2(max(1, side / at_least)))))
