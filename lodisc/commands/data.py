"""`lodisc data …`: look at data sets, prepare and draw them."""

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from lodisc.commands.printing import print_line, print_result


def data_check(
    data: Positional[Path],
    /,
    *,
    train_split: float | None = None,
    workers: int = 2,
    json: bool = False,
) -> None:
    """Show what would be read and skipped, the classes and splits, and duplicates.

    Args:
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        train_split: Share of each class to learn from, for data without train/ and test/.
        workers: Processes that read photographs.
        json: Print as JSON.
    """
    from lodisc.commands.tables_data import print_check
    from lodisc.data.check import describe

    about = describe(data, train_split=train_split, workers=workers)
    print_result(about, json=json, people=print_check)


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
    """Draw finches: species that differ only in small parts, with masks of these parts.

    Args:
        out: Folder for train/, test/ and masks/.
        species: Number of species.
        train: Training photographs of each species.
        test: Test photographs of each species.
        image_size: Side in pixels.
        seed: Fixes every stroke.
        vivid: An easier set: the parts differ by colour too, and everything else is muted.
        part: Let the species, at most eight, differ only in this part:
            beak, eye_ring, wing_bars, crown or tail.
        json: Print their folder and number as JSON.
    """
    from lodisc.data.photo import printable
    from lodisc.finches.finches import draw_finches

    draw_finches(
        out,
        species=species,
        train=train,
        test=test,
        image_size=image_size,
        seed=seed,
        vivid=vivid,
        part=part,
    )
    print_result(
        {"data": str(out), "species": species, "train": species * train, "test": species * test},
        json=json,
        people=lambda _: print_line(printable(out)),
    )


def data_list(*, json: bool = False) -> None:
    """List the known data sets and where to get them.

    Args:
        json: Print as JSON.
    """
    from lodisc.commands.tables_data import print_datasets
    from lodisc.data import datasets

    print_result(datasets.describe(), json=json, people=print_datasets)


def data_prepare(
    name: Positional[str],
    /,
    *,
    source: Annotated[Path, tyro.conf.arg(name="from")],
    out: Path,
    json: bool = False,
) -> None:
    """Arrange a downloaded data set as train/CLASS and test/CLASS by its official split.

    Args:
        name: A data set of `lodisc data list`.
        source: The downloaded archive or its unpacked folder.
        out: Folder for train/ and test/.
        json: Print their folder and number as JSON.
    """
    from lodisc.data import datasets
    from lodisc.data.photo import printable

    count = datasets.prepare(name, source=source, out=out)
    print_result(
        {"data": str(out), "photographs": count},
        json=json,
        people=lambda _: print_line(printable(out)),
    )
