"""Decoded pixels of any mode, depth and colour profile as 8-bit sRGB, by what is in them."""

from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

DEPTHS = (8, 10, 12, 14, 16)
"""How many bits cameras and scanners fill."""
BITS, RANGE, MIN_IS_WHITE = "lodisc.bits", "lodisc.range", "lodisc.min_is_white"
"""Keys of `Image.info`: bits that are filled where there are 16; the `Range` of the values; whether
0 is white."""
IS_ASSOCIATED = "lodisc.is_associated"
"""A key of `Image.info`: whether the colours, unlike those of Pillow, are multiplied by alpha."""
_IS_MASK = "lodisc.is_mask"  # whether alpha is known to be one
_FEW = 0.1  # percent of the pixels, at either end, that may be hot, dead or an overlay
_SMALLER = {"L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "F"}
_LARGEST_PROFILE = 2**24  # bytes
_SHARES = 4.0  # the greatest of most floats where 1 is white, though highlights exceed it
_BLOCK = 2**18  # pixels that are converted at a time
_COLOURS_INSIDE = {"P", "YCbCr"}  # modes whose profile is that of their colours as RGB
_GAMMAS = 0.2, 0.41, 0.5, 1.5  # of a PNG: the least, those that are that of sRGB, the greatest


class Range(NamedTuple):
    """Of the values that are finite, but for an overlay or what stands for no value."""

    low: float
    """All but a few are from this one"""
    high: float
    """to this one,"""
    least: float
    """99 percent from this one"""
    most: float
    """to this one,"""
    ordinary: float
    """and 98 percent up to this one."""
    is_whole: bool
    """Whether all are whole numbers."""
    is_float: bool
    """Whether they are stored as floats."""


def measure(image: Image.Image, *, is_deep: bool, is_scaled: bool = False) -> None:
    """Note what the values of an image fill, before pixels are averaged.

    `is_deep` says that its colours have 16 bits, of which Pillow keeps the upper eight, and
    `is_scaled` that Pillow made 16 bits of fewer.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = _sample(image)
        edges = np.percentile(values, (_FEW, 100 - _FEW, 0.5, 99.5, 98))
        low, high, least, most, ordinary = map(float, edges)
        high = 2.0**16 - 1 if is_scaled else high
        is_whole = bool((values == np.rint(values)).all())
        image.info[RANGE] = Range(low, high, least, most, ordinary, is_whole, image.mode == "F")
        if image.mode.startswith("I;16"):
            image.info[BITS] = bits_used(high)
    elif is_deep:
        bands = [band for band in image.getbands() if band != "A"]
        image.info[BITS] = max(_bits_of(image.getchannel(band)) for band in bands)


def unsigned(image: Image.Image) -> Image.Image:
    """Floats of whole numbers of 32 bits without a sign, which Pillow reads with one."""
    values = np.asarray(image).view(np.uint32).astype(np.float32)
    return _like(image, Image.fromarray(values))


def _sample(image: Image.Image) -> NDArray[Any]:
    """The values that a range is made of, or about a million of them."""
    step = max(1, int((image.width * image.height / 1_000_000) ** 0.5))
    size = -(-image.width // step), -(-image.height // step)
    values = np.asarray(image.resize(size, Image.Resampling.NEAREST)).ravel()
    if image.mode == "F":
        values = values[np.isfinite(values)]
    for end in (np.max, np.min):
        values = _without_lone(values, end)
    return values if values.size else np.zeros(1)


def _without_lone(values: NDArray[Any], end: Any) -> NDArray[Any]:
    """Without a greatest or least value that is farther off than all others are from each other.

    It is an overlay, dead pixels, or stands for no value, if the others are at least half of all.
    """
    if not values.size:
        return values
    lone = float(end(values))
    others = values[values != lone]
    if 2 * others.size < values.size:
        return values
    low, high = float(others.min()), float(others.max())
    return others if abs(lone - float(end(others))) > high - low > 0 else values


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as sRGB, with transparency over white; EXIF orientation is ignored.

    Depths above 8 bits are scaled to 0..255 by the bits that the values fill, and values of other
    ranges are stretched. An alpha channel over a picture that it hides completely is left out, and
    so is one of a TIFF that is a band of its own, such as infrared.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        colours = _to_srgb(_like(image, _grey(image)))
        if "transparency" in image.info:
            colours.paste(
                "white", mask=Image.fromarray(np.asarray(image) == image.info["transparency"])
            )
        return colours
    if image.mode == "LAB":
        return _lab().apply(image)
    if BITS in image.info:
        image = _brightened(image, image.info[BITS])
    image = without_false_alpha(image)
    if not image.has_transparency_data:
        return _to_srgb(image)
    colours = image.convert("RGBA")
    alpha = colours.getchannel("A")
    colours = _to_srgb(_like(image, colours.convert("L" if image.mode in ("L", "LA") else "RGB")))
    if _IS_MASK not in image.info and _hides_all(alpha, colours):
        return colours
    white = Image.new("RGB", image.size, "white")
    white.paste(colours, mask=alpha)
    return white


def without_false_alpha(image: Image.Image) -> Image.Image:
    """The image without an alpha channel that hides all of it, or is a band of its own in a TIFF.

    To be done before it is reduced, which blackens what is hidden.
    """
    if image.mode not in ("RGBA", "LA", "La") or _IS_MASK in image.info:
        return image
    if image.mode == "La":
        image = _like(image, image.convert("LA"))
    alpha = image.getchannel("A")
    is_band = image.format == "TIFF" and _is_band(alpha)
    if is_band or _is_hidden(alpha):
        colours = _like(image, image.convert(image.mode[:-1]))
        if is_band or not _is_plain(colours):
            return colours
    if image.info.get(IS_ASSOCIATED):
        image = _like(image, Image.merge("RGBa", image.split()).convert("RGBA"))
    image.info[_IS_MASK] = True
    return image


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """The image smaller by a whole factor, where its mode allows it; what it says of itself stays.

    To reduce before `to_rgb` saves the memory of a second image of full size.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):  # whose sums Pillow lets overflow
        image = _like(image, image.convert("F"))
    if image.mode not in _SMALLER or "transparency" in image.info:
        return image
    return _like(image, image.reduce(factor))


def bits_used(most: float) -> int:
    """How many bits values up to `most` fill, of those that cameras fill; at most 16."""
    return next((bits for bits in DEPTHS if most < 2**bits), DEPTHS[-1])


def _bits_of(band: Image.Image) -> int:
    """The bits that a band fills, of which these eight are the upper ones."""
    counts = band.histogram()
    if any(counts[1:128]) and not any(counts[128:255]):  # the last is an overlay, or nothing
        counts[255] = 0
    above = np.cumsum(counts[::-1])[::-1]
    high = int(np.flatnonzero(above > above[0] * _FEW / 100).max())
    return bits_used(256 * high + 255)


def _grey(image: Image.Image) -> Image.Image:
    if RANGE not in image.info:
        measure(image, is_deep=False)
    grey = Image.new("L", image.size)
    rows = max(1, _BLOCK // image.width)
    for top in range(0, image.height, rows):
        block = image.crop((0, top, image.width, min(image.height, top + rows)))
        values = np.nan_to_num(
            np.asarray(block).astype(np.float32), nan=0.0, posinf=1e38, neginf=-1e38
        )
        values = _scaled(values, image.info[RANGE])
        if image.info.get(MIN_IS_WHITE):
            values = 255 - values
        values = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        grey.paste(Image.fromarray(values), (0, top))
    return grey


def _scaled(values: NDArray[np.float32], edges: Range) -> NDArray[np.float32]:
    """Scale finite values to 0..255, or a little beyond.

    Values that fit stay as they are, and floats of which most are about 1 or less are multiplied
    by 255. Up to 16 bits are scaled by the bits they fill. All others are stretched between the
    edges of 99 percent.
    """
    if edges.low >= -0.01 * edges.high:
        is_share = edges.high < 2 or (not edges.is_whole and edges.ordinary < _SHARES)
        if edges.is_float and is_share and edges.high > 0:
            return values * np.float32(255 / max(1.0, edges.ordinary))
        if edges.high <= 255:
            return values
        if edges.high < 2**16:
            return values * np.float32(255 / (2 ** bits_used(edges.high) - 1))
    least, most = edges.least, edges.most
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
    return _is_hidden(alpha) and not _is_plain(image)


def _is_hidden(alpha: Image.Image) -> bool:
    counts = alpha.histogram()
    return sum(counts[128:]) < 0.001 * sum(counts)


def _is_plain(image: Image.Image) -> bool:
    return all(low == high for low, high in _extrema(image))


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
        image, profile = image.convert("RGB"), profile if image.mode in _COLOURS_INSIDE else None
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
    """From a colour profile to sRGB; None where that changes nothing, or does not fit the image."""
    if len(profile) > _LARGEST_PROFILE:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.ImageCmsTransform(source, _profile("sRGB"), mode, "RGB")
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    return None if mode != "CMYK" and _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether no colour of a coarse table moves by more than a rounding step."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    table = Image.fromarray(colours).convert(mode)
    moved = np.asarray(transform.apply(table)).astype(int) - np.asarray(table.convert("RGB"))
    return bool(np.abs(moved).max() <= 1)


@lru_cache(maxsize=1)
def _lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.ImageCmsTransform(_profile("LAB"), _profile("sRGB"), "LAB", "RGB")


def _profile(space: Any) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space))
