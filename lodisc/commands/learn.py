"""The commands that learn, measure and show."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg
from tyro.constructors import (
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from lodisc.commands.printing import print_line, print_result
from lodisc.commands.ranges import check_seed
from lodisc.config import GROUPS, RECIPES, TrainConfig, adapt, require_new_names
from lodisc.console import note
from lodisc.errors import UserError

Config = OmitArgPrefixes[Annotated[TrainConfig, arg(name="")]]
REGISTRY = ConstructorRegistry()
"""Shows the settings of a `TrainConfig` in their groups; the flags and the object stay flat."""


@REGISTRY.struct_rule
def _in_groups(info: StructTypeInfo) -> StructConstructorSpec | None:
    if info.type is not TrainConfig:
        return None

    def flat(**parts: Any) -> TrainConfig:
        return TrainConfig(**{k: v for part in parts.values() for k, v in vars(part).items()})

    def part(group: type) -> Any:
        return group(**{row.name: getattr(info.default, row.name) for row in fields(group)})

    specs = [StructFieldSpec(group.__name__.lower(), group, part(group)) for group in GROUPS]
    return StructConstructorSpec(instantiate=flat, fields=tuple(specs))


def with_recipe(command: Callable[..., None], words: Sequence[str]) -> Callable[..., None]:
    """A command whose config starts as the recipe that its words name; the help shows its values.

    A command that takes no config comes back as it is. Raises `UserError` for a flag of an older
    version, with its new name.
    """
    if "config" not in inspect.signature(command).parameters:
        return command
    flags = [word[2:].split("=")[0] for word in words if word.startswith("--")]
    require_new_names(flag.replace("-", "_") for flag in flags)
    recipes = [value for flag, value in pairwise(words) if flag == "--recipe"]
    recipes += [word.removeprefix("--recipe=") for word in words if word.startswith("--recipe=")]
    recipe = RECIPES.get(recipes[-1] if recipes else "adapt", adapt)
    return partial(command, config=recipe())


def demo(*, out: Path = Path("lodisc-demo"), json: bool = False) -> None:
    """Draw finches, learn from them, measure, explain, and write one report: minutes, no downloads.

    Args:
        out: Folder for the drawn photographs and the run.
        json: Print the evaluation as JSON.
    """
    from lodisc.commands.tables_learn import print_demo
    from lodisc.demo import run_demo

    print_result(run_demo(out), json=json, people=print_demo)


def train(
    data: Positional[Path],
    /,
    *,
    out: Path,
    config: Config,
    json: bool = False,
) -> None:
    """Learn from the photographs in DATA; resumes if the run exists already.

    Args:
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        out: Folder of the run.
        config: How to learn; the defaults shown are those of the recipe.
        json: Print the folder of the run and what it came to as JSON.
    """
    from lodisc.data.photo import printable
    from lodisc.outcome import in_words
    from lodisc.run import Run
    from lodisc.training.loop import run_training

    run = run_training(data, out, config)
    name, outcome = printable(run), Run(run).config.get("outcome")
    further = f"{name}\nMeasure it: lodisc evaluate {name} DATA · look at it: lodisc report {name}"
    if outcome:
        further = f"{in_words(outcome)}\n{further}"
    print_result(
        {"run": str(run), "outcome": outcome}, json=json, people=lambda _: print_line(further)
    )


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
    fit: Literal["crop", "pad", "squeeze", "tiles"] | None = None,
    seed: int = 0,
    workers: int = 2,
    device: str = "auto",
    max_skipped: float = 0.05,
    json: bool = False,
) -> None:
    """Measure an encoder beside the untouched start, by labels or, where there are none, without.

    Args:
        source: A run, timm:NAME or a .safetensors file.
        data: Photographs with train/ and test/, sub-folders as labels; or without labels.
        protocols: Some of linear, knn, retrieval, clustering, fewshot, which are the default, and
            of smoothed, linear_paper, discovery and separation, which needs no labels and is the
            default where there are none.
        momentum: Measure the momentum encoder of the run instead of the student.
        train_split: Share of each class to learn from, for data without train/ and test/.
        encoder: timm name of the model whose weights the file holds.
        image_size: Side of the view, for timm:NAME and weights files.
        fit: How photographs become square, for timm:NAME and weights files: crop their middle, pad
            or squeeze them, or average over tiles of those longer than 3 to 2.
        seed: Fixes splits, samples and intervals.
        workers: Processes that read photographs.
        device: auto, cpu, cuda or cuda:N.
        max_skipped: Stop when more than this share of the photographs cannot be read.
        json: Print the result as JSON.
    """
    check_seed(seed)
    from lodisc.commands.tables_learn import print_evaluation
    from lodisc.data.photo import printable
    from lodisc.evaluation.benchmark import evaluate as run_evaluation
    from lodisc.evaluation.leaks import in_words

    result = run_evaluation(
        source,
        data,
        protocols=protocols or None,
        momentum=momentum,
        train_split=train_split,
        encoder=encoder,
        image_size=image_size,
        fit=fit,
        seed=seed,
        workers=workers,
        device=device,
        max_skipped=max_skipped,
    )
    words = in_words(result["leaks"], test=result["test"], data=result["data"])
    if words and json:  # the table has it too
        note(f"note: {printable(words)}")
    print_result(result, json=json, people=print_evaluation)


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
    from lodisc.data.photo import printable
    from lodisc.explanation.overlay import explain as draw

    pictures = draw(source, images, out=out, momentum=momentum, encoder=encoder, device=device)
    print_result(
        {"pictures": [str(path) for path in pictures]},
        json=json,
        people=lambda _: print_line("\n".join(map(printable, pictures))),
    )


def report(
    run: Positional[Path],
    data: Positional[Path | None] = None,
    /,
    *,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Write an HTML report on a run: curves, metrics, look-alikes, attention before and after.

    Args:
        run: Folder of the run.
        data: Photographs to show; those of its training when not given.
        device: auto, cpu, cuda or cuda:N.
        json: Print the path of the report as JSON.
    """
    from lodisc.data.photo import printable
    from lodisc.report.page import write_report

    path = write_report(run, data=data, device=device)
    print_result({"report": str(path)}, json=json, people=lambda _: print_line(printable(path)))


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
    """Answer a question about the method: train and measure every arm at equal operations on DATA.

    Args:
        name: branches, masks, keep-ratio, attention, masked-side, focus, start, neighbours,
            variants or tune.
        data: Photographs with train/ and test/, sub-folders as labels; for focus the drawn finches.
        config: The recipe, of which the study varies one setting; with both branches where that is
            one of regions and the recipe has none.
        out: Folder of the studies on DATA, which share their runs; studies/DATA when not given.
        seeds: Seeds, separated by commas; each arm is trained with each.
        arms: Arms to train beside global only, such as both; all when not given.
        json: Print the result as JSON.
    """
    from lodisc.commands.tables_learn import print_study
    from lodisc.study.study import study as run_study

    if name == "direction":
        raise UserError("study direction is now study masked-side")
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise UserError(
            f"--seeds {seeds}: give whole numbers separated by commas, as in --seeds 0,1,2"
        ) from None
    if config.seed != TrainConfig().seed:
        raise UserError("a study takes --seeds, not --seed")
    folder = out or Path("studies") / data.resolve().name
    result = run_study(name, data, out=folder, base=config, seeds=numbers, arms=arms)
    print_result(result, json=json, people=print_study)
