"""What the tags of a TIFF say, before Pillow believes them."""

import struct
from typing import Any

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PIECES = 100_000
"""Strips or tiles; Pillow makes a few objects of each."""
_SUBFILE, _DEPTHS, _PLANES, _DNG = 254, 258, 284, 50706
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
    """Why the picture is none, or would be misread; None if it is one."""
    if tags.get(_SUBFILE, 0) & 1 or _DNG in tags:
        return "a raw photograph; convert it to .jpg"
    depths = tags.get(_DEPTHS, (1,))
    if tags.get(_PLANES) == 2 and len(depths) > 1 and max(depths) > 8:
        return "16 bits in separate planes; save it with its colours together"
    return None
