"""HEIC, as telephones write it: read where pillow-heif is installed, else said."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import encoded, texture, write
from PIL import Image

from lodisc.data.decode import Unreadable, decode, dimensions, examine, extensions
from lodisc.data.sources import find_photos

WITHOUT = """
import importlib.util, sys
spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "pillow_heif" else spec(name, *rest)
sys.modules["pillow_heif"] = None
from lodisc.data.sources import find_photos
listing = find_photos(sys.argv[1])
print([photo.key for photo in listing.photos], listing.passed_over)
from lodisc.data.decode import decode
try:
    decode(open(sys.argv[2], "rb").read())
except ValueError as error:
    print(error)
"""


def test_heic_is_read_upright_and_reduced() -> None:
    image = texture(3, size=(640, 480))
    data = encoded(image, "HEIF", quality=95)
    assert {".heic", ".heif"} <= extensions() and dimensions(data) == (640, 480)
    assert np.abs(np.asarray(decode(data), float) - np.asarray(image)).mean() < 4
    assert decode(data, at_least=100).size == (160, 120)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(image, "HEIF", quality=95, exif=exif.tobytes()))
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270), float)
    assert turned.size == (480, 640) and np.abs(np.asarray(turned) - upright).mean() < 4
    for end in (30, len(data) // 2, len(data) - 10):
        with pytest.raises(Unreadable, match=r"damaged|truncated"):
            decode(data[:end])


def test_several_pictures_in_a_heic_are_remarked() -> None:
    pages = [texture(seed, size=(64, 48)) for seed in range(3)]
    several = encoded(pages[0], "HEIF", save_all=True, append_images=pages[1:])
    assert examine(several).remarks == ["several pictures in a file: the first is read"]
    assert examine(encoded(pages[0], "HEIF")).remarks == []


def test_without_pillow_heif_it_is_said(tmp_path: Path) -> None:
    data = encoded(texture(4), "HEIF")
    write(tmp_path / "IMG_1.HEIC", data)
    write(tmp_path / "IMG_2.jpg", data)
    assert len(find_photos(tmp_path).photos) == 2
    words = [sys.executable, "-c", WITHOUT, str(tmp_path), str(tmp_path / "IMG_2.jpg")]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    listed, refused = printed.splitlines()
    assert listed.startswith("['IMG_2.jpg']") and "HEIC; install pillow-heif" in listed
    assert refused.startswith("HEIC, whatever its name; install pillow-heif")
