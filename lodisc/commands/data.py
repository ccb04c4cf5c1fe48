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
    """Say what would be read and skipped, classes, splits, and duplicates across the split.

    Args:
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        train_split: Share of each class to learn from, for data without train/ and test/.
        workers: Processes that read photographs.
        json: Print as JSON.
    """
    from lodisc.data import check

    print_result(
        check.describe(data, train_split=train_split, workers=workers),
        json=json,
        people=check.print_description,
    )


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
    """List the known data sets, and where to get them.

    Args:
        json: Print as JSON.
    """
    from lodisc.data import datasets

    print_result(datasets.describe(), json=json, people=datasets.print_description)


def data_prepare(
    name: Positional[str],
    /,
    *,
    source: Annotated[Path, tyro.conf.arg(name="from")],
    out: Path,
    json: bool = False,
) -> None:
    """Turn a known data set, as downloaded by hand, into train/CLASS and test/CLASS by its official split.

    Args:
        name: One of `lodisc data list`.
        source: The downloaded archive or its unpacked folder.
        out: Folder for train/ and test/.
        json: Print where and how many they are as JSON.
    """
    from lodisc.data import datasets
    from lodisc.data.photo import printable

    count = datasets.prepare(name, source=source, out=out)
    print_result(
        {"data": str(out), "photographs": count},
        json=json,
        people=lambda _: print_line(printable(out)),
    )
