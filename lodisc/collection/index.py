"""`index`: make a collection mirror a folder of Parquet parts; labels that people gave stay, by key and by content."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lodisc.collection.collection import EMBEDDING, Collection, encoder_folder
from lodisc.collection.labels import Labels
from lodisc.collection.lookalikes import RECALL, keep_index
from lodisc.collection.store import ROW_STATE, Store
from lodisc.console import progress_bar
from lodisc.data.check import write_skipped
from lodisc.data.photo import printable
from lodisc.embedding.parts import ENCODER, FINGERPRINT, SETTINGS, skipped_in, vectors_of
from lodisc.errors import UserError
from lodisc.files import locked, read_json, write_json

RENAMED = "renamed.json"


def index(source: str | Path, *, collection: str | Path) -> dict[str, Any]:
    """Make the collection hold the photographs of an embedding and no others; returns how many were added, replaced, kept, removed.

    Safe to kill at any moment: the collection is as before, or as after. Labels stay, and follow a photograph whose file was renamed
    (where the kill came just before that, at the next call; until then they are on what has the old name now).
    An embedding by another encoder replaces every vector. Raises `UserError` for a folder that holds no embedding, for parts that
    are damaged, name a photograph twice or hold vectors that are not finite, and where not one photograph of the collection is in it.
    """
    parts, folder = Path(source), Path(collection)
    settings = _embedding(parts)
    paths = sorted(parts.glob("part-*.parquet"))
    found = _contents(paths, settings["fingerprint"])
    if not found:
        raise UserError(f"{printable(parts)} holds no photographs yet; run  lodisc embed  first")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        store, labels = Store(folder), Labels(folder / "labels.sqlite")
        _carry_labels(folder, labels, store)
        before = store.keys_and("digest") if store.exists else {}
        if (
            before
            and not before.keys() & found.keys()
            and not set(before.values()) & set(found.values())
        ):
            raise UserError(
                f"none of the {len(before):,} photographs of {printable(folder)} is in {printable(parts)}; choose another --collection"
            )
        _keep_encoder(parts, folder, settings)
        moved = _renamed(labels, before, found)
        edited = [
            key
            for key in labels.current().keys() & before.keys() & found.keys() - moved.keys()
            if before[key] != found[key]
        ]
        if moved:
            write_json(folder / RENAMED, {"version": store.version, "moved": moved})
        (folder / RECALL).unlink(missing_ok=True)
        with progress_bar() as progress:
            bar = progress.add_task("Indexing", total=len(found), note="")
            change = store.mirror(
                _batches(paths, settings, advance=lambda count: progress.advance(bar, count)),
                schema=_schema(settings),
            )
        carried = _carry_labels(folder, labels, store)
        skipped = skipped_in(parts)
        write_skipped(folder / "skipped.jsonl", skipped)
        _forget_other_encoders(folder, settings["fingerprint"])
        store.tidy()
        recall = keep_index(Collection(folder))
    counts = {"photographs": len(found), **change._asdict(), "skipped": len(skipped)}
    kept = {"labels_carried": carried, "labels_of_edited": len(edited)}
    return {
        "collection": str(folder),
        **counts,
        **kept,
        "recall": recall._asdict() if recall else None,
    }


def _embedding(parts: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((parts / SETTINGS).read_text())
    except FileNotFoundError:
        raise UserError(
            f"{printable(parts)} holds no embedding; make one with  lodisc embed RUN DATA --out {printable(parts)}"
        ) from None
    except ValueError as error:
        raise UserError(
            f"{printable(parts / SETTINGS)} is damaged ({error}); run  lodisc embed  into another folder"
        ) from None
    return settings


def _contents(paths: list[Path], fingerprint: str) -> dict[str, str]:
    """The digest of every photograph in the parts, by its key; refuses parts that can't be trusted."""
    digests: dict[str, str] = {}
    for path in paths:
        try:
            rows = pq.read_table(path, columns=["key", "digest", "vector"])
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(
                f"{printable(path)} is damaged ({str(error).splitlines()[0]}); run  lodisc embed  again"
            ) from None
        if (rows.schema.metadata or {}).get(FINGERPRINT) != fingerprint.encode():
            raise UserError(
                f"{printable(path)} was made by another encoder than {SETTINGS} says; delete it and run  lodisc embed  again"
            )
        if len(rows) and not np.isfinite(vectors_of(rows)).all():
            raise UserError(
                f"{printable(path)} holds vectors that are not finite; delete it and run  lodisc embed  again"
            )
        keys = rows["key"].to_pylist()
        twice = next((key for key in keys if key in digests), None)
        if twice is not None:
            raise UserError(
                f"{printable(path)}: {printable(twice)} is in another part too; let  lodisc embed  finish first"
            )
        digests.update(zip(keys, rows["digest"].to_pylist(), strict=True))
    return digests


def _schema(settings: dict[str, Any]) -> pa.Schema:
    texts = [
        (name, pa.string()) for name in ("key", "path", "folder", "split", "digest", ROW_STATE)
    ]
    numbers = [(name, pa.int64()) for name in ("offset", "bytes", "modified")]
    vector = pa.list_(pa.from_numpy_dtype(np.dtype(settings["dtype"])), settings["dim"])
    return pa.schema(
        [*texts, *numbers, ("vector", vector)],
        metadata={FINGERPRINT: settings["fingerprint"].encode()},
    )


def _batches(
    paths: list[Path], settings: dict[str, Any], *, advance: Any
) -> Iterator[pa.RecordBatch]:
    """The rows of the parts as the store keeps them: `label` is the sub-folder's name there, and `state` a digest of the row."""
    schema = _schema(settings)
    for path in paths:
        rows = pq.read_table(path)
        rows = rows.rename_columns(
            ["folder" if name == "label" else name for name in rows.column_names]
        )
        described = [name for name in schema.names if name not in ("vector", ROW_STATE)]
        values = zip(*(rows[name].to_pylist() for name in described), strict=True)
        states = [hashlib.blake2b(repr(row).encode(), digest_size=16).hexdigest() for row in values]
        rows = (
            rows.append_column(ROW_STATE, pa.array(states, pa.string()))
            .select(schema.names)
            .replace_schema_metadata(schema.metadata)
        )
        for batch in rows.to_batches(max_chunksize=8192):
            yield batch
            advance(len(batch))


def _keep_encoder(parts: Path, folder: Path, settings: dict[str, Any]) -> None:
    """Copy the encoder, whole or not at all, and write down what it was made by."""
    kept = encoder_folder(folder, settings["fingerprint"])
    if not kept.is_dir():
        beside = kept.with_suffix(".tmp")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(parts / ENCODER, beside)
        beside.rename(kept)
    write_json(kept / EMBEDDING, {**settings, "parts": str(parts.resolve())})


def _forget_other_encoders(folder: Path, fingerprint: str) -> None:
    kept = encoder_folder(folder, fingerprint)
    for other in kept.parent.iterdir():
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)


def _renamed(labels: Labels, before: dict[str, str], found: dict[str, str]) -> dict[str, str]:
    """The new key of every labelled photograph that is not where it was: of the same digest, first to first where there are copies."""
    gone, come = defaultdict(list), defaultdict(list)
    for key in sorted(labels.current()):
        if key in before and found.get(key) != before[key]:
            gone[before[key]].append(key)
    for key, digest in sorted(found.items()):
        if digest in gone and before.get(key) != digest:
            come[digest].append(key)
    return {
        old: new
        for digest, olds in gone.items()
        for old, new in zip(olds, come[digest], strict=False)
    }


def _carry_labels(folder: Path, labels: Labels, store: Store) -> int:
    """Let labels follow the photographs that were to be renamed when the store had another version: now, or before it was killed."""
    path = folder / RENAMED
    if not path.exists():
        return 0
    renamed = read_json(path)
    carried = (
        labels.carry(renamed["moved"])
        if store.exists and store.version != renamed["version"]
        else 0
    )
    path.unlink()
    return carried
