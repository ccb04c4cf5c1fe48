"""`fill`: a collection of the photographs in a folder, which grows while they are embedded."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from lodisc.collection.collection import FEWEST, Collection
from lodisc.collection.files import CollectionFiles
from lodisc.collection.filling_terms import Choice, Event
from lodisc.collection.groups_file import group_photos, load_groups
from lodisc.collection.index import index
from lodisc.config import TrainConfig
from lodisc.data.photo import printable
from lodisc.data.sources import find_photos
from lodisc.embedding.embed import Dtype, embed, fingerprint_of
from lodisc.embedding.embedding import Embedding, EmbeddingSettings
from lodisc.encoders import load_encoder
from lodisc.errors import UserError
from lodisc.photo_encoder import PhotoEncoder, load
from lodisc.run import Run

logger = logging.getLogger("lodisc")

FIRST = 60
"""Photographs that are named before any is embedded."""
SLICE = 256
"""About so many photographs come at a time."""
PAUSE, MOST_WORK = 3.0, 0.1
"""Seconds between two times, and the share of the time that indexing may take."""
MOST_GONE = 0.5
"""If a larger share of the photographs has gone, a drive is missing: they stay."""


def fill(
    data: Path,
    collection: Path,
    *,
    choice: Choice,
    tell: Callable[[Event], None] = lambda event: None,
) -> None:
    """Embed the photographs of `data` into the collection, and make it mirror them.

    A new collection grows from the first part on. One that is there already changes at once in the
    end: by a part of the photographs one could not tell which were renamed, and their labels would
    be lost. Photographs that have gone, go from the collection too, and their labels wait for them;
    if most have gone, they stay. In the end they are grouped, if they never were by this encoder.
    Raises `UserError` as `embed` and `index` do, and what `tell` raises.
    """
    files = CollectionFiles(collection)
    tell(Event(phase="looking"))
    photos = find_photos(data).photos
    tell(Event(first=photos[:FIRST]))
    try:
        files.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{printable(files.path)} can't be made ({error.strerror}); "
            "name another folder by --collection"
        ) from None
    encoder, out = _encoder_and_vectors(files, choice)
    embedding = Embedding(out)
    tell(Event(phase="embedding", vectors=out))
    _embed(encoder, data, embedding, files, device=choice.device, tell=tell)
    index(out, collection=files.path)
    opened = Collection(files.path)
    if len(opened.photos()) >= FEWEST and not _has_groups(opened):
        tell(Event(phase="grouping"))
        group_photos(opened, opened.photos())
    tell(Event(phase="finished"))


def _embed(
    encoder: PhotoEncoder,
    data: Path,
    embedding: Embedding,
    files: CollectionFiles,
    *,
    device: str,
    tell: Callable[[Event], None],
) -> None:
    """Embed what is new or changed, and forget what has gone, unless that is most."""
    growth = None if files.photos.is_dir() else _Growth(files, embedding)

    def on_part() -> None:
        tell(Event())  # raises if nobody listens any more
        if growth is not None:
            growth.grow()

    embed_all = partial(
        embed,
        encoder,
        data,
        out=embedding.path,
        dtype=cast(Dtype, embedding.settings()["dtype"]) if embedding.has_begun else "float16",
        device=device,
        slice_size=SLICE,
        on_part=on_part,
    )
    try:
        done = embed_all()
    except UserError as error:
        raise UserError(str(error).replace("another --out", "another --collection")) from None
    if done["absent"] > MOST_GONE * len(embedding.digests()):
        note = f"{done['absent']:,} photographs are not in {printable(data)} now; they stay."
        logger.warning(note)
        tell(Event(note=note))
    elif done["absent"]:
        embed_all(remove=True)


def _has_groups(collection: Collection) -> bool:
    """Whether it was grouped by these vectors; damaged groups are left for a person to see."""
    try:
        return load_groups(collection) is not None
    except UserError:
        return True


class _Growth:
    """Indexes what is embedded so far, now and then."""

    def __init__(self, files: CollectionFiles, embedding: Embedding) -> None:
        self.files, self.embedding = files, embedding
        self._next = 0.0

    def grow(self) -> None:
        """Index, unless that was just done."""
        began = time.monotonic()
        if began < self._next:
            return
        try:
            index(self.embedding.path, collection=self.files.path)
        except UserError as error:  # such as a photograph that is in two parts until the end
            logger.debug("Not yet: %s", error)
        took = time.monotonic() - began
        self._next = began + took + max(PAUSE, took / MOST_WORK)


def _encoder_and_vectors(files: CollectionFiles, choice: Choice) -> tuple[PhotoEncoder, Path]:
    """The encoder that is chosen, and the folder of its vectors."""
    if choice.vectors is not None:
        return _encoder_of_embedding(Embedding(choice.vectors), choice), choice.vectors
    encoder = _encoder(files, choice)
    fingerprint = fingerprint_of(encoder)
    if files.photos.is_dir():
        settings = Collection(files.path).settings
        parts = Path(settings["parts"])
        if settings["fingerprint"] == fingerprint and Embedding(parts).has_begun:
            return encoder, parts
    return encoder, files.vectors / fingerprint[:16]


def _encoder(files: CollectionFiles, choice: Choice) -> PhotoEncoder:
    if choice.run is not None:
        return load(choice.run, device=choice.device)
    if choice.init is None and choice.encoder is None:
        if files.photos.is_dir():
            return _encoder_of(Collection(files.path), choice)
        if last := _last_embedding(files):
            return _encoder_of_embedding(last, choice)
    name = choice.encoder or TrainConfig().encoder
    if choice.init in (None, "timm"):
        logger.info(f"Downloading the pretrained weights of {name}, unless they are here already.")
        try:
            return load(f"timm:{name}", device=choice.device)
        except UserError as error:
            raise UserError(f"{error} with --init PATH.safetensors") from None
    assert choice.init is not None
    return load(choice.init, encoder=name, device=choice.device)


def _encoder_of_embedding(embedding: Embedding, choice: Choice) -> PhotoEncoder:
    settings = embedding.settings()
    name, trunk = settings["encoder"], load_encoder(embedding.encoder)
    return PhotoEncoder(trunk, name=name, device=choice.device, run=_run_of(settings))


def _encoder_of(collection: Collection, choice: Choice) -> PhotoEncoder:
    encoder = collection.encoder(device=choice.device)
    encoder.run = _run_of(collection.settings)
    return encoder


def _run_of(settings: EmbeddingSettings) -> Path | None:
    """The run that the encoder is of, if it is there."""
    run = Path(settings["run"]) if settings.get("run") else None
    return run if run is not None and Run(run).exists else None


def _last_embedding(files: CollectionFiles) -> Embedding | None:
    """The embedding that was begun last, before there was a collection."""
    folders = [path for path in files.vectors.glob("*") if Embedding(path).has_begun]
    newest = max(folders, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else Embedding(newest)
