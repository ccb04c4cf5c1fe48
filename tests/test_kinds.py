"""The reason says what a file is that is no photograph; no program, and no container, is opened."""

import base64
import struct

import pytest
from photos import encoded, texture
from PIL import Image

from lodisc.data.decode import Unreadable, decode


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x18ftypmp42" + bytes(60), "a video"),
        (b"\0\0\0\x18ftypcrx " + bytes(60), "a raw photograph"),
        (b"\0\0\0\x18ftypmp4v" + bytes(60), "a video"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(60), "a video"),
        (b"\0\0\1\xba" + bytes(60), "a video"),
        (bytes(128) + b"DICM" + bytes(60), "DICOM"),
        (b"Rar!\x1a\x07" + bytes(60), "a RAR archive"),
        (b"II\xbc\x01" + bytes(60), "JPEG XR"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "a web page"),
        (b"\n<svg xmlns='http://www.w3.org/2000/svg'/>", "a drawing"),
        (b"%PDF-1.7\n" + bytes(60), "a PDF"),
        (b"PK\x03\x04" + bytes(60), "a ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(60), "a gzip archive"),
        (b"\xff\x0a" + bytes(60), "JPEG XL"),
        (encoded(texture(1), "WEBP")[:-20], "truncated"),
        (b"\0\0\0\x18ftypheis" + bytes(60), "damaged"),
        (b"\0\0\0\x18ftypMiHE" + bytes(60), r"damaged|not an image"),
        (b"v/1\x01\2\0\0\0" + bytes(60), "OpenEXR"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n", "Radiance HDR"),
        (b"XPDS" + bytes(60), "DPX"),
        (b"SIMPLE  =                    T" + bytes(60), "FITS"),
        (b"gimp xcf v011\0" + bytes(60), "a picture of GIMP"),
        (b"8BPS\0\2" + bytes(60), "a large picture of Photoshop"),
        (b"IIRO\x08\0\0\0" + bytes(60), "a raw photograph"),
        (b"IIU\0\x18\0\0\0" + bytes(60), "a raw photograph"),
        (b"II\x1a\0\0\0HEAPCCDR" + bytes(60), "a raw photograph"),
        (b"FOVb" + bytes(60), "a raw photograph"),
        (b"\0MRM" + bytes(60), "a raw photograph"),
        (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9" + bytes(60), "a video"),
        (b"FLV\1\5" + bytes(60), "a video"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(60), "what macOS keeps"),
        (b"/annex/objects/SHA256E-s123--0.jpg\n", "git-annex"),
        (b"../.git/annex/objects/Wx/SHA256E-s123--0.jpg/0.jpg", "git-annex"),
        (b'{"error": "not found"}', "JSON"),
        (b"[]", "JSON"),
        (base64.b64encode(encoded(texture(1))), "base64"),
        (b"data:image/png;base64,iVBORw0KGgo", "base64"),
    ],
)
def test_the_true_kind_is_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(data)


@pytest.mark.parametrize("kind", ["ICO", "ICNS", "EPS", "PDF"])
def test_no_program_and_no_container_is_opened(kind: str) -> None:
    with pytest.raises(Unreadable):
        decode(encoded(texture(1, size=(64, 64)), kind))


def texture_of_a_game(jpeg: bytes, *, side: int) -> bytes:
    """A JPEG in the container of a game (BLP)."""
    start = jpeg.index(b"\xff\xda")
    sizes = struct.pack("<iIIIii", 0, 0, side, side, 4, 0)
    places = struct.pack("<32I", 160 + start, *[0] * 15, len(jpeg) - start, *[0] * 15)
    return b"BLP1" + sizes + places + struct.pack("<I", start) + jpeg


def test_no_bound_is_passed_by_inside_a_container() -> None:
    data = encoded(Image.new("L", (640, 640), 90), progressive=True)
    with pytest.raises(Unreadable, match="a texture of a game"):
        decode(texture_of_a_game(data, side=640))


def test_a_tiff_that_cannot_be_decoded_says_what_to_do() -> None:
    data = bytearray(encoded(texture(1, size=(64, 48)), "TIFF"))
    depths = struct.pack("<3H", 8, 8, 8)
    assert data.count(depths) == 1
    with pytest.raises(Unreadable, match="save it with 8 bits"):
        decode(bytes(data.replace(depths, struct.pack("<3H", 24, 24, 24))))
