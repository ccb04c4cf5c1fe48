"""Every format and mode that Pillow writes: whole, cut, with flipped bits, under a wrong name.

    python tests/hostile/corpus.py FOLDER      writes the files and  expected.json

`expected.json` has for each whole file the picture that it shows, 8 x 6 pixels as RGB, or null
where lodisc does not read that format.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "I;16")
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "JPEG": [
        {"quality": 90},
        {"quality": 90, "progressive": True},
        {"quality": 90, "optimize": True},
    ],
    "TIFF": [
        {},
        {"compression": "tiff_lzw"},
        {"compression": "tiff_deflate"},
        {"compression": "jpeg"},
    ],
    "PNG": [{}, {"compress_level": 0}],
    "WEBP": [{"quality": 90}, {"lossless": True}],
    "JPEG2000": [{}, {"no_jp2": True}],
    "AVIF": [{"quality": 90}],
}
NOT_READ = {"EPS", "PDF", "PALM", "ICO", "ICNS", "GRIB", "BUFR", "HDF5", "WMF", "BLP"}
FLIPS = 3


class Sample(NamedTuple):
    """A whole file, and the picture in it as RGB, or None if it is not to be read."""

    name: str
    data: bytes
    picture: Image.Image | None


def samples() -> Iterator[Sample]:
    """One for every format, mode and setting that Pillow can write."""
    Image.init()
    for kind in sorted(Image.SAVE):
        for mode in MODES:
            if (kind, mode) == ("HEIF", "I"):  # written as 16 bits, of which 8 are used
                continue
            picture = _picture(mode)
            for number, settings in enumerate(SETTINGS.get(kind, [{}])):
                stream = BytesIO()
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        picture.save(stream, kind, **settings)
                except Exception:
                    continue
                if stream.getvalue():
                    name = f"{kind}-{mode.replace(';', '')}-{number}"
                    is_read = kind not in NOT_READ and not (
                        settings.get("no_jp2") and mode in ("CMYK", "YCbCr")  # not said in the file
                    )
                    expected = _as_rgb(picture, kind) if is_read else None
                    yield Sample(name.lower(), stream.getvalue(), expected)


def variants(sample: Sample, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Names and bytes: the file as it is, under a wrong name, cut, and with flipped bits."""
    ending = next(
        (
            extension
            for extension, kind in Image.registered_extensions().items()
            if kind == sample.name.split("-")[0].upper()
        ),
        ".bin",
    )
    yield f"{sample.name}{ending}", sample.data
    yield f"{sample.name}-named.jpg", sample.data
    for number, share in enumerate((0.1, 0.5, 0.95)):
        yield f"{sample.name}-cut{number}{ending}", sample.data[: int(share * len(sample.data))]
    for number in range(FLIPS):
        data = bytearray(sample.data)
        for place in rng.integers(0, len(data), 1 + number * 4):
            data[place] ^= 1 << int(rng.integers(8))
        yield f"{sample.name}-flip{number}{ending}", bytes(data)


def write(folder: Path, *, seed: int = 0) -> dict[str, list[int] | None]:
    """Write the corpus; returns what `expected.json` holds."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    expected: dict[str, list[int] | None] = {}
    for sample in samples():
        for number, (name, data) in enumerate(variants(sample, rng)):
            (folder / name).write_bytes(data)
            if number < 2:  # whole
                expected[name] = small(sample.picture) if sample.picture else None
    (folder / "expected.json").write_text(json.dumps(expected))
    return expected


def small(picture: Image.Image) -> list[int]:
    """A picture as 8 x 6 pixels, RGB."""
    return np.asarray(picture.resize((8, 6), Image.Resampling.BOX)).flatten().tolist()


def _picture(mode: str) -> Image.Image:
    """A smooth picture in this mode, with an alpha channel that shows it all."""
    coarse = np.random.default_rng(1).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    colours = Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
    grey = np.asarray(colours.convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey.astype(np.int32))
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32))
    if mode == "LAB":
        from PIL import ImageCms

        return ImageCms.profileToProfile(  # type: ignore[return-value]
            colours, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    if mode == "PA":
        return colours.convert("P").convert("PA")
    return colours.convert(mode)


def _as_rgb(picture: Image.Image, kind: str) -> Image.Image:
    """The picture as RGB, by plain means, as far as Pillow writes it into this format."""
    if kind == "SPIDER" and picture.mode != "I;16":
        picture = picture.convert("L")
    if picture.mode == "I;16" and kind in ("AVIF", "GIF", "WEBP"):
        return picture.convert("RGB")
    if picture.mode == "I;16":
        return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        return Image.fromarray(np.asarray(picture).astype(np.uint8)).convert("RGB")
    if picture.mode == "LAB":
        from PIL import ImageCms

        return ImageCms.profileToProfile(  # type: ignore[return-value]
            picture, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    return picture.convert("RGBA").convert("RGB") if "A" in picture.mode else picture.convert("RGB")


if __name__ == "__main__":
    print(len(write(Path(sys.argv[1]))))
