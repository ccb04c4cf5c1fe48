"""What is wrong with the optional chunks of a PNG does not cost its picture."""

import struct
import zlib

import numpy as np
import pytest
from photos import chunk, encoded, png, texture
from PIL import Image, ImageCms

from lodisc.data.decode import Unreadable, decode, dimensions

COLOURS = np.asarray(texture(7, size=(64, 48)))
LETTERS = np.random.default_rng(0).integers(97, 120, 2_000_000, dtype=np.uint8).tobytes()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    "optional",
    [
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LETTERS)),
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(50_000_000))),
        chunk(b"zTXt", b"workflow\0\1nothing"),
        chunk(b"iTXt", b"prompt\0\1\0en\0\0" + zlib.compress(LETTERS)),
        chunk(b"iTXt", b"prompt\0\0\0en\0\0" + LETTERS),
        chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(SRGB + LETTERS)),
        chunk(b"iCCP", b"sRGB\0\7" + zlib.compress(SRGB)),
        *(
            chunk(name, body, crc=1)
            for name, body in {
                b"tEXt": b"Title\0finch",
                b"gAMA": struct.pack(">I", 100_000),
                b"eXIf": b"MM\0*\0\0\0\x08\0\0",
                b"tRNS": bytes(6),
                b"prVt": b"private",
            }.items()
        ),
        *(chunk(name, b"") for name in (b"gAMA", b"pHYs", b"cHRM", b"tRNS", b"sRGB", b"acTL")),
    ],
    ids=lambda data: data[4:8].decode(),  # the length of a profile is of the moment
)
def test_an_optional_chunk_that_is_wrong_is_passed_over(optional: bytes) -> None:
    for data in (
        png(COLOURS, colour_type=2, before=[optional]),
        png(COLOURS, colour_type=2, after=[optional]),
    ):
        assert dimensions(data) == (64, 48)
        np.testing.assert_array_equal(np.asarray(decode(data)), COLOURS)


def test_what_is_sound_beside_it_counts() -> None:
    wrong = chunk(b"tEXt", b"Title\0finch", crc=1)
    grey = np.full((16, 16), 128, np.uint8)
    linear = chunk(b"gAMA", struct.pack(">I", 100_000))
    for before in ([wrong, linear], [linear, wrong]):
        assert decode(png(grey, colour_type=0, before=before)).getpixel((3, 3)) == (188,) * 3
    clear = chunk(b"tRNS", struct.pack(">H", 128))
    assert decode(png(grey, colour_type=0, before=[wrong, clear])).getpixel((3, 3)) == (255,) * 3


def test_what_is_wrong_with_the_picture_is_still_told() -> None:
    data = encoded(Image.fromarray(COLOURS), "PNG")
    for place in (20, data.index(b"IDAT") + 20):
        with pytest.raises(Unreadable):
            decode(data[:place] + b"\x5a" + data[place + 1 :])
    with pytest.raises(Unreadable, match="truncated"):
        decode(data[: len(data) // 2])
