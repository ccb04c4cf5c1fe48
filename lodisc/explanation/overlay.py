"""Pictures of where an encoder looks.

Tiles of one photograph, sheets of several, and the files of `lodisc explain`.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from lodisc.config import TrainConfig
from lodisc.console import track
from lodisc.data.decode import Unreadable, decode
from lodisc.data.photo import Photo, printable
from lodisc.data.views import whole_square
from lodisc.errors import UserError
from lodisc.explanation.attention import AttentionMap, attention_maps
from lodisc.files import replacing
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.run import Run

logger = logging.getLogger("lodisc")

TILE = 256
PAPER, INK = (255, 255, 255), (64, 68, 76)
LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


@dataclass(frozen=True, eq=False)
class Tiles:
    """Square pictures of one photograph: itself, its attention and pivotal region by arm."""

    photograph: Image.Image
    attention: dict[str, Image.Image]
    pivotal: dict[str, Image.Image]


def explain(
    source: str | Path,
    images: Sequence[str | Path],
    *,
    out: Path | None = None,
    momentum: bool = False,
    encoder: str | None = None,
    device: str = "auto",
) -> list[Path]:
    """Write STEM-explain.png for every image: photograph, attention and pivotal region.

    `source` is a run, `timm:NAME` or a weights file of the timm model `encoder`; a run is shown
    next to its untouched start. The default of `out` is `explain` in the run, or in the current
    folder where there is no run. Unreadable images are skipped with a note. Raises `UserError` when
    that leaves none.
    """
    run = Run(Path(source))
    if out is None:
        out = (run.path if run.exists else Path()) / "explain"
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise UserError(f"{printable(out)} is a file; choose another --out")
    readable = list(_readable([Path(image) for image in images]))
    if not readable:
        raise UserError(
            f"none of the {len(images)} images can be read; "
            f"name photographs, as in  lodisc explain {printable(source)} bird.jpg"
        )
    arms = arms_of(source, momentum=momentum, encoder=encoder, device=device)
    fusion = run.config["settings"]["fusion"] if run.exists else TrainConfig().fusion
    out.mkdir(parents=True, exist_ok=True)
    written = []
    names = _unique_names([path.stem for path in readable])
    for path, name in track(
        zip(readable, names, strict=True), description="Explaining", total=len(readable)
    ):
        written.append(out / name)
        _save(sheet(arms, [_decode(path)], fusion=fusion), written[-1])
    if len(readable) < len(images):
        logger.info(f"Skipped {len(images) - len(readable)} of {len(images)} images.")
    return written


def arms_of(
    source: str | Path, *, momentum: bool = False, encoder: str | None = None, device: str = "auto"
) -> dict[str, PhotoEncoder]:
    """The encoders to show: `start` and `run` of a run, else a single one with an empty name."""
    loaded = load(source, momentum=momentum, encoder=encoder, device=device)
    if not Run(Path(source)).exists:
        return {"": loaded}
    return {"start": load_start(source, device=device), "run": loaded}


def tiles(
    arms: Mapping[str, PhotoEncoder],
    images: Sequence[Image.Image],
    *,
    fusion: str = "product",
    tile: int = TILE,
) -> list[Tiles]:
    """Draw the attention of each arm to every RGB image; the arms share one colour scale."""
    by_arm = {
        name: attention_maps(encoder, images, fusion=fusion) for name, encoder in arms.items()
    }
    pictures = []
    for index, image in enumerate(images):
        encoder = next(iter(arms.values()))
        size, fit = encoder.image_size, encoder.fit
        square = whole_square(image, image_size=size, side=tile, fit=fit)
        maps = {name: by_arm[name][index] for name in arms}
        low, high = _shared_scale(maps.values())
        heat_maps = {
            name: heat_map(square, item.attention, low=low, high=high)
            for name, item in maps.items()
        }
        regions = {name: region_picture(square, item.pivotal) for name, item in maps.items()}
        pictures.append(Tiles(photograph=square, attention=heat_maps, pivotal=regions))
    return pictures


def sheet(
    arms: Mapping[str, PhotoEncoder],
    images: Sequence[Image.Image],
    *,
    fusion: str = "product",
    tile: int = TILE,
) -> Image.Image:
    """One picture with a row for each RGB image: photograph, attention and region of each arm."""
    rows = [
        [pictures.photograph, *pictures.attention.values(), *pictures.pivotal.values()]
        for pictures in tiles(arms, images, fusion=fusion, tile=tile)
    ]
    titles = [
        "photograph",
        *(_title("attention", name) for name in arms),
        *(_title("pivotal region", name) for name in arms),
    ]
    gap, margin, head = max(4, tile // 32), max(8, tile // 16), max(16, tile // 7)
    breaks = {1, 1 + len(arms)} if len(arms) > 1 else set()  # a gap before these columns
    lefts, left = [], margin
    for column in range(len(titles)):
        left += gap if column in breaks else 0
        lefts.append(left)
        left += tile + gap
    size = (left - gap + margin, head + len(rows) * (tile + gap) - gap + margin)
    canvas = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(canvas), _font(max(9, round(tile / 16)))
    for left, title in zip(lefts, titles, strict=True):
        draw.text((left + tile / 2, head / 2), title, fill=INK, font=font, anchor="mm")
        for row, pictures in enumerate(rows):
            canvas.paste(pictures[lefts.index(left)], (left, head + row * (tile + gap)))
    return canvas


def heat_map(
    square: Image.Image, attention_RC: NDArray[np.float32], *, low: float, high: float
) -> Image.Image:
    """Attention as colours over the grey photograph: dark up to `low`, brightest from `high` on."""
    smooth = Image.fromarray(attention_RC.astype(np.float32)).resize(square.size, BICUBIC)
    level = np.clip((np.asarray(smooth) - low) / max(high - low, 1e-12), 0, 1)[..., None] ** 1.3
    colour = colormaps["inferno"](level[..., 0])[..., :3] * 255
    grey = np.asarray(square.convert("L"), dtype=np.float32)[..., None]
    blended = (0.6 - 0.3 * level) * grey + (0.4 + 0.3 * level) * colour
    return Image.fromarray(np.clip(np.rint(blended), 0, 255).astype(np.uint8))


def region_picture(square: Image.Image, pivotal_RC: NDArray[np.bool_]) -> Image.Image:
    """The pivotal region in full colour with a thin outline, the rest grey and dim."""
    patches = Image.fromarray(pivotal_RC.astype(np.uint8) * 255)
    mask = patches.resize(square.size, Image.Resampling.NEAREST)
    dim = [round(40 + 0.42 * value) for value in range(256)]
    picture = Image.composite(square, square.convert("L").point(dim).convert("RGB"), mask)
    width = 2 * max(1, square.width // 200) + 1
    outline = ImageChops.subtract(mask.filter(ImageFilter.MaxFilter(width)), mask)
    picture.paste((255, 255, 255), mask=outline)
    return picture


def _shared_scale(maps: Iterable[AttentionMap]) -> tuple[float, float]:
    """The range of nearly all attention to one photograph, over all arms."""
    low, high = np.percentile(np.stack([item.attention for item in maps]), (5, 99.5))
    return float(low), float(high)


def _title(what: str, arm: str) -> str:
    return f"{what}: {arm}" if arm else what


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _readable(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        try:
            _decode(path)
        except Unreadable as error:
            logger.info(f"Skipped {printable(path)}: {error}.")
        else:
            yield path


def _decode(path: Path) -> Image.Image:
    """Raises `Unreadable`."""
    if path.is_dir():
        raise Unreadable(f"a folder; name photographs in it, as in {printable(path)}/*.jpg")
    return decode(Photo(path.name, path).read(), at_least=2 * TILE)


def _unique_names(stems: Sequence[str]) -> list[str]:
    """A plain file name for each stem; they differ even where case is ignored."""
    taken: set[str] = set()
    names = []
    for stem in stems:
        plain = "".join(
            letter if letter.isalnum() or letter in "-_." else "_" for letter in stem[:60]
        )
        plain = plain.strip(".") or "photograph"
        name, number = f"{plain}-explain.png", 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}-explain.png"
        taken.add(name.casefold())
        names.append(name)
    return names


def _save(picture: Image.Image, path: Path) -> None:
    with replacing(path) as draft:
        picture.save(draft, "PNG")
