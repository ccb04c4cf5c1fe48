"""A JPEG is read if its picture is whole, whatever follows or lacks; its cost is bounded."""

from typing import Any

import numpy as np
import pytest
from photos import encoded, texture
from PIL import Image

from lodisc.data.decode import Unreadable, decode, dimensions, examine

SEQUENTIAL: dict[str, Any] = {"quality": 90}
PROGRESSIVE: dict[str, Any] = {"quality": 90, "progressive": True}
END = b"\xff\xd9"
VIDEO = b"\0\0\0\x18ftypmp42" + np.random.default_rng(0).bytes(9000) + b"\xff\xda" + END


def grainy(*, seed: int = 3, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with the noise of a camera."""
    noise = np.random.default_rng(seed).normal(0, 12, (size[1], size[0], 3))
    pixels = np.asarray(texture(seed, size=size)) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def same(data: bytes, whole: bytes, *, at_least: int | None = None) -> bool:
    expected = np.asarray(decode(whole, at_least=at_least))
    return np.array_equal(np.asarray(decode(data, at_least=at_least)), expected)


@pytest.mark.parametrize("at_least", [None, 50])
@pytest.mark.parametrize("settings", [SEQUENTIAL, PROGRESSIVE, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_half_a_jpeg_is_truncated_whatever_follows(
    share: float, settings: dict[str, Any], at_least: int | None
) -> None:
    data = encoded(grainy(), **settings)
    half = data[: int(share * len(data))]
    endings = [b"", END, bytes(len(data) - len(half)), bytes(5000) + END, b"\xff" * 2000]
    endings += [VIDEO, END + VIDEO, bytes(70) + data[len(half) + 70 :]]
    for ending in endings if share < 0.9 or settings != PROGRESSIVE else endings[:1]:
        with pytest.raises(Unreadable, match=r"^truncated$"):
            decode(half + ending, at_least=at_least)


@pytest.mark.parametrize("at_least", [None, 50])
@pytest.mark.parametrize("settings", [SEQUENTIAL, PROGRESSIVE, {"restart_marker_rows": 1}])
def test_what_follows_the_picture_changes_nothing(
    settings: dict[str, Any], at_least: int | None
) -> None:
    data = encoded(grainy(), **settings)
    for whole in (data + VIDEO, data + bytes(5000), data + data, data[:-2] + b"\xff\xff" + END):
        assert same(whole, data, at_least=at_least)
        assert examine(whole).remarks == []
    for endless in (data[:-2] + bytes(5000), data[:-2] + b"\xff" * 9, data[:-2]):
        assert same(endless, data, at_least=at_least)
        assert examine(endless).remarks == ["no end mark"]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("settings", [{}, {"optimize": True}, {"progressive": True}])
def test_plain_skies_and_frames_are_whole(mode: str, settings: dict[str, Any]) -> None:
    """Their data are short, and may be nothing but zeros."""
    for colour in ("black", "white", "#8a8a8a"):
        plain = Image.new("RGB", (1600, 1200), colour)
        framed = plain.copy()
        framed.paste(grainy(size=(300, 200)), (0, 0))
        for image in (plain, framed):
            data = encoded(image.convert(mode), **settings)
            assert same(data + VIDEO, data) and examine(data).remarks == []
            if mode != "CMYK":
                expected = np.asarray(image.convert(mode).convert("RGB")).astype(int)
                assert np.abs(np.asarray(decode(data)) - expected).mean() < 3


@pytest.mark.parametrize(("settings", "frame"), [(SEQUENTIAL, 0xC0), (PROGRESSIVE, 0xC2)])
def test_components_without_size_are_refused(settings: dict[str, Any], frame: int) -> None:
    data = bytearray(encoded(texture(3), **settings))
    start = data.index(bytes((0xFF, frame))) + 11
    data[start : start + 9 : 3] = bytes(3)
    for read in (decode, dimensions):
        try:
            read(bytes(data))
        except Unreadable as reason:
            assert str(reason)


def test_a_progressive_jpeg_may_leave_out_its_last_scan() -> None:
    data = encoded(grainy(), **PROGRESSIVE)
    shorter = data[: data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda"))] + END
    assert np.abs(np.asarray(decode(shorter)).astype(int) - np.asarray(grainy())).mean() < 20
    assert examine(shorter).remarks == []


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "JPEG2000"])
@pytest.mark.parametrize("at_least", [None, 50])
def test_an_end_mark_that_is_missing_costs_nothing(kind: str, at_least: int | None) -> None:
    for settings in ({}, {"progressive": True}, {"restart_marker_blocks": 4}):
        data = encoded(
            texture(3, size=(320, 240)), kind, **(settings if kind != "JPEG2000" else {})
        )
        whole = np.asarray(decode(data, at_least=at_least))
        for cut in (1, 2):
            np.testing.assert_array_equal(np.asarray(decode(data[:-cut], at_least=at_least)), whole)
            assert examine(data[:-cut]).remarks == ["no end mark"]
        for cut in (12, 60, len(data) // 4, len(data) // 2):
            with pytest.raises(Unreadable):
                decode(data[:-cut], at_least=at_least)


def test_what_follows_a_jpeg_does_not_count_as_scans() -> None:
    """Telephones put a video there."""
    data = encoded(Image.new("RGB", (4000, 3000)), progressive=True)
    assert decode(data + b"\xff\xda" * 5000, at_least=64).size[0] >= 64
