"""How many scans a JPEG has, from its markers: what decoding it costs."""

import re

MOST_SEGMENTS = 10_000
"""Far more than any camera or program writes; each takes time to read."""
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # the marker after entropy-coded data
_SOS, _EOI = 0xDA, 0xD9
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # markers without a segment


def count_scans(data: bytes) -> int:
    """The scans up to the first end mark; what follows it, such as a video, does not count.

    Stops at `MOST_SEGMENTS`, and counts each segment as a scan then.
    """
    scans = segments = 0
    place = data.find(b"\xff", 2)
    while 0 <= place < len(data) - 1 and segments < MOST_SEGMENTS:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _ALONE:
            place = data.find(b"\xff", place + 2)
        elif marker == _EOI:
            return scans
        elif marker == _SOS:
            scans, segments = scans + 1, segments + 1
            match = _NEXT.search(data, place + 2)
            place = match.start() if match else -1
        else:
            segments += 1
            length = int.from_bytes(data[place + 2 : place + 4])
            place = data.find(b"\xff", place + 2 + length)
    return MOST_SEGMENTS if segments >= MOST_SEGMENTS else scans
