"""What the tags of a TIFF say, before Pillow believes them."""

import struct
from typing import Any

from lodisc.data.pixels import IS_ASSOCIATED, MIN_IS_WHITE

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PIECES = 100_000
"""Strips or tiles; Pillow makes a few objects of each."""
_SUBFILE, _DEPTHS, _PHOTOMETRIC, _PLANES, _SAMPLES, _DNG = 254, 258, 262, 284, 339, 50706
_PIECES = {273, 324}  # where strips and tiles are


def pieces_of(data: bytes) -> int:
    """How many strips or tiles the first picture has, by its directory alone."""
    order, is_big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    place, count, entry, step = ("Q", "Q", "HHQ", 20) if is_big else ("I", "H", "HHI", 12)
    try:
        (start,) = struct.unpack_from(order + place, data, 8 if is_big else 4)
        (entries,) = struct.unpack_from(order + count, data, start)
        first = start + struct.calcsize(count)
        tags = [
            struct.unpack_from(order + entry, data, first + step * number)
            for number in range(min(entries, 2**16))
        ]
    except struct.error:  # Pillow says what is wrong
        return 0
    return max((number for tag, _, number in tags if tag in _PIECES), default=0)


def refusal(tags: Any) -> str | None:
    """Why the picture is not a photograph, or would be misread; None if it is one."""
    if tags.get(_SUBFILE, 0) & 1 or _DNG in tags:
        return "a raw photograph; convert it to .jpg"
    depths = tags.get(_DEPTHS, (1,))
    if tags.get(_PLANES) == 2 and len(depths) > 1 and max(depths) > 8:
        return "16 bits in separate planes; save it with its colours together"
    return None


def is_unsigned(tags: Any) -> bool:
    """Whether its values have no sign."""
    return bool(tags.get(_SAMPLES, (1,))[0] == 1)


def note_tags(image: Any) -> None:
    """Note what Pillow does not follow, and have the colours decoded as they are stored.

    Pillow inverts 1 and 8 bits of grey itself, and would divide colours by their alpha.
    """
    if image.mode not in ("1", "L"):
        image.info[MIN_IS_WHITE] = image.tag_v2.get(_PHOTOMETRIC) == 0
    if image.mode == "RGBA" and any("RGBa" in str(tile.args) for tile in image.tile):
        image.info[IS_ASSOCIATED] = True
        image.tile = [tile._replace(args=_undivided(tile.args)) for tile in image.tile]


def _undivided(coding: Any) -> Any:
    """How a tile is coded, with its colours as they are stored."""
    if isinstance(coding, tuple):
        return tuple(_undivided(part) for part in coding)
    return coding.replace("RGBa", "RGBA") if isinstance(coding, str) else coding
