"""The commands of a collection: from photographs to vectors, look-alikes, groups, labels and the page."""

import os
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from lodisc.commands.printing import print_result
from lodisc.errors import UserError


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
    from lodisc.embedding import embed as embedding

    result = embedding.embed(
        source,
        data,
        out=out,
        momentum=momentum,
        encoder=encoder,
        image_size=image_size,
        dtype=dtype,
        workers=workers,
        device=device,
    )
    if int(os.environ.get("RANK", 0)) == 0:
        print_result(result, json=json, people=embedding.print_summary)


def index(parts: Positional[Path], /, *, collection: Path, json: bool = False) -> None:
    """Make a collection mirror the photographs of an embedding; labels stay.

    Args:
        parts: Folder that `lodisc embed` wrote.
        collection: Folder of the collection; made when it is not there.
        json: Print what was done as JSON.
    """
    from lodisc.collection import index as indexing

    print_result(
        indexing.index(parts, collection=collection), json=json, people=indexing.print_summary
    )


def search(
    collection: Positional[Path],
    wanted: Positional[tuple[str, ...]] = (),
    /,
    *,
    top: int = 12,
    where: str | None = None,
    duplicates: bool = False,
    outliers: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Find the look-alikes of photographs; or near-duplicates, or what is least like any other.

    Args:
        collection: Folder of the collection.
        wanted: Photographs: keys in the collection, or files.
        top: How many look-alikes of each, or how many outliers.
        where: A condition in SQL on key, folder, label, group, name, split, path, bytes, such as: label = 'wren' or group in (2, 5)
        duplicates: List sets of photographs that are nearly the same instead.
        outliers: List the photographs that are least like any other instead.
        device: auto, cpu, cuda or cuda:N; for files.
        json: Print as JSON.
    """
    if (bool(wanted) + duplicates + outliers) != 1:
        raise UserError("name photographs to search by, or give one of --duplicates and --outliers")
    if where is not None and not wanted:
        raise UserError("--where is for look-alikes; name photographs to search by")
    from lodisc.collection import describe, lookup
    from lodisc.collection.collection import Collection

    if top < 1:
        raise UserError(f"--top {top} is out of range; ask for at least 1")
    opened = Collection(collection)
    if duplicates:
        print_result(
            describe.describe_duplicates(opened), json=json, people=describe.print_duplicates
        )
    elif outliers:
        print_result(
            describe.describe_outliers(opened, top=top), json=json, people=describe.print_outliers
        )
    else:
        print_result(
            lookup.look_up(opened, wanted, top=top, where=where, device=device),
            json=json,
            people=lookup.print_answers,
        )


def group(
    collection: Positional[Path], /, *, k: int | None = None, seed: int = 0, json: bool = False
) -> None:
    """Put the photographs of a collection into groups of look-alikes, with a typical one and the doubtful ones of each.

    Args:
        collection: Folder of the collection.
        k: How many groups; chosen when not given.
        seed: Fixes the groups.
        json: Print as JSON.
    """
    from lodisc.collection import describe
    from lodisc.collection.collection import Collection

    print_result(
        describe.group(Collection(collection), k=k, seed=seed),
        json=json,
        people=describe.print_groups,
    )


def serve(
    collection: Positional[Path],
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    open: bool = False,
) -> None:
    """Open a collection in the browser: look through it, find look-alikes and see why, group and label.

    Args:
        collection: Folder of the collection.
        host: Address to listen on; any but this machine's own demands a token, which is printed (or that of LODISC_TOKEN).
        port: Port to listen on; 0 for any that is free.
        open: Open the page in a browser.
    """
    from lodisc.web.serve import serve as run_server

    run_server(collection, host=host, port=port, open_browser=open)
