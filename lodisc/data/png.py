"""The chunks of a PNG beside its picture: what is wrong with them does not cost the picture."""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_TEXT = 2**20  # bytes of an unpacked text or profile that Pillow accepts
_COLOUR_TYPE = 25  # where it stands
# Bytes that a chunk has at least; those of tRNS by colour type.
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"acTL": 8, b"fcTL": 26, b"fdAT": 4}
_LEAST_OF_TRANSPARENCY = {0: 2, 2: 6}


def without_damage(data: bytes) -> bytes:
    """A PNG without the optional chunks that are damaged or too long for Pillow."""
    parts, start = [], 0
    for name, place, stop in _chunks(data):
        is_optional = bool(name[0] & 32)
        if is_optional and not _is_sound(name, data, place + 8, stop - 4):
            parts.append(data[start:place])
            start = stop
    return b"".join((*parts, data[start:])) if parts else data


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Names and places, as far as they are whole."""
    place = len(SIGNATURE)
    while (stop := place + 12 + int.from_bytes(data[place : place + 4])) <= len(data):
        yield data[place + 4 : place + 8], place, stop
        place = stop


def _is_sound(name: bytes, data: bytes, start: int, stop: int) -> bool:
    body = data[start:stop]
    if zlib.crc32(body, zlib.crc32(name)) != int.from_bytes(data[stop : stop + 4]):
        return False
    if name == b"tRNS":
        return len(body) >= _LEAST_OF_TRANSPARENCY.get(data[_COLOUR_TYPE], 0)
    if name in (b"zTXt", b"iCCP"):
        _, _, packed = body.partition(b"\0")
        return packed[:1] == b"\0" and _is_short(packed[1:])
    if name == b"iTXt":
        _, _, rest = body.partition(b"\0")
        packed = rest[2:].split(b"\0", 2)[-1]
        return _is_short(packed) if rest[:1] != b"\0" else len(packed) <= _MOST_TEXT
    return len(body) >= _LEAST.get(name, 0) and (name != b"tEXt" or len(body) <= _MOST_TEXT)


def _is_short(packed: bytes) -> bool:
    """Whether it is short when unpacked."""
    try:
        unpacked = zlib.decompressobj()
        unpacked.decompress(packed, _MOST_TEXT)
    except zlib.error:  # Pillow goes on without it
        return True
    return not unpacked.unconsumed_tail
