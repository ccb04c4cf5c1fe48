"""`embed`: photographs to vectors, one Parquet part for every shard of the source; again, it does only what is missing or changed."""

import hashlib
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from lodisc.console import progress_bar, stdout
from lodisc.data.check import write_skipped
from lodisc.data.loader import batches_of, evaluation_batches
from lodisc.data.photo import Photo, Skipped
from lodisc.data.sources import find_photos, log_passed_over
from lodisc.embedding.parts import ENCODER, PROGRESS, SETTINGS, SKIPPED, keys_of, record
from lodisc.embedding.shards import Shard, divide_into_shards
from lodisc.encoders import save_encoder
from lodisc.errors import UserError
from lodisc.files import locked, read_json, write_json
from lodisc.photo_encoder import PhotoEncoder, load, require_finite
from lodisc.training.checkpoint import is_run

SLICE = 4096  # photographs in a slice of a folder, about
PATIENCE = 300  # seconds that a process waits for the first one

Dtype = Literal["float16", "float32"]


def embed(
    source: str | Path,
    data: str | Path,
    *,
    out: str | Path,
    momentum: bool = False,
    encoder: str | None = None,
    image_size: int | None = None,
    dtype: Dtype = "float16",
    batch_size: int = 64,
    workers: int = 2,
    device: str = "auto",
) -> dict[str, Any]:
    """Embed the photographs of `data` by a run, `timm:NAME` or a weights file into Parquet parts in the folder `out`.

    A tar is a shard; the rest is divided into slices by the hash of the key, so that a new photograph changes one part only.
    Under `torchrun` each process takes its stride of the shards, on a GPU of its own where there are several. Returns how many
    photographs this process embedded, kept and skipped. Raises `UserError` for what can't be read at all, for vectors that are not finite,
    and for an `out` whose parts are of another encoder or type.
    """
    rank, world = (
        int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"))
    )
    if device == "auto" and world > 1:
        device = _own_device()
    folder = Path(out)
    how: dict[str, Any] = {
        "momentum": momentum,
        "encoder": encoder,
        "image_size": image_size,
        "device": device,
    }
    begun = plan(source, data, out=folder, dtype=dtype, writes=rank == 0, **how)
    mine = list(begun.shards.items())[rank::world]
    alone = locked(folder) if rank == 0 else nullcontext()
    with (
        alone,
        _progress(
            folder, total=sum(len(photos) for _, photos in mine), writes=rank == 0
        ) as advance,
    ):
        parts = {folder / f"part-{name}.parquet": photos for name, photos in mine}
        done = embed_shards(
            parts,
            begun.encoder,
            settings=begun.settings,
            batch_size=batch_size,
            workers=workers,
            advance=advance,
        )
        if rank == 0:
            _forget_other_parts(folder, begun.shards)
            write_skipped(folder / SKIPPED, begun.skipped)
            done["skipped"] += len(begun.skipped)
    return {"out": str(folder), "parts": len(mine), **done}


@dataclass(frozen=True, eq=False)
class Plan:
    """What an embedding begins with."""

    encoder: PhotoEncoder
    settings: dict[str, Any]
    """As they stand in the folder."""
    shards: dict[str, list[Photo]]
    """The photographs of each shard, by the name of its part."""
    skipped: list[Skipped]
    """What can be no photograph, or has no plain name."""


def plan(
    source: str | Path, data: str | Path, *, out: Path, dtype: Dtype, writes: bool, **how: Any
) -> Plan:
    """Load the encoder (`how` is for `load`), find the photographs, and write the settings down in `out`, or hold to those there.

    Of several processes one `writes` and the others wait. Raises as `embed` does.
    """
    listing = find_photos(data)
    if writes:
        log_passed_over(data, listing)
    encoder = load(source, **how)
    photos, unnamed = _with_plain_names(listing.photos)
    made_by = {**_made_by(source, encoder), "data": os.path.abspath(data)}
    settings = _settle(out, encoder, made_by, photos=photos, dtype=dtype, writes=writes)
    return Plan(
        encoder,
        settings,
        divide_into_shards(photos, slices=settings["slices"]),
        [*listing.skipped, *unnamed],
    )


def embed_shards(
    parts: Mapping[Path, Sequence[Photo]],
    encoder: PhotoEncoder,
    *,
    settings: dict[str, Any],
    batch_size: int = 64,
    workers: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, int]:
    """Embed the shard of each part into it, as one stream; rows of files that have not changed are kept, a complete part is left alone."""
    begun: deque[Shard] = deque()
    counts = Counter(photographs=0, embedded=0, kept=0, skipped=0)

    def missing() -> Iterator[Sequence[Photo]]:
        for path, photos in parts.items():
            begun.append(Shard(path, photos, fingerprint=settings["fingerprint"]))
            advance(len(begun[-1].kept))
            yield from batches_of(begun[-1].missing, batch_size)

    def write_complete() -> None:
        while begun and begun[0].complete:
            counts.update(
                begun.popleft().write(
                    dim=encoder.dim, dtype=settings["dtype"], fingerprint=settings["fingerprint"]
                )
            )

    for read in evaluation_batches(missing(), image_size=encoder.image_size, workers=workers):
        write_complete()
        vectors = encoder.features(read.views) if read.photos else torch.empty(0, encoder.dim)
        require_finite(vectors, [photo.key for photo in read.photos])
        begun[0].add(read, vectors.numpy().astype(settings["dtype"]))
        advance(len(read.photos) + len(read.skipped))
    write_complete()
    return dict(counts)


def fingerprint_of(encoder: PhotoEncoder) -> str:
    """A digest of all that a vector depends on beside the photograph: architecture, weights, image size, normalisation."""
    inner = encoder.encoder
    digest = hashlib.sha256(
        repr(
            (
                encoder.image_size,
                inner.mean.tolist(),
                inner.std.tolist(),
                inner.name.split(".")[0],
                inner.args,
            )
        ).encode()
    )
    for name, tensor in sorted(inner.trunk.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def print_summary(result: dict[str, Any]) -> None:
    """One line for people."""
    again = f", {result['kept']:,} were there already" if result["kept"] else ""
    skipped = (
        f", {result['skipped']:,} could not be read (listed in its _*.jsonl)"
        if result["skipped"]
        else ""
    )
    line = f"{result['out']}: {result['embedded']:,} photographs embedded{again}{skipped}; {result['parts']} parts"
    stdout.print(line, markup=False, soft_wrap=True)


def _with_plain_names(photos: Sequence[Photo]) -> tuple[list[Photo], list[Skipped]]:
    """The photographs whose names are text, as Parquet keeps it, and the others."""
    plain: list[Photo] = []
    others: list[Skipped] = []
    for photo in photos:
        try:
            f"{photo.key}{photo.path}{photo.label}".encode()
            plain.append(photo)
        except UnicodeEncodeError:
            others.append(Skipped(photo.key, "its name is not UTF-8"))
    return plain, others


def _made_by(source: str | Path, encoder: PhotoEncoder) -> dict[str, Any]:
    """What an embedding says of its encoder: name, fingerprint, sizes; of a run also where it is and how it fuses attention."""
    described = {
        "encoder": encoder.name,
        "fingerprint": fingerprint_of(encoder),
        "dim": encoder.dim,
        "image_size": encoder.image_size,
    }
    if not is_run(Path(source)):
        return described
    learnt = read_json(Path(source) / "config.json")["settings"]
    return {**described, "run": os.path.abspath(source), "fusion": learnt["fusion"]}


def _settle(
    folder: Path,
    encoder: PhotoEncoder,
    made_by: dict[str, Any],
    *,
    photos: Sequence[Photo],
    dtype: Dtype,
    writes: bool,
) -> dict[str, Any]:
    """What made the vectors of a folder: written down by one process when it is new, and held to by all."""
    path = folder / SETTINGS
    if writes and not path.exists():
        if folder.exists() and (
            not folder.is_dir()
            or any(not part.name.startswith((SETTINGS, ENCODER, ".")) for part in folder.iterdir())
        ):
            raise UserError(f"{folder} is not empty and holds no embedding; choose another --out")
        save_encoder(encoder.encoder, folder / ENCODER)
        write_json(
            path, {**made_by, "dtype": dtype, "slices": max(1, math.ceil(len(photos) / SLICE))}
        )
    begun = time.monotonic()
    while not path.exists():
        if time.monotonic() - begun > PATIENCE:
            raise UserError(f"{path} was not written by the first process; see what it says")
        time.sleep(0.1)
    settled: dict[str, Any] = read_json(path)
    if settled["fingerprint"] != made_by["fingerprint"]:
        raise UserError(
            f"{folder} holds vectors of another encoder ({settled['encoder']}); choose another --out"
        )
    if settled["dtype"] != dtype:
        raise UserError(
            f"{folder} holds vectors of {settled['dtype']}; use --dtype {settled['dtype']}, or another --out"
        )
    if writes and settled["data"] != made_by["data"]:
        _refuse_other_photographs(folder, photos)
    if writes and any(settled.get(name) != value for name, value in made_by.items()):
        settled |= made_by  # the run or the photographs have moved
        write_json(path, settled)
    return settled


def _refuse_other_photographs(folder: Path, photos: Sequence[Photo]) -> None:
    before = {key for path in folder.glob("part-*.parquet") for key in keys_of(path)}
    if before and not before & {photo.key for photo in photos}:
        raise UserError(
            f"{folder} holds the vectors of {len(before):,} other photographs; choose another --out"
        )


@contextmanager
def _progress(folder: Path, *, total: int, writes: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar, and beside it the progress of the first process in a file, at most once a second, for others to read."""
    state = {
        "done": 0,
        "total": total,
        "started": time.time(),
        "updated": time.time(),
        "finished": False,
    }

    def write() -> None:
        if writes:
            write_json(folder / PROGRESS, {**state, "updated": time.time()})

    def advance(count: int) -> None:
        progress.advance(bar, count)
        state["done"] += count
        if time.time() - state["updated"] > 1:
            state["updated"] = time.time()
            write()

    with progress_bar() as progress:
        bar = progress.add_task("Embedding", total=total, note="")
        write()
        yield advance
    state["finished"] = True
    write()


def _forget_other_parts(folder: Path, shards: dict[str, list[Photo]]) -> None:
    """Delete the parts of shards that DATA no longer has."""
    for path in folder.glob("part-*.parquet"):
        if path.stem.removeprefix("part-") not in shards:
            record(path).unlink(missing_ok=True)
            path.unlink()


def _own_device() -> str:
    return (
        f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
        if torch.cuda.is_available()
        else "cpu"
    )
