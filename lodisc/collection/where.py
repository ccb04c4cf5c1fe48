"""Photographs by a condition in SQL: `label = 'finch'`, `group in (3, 7) and label is null`, `key like 'beach/%'`.

The columns are key, path, folder, split (text), bytes, group (whole numbers), label and name (text). As in SQL, `label <> 'x'` leaves out
photographs without a label; ask for them with `label is null`. A condition sees these columns and nothing else: no files, no sub-queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lodisc.data.photo import printable
from lodisc.errors import UserError

if TYPE_CHECKING:
    from lodisc.collection.collection import Photos

LONGEST = 1000  # characters; some of several thousand end the process, so deep they are nested
_INNER = re.compile(
    ".*(Invalid input, |invalid SQL predicate: |Invalid user input: |Arrow error: |Not supported: )"
)
_ABSENT = {
    "group": "there are no groups yet; run  lodisc group",
    "name": "photographs have names once some are labelled",
}


def rows_where(
    photos: Photos,
    labels: Mapping[str, str],
    where: str,
    *,
    groups: NDArray[np.int64] | None = None,
    names: Sequence[str] | None = None,
) -> NDArray[np.bool_]:
    """Which rows [N] meet a condition in SQL; `labels` by key, `groups` and `names` of every row where there are any.

    Raises `UserError`, of one line, for what is no condition on the columns.
    """
    import lancedb

    if len(where) > LONGEST:
        raise UserError(f"--where may have {LONGEST:,} characters, not {len(where):,}")
    columns = {name: photos.table[name] for name in ("key", "path", "folder", "split", "bytes")}
    columns["label"] = pa.array([labels.get(key) for key in photos.keys], pa.string())
    if groups is not None:
        columns["group"] = pa.array(groups, pa.int64())
    if names is not None:
        columns["name"] = pa.array(names, pa.string())
    rows = lancedb.connect("memory://").create_table("photos", pa.table(columns))
    try:
        found = (
            rows.search()
            .where(f"({where}\n)")
            .select(["key"])
            .limit(max(1, len(photos.keys)))
            .to_arrow()
        )
    except Exception as error:  # of many kinds, a panic among them
        raise UserError(
            f"--where {printable(where[:80])}: {_reason(str(error), columns)}"
        ) from None
    met_N = np.zeros(len(photos.keys), np.bool_)
    met_N[[photos.position[key] for key in found["key"].to_pylist()]] = True
    return met_N


def _reason(message: str, columns: Mapping[str, pa.ChunkedArray]) -> str:
    """What is wrong, without the inner workings."""
    if unknown := re.search(r'No field named "?([^".]+)"?\.', message):
        name = unknown[1].lower()
        return (
            _ABSENT.get(name)
            or f"there is no column {printable(name)}; there are {', '.join(columns)}, and text stands in 'single quotes'"
        )
    if wrong := re.search(r"sql parser error: (.*)\)", message):
        return printable(wrong[1])
    words = re.split(r", /\S+\.rs:", message.replace("\n)", ")"))[
        0
    ]  # where in LanceDB's own source
    return printable(_INNER.sub("", words.splitlines()[0])[:120])
