"""The commands of a collection: from photographs to vectors, look-alikes, groups, labels and the page."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from lodisc.commands.printing import print_result


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
    print_result(result, json=json, people=embedding.print_summary)


def index(parts: Positional[Path], /, *, collection: Path, json: bool = False) -> None:
    """Make a collection mirror the photographs of an embedding; labels stay.

    Args:
        parts: Folder that `lodisc embed` wrote.
        collection: Folder of the collection; made when it is not there.
        json: Print what was done as JSON.
    """
    from lodisc.collection import index as indexing

    print_result(indexing.index(parts, collection=collection), json=json, people=indexing.print_summary)
