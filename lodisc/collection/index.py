"""`index`: make a collection mirror an embedding; labels stay, by key and by content."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from lodisc.collection.collection import Collection, CollectionSettings
from lodisc.collection.files import CollectionFiles
from lodisc.collection.labels import Labels
from lodisc.collection.lookalikes import RecallEntry, build_index
from lodisc.collection.rows import BLOCK_ROWS, CHECKSUM, checksums, photo_schema
from lodisc.collection.store import Change, Store
from lodisc.console import progress_bar
from lodisc.data.check import write_skipped
from lodisc.data.photo import printable
from lodisc.embedding.embedding import SETTINGS, Embedding, EmbeddingSettings
from lodisc.embedding.parts import DamagedPart, fingerprint_of, read_table, vectors_of
from lodisc.errors import UserError
from lodisc.files import Kinds, locked, read_json, replacing, write_json

logger = logging.getLogger("lodisc")


class IndexResult(TypedDict):
    """What changed; also what `lodisc index --json` prints."""

    collection: str
    photographs: int
    added: int
    replaced: int
    kept: int
    """Photographs that were already there, unchanged."""
    removed: int
    skipped: int
    """Photographs that could not be read when they were embedded."""
    labels_carried: int
    """Labels that followed a renamed photograph."""
    labels_of_edited: int
    """Labels of photographs whose file now has other content under the same name."""
    recall: RecallEntry | None
    """That of the index, if the collection is large enough for one."""


def index(source: str | Path, *, collection: str | Path) -> IndexResult:
    """Make the collection hold the photographs of an embedding and no others.

    Safe to kill at any moment: the collection is as before, or as after. Labels stay, and follow a
    photograph whose file was renamed. If the kill came just before that, they follow at the next
    call; until then they are on whatever has the old name. An embedding by another encoder
    replaces every vector. Raises `UserError` for a folder that is not an embedding; for parts that
    are damaged, name a photograph twice or hold vectors that are not finite; and if not one
    photograph of the collection is in the embedding.
    """
    embedding, files = Embedding(Path(source)), CollectionFiles(Path(collection))
    settings = embedding.settings()
    parts = embedding.parts()
    digests = _digests(parts, settings)
    if not digests:
        raise UserError(f"{printable(source)} holds no photographs yet; run  lodisc embed  first")
    files.path.mkdir(parents=True, exist_ok=True)
    with locked(files.path):
        store, labels = Store(files.path), Labels(files.labels)
        _carry_labels(files, labels, store)
        previous, damaged = store.contents()
        _require_same_photographs(files, embedding, previous, digests)
        _copy_encoder(embedding, files, settings)
        renamed = _renamed(labels, previous, digests, damaged=set(damaged))
        edited = _edited(labels, previous, digests) - renamed.keys()
        if renamed:
            replaced = _replaced(edited, renamed)
            edited -= replaced.keys()
            content = {"version": store.version, "moved": renamed, "replaced": replaced}
            write_json(files.renamed, content)
        files.recall.unlink(missing_ok=True)
        if damaged:
            _log_damage(files, labels, damaged, digests)
        change = _mirror(store, parts, settings, total=len(digests), anew=bool(damaged))
        carried = _carry_labels(files, labels, store)
        skipped = embedding.skipped()
        write_skipped(files.skipped, skipped)
        _remove_other_encoders(files, settings["fingerprint"])
        store.tidy()
        recall = build_index(Collection(files.path))
    return IndexResult(
        collection=str(files.path),
        photographs=len(digests),
        added=change.added,
        replaced=change.replaced,
        kept=change.unchanged,
        removed=change.removed,
        skipped=len(skipped),
        labels_carried=carried,
        labels_of_edited=len(edited),
        recall=recall.to_dict() if recall else None,
    )


def _digests(parts: Sequence[Path], settings: EmbeddingSettings) -> dict[str, str]:
    """The digest of every photograph in the parts, by key. Refuses parts that can't be trusted."""
    digests: dict[str, str] = {}
    for path in parts:
        rows = _read_sound(path, settings)
        keys = rows["key"].to_pylist()
        duplicate = next((key for key in keys if key in digests), None)
        if duplicate is not None:
            raise UserError(
                f"{printable(path)}: {printable(duplicate)} is in another part too; "
                "let  lodisc embed  finish first"
            )
        digests.update(zip(keys, rows["digest"].to_pylist(), strict=True))
    return digests


def _read_sound(path: Path, settings: EmbeddingSettings) -> pa.Table:
    try:
        rows = read_table(path)
    except DamagedPart as error:
        raise UserError(
            f"{printable(path)} is damaged ({error}); run  lodisc embed  again"
        ) from None
    if fingerprint_of(rows) != settings["fingerprint"]:
        raise UserError(
            f"{printable(path)} was made by another encoder than {SETTINGS} says; "
            "delete it and run  lodisc embed  again"
        )
    vectors, (dim, dtype) = vectors_of(rows), (settings["dim"], settings["dtype"])
    if (vectors.shape[1], vectors.dtype) != (dim, dtype):
        raise UserError(
            f"{printable(path)} holds vectors of {vectors.shape[1]} {vectors.dtype} numbers, and "
            f"{SETTINGS} says {dim} {dtype}; run  lodisc embed  again"
        )
    return rows


def _require_same_photographs(
    files: CollectionFiles,
    embedding: Embedding,
    previous: Mapping[str, str],
    digests: Mapping[str, str],
) -> None:
    """Refuse an embedding that shares neither a key nor a file with the collection."""
    shared = previous.keys() & digests.keys() or set(previous.values()) & set(digests.values())
    if previous and not shared:
        raise UserError(
            f"none of the {len(previous):,} photographs of {printable(files.path)} "
            f"is in {printable(embedding.path)}; choose another --collection"
        )


def _mirror(
    store: Store, parts: Sequence[Path], settings: EmbeddingSettings, *, total: int, anew: bool
) -> Change:
    schema = photo_schema(
        dim=settings["dim"], dtype=settings["dtype"], fingerprint=settings["fingerprint"]
    )
    with progress_bar() as progress:
        bar = progress.add_task("Indexing", total=total, note="")
        batches = _batches(parts, schema, advance=lambda count: progress.advance(bar, count))
        return store.mirror(batches, schema=schema, anew=anew)


def _batches(
    parts: Sequence[Path], schema: pa.Schema, *, advance: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    """The rows of the parts as the store holds them.

    There `folder` is the name of the sub-folder, which a part calls `label`.
    """
    for path in parts:
        rows = read_table(path)
        rows = rows.rename_columns(
            ["folder" if name == "label" else name for name in rows.column_names]
        )
        rows = (
            rows.append_column(CHECKSUM, pa.array(checksums(rows), pa.string()))
            .select(schema.names)
            .replace_schema_metadata(schema.metadata)
        )
        for batch in rows.to_batches(max_chunksize=BLOCK_ROWS):
            yield batch
            advance(len(batch))


def _copy_encoder(
    embedding: Embedding, files: CollectionFiles, settings: EmbeddingSettings
) -> None:
    """Copy the encoder unless it is there or damaged, and write the embedding's settings down."""
    copy = files.encoder(settings["fingerprint"])
    sources = [path for path in embedding.encoder.glob("[!.]*") if path.is_file()]
    copy.mkdir(parents=True, exist_ok=True)
    if not all(_is_copied(path, copy) for path in sources) and _is_sound(embedding):
        for path in sources:
            with (
                path.open("rb") as source,
                replacing(copy / path.name) as draft,
                draft.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
    content = CollectionSettings(**settings, parts=str(embedding.path.resolve()))
    write_json(files.embedding_settings(settings["fingerprint"]), content)


def _is_copied(path: Path, folder: Path) -> bool:
    copy = folder / path.name
    return copy.is_file() and _file_digest(copy) == _file_digest(path)


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _is_sound(embedding: Embedding) -> bool:
    """Whether the encoder can be loaded; says so if not."""
    from lodisc.encoders import load_encoder

    try:
        load_encoder(embedding.encoder)
    except UserError as error:
        logger.info(
            f"note: {printable(str(error).split(';')[0])}; photographs from elsewhere can be "
            "searched for after  lodisc embed  and  lodisc index"
        )
        return False
    return True


def _remove_other_encoders(files: CollectionFiles, fingerprint: str) -> None:
    for path in files.encoders.iterdir():
        if path != files.encoder(fingerprint):
            shutil.rmtree(path, ignore_errors=True)


def _log_damage(
    files: CollectionFiles, labels: Labels, damaged: Sequence[str], digests: Mapping[str, str]
) -> None:
    """Say how many rows are damaged, and how many of their labels wait for their photographs."""
    logger.info(f"{len(damaged):,} damaged rows of {printable(files.photos)} are written again.")
    if gone := len((labels.current().keys() & damaged) - digests.keys()):
        logger.warning(
            f"{gone:,} labels of damaged rows stay under names that are not there now: if their "
            "photographs were renamed, label them again."
        )


def _renamed(
    labels: Labels,
    previous: Mapping[str, str],
    digests: Mapping[str, str],
    *,
    damaged: Set[str],
) -> dict[str, str]:
    """The new key of every labelled photograph that has moved.

    It is the key with the same digest; of several copies, the first goes to the first. Keys whose
    row is `damaged` were there before, with an unknown digest.
    """
    old_keys, new_keys = defaultdict(list), defaultdict(list)
    for key in sorted(labels.current()):
        if key in previous and digests.get(key) != previous[key]:
            old_keys[previous[key]].append(key)
    for key, digest in sorted(digests.items()):
        if digest in old_keys and previous.get(key) != digest and key not in damaged:
            new_keys[digest].append(key)
    return {
        old: new
        for digest, keys in old_keys.items()
        for old, new in zip(keys, new_keys[digest], strict=False)
    }


def _replaced(edited: Set[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """The names that renamed photographs took from others, which are nowhere now.

    Each with the name that became free for it, so that histories stay apart.
    """
    former = {new: old for old, new in renamed.items()}
    vacancies = {}
    for new in former.keys() & edited:
        old = new
        while old in former:
            old = former[old]
        vacancies[new] = old
    return vacancies


def _edited(labels: Labels, previous: Mapping[str, str], digests: Mapping[str, str]) -> set[str]:
    """The keys of labelled photographs whose file has other content than before."""
    keys = labels.current().keys() & previous.keys() & digests.keys()
    return {key for key in keys if previous[key] != digests[key]}


def _carry_labels(files: CollectionFiles, labels: Labels, store: Store) -> int:
    """Move the labels of renamed photographs, once the store has changed; returns how many.

    This call wrote the list of renamed photographs, or one that was killed before it moved them.
    """
    if not files.renamed.exists():
        return 0
    names = dict[str, str]
    kinds: Kinds = {"version": str | None, "moved": names, "replaced": names | None}
    try:
        renamed = read_json(files.renamed, kinds=kinds)
    except UserError as error:
        raise UserError(
            f"{printable(str(error))}; delete it: labels of photographs that were being renamed "
            "then stay under their old names, and no other is lost"
        ) from None
    has_changed = store.exists and store.version != renamed["version"]
    replaced = renamed.get("replaced") or {}  # earlier versions had none
    carried = labels.carry(renamed["moved"], replaced=replaced) if has_changed else 0
    files.renamed.unlink()
    return carried
