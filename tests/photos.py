"""Photographs for tests, made on the spot: plain ones, and files of every kind that goes wrong."""

import os
import struct
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

QUARTERS = (
    (200, 40, 40),
    (40, 160, 60),
    (40, 70, 190),
    (230, 210, 60),
)  # upper left, upper right, lower left, lower right


def quarters(*, width: int = 32, height: int = 24) -> Image.Image:
    """Four plain colours, so that turning and mirroring show."""
    image = Image.new("RGB", (width, height))
    for index, colour in enumerate(QUARTERS):
        left, top = index % 2 * (width // 2), index // 2 * (height // 2)
        image.paste(colour, (left, top, width, height))
    return image


def texture(seed: int, *, size: tuple[int, int] = (32, 24)) -> Image.Image:
    """A smooth random picture; other seeds give pictures that no one takes for the same."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **settings: Any) -> bytes:
    """The bytes of a file of this kind."""
    stream = BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tar(path: Path, members: dict[str, bytes]) -> Path:
    """Write an uncompressed tar with these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    return path


def collection(
    folder: Path,
    *,
    labels: Iterable[str] = ("finch", "wren"),
    per_label: int = 4,
    splits: Iterable[str] = ("",),
    size: tuple[int, int] = (32, 24),
) -> Path:
    """Plain photographs LABEL/N.jpg, or SPLIT/LABEL/N.jpg, all different."""
    for outer, split in enumerate(splits):
        for middle, label in enumerate(labels):
            for number in range(per_label):
                write(
                    folder / split / label / f"{number}.jpg",
                    encoded(texture(outer * 10_000 + middle * 100 + number, size=size)),
                )
    return folder


def chunk(name: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """A chunk of a PNG."""
    crc = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def png(
    values: np.ndarray,
    *,
    colour_type: int,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
) -> bytes:
    """A PNG of values [H, W] or [H, W, C], of 8 or big-endian 16 bits, and more chunks."""
    height, width = values.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in values)
    return png_of(
        (width, height),
        zlib.compress(lines),
        depth=8 * values.itemsize,
        colour_type=colour_type,
        before=before,
        after=after,
    )


def png_of(
    size: tuple[int, int],
    packed: bytes,
    *,
    depth: int = 8,
    colour_type: int = 2,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
) -> bytes:
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *before,
            chunk(b"IDAT", packed),
            *after,
            chunk(b"IEND", b""),
        )
    )


def tiff(
    values: np.ndarray,
    *,
    sample: int = 1,
    photometric: int = 1,
    extra: int | None = None,
    more: Sequence[tuple[int, int, int, int]] = (),
) -> bytes:
    """An uncompressed TIFF of values [H, W] or [H, W, C]; `more` are tags beside the usual ones."""
    height, width, count = (*values.shape, 1)[:3]
    data, bits = values.tobytes(), values.itemsize * 8
    bit_depths = struct.pack(f"<{count}H", *[bits] * count)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (259, 3, 1, 1), (262, 3, 1, photometric)]
    tags += [(273, 4, 1, 8), (277, 3, 1, count), (278, 3, 1, height), (279, 4, 1, len(data))]
    tags += [(258, 3, count, bits if count == 1 else 8 + len(data))]
    if count == 1:
        tags += [(339, 3, 1, sample)]
    if extra is not None:
        tags += [(338, 3, 1, extra)]
    tags += more
    entries = b"".join(
        struct.pack("<HHI", tag, kind, number)
        + (struct.pack("<HH", value, 0) if kind == 3 and number == 1 else struct.pack("<I", value))
        for tag, kind, number, value in sorted(tags)
    )
    start = 8 + len(data) + len(bit_depths)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + data + bit_depths + directory


def huge_png(*, width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG whose header promises this many pixels and whose body has hardly any."""
    return png_of((width, height), zlib.compress(bytes(1000)))


def turned(orientation: int, kind: str = "JPEG", **settings: Any) -> bytes:
    """`quarters`, stored so that EXIF `orientation` brings it upright."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(
        image.transpose(undo[orientation]) if orientation in undo else image,
        kind,
        exif=exif,
        **settings,
    )


def unreadable(folder: Path) -> dict[str, str]:
    """Write one file of every kind that can't be read; return the expected reasons by name."""
    plain = encoded(texture(1, size=(64, 48)))
    kinds = {
        "zero.jpg": (b"", "empty file"),
        "cut.jpg": (plain[: len(plain) // 2], "truncated"),
        "text.jpg": (b"Dear diary,\n today I saw a finch.\n" * 20, "not an image"),
        "dot.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "smaller than 8 pixels"),
        "bomb.png": (huge_png(), "30000 x 30000 pixels is too large"),
    }
    for name, (data, _) in kinds.items():
        write(folder / name, data)
    return {name: reason for name, (_, reason) in kinds.items()}


def odd(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Write readable photographs of unusual kinds; return the colour in the middle by name."""
    grey = Image.fromarray(np.full((24, 32), 0x6400, np.uint16))
    palette = Image.new("P", (32, 24), 1)
    palette.putpalette([0, 0, 0, 90, 150, 30])
    frames = [Image.new("RGB", (32, 24), colour) for colour in ((10, 20, 240), (240, 20, 10))]
    plain = {
        "cmyk.jpg": (
            encoded(Image.new("CMYK", (32, 24), (0, 255, 255, 0)), quality=95),
            (255, 0, 0),
        ),
        "deep.png": (encoded(grey, "PNG"), (100, 100, 100)),
        "clear.png": (encoded(palette, "PNG", transparency=1), (255, 255, 255)),
        "moving.gif": (
            encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
            (10, 20, 240),
        ),
        "turned.jpg": (
            encoded(
                Image.new("RGB", (32, 24), (40, 160, 60)), quality=95, exif=b"Exif\0\0" + _rotated()
            ),
            (40, 160, 60),
        ),
    }
    for name, (data, _) in plain.items():
        write(folder / name, data)
    return {name: colour for name, (_, colour) in plain.items()}


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes().removeprefix(b"Exif\0\0")


ODD_NAMES = [
    "two words.jpg",
    'quote\'s "own".jpg',
    "line\nbreak.jpg",
    "goldfinch-\N{BIRD}.jpg",
    "-rf.jpg",
    "#1.jpg",
    "50%,half;.jpg",
    "[red]bold[/red].jpg",
    os.fsdecode(b"latin-\xe9.jpg"),
    "UPPER.JPG",
]


def put_pipe(path: Path) -> None:
    """Put a pipe in the place of a file; whoever reads it waits for ever."""
    path.unlink()
    os.mkfifo(path)
