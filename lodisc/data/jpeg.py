"""The markers of a JPEG: what decoding it costs, and where the data of its picture end."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

MOST_SEGMENTS = 10_000
"""Far more than any camera or program writes; each takes time to read."""
FILLER = b"\xfe" * 8
"""For a decoder that reads ahead of what it decodes; too little for a block of a picture."""
SCANS = "lodisc.scans"
"""A key of `Image.info`: the `Scans` of a JPEG."""
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # the marker after entropy-coded data
_SOS, _EOI, _DHT = 0xDA, 0xD9, 0xC4
_FRAMES = {*range(0xC0, 0xD0)} - {_DHT, 0xC8, 0xCC}
_HUFFMAN_SEQUENTIAL = {0xC0, 0xC1}
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # markers without a segment
_HOLE = bytes(64)
_COEFFICIENTS = 64


class Scans(NamedTuple):
    """The scans up to the first end mark; what follows it, such as a video, does not count."""

    total: int
    """`MOST_SEGMENTS` where there are more segments than that."""
    end: int
    """Where the data of the picture end: at a marker, or at zeros that no encoder writes."""
    has_end_mark: bool
    has_hole: bool
    is_single: bool
    """Whether the first scan has all: without an end mark, the decoder asks for what is missing."""
    is_complete: bool
    """Whether there are scans for all bits of all coefficients."""


class _Segment(NamedTuple):
    marker: int
    body: bytes
    start: int
    """Where its entropy-coded data begin, if it is a scan."""
    stop: int


def scans_of(data: bytes) -> Scans:
    """Read the markers of a JPEG; nothing is decoded."""
    segments = list(islice(_segments(data), MOST_SEGMENTS))
    places = [place for place, segment in enumerate(segments) if _is_scan(segment)]
    total = MOST_SEGMENTS if len(segments) == MOST_SEGMENTS else len(places)
    has_end_mark = bool(segments) and segments[-1].marker == _EOI
    frame = next((segment for segment in segments if segment.marker in _FRAMES), None)
    if not places or frame is None:
        return Scans(total, len(data), has_end_mark, False, is_single=False, is_complete=True)
    components = frame.body[6::3]
    in_first = segments[places[0]].body[0]
    is_single = frame.marker in _HUFFMAN_SEQUENTIAL and in_first == len(components)
    places = places[:1] if is_single else places
    is_complete = is_single or not _is_missing(
        components, [segments[place].body for place in places]
    )
    hole = _hole(data, segments[: places[-1] + 1], is_complete=is_complete)
    end = segments[places[-1]].stop if hole is None else hole
    return Scans(total, end, has_end_mark, hole is not None, is_single, is_complete)


def _is_scan(segment: _Segment) -> bool:
    return segment.marker == _SOS and len(segment.body) >= 6


def _segments(data: bytes) -> Iterator[_Segment]:
    """Up to the first end mark, which is the last one then."""
    place = data.find(b"\xff", 2)
    while 0 <= place < len(data) - 1:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _ALONE:
            place = data.find(b"\xff", place + 2)
        else:
            start = place + 2 + int.from_bytes(data[place + 2 : place + 4])
            match = _NEXT.search(data, start) if marker == _SOS else None
            stop = match.start() if match else len(data)
            yield _Segment(marker, data[place + 4 : start], start, stop)
            if marker == _EOI:
                return
            place = stop if marker == _SOS else data.find(b"\xff", start)


def _is_missing(components: bytes, scans: Sequence[bytes]) -> bool:
    """Whether the scans leave out a bit of a coefficient."""
    missing = {component: set(range(_COEFFICIENTS)) for component in components}
    for body in scans:
        first, last, bits = body[-3:]
        for component in body[1:-3:2] if bits & 15 == 0 else b"":
            missing.get(component, set()).difference_update(range(first, last + 1))
    return any(missing.values())


def _hole(data: bytes, segments: Sequence[_Segment], *, is_complete: bool) -> int | None:
    """Where zeros begin in a scan that stand for no picture, or for none of the rest of it."""
    for number, segment in enumerate(segments):
        if _is_scan(segment):
            hole = data.find(_HOLE, segment.start, segment.stop)
            if hole >= 0 and not (is_complete and _may_be_zeros(segment.body, segments[:number])):
                return hole
    return None


def _may_be_zeros(body: bytes, segments: Sequence[_Segment]) -> bool:
    """Whether zero bits stand for blocks of one colour in all components of a scan."""
    first, last, bits = body[-3:]
    if first == 0 and bits >> 4:  # the next bit of each mean
        return True
    symbols = {}  # for which the shortest code stands, whose bits are zero, by table
    for tables in (segment.body for segment in segments if segment.marker == _DHT):
        while len(tables) > 17:
            symbols[tables[0]] = tables[17]
            tables = tables[17 + sum(tables[1:17]) :]
    used = [number >> 4 for number in body[2:-3:2]] if first == 0 else []
    used += [16 + (number & 15) for number in body[2:-3:2]] if last else []
    return all(symbols.get(table, 0) & 15 == 0 for table in used)
