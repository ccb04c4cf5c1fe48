"""Decoded pixels of any mode, depth and colour profile as 8-bit sRGB, by what is in them."""

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

DEPTHS = (8, 10, 12, 14, 16)
"""How many bits cameras and scanners fill."""
BITS, RANGE, MIN_IS_WHITE = "lodisc.bits", "lodisc.range", "lodisc.min_is_white"
"""Keys of `Image.info`: bits that are filled where there are 16; least and greatest values, but for
a few; whether 0 is white."""
_FEW = 0.1  # percent of the pixels, at either end, that may be hot, dead or an overlay
_SMALLER = {"L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I", "F"}
_LARGEST_PROFILE = 2**22  # bytes
_GAMMAS = 0.2, 0.41, 0.5, 1.5  # of a PNG: the least, those that are that of sRGB, the greatest


def measure(image: Image.Image, *, is_deep: bool) -> None:
    """Note what the values of an image fill, before pixels are averaged.

    `is_deep` says that its colours have 16 bits, of which Pillow keeps the upper eight.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        low, high = _percentiles(image, _FEW, 100 - _FEW)
        image.info[RANGE] = low, high, *_percentiles(image, 0.5, 99.5)
        if image.mode.startswith("I;16"):
            image.info[BITS] = bits_used(high)
    elif is_deep:
        bands = [band for band in image.getbands() if band != "A"]
        image.info[BITS] = max(_bits_of(image.getchannel(band)) for band in bands)


def _percentiles(image: Image.Image, *percents: float) -> tuple[float, ...]:
    """Of the values that are finite, or of a million of them."""
    values = np.asarray(image)
    step = max(1, int((values.size / 1_000_000) ** 0.5))
    values = values[::step, ::step]
    if image.mode == "F":
        values = values[np.isfinite(values)]
    return tuple(map(float, np.percentile(values if values.size else [0.0], percents)))


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as sRGB, with transparency over white; EXIF orientation is ignored.

    Depths above 8 bits are scaled to 0..255 by the bits that the values fill, and values of other
    ranges are stretched. An alpha channel over a picture that it hides completely is left out, and
    so is one of a TIFF that is a band of its own, such as infrared.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _to_srgb(_like(image, _grey(image)))
    if image.mode == "LAB":
        return _lab().apply(image)
    if BITS in image.info:
        image = _brightened(image, image.info[BITS])
    if not image.has_transparency_data:
        return _to_srgb(image)
    info, is_tiff = image.info, image.format == "TIFF"
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    alpha = image.getchannel("A")
    image = image.convert("RGB")
    image.info = info
    image = _to_srgb(image)
    if _hides_all(alpha, image) or (is_tiff and _is_band(alpha)):
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """The image smaller by a whole factor, where its mode allows it; what it says of itself stays.

    To reduce before `to_rgb` saves the memory of a second image of full size.
    """
    if image.mode.startswith("I;16"):
        image = _like(image, image.convert("I"))
    if image.mode not in _SMALLER or "transparency" in image.info:
        return image
    return _like(image, image.reduce(factor))


def bits_used(most: float) -> int:
    """How many bits values up to `most` fill, of those that cameras fill; at most 16."""
    return next((bits for bits in DEPTHS if most < 2**bits), DEPTHS[-1])


def _bits_of(band: Image.Image) -> int:
    """The bits that a band fills, of which these eight are the upper ones."""
    above = np.cumsum(band.histogram()[::-1])[::-1]
    high = int(np.flatnonzero(above > above[0] * _FEW / 100).max())
    return bits_used(256 * high + 255)


def _grey(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    if image.format == "PPM" and image.mode == "I":  # its greatest value is known, and is 65535 now
        values /= 257
    else:
        values = np.nan_to_num(values, nan=0.0, posinf=1e38, neginf=-1e38)
        if RANGE not in image.info:
            measure(image, is_deep=False)
        values = _scaled(values, image.info[RANGE], is_float=image.mode == "F")
    if image.info.get(MIN_IS_WHITE):
        values = 255 - values
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _scaled(
    values: NDArray[np.float32], edges: tuple[float, float, float, float], *, is_float: bool
) -> NDArray[np.float32]:
    """Scale finite values to 0..255, or a little beyond.

    `edges` are those of all values but a few, and of 99 percent. Values that fit stay as they are,
    and floats that hardly exceed 1 are multiplied by 255. Up to 16 bits are scaled by the bits they
    fill. All others are stretched between the edges of 99 percent.
    """
    low, high, least, most = edges
    if low >= -0.01 * high and high <= 255:
        return values * 255 if is_float and 0 < high < 2 else values
    if low >= -0.01 * high and high < 2**16:
        return values * np.float32(255 / (2 ** bits_used(high) - 1))
    return (np.clip(values, least, most) - least) / max(most - least, 1e-30) * 255


def _brightened(image: Image.Image, bits_of_colours: int) -> Image.Image:
    """Colours that fill fewer than 16 bits, as bright as if they filled all."""
    table: list[int] = []
    for band in image.getbands():
        bits = _bits_of(image.getchannel(band)) if band == "A" else bits_of_colours
        top = 2 ** (bits - 8) - 1
        table += [min(255, value * 255 // top) if top else value for value in range(256)]
    return _like(image, image.point(table))


def _hides_all(alpha: Image.Image, image: Image.Image) -> bool:
    """Whether next to nothing is to be seen of a picture, though there is one."""
    is_plain = all(low == high for low, high in _extrema(image))
    counts = alpha.histogram()
    return sum(counts[128:]) < 0.001 * sum(counts) and not is_plain


def _is_band(alpha: Image.Image) -> bool:
    """Whether a channel is neither clear nor opaque in most places, as no mask is."""
    counts = alpha.histogram()
    return 2 * (counts[0] + counts[255]) < sum(counts)


def _extrema(image: Image.Image) -> list[Any]:
    return [image.getchannel(band).getextrema() for band in image.getbands()]


def _like(image: Image.Image, changed: Image.Image) -> Image.Image:
    """The changed image with what the first says of itself."""
    changed.info, changed.format = image.info, image.format
    return changed


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    gamma = None if profile or "srgb" in image.info else image.info.get("gamma")
    if image.mode not in ("L", "RGB", "CMYK"):
        image, profile = image.convert("RGB"), profile if image.mode == "P" else None
    transform = _transform(profile, image.mode) if isinstance(profile, bytes) else None
    if transform is not None:
        return transform.apply(image)
    if gamma and _has_other_gamma(gamma):
        return image.convert("RGB").point(_gamma_table(gamma) * 3)
    return image if type(image) is Image.Image and image.mode == "RGB" else image.convert("RGB")


def _has_other_gamma(gamma: float) -> bool:
    """Whether it is not that of sRGB, and makes sense."""
    least, low, high, most = _GAMMAS
    return least <= gamma < low or high < gamma <= most


@lru_cache(maxsize=16)
def _gamma_table(gamma: float) -> list[int]:
    """8-bit values as sRGB, of a picture whose values are light to the power of `gamma`."""
    light = (np.arange(256) / 255) ** (1 / gamma)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return [int(value) for value in np.rint(255 * values)]


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a colour profile to sRGB; None where it is sRGB, or does not fit the image."""
    if len(profile) > _LARGEST_PROFILE:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        name = (source.profile.profile_description or "").lower()
        if "srgb" in name and "linear" not in name:
            return None
        return ImageCms.ImageCmsTransform(source, _profile("sRGB"), mode, "RGB")
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None


@lru_cache(maxsize=1)
def _lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.ImageCmsTransform(_profile("LAB"), _profile("sRGB"), "LAB", "RGB")


def _profile(space: Any) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space))
