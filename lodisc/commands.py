"""The commands: what each takes, what it calls, what it prints. A command imports what it needs when it runs."""

import json as json_module
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from lodisc.config import TrainConfig
from lodisc.console import out as console


def demo(*, out: Path = Path("lodisc-demo"), json: bool = False) -> None:
    """Draw finches, learn from them, measure, explain, and write one report: minutes, no downloads.

    Args:
        out: Folder for the drawn photographs and the run.
        json: Print the evaluation as JSON.
    """
    from lodisc import demo as tour

    _print(tour.run_demo(out), json=json, people=tour.print_summary)


def train(data: Positional[Path], /, *, out: Path, config: OmitArgPrefixes[TrainConfig], json: bool = False) -> None:
    """Learn from the photographs in DATA; goes on where it stopped when the run is there already.

    Args:
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        out: Folder of the run.
        config: How to learn; the defaults shown are those of the recipe.
        json: Print where the run is as JSON.
    """
    from lodisc.training.loop import run_training

    run = run_training(data, out, config)
    if int(os.environ.get("RANK", 0)) == 0:
        further = f"{run}\nMeasure it: lodisc evaluate {run} DATA · look at it: lodisc report {run}"
        _print({"run": str(run)}, json=json, people=lambda _: print_line(further))


def evaluate(
    source: Positional[str],
    data: Positional[Path],
    /,
    *,
    protocols: tuple[str, ...] = (),
    momentum: bool = False,
    train_split: float | None = None,
    encoder: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    workers: int = 2,
    device: str = "auto",
    max_skipped: float = 0.05,
    json: bool = False,
) -> None:
    """Measure an encoder on labelled photographs, beside the untouched start.

    Args:
        source: A run, timm:NAME or a .safetensors file.
        data: Photographs with train/ and test/, sub-folders as labels.
        protocols: Some of linear, linear_paper, knn, retrieval, clustering, fewshot; all but linear_paper when none is named.
        momentum: Measure the momentum encoder of the run instead of the student.
        train_split: Share of each class to learn from, for data without train/ and test/.
        encoder: timm name of the model whose weights the file holds.
        image_size: Side of the view, for timm:NAME and weights files.
        seed: Fixes splits, draws and intervals.
        workers: Processes that read photographs.
        device: auto, cpu, cuda or cuda:N.
        max_skipped: Stop when more than this share of the photographs cannot be read.
        json: Print the result as JSON.
    """
    from lodisc.evaluation import benchmark

    result = benchmark.evaluate(
        source, data, protocols=protocols or None, momentum=momentum, train_split=train_split, encoder=encoder, image_size=image_size,
        seed=seed, workers=workers, device=device, max_skipped=max_skipped,
    )  # fmt: skip
    _print(result, json=json, people=benchmark.print_table)


def explain(
    source: Positional[str],
    images: Positional[tuple[Path, ...]],
    /,
    *,
    out: Path | None = None,
    momentum: bool = False,
    encoder: str | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Draw attention and pivotal region over photographs, beside those of the untouched start.

    Args:
        source: A run, timm:NAME or a .safetensors file.
        images: Photographs.
        out: Folder for the pictures; `explain` in the run when not given.
        momentum: Show the momentum encoder of the run instead of the student.
        encoder: timm name of the model whose weights the file holds.
        device: auto, cpu, cuda or cuda:N.
        json: Print the names of the pictures as JSON.
    """
    from lodisc.explain.overlay import explain as draw

    pictures = [str(path) for path in draw(source, images, out=out, momentum=momentum, encoder=encoder, device=device)]
    _print({"pictures": pictures}, json=json, people=lambda _: print_line("\n".join(pictures)))


def report(run: Positional[Path], data: Positional[Path | None] = None, /, *, device: str = "auto", json: bool = False) -> None:
    """Write one self-contained HTML file on a run: curves, health, evaluation, look-alikes and attention before and after.

    Args:
        run: Folder of the run.
        data: Photographs to show; those that it was trained on when not given.
        device: auto, cpu, cuda or cuda:N.
        json: Print where the report is as JSON.
    """
    from lodisc.report.page import write_report

    path = write_report(run, data=data, device=device)
    _print({"report": str(path)}, json=json, people=lambda _: print_line(str(path)))


def study(
    name: Positional[str],
    data: Positional[Path],
    /,
    *,
    config: OmitArgPrefixes[TrainConfig],
    out: Path | None = None,
    seeds: str = "0,1,2",
    arms: tuple[str, ...] = (),
    json: bool = False,
) -> None:
    """Answer a question about the method on DATA: train and measure every arm at equal compute, with seeds and intervals.

    Args:
        name: branches, masks, keep-ratio, attention, direction, focus or start.
        data: Photographs with train/ and test/, sub-folders as labels; for focus the drawn finches.
        config: The recipe around which one thing is varied.
        out: Folder of the studies on DATA, which share their runs; studies/DATA when not given.
        seeds: Seeds, with commas between them; each arm is trained with each.
        arms: Arms to do beside global only, such as both; all when none is named.
        json: Print the result as JSON.
    """
    from lodisc import study as studies

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise ValueError(f"--seeds {seeds}: give whole numbers with commas between them, as in --seeds 0,1,2") from None
    if config.seed != TrainConfig().seed:
        raise ValueError("a study takes --seeds, not --seed")
    folder = out or Path("studies") / data.resolve().name
    _print(studies.study(name, data, out=folder, base=config, seeds=numbers, arms=arms), json=json, people=studies.print_study)


def embed(
    source: Positional[str],
    data: Positional[Path],
    /,
    *,
    out: Path,
    momentum: bool = False,
    encoder: str | None = None,
    image_size: int | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    workers: int = 2,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Turn photographs into vectors, one Parquet part for every shard of DATA; again, it does only what is missing or changed.

    Args:
        source: A run, timm:NAME or a .safetensors file.
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        out: Folder of the parts.
        momentum: Use the momentum encoder of the run instead of the student.
        encoder: timm name of the model whose weights the file holds.
        image_size: Side of the view, for timm:NAME and weights files.
        dtype: Type of the numbers of a vector.
        workers: Processes that read photographs.
        device: auto, cpu, cuda or cuda:N.
        json: Print what was done as JSON.
    """
    from lodisc.collection import embed as embedding

    result = embedding.embed(
        source, data, out=out, momentum=momentum, encoder=encoder, image_size=image_size, dtype=dtype, workers=workers, device=device
    )
    _print(result, json=json, people=embedding.print_summary)


def data_check(data: Positional[Path], /, *, train_split: float | None = None, workers: int = 2, json: bool = False) -> None:
    """Say what would be read and skipped, classes, splits, and duplicates across the split.

    Args:
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        train_split: Share of each class to learn from, for data without train/ and test/.
        workers: Processes that read photographs.
        json: Print as JSON.
    """
    from lodisc.data import check

    _print(check.describe(data, train_split=train_split, workers=workers), json=json, people=check.print_description)


def data_finches(
    *,
    out: Path,
    species: int = 8,
    train: int = 100,
    test: int = 25,
    image_size: int = 128,
    seed: int = 0,
    vivid: bool = False,
    part: str | None = None,
    json: bool = False,
) -> None:
    """Draw finches: species that differ in small parts alone, with masks of what differs.

    Args:
        out: Folder for train/, test/ and masks/.
        species: Number of species.
        train: Photographs of each species to learn from.
        test: Photographs of each species to be measured on.
        image_size: Side in pixels.
        seed: Fixes every stroke.
        vivid: An easier set: the parts differ by colour too, and all else is muted.
        part: Let the species, at most eight, differ in this part alone: beak, eye_ring, wing_bars, crown or tail.
        json: Print where and how many they are as JSON.
    """
    from lodisc.data.finches import draw_finches
    from lodisc.data.photo import shown

    draw_finches(out, species=species, train=train, test=test, image_size=image_size, seed=seed, vivid=vivid, part=part)
    _print(
        {"data": str(out), "species": species, "train": species * train, "test": species * test},
        json=json,
        people=lambda _: print_line(shown(out)),
    )


def data_list(*, json: bool = False) -> None:
    """List the known data sets, and where to get them.

    Args:
        json: Print as JSON.
    """
    from lodisc.data import datasets

    _print(datasets.describe(), json=json, people=datasets.print_description)


def data_prepare(name: Positional[str], /, *, source: Annotated[Path, tyro.conf.arg(name="from")], out: Path, json: bool = False) -> None:
    """Turn a known data set, as downloaded by hand, into train/CLASS and test/CLASS by its official split.

    Args:
        name: One of `lodisc data list`.
        source: The downloaded archive or its unpacked folder.
        out: Folder for train/ and test/.
        json: Print where and how many they are as JSON.
    """
    from lodisc.data import datasets
    from lodisc.data.photo import shown

    count = datasets.prepare(name, source=source, out=out)
    _print({"data": str(out), "photographs": count}, json=json, people=lambda _: print_line(shown(out)))


COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo, "train": train, "evaluate": evaluate, "explain": explain, "report": report, "study": study, "embed": embed,
    "data check": data_check, "data finches": data_finches, "data list": data_list, "data prepare": data_prepare,
}  # fmt: skip


def _print(result: Any, *, json: bool, people: Callable[[Any], Any] = lambda _: None) -> None:
    if json:
        sys.stdout.write(json_module.dumps(result, indent=2) + "\n")
    else:
        people(result)


def print_line(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
