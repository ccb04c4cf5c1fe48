"""Bounds on the memory and the time that decoding takes, from the header of an image."""

import math
from typing import Any

from PIL import Image

from lodisc.data.jpeg import SCANS

MOST_SECONDS = 5.0
"""Of one core, for an image."""
_MOST_MEMORY = 800e6  # bytes of an image, while it is decoded
# Bytes of a pixel while an image is decoded and reduced, by mode; 5 in all others.
_BYTES = {"RGBA": 9, "LA": 9, "La": 9, "I": 9, "F": 9, "I;16": 7, "I;16B": 7, "P": 6}
# Nanoseconds of one core for a pixel, by format; measured, on noise.
_NANOSECONDS = {"PNG": 50.0, "WEBP": 35.0, "AVIF": 35.0, "HEIF": 100.0}
_IN_PYTHON = 1200.0  # where Pillow's decoder is written in Python
_OTHERS = 20.0


def bounded(image: Any, data: bytes, at_least: int | None, *, seconds: float) -> str | None:
    """Have it decoded reduced where the format can; a reason if it takes too much even so."""
    width, height = image.size
    pixels, bytes_a_pixel = width * height, _BYTES.get(image.mode, 5)
    too_large = f"{width} x {height} pixels is too large"
    if image.format in ("JPEG", "MPO"):
        is_progressive, scans = bool(image.info.get("progressive")), image.info[SCANS].total
        nanoseconds = 8 + 1.2 * scans if is_progressive else 3 + 1.2 * max(0, scans - 4)
        if is_progressive and 6 * pixels > _MOST_MEMORY:
            return too_large
        if pixels * bytes_a_pixel > _MOST_MEMORY:
            at_least = min(at_least or width, min(width, height) // 8)
        if at_least:
            image.draft("RGB", (at_least, at_least))
    elif image.format == "JPEG2000":
        halvings = _halvings(data, min(image.size), at_least)
        image.reduce = halvings
        nanoseconds = 10 + 200 / 4**halvings
        bytes_a_pixel = bytes_a_pixel / 4**halvings
    else:
        is_in_python = any(tile[0] in Image.DECODERS for tile in image.tile)
        nanoseconds = _IN_PYTHON if is_in_python else _NANOSECONDS.get(image.format, _OTHERS)
    if image.size[0] * image.size[1] * bytes_a_pixel > _MOST_MEMORY:
        return too_large
    if pixels * nanoseconds > seconds * 1e9:
        return f"{width} x {height} pixels take too long to decode; save it anew"
    return None


def _halvings(data: bytes, side: int, at_least: int | None) -> int:
    """How often JPEG 2000 may halve the sides: it holds that many smaller pictures."""
    start = data.find(b"\xff\x52\x00")  # the marker COD; the number stands nine bytes after it
    if at_least is None or start < 0 or start + 9 >= len(data):
        return 0
    return max(0, min(data[start + 9], int(math.log2(max(1, side / at_least)))))
