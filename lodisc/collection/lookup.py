"""`lodisc search`: the look-alikes of photographs, of the collection or of files beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.grouping import load_groups
from lodisc.collection.lookalikes import Recall, look_alikes, measured_recall
from lodisc.collection.where import rows_where
from lodisc.console import note, stdout, table
from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.vectors.clusters import assign
from lodisc.vectors.nearest import unit_rows

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos


def look_up(
    collection: Collection,
    wanted: Sequence[str],
    *,
    top: int = 12,
    where: str | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """The `top` look-alikes of each photograph, named by its key in the collection or by a file, ready for JSON.

    `where` is a condition in SQL that they must meet. A photograph of the collection is not among its own look-alikes. Raises
    `UserError` for what is neither key nor readable file, and for a condition that is none.
    """
    photos, labels = collection.photos(), collection.labels.current()
    vectors_QD = _vectors(collection, photos, wanted, device=device)
    allowed_N = None if where is None else allowed_rows(collection, photos, where)
    rows_QK, scores_QK = look_alikes(
        collection, photos, vectors_QD, top=top + 1, allowed_N=allowed_N
    )
    answers = []
    for query, rows, scores in zip(wanted, rows_QK.tolist(), scores_QK.tolist(), strict=True):
        found = [
            (photos.keys[row], score)
            for row, score in zip(rows, scores, strict=True)
            if photos.keys[row] != query
        ][:top]
        answers.append(
            {
                "query": query,
                "found": [
                    {
                        "key": key,
                        "score": round(score, 4),
                        "label": labels.get(key),
                        "path": _path(photos, key),
                    }
                    for key, score in found
                ],
            }
        )
    recall = measured_recall(collection, photos) if allowed_N is None else None
    return {
        "photographs": len(photos),
        "allowed": None if allowed_N is None else int(allowed_N.sum()),
        "recall": recall._asdict() if recall else None,
        "answers": answers,
    }


def allowed_rows(collection: Collection, photos: Photos, where: str) -> NDArray[np.bool_]:
    """Which photographs [N] meet a condition in SQL on their columns, labels, groups and names."""
    labels = collection.labels.current()
    groups_N = names = None
    if _speaks_of("group", where) and (grouping := load_groups(collection)) is not None:
        groups_N = assign(photos.vectors, grouping)[0]
    if _speaks_of("name", where):
        from lodisc.vectors.classifier import predict_labels  # loads torch

        learnt = predict_labels(photos.vectors, [labels.get(key) for key in photos.keys]).labels
        names = [name or "" for name in learnt] if any(learnt) else None
    return rows_where(photos, labels, where, groups=groups_N, names=names)


def _speaks_of(column: str, where: str) -> bool:
    return re.search(rf"\b{column}\b", where, re.IGNORECASE) is not None


def print_answers(result: dict[str, Any]) -> None:
    """A table for each photograph that was asked for."""
    if result["allowed"] is not None:
        stdout.print(
            f"{result['allowed']:,} of {result['photographs']:,} photographs meet the condition.",
            markup=False,
        )
    if result["recall"]:
        stdout.print(Recall(**result["recall"]).words, markup=False)
    for answer in result["answers"]:
        rows = [
            [printable(found["key"]), f"{found['score']:.3f}", found["label"] or ""]
            for found in answer["found"]
        ]
        table(f"Like {printable(answer['query'])}", ["photograph", "cosine", "label"], rows)


def _vectors(
    collection: Collection, photos: Photos, wanted: Sequence[str], *, device: str
) -> NDArray[np.float32]:
    """The vectors [Q, D] of what is asked for, of length 1."""
    for name in wanted:
        if (
            name in photos.position
            and Path(name).is_file()
            and Path(name).resolve() != Path(_path(photos, name)).resolve()
        ):
            note(
                f"note: {printable(name)} is taken for the photograph with that key; say ./{printable(name)} for the file"
            )
    files = [name for name in wanted if name not in photos.position]
    for name in files:
        if not Path(name).is_file():
            raise UserError(
                f"{printable(name)} is neither the key of a photograph in {printable(collection.path)} nor a file"
            )
    if not files:
        return photos.vectors[[photos.position[name] for name in wanted]]
    embedded = dict(
        zip(files, unit_rows(collection.encoder(device=device).embed(files).numpy()), strict=True)
    )
    return np.stack(
        [
            embedded[name] if name in embedded else photos.vectors[photos.position[name]]
            for name in wanted
        ]
    )


def _path(photos: Photos, key: str) -> str:
    return str(photos.table["path"][photos.position[key]].as_py())
