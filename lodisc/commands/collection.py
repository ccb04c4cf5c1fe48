"""The commands of a collection: from photographs to vectors, look-alikes, groups and the page."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from lodisc.commands.printing import print_result
from lodisc.commands.ranges import check_seed
from lodisc.console import note
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
    fit: Literal["crop", "pad", "squeeze", "tiles"] | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    workers: int = 2,
    device: str = "auto",
    remove: bool = False,
    json: bool = False,
) -> None:
    """Turn photographs into vectors in Parquet files; a second run adds what is new or changed.

    Args:
        source: A run, timm:NAME or a .safetensors file.
        data: Folder, list (.txt, .csv), tar file or folder of tar shards.
        out: Folder of the parts.
        momentum: Use the momentum encoder of the run instead of the student.
        encoder: timm name of the model whose weights the file holds.
        image_size: Side of the view, for timm:NAME and weights files.
        fit: How photographs become square: crop their middle, pad or squeeze them, or average over
            tiles of those longer than 3 to 2; by default as OUT or the run has it, else tiles.
        dtype: Number type of the vectors.
        workers: Processes that read photographs.
        device: auto, cpu, cuda or cuda:N.
        remove: Forget the vectors of photographs that are not there any more.
        json: Print the counts as JSON.
    """
    from lodisc.commands.tables_collection import print_embedding
    from lodisc.embedding.embed import embed as run_embedding

    result = run_embedding(
        source,
        data,
        out=out,
        momentum=momentum,
        encoder=encoder,
        image_size=image_size,
        fit=fit,
        dtype=dtype,
        workers=workers,
        device=device,
        remove=remove,
    )
    print_result(result, json=json, people=print_embedding)


def index(parts: Positional[Path], /, *, collection: Path, json: bool = False) -> None:
    """Make a collection mirror the photographs of an embedding; labels stay.

    Args:
        parts: Folder that `lodisc embed` wrote.
        collection: Folder of the collection; created if missing.
        json: Print the counts as JSON.
    """
    from lodisc.collection.index import index as run_indexing
    from lodisc.commands.tables_collection import print_indexing

    print_result(run_indexing(parts, collection=collection), json=json, people=print_indexing)


def search(
    collection: Positional[Path],
    photographs: Positional[tuple[str, ...]] = (),
    /,
    *,
    top: int = 12,
    where: str | None = None,
    duplicates: bool = False,
    outliers: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Find the look-alikes of photographs; or near-duplicates, or outliers.

    Args:
        collection: Folder of the collection.
        photographs: Keys in the collection, or files.
        top: Number of look-alikes of each photograph, or of outliers.
        where: A condition in SQL on key, folder, label, group, name, split, path, bytes, such as:
            label = 'wren' or group in (2, 5)
        duplicates: List sets of photographs that are nearly the same.
        outliers: List the photographs that are least like any other.
        device: auto, cpu, cuda or cuda:N; for files.
        json: Print as JSON.
    """
    if (bool(photographs) + duplicates + outliers) != 1:
        raise UserError("name photographs to search by, or give one of --duplicates and --outliers")
    if where is not None and not photographs:
        raise UserError("--where is for look-alikes; name photographs to search by")
    if top < 1:
        raise UserError(f"--top {top} is out of range; ask for at least 1")
    from lodisc.collection import describe
    from lodisc.collection import search as searching
    from lodisc.collection.collection import Collection
    from lodisc.commands import tables_collection as tables

    opened = Collection(collection)
    if duplicates:
        sets = describe.describe_duplicates(opened)
        print_result(sets, json=json, people=tables.print_duplicates)
    elif outliers:
        scores = describe.describe_outliers(opened, top=top)
        print_result(scores, json=json, people=tables.print_outliers)
    else:
        answers = searching.look_up(opened, photographs, top=top, where=where, device=device)
        print_result(answers, json=json, people=tables.print_lookalikes)


def group(
    collection: Positional[Path], /, *, k: int | None = None, seed: int = 0, json: bool = False
) -> None:
    """Group look-alike photographs; show a typical and the doubtful ones of each group.

    Args:
        collection: Folder of the collection.
        k: Number of groups; chosen when not given.
        seed: Fixes the groups.
        json: Print as JSON.
    """
    check_seed(seed)
    from lodisc.collection import describe
    from lodisc.collection.collection import Collection
    from lodisc.commands.tables_collection import print_groups

    groups = describe.group_and_describe(Collection(collection), k=k, seed=seed)
    print_result(groups, json=json, people=print_groups)


def name(
    collection: Positional[Path],
    photographs: Positional[tuple[Path, ...]],
    /,
    *,
    out: Path,
    copy: Path | None = None,
    link: Path | None = None,
    watch: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Name new photographs by the labels of a collection, which stays as it is.

    Args:
        collection: Folder of the collection.
        photographs: Photographs, folders, lists (.txt, .csv) and tar files.
        out: Table of the names, .csv or .tsv.
        copy: Folder that gets a sub-folder for each name, with copies of the photographs. Nothing
            there is replaced or removed: with other labels, another name adds another copy.
        link: The same with links.
        watch: Go on and name what comes, until Ctrl-C.
        device: auto, cpu, cuda or cuda:N.
        json: Print as JSON; with --watch a line for each time that photographs have come.
    """
    if not photographs:
        raise UserError("give the photographs to name: files, a folder, a list or a tar")
    if copy is not None and link is not None:
        raise UserError("give one of --copy and --link")
    from lodisc.collection import naming
    from lodisc.collection.collection import Collection
    from lodisc.commands.printing import print_json_line
    from lodisc.commands.tables_naming import print_names

    opened = Collection(collection)
    if not watch:
        names = naming.name_photos(
            opened, photographs, out=out, copies=copy, links=link, device=device
        )
        print_result(names, json=json, people=print_names)
        return
    note("Naming what comes; Ctrl-C stops it.")
    for names in naming.watch(opened, photographs, out=out, copies=copy, links=link, device=device):
        if json:
            print_json_line(names)
        else:
            print_names(names)


def open_photographs(
    photographs: Positional[Path],
    /,
    *,
    collection: Path | None = None,
    run: Path | None = None,
    init: str | None = None,
    encoder: str | None = None,
    device: str = "auto",
    host: str = "127.0.0.1",
    port: int = 8765,
    name: str | None = None,
    user: str | None = None,
    no_browser: bool = False,
) -> None:
    """Open a folder of photographs in the browser; read what is new, changed or gone meanwhile.

    Args:
        photographs: Folder, list (.txt, .csv), tar file or folder of tar shards.
        collection: Folder of the collection; by default PHOTOGRAPHS.lodisc beside them.
        run: A run whose encoder to use.
        init: Weights to use instead: `timm` (downloads) or a .safetensors file. By default those
            that the collection has; in a new one timm.
        encoder: Their timm model; by default DeiT-Ti.
        device: auto, cpu, cuda or cuda:N.
        host: Address to listen on. Any address but this machine's own needs a token,
            which is printed, or taken from LODISC_TOKEN.
        port: Port to listen on; 0 for any free port.
        name: Host name under which a proxy passes requests on. It needs a token too.
        user: Your name, for the history of labels. Without it a browser may give one.
        no_browser: Print the address alone.
    """
    if run is not None and (init is not None or encoder is not None):
        raise UserError("give one of --run and --init; a run knows its encoder")
    from lodisc.collection.filling_terms import Choice
    from lodisc.web.serve import open_photos

    open_photos(
        photographs,
        collection=collection,
        choice=Choice(run=run, init=init, encoder=encoder, device=device),
        host=host,
        port=port,
        name=name,
        user=user,
        open_browser=not no_browser,
    )


def serve(
    collection: Positional[Path],
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    name: str | None = None,
    user: str | None = None,
    open: bool = False,
) -> None:
    """Open a collection in the browser: browse, find look-alikes and see why, group and label.

    Args:
        collection: Folder of the collection.
        host: Address to listen on. Any address but this machine's own needs a token,
            which is printed, or taken from LODISC_TOKEN.
        port: Port to listen on; 0 for any free port.
        name: Host name under which a proxy passes requests on. It needs a token too.
        user: Your name, for the history of labels. Without it a browser may give one.
        open: Open the page in a browser.
    """
    from lodisc.web.serve import serve as run_server

    run_server(collection, host=host, port=port, name=name, user=user, open_browser=open)
