"""`embed`: photographs to vectors, one Parquet part for each shard of the source.

A second call embeds only what is missing or changed.
"""

import hashlib
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import torch

from lodisc.config import Fit
from lodisc.console import progress_bar
from lodisc.data.check import write_skipped
from lodisc.data.loader import Seen, batches_of, evaluation_batches, means_of
from lodisc.data.photo import Photo, Skipped
from lodisc.data.sources import find_photos, log_passed_over
from lodisc.embedding.embedding import Embedding, EmbeddingSettings, EmbedProgress, Encoding
from lodisc.embedding.moves import forget_moved, is_of, rows_under_other_names
from lodisc.embedding.parts import Row, set_aside_if_damaged
from lodisc.embedding.shards import Shard, ShardCounts, divide_into_shards
from lodisc.encoders import is_saved, save_encoder
from lodisc.errors import UserError
from lodisc.files import locked
from lodisc.photo_encoder import PhotoEncoder, load, require_finite
from lodisc.run import Run

SLICE = 4096  # photographs in a slice of a folder, about
PATIENCE = 300  # seconds that a process waits for the first one

Dtype = Literal["float16", "float32"]


class EmbedResult(ShardCounts):
    """What a process did; also what `lodisc embed --json` prints."""

    out: str
    parts: int
    absent: int
    """Photographs that are not there now, whose vectors stay."""


def embed(
    source: str | Path | PhotoEncoder,
    data: str | Path,
    *,
    out: str | Path,
    momentum: bool = False,
    encoder: str | None = None,
    image_size: int | None = None,
    fit: Fit | None = None,
    dtype: Dtype = "float16",
    batch_size: int = 64,
    workers: int = 2,
    device: str = "auto",
    remove: bool = False,
    slice_size: int | None = None,
    on_part: Callable[[], None] = lambda: None,
) -> EmbedResult:
    """Embed the photographs of `data` into Parquet parts in the folder `out`.

    The encoder is a run, `timm:NAME`, a weights file, or as `load` gives it. A photograph is
    recognised by its bytes, under any name. What is not in `data` now, such as the content of a
    drive that is not mounted, keeps its vectors until `remove`. A tar is a shard; the rest is
    divided into slices by the hash
    of the key, so that a new photograph changes one part only. Under `torchrun` each process takes
    its stride of the shards, on its own GPU if there are several; a second call then drops what
    moved from a shard of one to that of another. `slice_size` is about the number of photographs in
    a slice of a new embedding, and `on_part` is called after each part. Raises `UserError` for what
    can't be read at all, for vectors that are not finite, and for an `out` whose parts are of
    another encoder or type.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if device == "auto" and world > 1:
        device = _own_device()
    choice = {
        "momentum": momentum,
        "encoder": encoder,
        "image_size": image_size,
        "fit": fit,
        "device": device,
    }
    is_first, embedding = rank == 0, Embedding(Path(out))
    job = plan(
        source,
        data,
        out=embedding.path,
        dtype=dtype,
        slice_size=slice_size,
        writes=is_first,
        **choice,
    )
    own = dict(list(job.shards.items())[rank::world])
    parts = {embedding.part(name): photos for name, photos in own.items()}
    total = sum(map(len, parts.values()))
    fingerprint, keys = job.settings["fingerprint"], job.keys
    elsewhere = embedding.elsewhere(keys, fingerprint=fingerprint)
    known = embedding.digests() if elsewhere and embedding.is_finished else {}
    others = rows_under_other_names(
        embedding, own, have_gone=bool(elsewhere), fingerprint=fingerprint
    )
    with (
        locked(embedding.path) if is_first else nullcontext(),
        _progress(embedding, total=total, writes=is_first) as advance,
    ):
        absent = [path for path in elsewhere if is_first and embedding.shard(path) not in keys]
        for path in absent:
            if not elsewhere[path]:
                set_aside_if_damaged(path)
        counts = embed_shards(
            parts,
            job.encoder,
            settings=job.settings,
            batch_size=batch_size,
            workers=workers,
            advance=advance,
            others=others,
            remove=remove,
            on_part=on_part,
        )
        if not remove:
            mine = {path: elsewhere[path] for path in elsewhere if path in {*parts, *absent}}
            forget_moved(embedding, mine, shards=keys, known=known, settings=job.settings)
        if is_first:
            if remove:
                embedding.remove_other_parts(keys, fingerprint=fingerprint)
            write_skipped(embedding.skipped_file, job.skipped)
            counts["skipped"] += len(job.skipped)
    left = embedding.elsewhere(keys, fingerprint=fingerprint) if elsewhere and is_first else {}
    return EmbedResult(
        out=str(embedding.path), parts=len(parts), absent=sum(map(len, left.values())), **counts
    )


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be embedded, and by what."""

    encoder: PhotoEncoder
    settings: EmbeddingSettings
    """As they are in the folder."""
    shards: dict[str, list[Photo]]
    """The photographs of each shard, by its name."""
    skipped: list[Skipped]
    """Files that are not photographs, and photographs whose name is not UTF-8."""

    @property
    def keys(self) -> dict[str, set[str]]:
        """The keys of the photographs of each shard."""
        return {name: {photo.key for photo in photos} for name, photos in self.shards.items()}


def plan(
    source: str | Path | PhotoEncoder,
    data: str | Path,
    *,
    out: Path,
    dtype: Dtype,
    slice_size: int | None = None,
    writes: bool,
    **choice: Any,
) -> Job:
    """Load the encoder, find the photographs, and write down the settings or compare with them.

    `choice` is for `load`. Of several processes one `writes` and the others wait for it. Raises as
    `embed` does.
    """
    listing = find_photos(data)
    if writes:
        log_passed_over(data, listing)
    embedding = Embedding(out)
    encoder = source if isinstance(source, PhotoEncoder) else load(source, **choice)
    fingerprint = _with_same_fit(embedding, encoder, given=choice.get("fit"))
    photos, unnamed = _with_plain_names(listing.photos)
    encoding = _describe(data, encoder, fingerprint)
    if writes and not embedding.has_begun:
        slices = max(1, math.ceil(len(photos) / (slice_size or SLICE)))
        _begin(embedding, encoder, EmbeddingSettings(**encoding, dtype=dtype, slices=slices))
    settings = _wait_for_settings(embedding)
    _require_same(embedding, settings, encoding, dtype=dtype)
    if writes:
        if not is_saved(encoder.encoder, embedding.encoder):
            save_encoder(encoder.encoder, embedding.encoder)
        settings = _follow_moves(embedding, settings, encoding, photos)
    shards = divide_into_shards(photos, slices=settings["slices"])
    return Job(encoder, settings, shards, [*listing.skipped, *unnamed])


def _with_same_fit(embedding: Embedding, encoder: PhotoEncoder, *, given: Fit | None) -> str:
    """Give the encoder the fit of the vectors that are there; returns its fingerprint.

    Raises `UserError` if another one was `given`.
    """
    own, fingerprint = encoder.fit, fingerprint_of(encoder)
    if not embedding.has_begun or (previous := embedding.settings()["fingerprint"]) == fingerprint:
        return fingerprint
    for fit in set(get_args(Fit)) - {own}:
        encoder.encoder.fit = fit
        if fingerprint_of(encoder) == previous:
            break
    else:
        encoder.encoder.fit = own
        return fingerprint
    if given is not None:
        raise UserError(
            f"{embedding.path} holds vectors made with --fit {fit}; "
            "leave --fit out, or choose another --out"
        )
    return previous


def embed_shards(
    parts: Mapping[Path, Sequence[Photo]],
    encoder: PhotoEncoder,
    *,
    settings: EmbeddingSettings,
    batch_size: int = 64,
    workers: int = 0,
    advance: Callable[[int], None] = lambda count: None,
    others: Mapping[str, Row] = MappingProxyType({}),
    remove: bool = False,
    on_part: Callable[[], None] = lambda: None,
) -> ShardCounts:
    """Embed the shard of each part into it, as one stream.

    Vectors of files that have the same bytes as before stay, and so do those of `others`, rows by
    digest, under further names. A part that is up to date is not touched. `remove` drops the rows
    of photographs that are not there.
    """
    shards: deque[Shard] = deque()  # those whose photographs are being read
    counts = Counter(photographs=0, embedded=0, kept=0, skipped=0)
    fingerprint, dtype = settings["fingerprint"], settings["dtype"]

    def missing_batches() -> Iterator[Sequence[Photo | Seen]]:
        for path, photos in parts.items():
            shard = Shard(path, photos, fingerprint=fingerprint, remove=remove)
            shards.append(shard)
            advance(len(shard.unchanged))
            yield from batches_of(shard.missing, batch_size)

    def write_complete() -> None:
        while shards and shards[0].complete:
            shard = shards.popleft()
            done = shard.write(dim=encoder.dim, dtype=dtype, fingerprint=fingerprint)
            counts.update(cast(dict[str, int], done))
            on_part()

    batches = evaluation_batches(
        missing_batches(),
        image_size=encoder.image_size,
        fit=encoder.fit,
        workers=workers,
        known=others.keys(),
    )
    for read in batches:
        write_complete()
        vectors = torch.empty(0, encoder.dim)
        if read.photos:
            vectors = means_of(encoder.features(read.views), read.counts)
        require_finite(vectors, [photo.key for photo in read.photos])
        shards[0].add(read, vectors.numpy().astype(dtype), others=others)
        advance(len(read.photos) + len(read.skipped) + len(read.seen))
    write_complete()
    return cast(ShardCounts, dict(counts))


def fingerprint_of(encoder: PhotoEncoder) -> str:
    """A digest of all that a vector depends on besides the photograph.

    That is architecture, weights, image size and normalisation.
    """
    inner = encoder.encoder
    described: tuple[object, ...] = (
        encoder.image_size,
        inner.mean.tolist(),
        inner.std.tolist(),
        inner.name.split(".")[0],
        inner.args,
    )
    if inner.fit != "crop":
        described = (*described, inner.fit)
    digest = hashlib.sha256(repr(described).encode())
    for name, tensor in sorted(inner.trunk.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _with_plain_names(photos: Sequence[Photo]) -> tuple[list[Photo], list[Skipped]]:
    """The photographs whose names are text, as Parquet needs it, and the others."""
    plain: list[Photo] = []
    others: list[Skipped] = []
    for photo in photos:
        try:
            f"{photo.key}{photo.path}{photo.label}".encode()
            plain.append(photo)
        except UnicodeEncodeError:
            others.append(Skipped(photo.key, "its name is not UTF-8"))
    return plain, others


def _describe(data: str | Path, encoder: PhotoEncoder, fingerprint: str) -> Encoding:
    encoding = Encoding(
        encoder=encoder.name,
        fingerprint=fingerprint,
        dim=encoder.dim,
        image_size=encoder.image_size,
        data=os.path.abspath(data),  # noqa: PTH100 - keeps links
    )
    if encoder.run is not None:
        encoding["run"] = os.path.abspath(encoder.run)  # noqa: PTH100 - keeps links
        encoding["fusion"] = Run(encoder.run).config["settings"]["fusion"]
    return encoding


def _begin(embedding: Embedding, encoder: PhotoEncoder, settings: EmbeddingSettings) -> None:
    """Save the encoder and the settings in a new folder."""
    if embedding.is_occupied:
        raise UserError(
            f"{embedding.path} is not empty and holds no embedding; choose another --out"
        )
    save_encoder(encoder.encoder, embedding.encoder)
    embedding.write_settings(settings)


def _wait_for_settings(embedding: Embedding) -> EmbeddingSettings:
    started_at = time.monotonic()
    while not embedding.has_begun:
        if time.monotonic() - started_at > PATIENCE:
            raise UserError(
                f"the first process did not write {embedding.settings_file}; see its messages"
            )
        time.sleep(0.1)
    return embedding.settings()


def _require_same(
    embedding: Embedding, settings: EmbeddingSettings, encoding: Encoding, *, dtype: str
) -> None:
    if settings["fingerprint"] != encoding["fingerprint"]:
        raise UserError(
            f"{embedding.path} holds vectors of another encoder ({settings['encoder']}); "
            "choose another --out"
        )
    if settings["dtype"] != dtype:
        raise UserError(
            f"{embedding.path} holds vectors of {settings['dtype']}; "
            f"use --dtype {settings['dtype']}, or another --out"
        )


def _follow_moves(
    embedding: Embedding, settings: EmbeddingSettings, encoding: Encoding, photos: Sequence[Photo]
) -> EmbeddingSettings:
    """Bring the settings up to date if the run or the photographs have moved.

    Raises `UserError` if not one of the photographs is in the embedding.
    """
    if settings["data"] != encoding["data"]:
        known = embedding.digests()
        is_other = known and known.keys().isdisjoint(photo.key for photo in photos)
        if is_other and not is_of(embedding, photos):
            raise UserError(
                f"{embedding.path} holds the vectors of {len(known):,} other photographs; "
                "choose another --out"
            )
    present = EmbeddingSettings(**{**settings, **encoding})
    if present != settings:
        embedding.write_settings(present)
    return present


@contextmanager
def _progress(embedding: Embedding, *, total: int, writes: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar, and if `writes` also a file for others to read.

    The file is about the first process; it is written at most once a second.
    """
    now = time.time()
    state = EmbedProgress(done=0, total=total, started=now, updated=now, finished=False)

    def write() -> None:
        state["updated"] = time.time()
        if writes:
            embedding.write_progress(state)

    def advance(count: int) -> None:
        progress.advance(bar, count)
        state["done"] += count
        if time.time() - state["updated"] > 1:
            write()

    with progress_bar() as progress:
        bar = progress.add_task("Embedding", total=total, note="")
        write()
        yield advance
    state["finished"] = True
    write()


def _own_device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
