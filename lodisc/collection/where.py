"""Photographs by a condition in SQL.

Examples: `label = 'finch'`, `group in (3, 7) and label is null`, `key like 'beach/%'`.

The columns are key, path, folder, split, label, name (text), bytes and group (whole numbers). As in
SQL, `label <> 'x'` leaves out photographs without a label; ask for them with `label is null`. A
condition sees these columns and nothing else: no files, no sub-queries.

Axes: N photographs.
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

LONGEST = 1000  # characters; a deeply nested condition of several thousand ends the process
_PREFIX = re.compile(
    ".*(Invalid input, |invalid SQL predicate: |Invalid user input: |Arrow error: |Not supported: )"
)  # of LanceDB's messages
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
    """Which rows [N] meet a condition in SQL.

    `labels` are by key; `groups` and `names` are row by row, if there are any. Raises `UserError`,
    of one line, for what is not a condition on the columns.
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
        matches = (
            rows.search()
            .where(f"({where}\n)")
            .select(["key"])
            .limit(max(1, len(photos.keys)))
            .to_arrow()
        )
    except Exception as error:  # LanceDB raises many kinds, even panics
        raise UserError(
            f"--where {printable(where[:80])}: {_reason(str(error), columns)}"
        ) from None
    allowed_N = np.zeros(len(photos.keys), np.bool_)
    allowed_N[[photos.position[key] for key in matches["key"].to_pylist()]] = True
    return allowed_N


def _reason(message: str, columns: Mapping[str, pa.ChunkedArray]) -> str:
    """What is wrong, in LanceDB's words without its internals."""
    if unknown := re.search(r'No field named "?([^".]+)"?\.', message):
        name = unknown[1].lower()
        return _ABSENT.get(name) or (
            f"there is no column {printable(name)}; there are {', '.join(columns)}, "
            "and text stands in 'single quotes'"
        )
    if wrong := re.search(r"sql parser error: (.*)\)", message):
        return printable(wrong[1])
    words, *_ = re.split(r", /\S+\.rs:", message.replace("\n)", ")"))  # a place in its source
    return printable(_PREFIX.sub("", words.splitlines()[0])[:120])
