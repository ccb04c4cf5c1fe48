"""Decode the bytes of a file to an upright RGB image.

Reads every format, colour mode and bit depth that Pillow reads.
"""

import warnings
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from lodisc.errors import UserError

MOST_PIXELS = 178_956_970  # Pillow's limit for decompression bombs: half a gigabyte as RGB
LEAST_SIDE = 8

# Pillow reads these through other programs, or has no reader for them at all.
_NOT_PHOTOGRAPHS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(UserError):
    """A photograph that cannot be read; its text is the reason, in a few plain words."""


def decode(data: bytes, *, at_least: int | None = None) -> Image.Image:
    """Decode the first frame to upright RGB, transparency over white; raises only `Unreadable`.

    `at_least` allows reduction by a whole factor, which makes JPEG faster to decode. The short
    side of the image then keeps at least that many pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = _open(data)
            if at_least:
                image.draft("RGB", (at_least, at_least))
            image.load()
            orientation = _orientation(image)
            image = to_rgb(image)
            if orientation in _TURNS:
                image = image.transpose(_TURNS[orientation])
            factor = min(image.size) // at_least if at_least else 1
            return image.reduce(factor) if factor > 1 else image
        except Unreadable:
            raise
        except Exception as error:
            raise Unreadable(_reason(error)) from None


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB, with transparency over white; EXIF orientation is ignored.

    Depths above 8 bits are scaled to 0..255: 16 bits by 1/257, 32 bits by the range of the values.
    """
    if image.mode.startswith("I;16"):
        image = _grey((np.asarray(image).astype(np.float32)) / 257)
    elif image.mode == "I" and image.format == "PPM":
        # Pillow's PGM reader scales every depth above 8 bits to 0..65535.
        image = _grey(np.asarray(image) / np.float32(257))
    elif image.mode in ("I", "F"):
        image = _grey(_stretch(np.asarray(image)))
    elif image.mode == "LAB":
        lab, rgb = (
            ImageCms.ImageCmsProfile(ImageCms.createProfile(space)) for space in ("LAB", "sRGB")
        )
        image = ImageCms.ImageCmsTransform(lab, rgb, "LAB", "RGB").apply(image)
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        coloured = image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(coloured, mask=coloured.getchannel("A"))
    return image.convert("RGB")


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as stored, from the header alone; raises only `Unreadable`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _open(data).size


@cache
def extensions() -> frozenset[str]:
    """File name extensions of photographs, in lower case and with their dot."""
    return frozenset(
        extension
        for extension, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NOT_PHOTOGRAPHS
    )


@cache
def _formats() -> list[Any]:
    Image.preinit()  # so that the usual formats are tried first
    Image.init()
    return [
        Image.OPEN[name]
        for name in dict.fromkeys(Image.ID)
        if name in Image.OPEN and name not in _NOT_PHOTOGRAPHS
    ]


def _open(data: bytes) -> Image.Image:
    """Read the header.

    Unlike `Image.open`, tells bombs and damaged files from files that are not images.
    """
    if not data:
        raise Unreadable("empty file")
    reason = "not an image"
    for factory, accepts in _formats():
        try:
            claimed = accepts is not None and accepts(data[:16]) is True
        except Exception:  # some need more bytes than a short file has
            continue
        if accepts is not None and not claimed:
            continue
        try:
            image = factory(BytesIO(data), "")
        except Exception as error:
            if claimed:
                reason = _reason(error)
            continue
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise Unreadable(f"{width} x {height} pixels is too large")
        if min(width, height) < LEAST_SIDE:
            raise Unreadable(f"smaller than {LEAST_SIDE} pixels")
        return image
    raise Unreadable(reason)


def _reason(error: Exception) -> str:
    words = str(error).lower()
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels"
    if isinstance(error, EOFError) or "truncat" in words or "end of file" in words:
        return "truncated"
    return "damaged or unsupported"


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF does not make the photograph unreadable
        return 1


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _stretch(values: np.ndarray) -> np.ndarray:
    """Scale 32-bit values to 0..255.

    Values that fit stay as they are, and floats of 0..1 are multiplied by 255. All others are
    stretched between their 0.5 and 99.5 percentiles.
    """
    most = 1.0 if values.dtype.kind == "f" else 0.0
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1e38, neginf=-1e38)
    if values.min() >= 0 and values.max() <= 255:
        return values * 255 if 0 < values.max() <= most else values
    step = max(1, int((values.size / 1_000_000) ** 0.5))
    low, high = (float(edge) for edge in np.percentile(values[::step, ::step], (0.5, 99.5)))
    return (np.clip(values, low, high) - low) / max(high - low, 1e-30) * 255
