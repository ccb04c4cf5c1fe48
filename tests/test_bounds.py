"""No file takes more memory or time than it may: what would is refused by its header."""

import json
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from photos import encoded, texture, write
from PIL import Image

from lodisc.data.bounds import memory
from lodisc.data.decode import Unreadable, decode, dimensions

SIDE = 3000
BESIDE = 32e6  # bytes that do not depend on the size
# Prints the bytes of memory by which decoding each file raises the peak.
GROWTH = """
import json, os, sys
from lodisc.data.decode import decode
def peak():
    lines = open("/proc/self/status")
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) * 1024
at_least, grown = int(sys.argv[1]) or None, {}
for path in sys.argv[2:]:
    data = open(path, "rb").read()
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = peak()
        decode(data, at_least=at_least)
        os.write(writer, str(peak() - before).encode())
        os._exit(0)
    os.wait()
    grown[path] = int(os.read(reader, 99))
print(json.dumps(grown))
"""


def large_photographs() -> dict[str, bytes]:
    """By mode and kind."""
    packed: dict[str, Any] = {"compression": "tiff_adobe_deflate"}
    kinds: dict[str, tuple[str, ...]] = {
        "TIFF": ("L", "RGB", "RGBA", "LA", "LAB", "CMYK", "I", "F", "I;16"),
        "PNG": ("RGB", "RGBA", "LA", "P"),
        "JPEG": ("RGB", "CMYK"),
        "WEBP": ("RGB", "RGBA"),
        "AVIF": ("RGB", "RGBA"),
        "HEIF": ("RGB", "RGBA"),
        "GIF": ("P",),
        "TGA": ("RGBA",),
    }
    Image.init()
    photographs = {
        f"{mode}.{kind}": encoded(
            Image.new(mode, (SIDE, SIDE)), kind, **(packed if kind == "TIFF" else {})
        )
        for kind, modes in kinds.items()
        for mode in modes
        if kind in Image.SAVE
    }
    for mode, colour in {"L": 3, "P": 3, "RGB": (1, 2, 3)}.items():
        image = Image.new(mode, (SIDE, SIDE))
        photographs[f"clear-{mode}.PNG"] = encoded(image, "PNG", transparency=colour)
    coloured = Image.new("RGB", (SIDE, SIDE))
    photographs["progressive.JPEG"] = encoded(coloured, progressive=True, subsampling=0)
    return photographs


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("at_least", [None, 64])
def test_decoding_takes_no_more_memory_than_is_reckoned(
    at_least: int | None, tmp_path: Path
) -> None:
    photographs = large_photographs()
    paths = [str(write(tmp_path / name, data)) for name, data in photographs.items()]
    words = [sys.executable, "-c", GROWTH, str(at_least or 0), *paths]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for path, grown in json.loads(printed).items():
        with Image.open(path) as image:
            reckoned = memory(image, at_least)
        if path.endswith("progressive.JPEG"):
            reckoned += 6 * SIDE**2
        assert grown < reckoned + BESIDE, path


def scans(count: int, *, side: int = 6000) -> bytes:
    """A progressive JPEG of one grey whose last scan comes again and again."""
    data = encoded(Image.new("L", (side, side), 90), progressive=True, quality=50)
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + b"\xff\xd9"


def test_a_sequential_jpeg_may_not_have_scans_without_end_either() -> None:
    data = encoded(Image.new("L", (8000, 8000), 90), quality=50)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    with pytest.raises(Unreadable, match="take too long to decode"):
        decode(data[:-2] + scan * 2500 + b"\xff\xd9")


def test_segments_without_end_are_refused() -> None:
    data = encoded(texture(1, size=(64, 48)))
    assert decode(data[:2] + b"\xff\xe5\x00\x02" * 9000 + data[2:]).size == (64, 48)
    with pytest.raises(Unreadable, match="too many segments"):
        decode(data[:2] + b"\xff\xe5\x00\x02" * 100_000 + data[2:])


def test_scans_without_end_are_refused_at_once() -> None:
    assert decode(scans(1, side=600), at_least=20).size[0] >= 20
    for read in (decode, dimensions):
        with pytest.raises(Unreadable, match="take too long to decode"):
            read(scans(300))


def test_a_file_without_end_mark_is_decoded_twice_in_half_the_time_each() -> None:
    data = scans(70)
    dimensions(data)
    with pytest.raises(Unreadable, match="take too long to decode"):
        decode(data[:-2])


def test_a_jpeg_too_large_for_memory_is_read_reduced() -> None:
    data = encoded(Image.linear_gradient("L").resize((16384, 12288)), quality=50)
    assert dimensions(data) == (16384, 12288)
    assert min(decode(data).size) >= 12288 // 8
    assert min(decode(data, at_least=100).size) in range(100, 200)


def test_a_decoder_in_python_gets_small_pictures_only() -> None:
    small, large = texture(1, size=(64, 48)), Image.new("RGB", (3000, 3000))
    assert decode(encoded(small, "QOI")).size == (64, 48)
    with pytest.raises(Unreadable, match="take too long to decode"):
        decode(encoded(large, "QOI"))


def test_strips_without_end_are_refused_at_once() -> None:
    def strips(count: int) -> bytes:
        """A TIFF of 8 pixels a strip."""
        places = struct.pack("<I", 8) * count
        tags = [(256, 3, 1, 8), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1)]
        tags += [(262, 3, 1, 1), (273, 4, count, 16), (277, 3, 1, 1), (278, 4, 1, 1)]
        tags += [(279, 4, count, 16 + len(places))]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        start = struct.pack("<I", 16 + 2 * len(places))
        directory = struct.pack("<H", len(tags)) + entries + bytes(4)
        return b"II*\0" + start + bytes(8) + places * 2 + directory

    assert decode(strips(1000)).size == (8, 1000)
    data = strips(1_000_000)
    started = time.perf_counter()
    for read in (decode, dimensions):
        with pytest.raises(Unreadable, match="too many strips or tiles"):
            read(data)
    assert time.perf_counter() - started < 1
