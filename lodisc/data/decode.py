"""Decode the bytes of a file to an upright RGB image.

Reads every format that Pillow reads without another program, and HEIC where pillow-heif is
installed, within a bounded time and memory.
"""

import warnings
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from PIL import ExifTags, Image

try:
    from pillow_heif import register_heif_opener
except ImportError:
    pass
else:
    register_heif_opener(thumbnails=False, depth_images=False)

from lodisc.data.bounds import MOST_SECONDS, reason_against
from lodisc.data.jpeg import FILLER, MOST_SEGMENTS, SCANS, scans_of
from lodisc.data.kinds import kind_of
from lodisc.data.pixels import BITS, measure, reduced, to_rgb, unsigned, without_false_alpha
from lodisc.data.png import SIGNATURE, without_damage
from lodisc.data.tiff import MOST_PIECES, STARTS, is_unsigned, note_tags, pieces_of, refusal
from lodisc.errors import UserError

LEAST_SIDE = 8
LONG = 3.0  # long side in short sides, from which on a remark says so

_NOT_PHOTOGRAPHS = {
    *("BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"),  # through programs, or others
    *("BLP", "CUR", "FITS", "FPX", "ICNS", "ICO", "MIC"),  # with images or archives inside
    *("FTEX", "GBR", "XVTHUMB"),  # textures, brushes and thumbnails
}
_END = b"\xff\xd9"  # the end mark of JPEG and of JPEG 2000
_XMP = ("xmp", "XML:com.adobe.xmp", "Raw profile type xmp")
_GREATEST = 2**16 - 1  # value of a PPM
_ORIENTATION = 0x0112
_INTEROPERABILITY = 0xA005
_JPEG = b"\xff\xd8\xff"
# How files of JPEG 2000 begin, and what begins their last part.
_JPEG_2000 = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")
_PART = b"\xff\x90"
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


class Missing(Unreadable):
    """One whose file is not there, now."""


class Decoded(NamedTuple):
    """A photograph, and what is unusual in it."""

    image: Image.Image
    """Upright sRGB, reduced."""
    size: tuple[int, int]
    """Width and height in pixels, as stored."""
    remarks: list[str]
    """What a user may want to know of it, in a few plain words each."""


def decode(data: bytes, *, at_least: int | None = None) -> Image.Image:
    """Decode the first picture to upright sRGB, transparency over white; raises only `Unreadable`.

    `at_least` allows reduction by a whole factor, which makes JPEG faster to decode. The short
    side of the image then keeps at least that many pixels. A JPEG that is too large for memory is
    reduced even so.
    """
    return _decoded(data, at_least)


def examine(data: bytes, *, at_least: int | None = None) -> Decoded:
    """Decode as `decode` does, and say what is unusual."""
    remarks: list[str] = []
    image = _decoded(data, at_least, remarks)
    return Decoded(image, dimensions(data), remarks)


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as stored, from the header alone; raises only `Unreadable`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(data)
        size = image.size
        _bound(image, data, None)
        return size


def upright_dimensions(data: bytes) -> tuple[int, int]:
    """Width and height as a person sees the photograph, from the header; raises `Unreadable`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(data)
        width, height = image.size
        _bound(image, data, None)
        try:
            # That of the class decodes a PNG whose header has none
            orientation = Image.Image.getexif(image).get(_ORIENTATION)
        except Exception:  # damaged EXIF does not turn the picture
            orientation = None
    # Pillow turns the size of a TIFF by itself
    is_turned = orientation in (5, 6, 7, 8) and image.format != "TIFF"
    return (height, width) if is_turned else (width, height)


def exif_of(data: bytes) -> dict[int, object]:
    """The values of EXIF by their tag, from the header alone; none where it is damaged.

    Raises only `Unreadable`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(data)
        _bound(image, data, None)
        try:
            exif = Image.Image.getexif(
                image
            )  # that of the class decodes a PNG whose header has none
            return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
        except Exception:  # of any kind: what is read there was written by anybody
            return {}


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

    Unlike `Image.open`, tells damaged files from files that are not images, and never goes on to a
    format that is not wanted.
    """
    if not data:
        raise Unreadable("empty file")
    scans = scans_of(data) if data.startswith(_JPEG) else None
    if scans and scans.total >= MOST_SEGMENTS:
        raise Unreadable("too many segments; save it anew")
    if scans and scans.is_single:
        data = data[: scans.end].rstrip(b"\xff") + FILLER
    if data.startswith(STARTS) and pieces_of(data) > MOST_PIECES:
        raise Unreadable("too many strips or tiles; save it anew")
    if data.startswith(SIGNATURE):
        data = without_damage(data)
    damage = None
    for factory, accepts in _formats():
        try:
            claimed = accepts is not None and accepts(data[:16]) is True
        except Exception:  # some need more bytes than a short file has
            continue
        if accepts is not None and not claimed:
            continue
        try:
            image: Image.Image = factory(BytesIO(data), "")
        except Exception as error:
            if claimed:
                damage = _reason(error, data)
            continue
        if min(image.size) < LEAST_SIDE:
            raise Unreadable(f"smaller than {LEAST_SIDE} pixels")
        image.info[SCANS] = scans
        return image
    raise Unreadable(kind_of(data) or damage or "not an image")


def _bound(
    image: Image.Image, data: bytes, at_least: int | None, *, seconds: float = MOST_SECONDS
) -> None:
    if reason := reason_against(image, data, at_least, seconds=seconds):
        raise Unreadable(reason)


def _decoded(data: bytes, at_least: int | None, remarks: list[str] | None = None) -> Image.Image:
    """Decode, and add to `remarks`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = _loaded(data, at_least, remarks)
            if remarks is not None:
                remarks += _remarks(image, data)
            orientation = _orientation(image)
            image = without_false_alpha(image)
            if at_least and (factor := min(image.size) // at_least) > 1:
                image = reduced(image, factor)
            image = to_rgb(image)
            if orientation in _TURNS:
                image = image.transpose(_TURNS[orientation])
            if at_least and (factor := min(image.size) // at_least) > 1:
                image = image.reduce(factor)
            return image
        except Unreadable:
            raise
        except Exception as error:
            raise Unreadable(_reason(error, data)) from None


def _loaded(data: bytes, at_least: int | None, remarks: list[str] | None) -> Image.Image:
    """The image as it is stored, even if its end mark is missing."""
    image = _open(data)
    scans = image.info[SCANS]
    has_end_mark = scans.has_end_mark if scans else not _lacks_end(data)
    if scans and not (scans.is_complete or has_end_mark):
        raise Unreadable("truncated")
    if remarks is not None and not has_end_mark:
        remarks.append("no end mark")
    if scans and scans.is_single:
        return _load(image, data, at_least)
    if has_end_mark and (scans is None or (scans.is_complete and not scans.has_hole)):
        return _load(image, data, at_least)
    if mended := _mended(data[: scans.end] if scans else data, at_least):
        return mended
    raise Unreadable("truncated")


def _lacks_end(data: bytes) -> bool:
    """Whether a JPEG 2000 has no end mark behind its last part."""
    return data.startswith(_JPEG_2000) and _END not in data[max(0, data.rfind(_PART)) :]


def _load(
    image: Any, data: bytes, at_least: int | None, *, seconds: float = MOST_SECONDS
) -> Image.Image:
    if image.format == "TIFF" and (reason := refusal(image.tag_v2)):
        raise Unreadable(reason)
    _bound(image, data, at_least, seconds=seconds)
    coding = image.tile[0][3] if image.tile else ""
    has_greatest = image.format == "PPM" and image.mode != "F" and isinstance(coding, tuple)
    greatest = coding[-1] if has_greatest else None
    if image.format == "TIFF":
        note_tags(image)
    image.load()
    if image.format == "TIFF" and image.mode == "I" and is_unsigned(image.tag_v2):
        image = unsigned(image)
    is_deep = ";16" in str(coding) or greatest == _GREATEST
    measure(image, is_deep=is_deep, is_scaled=greatest not in (None, _GREATEST))
    if image.format == "JPEG2000":
        image.reduce = 0  # until now its setting, from now on the method of every image
    return image


def _mended(data: bytes, at_least: int | None) -> Image.Image | None:
    """A JPEG of many scans, or JPEG 2000, that lacks nothing but its end mark; else None.

    Where a JPEG lacks more, its pixels depend on what is put in place of the rest.
    """
    body, half = data.rstrip(b"\xff"), MOST_SECONDS / 2
    try:
        image = _load(_open(body + _END), body, at_least, seconds=half)
        if image.format == "JPEG2000":
            return image
        filled = _load(_open(body + FILLER + _END), body, at_least, seconds=half)
        return image if image.tobytes() == filled.tobytes() else None
    except Unreadable:
        raise
    except Exception:
        return None


def _remarks(image: Any, data: bytes) -> list[str]:
    remarks = []
    bits = image.info.get(BITS, 16)
    if bits < 16:
        lost = "" if image.mode.startswith("I;16") else f", of which {bits - 8} could be read"
        remarks.append(f"{bits} of 16 bits used{lost}")
    if image.format in ("TIFF", "GIF", "WEBP", "PNG", "AVIF", "HEIF") and _is_animated(data):
        remarks.append("several pictures in a file: the first is read")
    if "icc_profile" not in image.info and _is_adobe_rgb(image):
        remarks.append("Adobe RGB without its profile: the colours are read as sRGB")
    if max(image.size) > LONG * min(image.size):
        remarks.append(f"longer than {LONG:g} to 1")
    return remarks


def _is_animated(data: bytes) -> bool:
    """Whether a second picture is there; the others are not looked for."""
    try:
        return bool(getattr(_open(data), "is_animated", False))
    except Exception:
        return False


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF says so, as cameras do that write no profile."""
    try:
        return image.getexif().get_ifd(_INTEROPERABILITY).get(1) == "R03"
    except Exception:
        return False


def _reason(error: Exception, data: bytes) -> str:
    words = str(error).lower()
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels"
    if "pixel mode" in words:
        return "a kind of TIFF that cannot be decoded; save it with 8 bits"
    if isinstance(error, EOFError) or "truncat" in words or "end of file" in words:
        return "truncated"
    if data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return "truncated"
    return "damaged or unsupported"


def _orientation(image: Image.Image) -> int:
    """That of EXIF, as in browsers; Pillow would take that of XMP where there is none."""
    for key in _XMP:
        image.info.pop(key, None)
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF does not make the photograph unreadable
        return 1
