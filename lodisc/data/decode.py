"""Decode the bytes of a file to an upright RGB image.

Reads every format that Pillow reads without another program, and HEIC where pillow-heif is
installed, within a bounded time and memory.
"""

import math
import warnings
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from PIL import Image

try:
    from pillow_heif import register_heif_opener
except ImportError:
    pass
else:
    register_heif_opener(thumbnails=False, depth_images=False)

from lodisc.data.jpeg import MOST_SEGMENTS, count_scans
from lodisc.data.kinds import kind_of
from lodisc.data.pixels import BITS, MIN_IS_WHITE, measure, reduced, to_rgb
from lodisc.errors import UserError

LEAST_SIDE = 8
MOST_MEMORY = 800e6  # bytes of an image, while it is decoded
MOST_SECONDS = 5.0  # of one core, for an image
LONG = 3.0  # long side in short sides, from which on a remark says so

# Programs that Pillow would start or open through others, containers, and icons.
_NOT_PHOTOGRAPHS = {
    *("BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"),
    *("CUR", "ICNS", "ICO"),
}
# Bytes of a pixel while an image is decoded and reduced, by mode; 5 in all others.
_BYTES = {"RGBA": 9, "LA": 9, "La": 9, "I": 9, "F": 9, "I;16": 7, "I;16B": 7, "P": 6}
# Nanoseconds of one core for a pixel, by format; measured, on noise.
_NANOSECONDS = {"PNG": 50.0, "WEBP": 35.0, "AVIF": 35.0, "HEIF": 100.0}
_IN_PYTHON = 1200.0  # where Pillow's decoder is written in Python
_OTHERS = 20.0
_END = b"\xff\xd9"  # the end mark of JPEG and of JPEG 2000
_FILLER = b"\x55\xaa" * 8
_ORIENTATION = 0x0112
_SUBFILE, _DEPTHS, _PHOTOMETRIC, _PLANES, _DNG = 254, 258, 262, 284, 50706  # tags of TIFF
_INTEROPERABILITY = 0xA005
_SCANS = "lodisc.scans"  # a key of `Image.info`
_JPEG = b"\xff\xd8\xff"
# How files of JPEG and JPEG 2000 begin, and what begins their last scan or part.
_BEGINS = {
    _JPEG: b"\xff\xda",
    b"\xff\x4f\xff\x51": b"\xff\x90",
    b"\0\0\0\x0cjP  \r\n\x87\n": b"\xff\x90",
}
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
        _prepare(image, data, None)
        return size


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
    scans = count_scans(data) if data.startswith(_JPEG) else 0
    if scans >= MOST_SEGMENTS:
        raise Unreadable("too many segments; save it anew")
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
        image.info[_SCANS] = scans
        return image
    raise Unreadable(kind_of(data) or damage or "not an image")


def _prepare(
    image: Any, data: bytes, at_least: int | None, *, seconds: float = MOST_SECONDS
) -> None:
    """Have it decoded reduced where the format can; refuse what takes too much memory or time."""
    width, height = image.size
    pixels, bytes_a_pixel = width * height, _BYTES.get(image.mode, 5)
    if image.format in ("JPEG", "MPO"):
        is_progressive, scans = bool(image.info.get("progressive")), image.info[_SCANS]
        nanoseconds = 8 + 1.2 * scans if is_progressive else 3 + 1.2 * max(0, scans - 4)
        if is_progressive and 6 * pixels > MOST_MEMORY:
            raise Unreadable(f"{width} x {height} pixels is too large")
        if pixels * bytes_a_pixel > MOST_MEMORY:
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
    if image.size[0] * image.size[1] * bytes_a_pixel > MOST_MEMORY:
        raise Unreadable(f"{width} x {height} pixels is too large")
    if pixels * nanoseconds > seconds * 1e9:
        raise Unreadable(f"{width} x {height} pixels take too long to decode; save it anew")


def _halvings(data: bytes, side: int, at_least: int | None) -> int:
    """How often JPEG 2000 may halve the sides: it holds that many smaller pictures."""
    start = data.find(b"\xff\x52\x00")  # the marker COD; the number stands nine bytes after it
    if at_least is None or start < 0 or start + 9 >= len(data):
        return 0
    return max(0, min(data[start + 9], int(math.log2(max(1, side / at_least)))))


def _decoded(data: bytes, at_least: int | None, remarks: list[str] | None = None) -> Image.Image:
    """Decode, and add to `remarks`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = _loaded(data, at_least, remarks)
            if remarks is not None:
                remarks += _remarks(image, data)
            orientation = _orientation(image)
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
    if not _lacks_end(data):
        return _load(data, at_least)
    if not (mended := _mended(data, at_least)):
        raise Unreadable("truncated")
    if remarks is not None:
        remarks.append("no end mark")
    return mended


def _lacks_end(data: bytes) -> bool:
    """Whether a JPEG or JPEG 2000 has no end mark behind its last scan or part."""
    last = next((data.rfind(begin) for mark, begin in _BEGINS.items() if data.startswith(mark)), -1)
    return last >= 0 and _END not in data[last:]


def _load(data: bytes, at_least: int | None, *, seconds: float = MOST_SECONDS) -> Image.Image:
    image: Any = _open(data)
    if image.format == "TIFF":
        _require_photograph(image.tag_v2)
    _prepare(image, data, at_least, seconds=seconds)
    is_deep = image.tile and ";16" in str(image.tile[0][3])
    if image.format == "TIFF" and image.mode not in ("1", "L"):  # those Pillow inverts itself
        image.info[MIN_IS_WHITE] = image.tag_v2.get(_PHOTOMETRIC) == 0
    image.load()
    measure(image, is_deep=is_deep)
    if image.format == "JPEG2000":
        image.reduce = 0  # until now its setting, from now on the method of every image
    return image


def _require_photograph(tags: Any) -> None:
    """Refuse a TIFF that begins with a preview, and one whose planes Pillow misreads."""
    if tags.get(_SUBFILE, 0) & 1 or _DNG in tags:
        raise Unreadable("a raw photograph; convert it to .jpg")
    depths = tags.get(_DEPTHS, (1,))
    if tags.get(_PLANES) == 2 and len(depths) > 1 and max(depths) > 8:
        raise Unreadable("16 bits in separate planes; save it with its colours together")


def _mended(data: bytes, at_least: int | None) -> Image.Image | None:
    """A JPEG or JPEG 2000 that lacks nothing but its end mark; None for all others.

    Where a JPEG lacks more, its pixels depend on what is put in place of the rest.
    """
    body, half = data.rstrip(b"\xff"), MOST_SECONDS / 2
    try:
        image = _load(body + _END, at_least, seconds=half)
        if image.format == "JPEG2000":
            return image
        filled = _load(body + _FILLER + _END, at_least, seconds=half)
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
    if image.format in ("TIFF", "GIF", "WEBP", "PNG", "AVIF") and _is_animated(data):
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
    if isinstance(error, EOFError) or "truncat" in words or "end of file" in words:
        return "truncated"
    if data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return "truncated"
    return "damaged or unsupported"


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF does not make the photograph unreadable
        return 1
