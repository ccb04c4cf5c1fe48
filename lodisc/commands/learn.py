"""The commands that learn, measure and show."""

import os
from collections import ChainMap
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, arg
from tyro.constructors import (
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from lodisc.commands.printing import print_line, print_result
from lodisc.config import GROUPS, TrainConfig, require_new_names
from lodisc.errors import UserError

Config = OmitArgPrefixes[Annotated[TrainConfig, arg(name="")]]
REGISTRY = ConstructorRegistry()
"""Shows the settings of a `TrainConfig` in their groups; the flags and the object stay flat."""


@REGISTRY.struct_rule
def _in_groups(info: StructTypeInfo) -> StructConstructorSpec | None:
    if info.type is not TrainConfig:
        return None

    def flat(**parts: Any) -> TrainConfig:
        return TrainConfig(**ChainMap(*map(vars, parts.values())))

    def part(group: type) -> Any:
        return group(**{row.name: getattr(info.default, row.name) for row in fields(group)})

    specs = [StructFieldSpec(group.__name__.lower(), group, part(group)) for group in GROUPS]
    return StructConstructorSpec(instantiate=flat, fields=tuple(specs))


def refuse_old_flags(words: Iterable[str]) -> None:
    """Raise a `UserError` that gives the new name of a flag of an older version."""
    flags = [word[2:].split("=")[0] for word in words if word.startswith("--")]
    require_new_names(flag.replace("-", "_") for flag in flags)


def demo(*, out: Path = Path("lodisc-demo"), json: bool = False) -> None:
    """Draw finches, learn from them, measure, explain, and write one report: minutes, no downloads.

    Args:
        out: Folder for the drawn photographs and the run.
        json: Print the evaluation as JSON.
    """
    from lodisc import demo as tour

    print_result(tour.run_demo(out), json=json, people=tour.print_summary)


def train(
    data: Positional[Path],
    /,
    *,
    out: Path,
    config: Config,
    json: bool = False,
) -> None:
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
        print_result({"run": str(run)}, json=json, people=lambda _: print_line(further))


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
        source,
        data,
        protocols=protocols or None,
        momentum=momentum,
        train_split=train_split,
        encoder=encoder,
        image_size=image_size,
        seed=seed,
        workers=workers,
        device=device,
        max_skipped=max_skipped,
    )
    print_result(result, json=json, people=benchmark.print_table)


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

    pictures = [
        str(path)
        for path in draw(source, images, out=out, momentum=momentum, encoder=encoder, device=device)
    ]
    print_result(
        {"pictures": pictures}, json=json, people=lambda _: print_line("\n".join(pictures))
    )


def report(
    run: Positional[Path],
    data: Positional[Path | None] = None,
    /,
    *,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Write one self-contained HTML file on a run: curves, health, evaluation, look-alikes and attention before and after.

    Args:
        run: Folder of the run.
        data: Photographs to show; those that it was trained on when not given.
        device: auto, cpu, cuda or cuda:N.
        json: Print where the report is as JSON.
    """
    from lodisc.report.page import write_report

    path = write_report(run, data=data, device=device)
    print_result({"report": str(path)}, json=json, people=lambda _: print_line(str(path)))


def study(
    name: Positional[str],
    data: Positional[Path],
    /,
    *,
    config: Config,
    out: Path | None = None,
    seeds: str = "0,1,2",
    arms: tuple[str, ...] = (),
    json: bool = False,
) -> None:
    """Answer a question about the method on DATA: train and measure every arm at equal compute, with seeds and intervals.

    Args:
        name: branches, masks, keep-ratio, attention, masked-side, focus, start or variants.
        data: Photographs with train/ and test/, sub-folders as labels; for focus the drawn finches.
        config: The recipe around which one thing is varied.
        out: Folder of the studies on DATA, which share their runs; studies/DATA when not given.
        seeds: Seeds, with commas between them; each arm is trained with each.
        arms: Arms to do beside global only, such as both; all when none is named.
        json: Print the result as JSON.
    """
    from lodisc import study as studies

    if name == "direction":
        raise UserError("study direction is now study masked-side")
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise UserError(
            f"--seeds {seeds}: give whole numbers with commas between them, as in --seeds 0,1,2"
        ) from None
    if config.seed != TrainConfig().seed:
        raise UserError("a study takes --seeds, not --seed")
    folder = out or Path("studies") / data.resolve().name
    print_result(
        studies.study(name, data, out=folder, base=config, seeds=numbers, arms=arms),
        json=json,
        people=studies.print_study,
    )
