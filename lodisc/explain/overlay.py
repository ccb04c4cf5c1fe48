"""Pictures of where an encoder looks: tiles of one photograph, sheets of several, and the files of `lodisc explain`."""

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
from lodisc.data.sources import Photo, printable
from lodisc.errors import UserError
from lodisc.explain.attention import Look, look
from lodisc.files import read_json, replacing
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.training.checkpoint import is_run

logger = logging.getLogger("lodisc")

TILE = 256
PAPER, INK = (255, 255, 255), (64, 68, 76)
LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


@dataclass(frozen=True, eq=False)
class Tiles:
    """The square pictures of one photograph: itself, then attention and pivotal region by the name of the arm."""

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
    """Write STEM-explain.png for every image: photograph, attention and pivotal region, of a run beside those of its untouched start.

    `source` is a run, `timm:NAME` or a weights file of the timm model `encoder`; the latter two stand alone. `out` is
    `explain` in the run, or here where there is no run. Images that can't be read are skipped with a line each; raises
    `UserError` when that leaves none.
    """
    run = Path(source) if is_run(Path(source)) else None
    out = Path(out) if out is not None else (run or Path()) / "explain"
    if out.exists() and not out.is_dir():
        raise UserError(f"{printable(out)} is a file; choose another --out")
    readable = list(_readable([Path(image) for image in images]))
    if not readable:
        raise UserError(
            f"none of the {len(images)} images can be read; name photographs, as in  lodisc explain {printable(source)} bird.jpg"
        )
    arms = arms_of(source, momentum=momentum, encoder=encoder, device=device)
    fusion = _fusion(run)
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
    """What stands side by side: `start` and `run` for a run, else the encoder alone under an empty name."""
    loaded = load(source, momentum=momentum, encoder=encoder, device=device)
    return (
        {"start": load_start(source, device=device), "run": loaded}
        if is_run(Path(source))
        else {"": loaded}
    )


def _fusion(run: Path | None) -> str:
    """The fusion that a run learnt with; the default where there is no run."""
    return read_json(run / "config.json")["settings"]["fusion"] if run else TrainConfig().fusion


def tiles(
    arms: Mapping[str, PhotoEncoder],
    images: Sequence[Image.Image],
    *,
    fusion: str = "product",
    tile: int = TILE,
) -> list[Tiles]:
    """Draw for every RGB image what each arm looks at; the heat maps of one photograph share one scale."""
    looks = {name: look(encoder, images, fusion=fusion) for name, encoder in arms.items()}
    drawn = []
    for index, image in enumerate(images):
        square = view_square(image, image_size=next(iter(arms.values())).image_size, side=tile)
        seen = {name: looks[name][index] for name in arms}
        low, high = _shared_scale(seen.values())
        drawn.append(
            Tiles(
                photograph=square,
                attention={
                    name: heat(square, one.attention, low=low, high=high)
                    for name, one in seen.items()
                },
                pivotal={name: region(square, one.pivotal) for name, one in seen.items()},
            )
        )
    return drawn


def sheet(
    arms: Mapping[str, PhotoEncoder],
    images: Sequence[Image.Image],
    *,
    fusion: str = "product",
    tile: int = TILE,
) -> Image.Image:
    """One picture with a row for each RGB image: photograph, attention of every arm, pivotal region of every arm."""
    rows = [
        [drawn.photograph, *drawn.attention.values(), *drawn.pivotal.values()]
        for drawn in tiles(arms, images, fusion=fusion, tile=tile)
    ]
    titles = [
        "photograph",
        *(_title("attention", name) for name in arms),
        *(_title("pivotal region", name) for name in arms),
    ]
    gap, margin, head = max(4, tile // 32), max(8, tile // 16), max(16, tile // 7)
    breaks = (
        {1, 1 + len(arms)} if len(arms) > 1 else set()
    )  # groups of columns stand a little apart
    lefts, left = [], margin
    for column in range(len(titles)):
        left += gap if column in breaks else 0
        lefts.append(left)
        left += tile + gap
    canvas = Image.new(
        "RGB", (left - gap + margin, head + len(rows) * (tile + gap) - gap + margin), PAPER
    )
    draw, font = ImageDraw.Draw(canvas), _font(max(9, round(tile / 16)))
    for left, title in zip(lefts, titles, strict=True):
        draw.text((left + tile / 2, head / 2), title, fill=INK, font=font, anchor="mm")
        for row, pictures in enumerate(rows):
            canvas.paste(pictures[lefts.index(left)], (left, head + row * (tile + gap)))
    return canvas


def view_square(image: Image.Image, *, image_size: int, side: int) -> Image.Image:
    """The part of an RGB image that an encoder sees in its centre view, at `side` pixels."""
    seen = min(image.size) * image_size / round(1.14 * image_size)
    left, top = (image.width - seen) / 2, (image.height - seen) / 2
    return image.resize(
        (side, side), BICUBIC, box=(left, top, left + seen, top + seen), reducing_gap=3.0
    )


def heat(
    square: Image.Image, attention_RC: NDArray[np.float32], *, low: float, high: float
) -> Image.Image:
    """Attention as a smooth warm glow over the greyed photograph; `low` and below is dark, `high` and above brightest."""
    smooth = Image.fromarray(attention_RC.astype(np.float32)).resize(square.size, BICUBIC)
    level = np.clip((np.asarray(smooth) - low) / max(high - low, 1e-12), 0, 1)[..., None] ** 1.3
    colour = colormaps["inferno"](level[..., 0])[..., :3] * 255
    grey = np.asarray(square.convert("L"), dtype=np.float32)[..., None]
    blended = (0.6 - 0.3 * level) * grey + (0.4 + 0.3 * level) * colour
    return Image.fromarray(np.clip(np.rint(blended), 0, 255).astype(np.uint8))


def region(square: Image.Image, pivotal_RC: NDArray[np.bool_]) -> Image.Image:
    """The pivotal region in full colour with a thin outline, the rest grey and dim."""
    kept = Image.fromarray(pivotal_RC.astype(np.uint8) * 255).resize(
        square.size, Image.Resampling.NEAREST
    )
    grey = (
        square.convert("L").point([round(40 + 0.42 * value) for value in range(256)]).convert("RGB")
    )
    picture = Image.composite(square, grey, kept)
    width = 2 * max(1, square.width // 200) + 1
    outline = ImageChops.subtract(kept.filter(ImageFilter.MaxFilter(width)), kept)
    picture.paste((255, 255, 255), mask=outline)
    return picture


def _shared_scale(looks: Iterable[Look]) -> tuple[float, float]:
    """The range in which nearly all attention of one photograph lies, whoever pays it."""
    low, high = np.percentile(np.stack([one.attention for one in looks]), (5, 99.5))
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
    """A plain file name for each, no two the same even where case does not count."""
    taken: set[str] = set()
    names = []
    for stem in stems:
        plain = (
            "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)[
                :60
            ].strip(".")
            or "photograph"
        )
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
