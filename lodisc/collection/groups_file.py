"""The grouping of a collection, in its folder."""

from __future__ import annotations

import base64
import itertools
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lodisc.console import progress_bar
from lodisc.errors import UserError
from lodisc.files import Kinds, has_changed, problem_of, read_bytes, with_digest, write_json
from lodisc.vectors.clusters import CRITERION, Grouping, assign, find_groups, with_numbers_of

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos

logger = logging.getLogger("lodisc")

_KINDS: Kinds = {
    **dict.fromkeys(("seed", "groups", "features"), int),
    **dict.fromkeys(("fingerprint", "centroids"), str),
    "tried": dict[str, list[float]],
    # Files of older versions lack these
    "smoothed": bool | None,
    "numbers": list[int] | None,
    **dict.fromkeys(("photographs", "digest"), str | None),
}
_MOST_NUMBER = 1_000_000


class _Saved(NamedTuple):
    """What the file holds."""

    grouping: Grouping
    photographs: NDArray[np.uint32] | None
    """The photographs that were grouped, by `_sums`; None in files of older versions."""


def group_photos(
    collection: Collection, photos: Photos, *, k: int | None = None, seed: int = 0
) -> Grouping:
    """Group the photographs and save the grouping.

    Raises `UserError` for `k` below 1, and for a folder in place of the file of groups.
    """
    _require_no_folder(collection.files.groups)
    with progress_bar() as progress:
        bar = progress.add_task("Grouping", total=None, note="")
        grouping = find_groups(
            photos.vectors,
            smoothed_ND=photos.smoothed,
            k=k,
            seed=seed,
            fingerprint=photos.fingerprint,
            advance=lambda step: progress.update(
                bar, completed=step.number, total=step.most, note=f"{step.k} groups"
            ),
        )
    return save_groups(grouping, collection)


def save_groups(grouping: Grouping, collection: Collection) -> Grouping:
    """Write the grouping into the collection, in place of the previous one, whose numbers stay.

    Returns it as it is written.
    """
    _require_no_folder(collection.files.groups)
    grouping = _with_previous_numbers(grouping, collection)
    content = {
        "format": 1,
        "seed": grouping.seed,
        "fingerprint": grouping.fingerprint,
        "smoothed": grouping.smoothed,
        "criterion": CRITERION,
        "tried": {str(k): list(value) for k, value in grouping.likelihoods.items()},
        "groups": len(grouping),
        "numbers": grouping.numbers_G.tolist(),
        "features": grouping.centroids.shape[1],
        "centroids": _as_text(grouping.centroids, "<f4"),
        "photographs": _as_text(_sums(collection.photos()), "<u4"),
    }
    write_json(collection.files.groups, with_digest(content))
    return grouping


def load_groups(collection: Collection) -> Grouping | None:
    """The grouping of a collection; None if there is none, or only one of another encoder.

    Raises `UserError` if it is damaged.
    """
    saved = _load(collection)
    return None if saved is None else saved.grouping


def _with_previous_numbers(grouping: Grouping, collection: Collection) -> Grouping:
    try:
        before = _load(collection)
    except UserError as error:  # about to be replaced
        logger.info(f"note: {error.args[0].split(';')[0]}; the numbers of groups begin afresh.")
        return grouping
    if before is None:
        return grouping
    photos = collection.photos()
    before_N, group_N = (
        assign(photos.grouped(each), each)[0] for each in (before.grouping, grouping)
    )
    was_there_N = np.ones(len(photos), np.bool_)
    if before.photographs is not None:
        was_there_N = np.isin(_sums(photos), before.photographs)
    return with_numbers_of(
        before.grouping, grouping, before_N=before_N[was_there_N], group_N=group_N[was_there_N]
    )


def _load(collection: Collection) -> _Saved | None:
    """What the file of groups holds; None, and errors, as of `load_groups`."""
    path, photos = collection.files.groups, collection.photos()
    _require_no_folder(path)
    try:
        saved = _read(path)
        if saved is None or saved.grouping.fingerprint != photos.fingerprint:
            return None
        if saved.grouping.centroids.shape[1] != photos.vectors.shape[1]:
            raise ValueError("its features are not those of the vectors")
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path} is damaged ({reason}); run  lodisc group  again") from error
    return saved


def _require_no_folder(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder; delete it, and run  lodisc group  again")


def _read(path: Path) -> _Saved | None:
    """What the file holds; raises `ValueError`, `OSError` or `RecursionError` if it is damaged."""
    try:
        content: dict[str, Any] = json.loads(read_bytes(path))
    except FileNotFoundError:
        return None
    if problem := problem_of(content, _KINDS):
        raise ValueError(problem)
    if has_changed(content):
        raise ValueError("its content has changed since it was written")
    flat = np.frombuffer(base64.b64decode(content["centroids"], validate=True), "<f4")
    count, features = content["groups"], content["features"]
    if count < 1 or features < 1 or len(flat) != count * features:
        raise ValueError("its centroids are not as many as its groups")
    centroids_GD = flat.astype(np.float32).reshape(count, features)
    if not (np.linalg.norm(centroids_GD.astype(np.float64), axis=1) < 1 + 1e-3).all():
        raise ValueError("its centroids are not of length 1")
    numbers = content.get("numbers") or list(range(1, count + 1))
    ranks = [0, *numbers, _MOST_NUMBER + 1]
    if len(numbers) != count or any(b <= a for a, b in itertools.pairwise(ranks)):
        raise ValueError("its numbers are not ascending, or not one for each group")
    if not all(k.isdecimal() and len(value) == 2 for k, value in content["tried"].items()):
        raise ValueError("its numbers of groups that were tried are of another kind")
    likelihoods = {int(k): (value, error) for k, (value, error) in content["tried"].items()}
    photographs = None
    if content.get("photographs") is not None:
        data = base64.b64decode(content["photographs"], validate=True)
        photographs = np.frombuffer(data, "<u4").astype(np.uint32)
    grouping = Grouping(
        centroids_GD,
        content["seed"],
        content["fingerprint"],
        bool(content.get("smoothed")),
        likelihoods,
        np.array(numbers, np.int64),
    )
    return _Saved(grouping, photographs)


def _sums(photos: Photos) -> NDArray[np.uint32]:
    """A checksum [N] of each photograph's digest; newcomers hardly ever have one of these."""
    digests = photos.table["digest"].to_pylist()
    return np.fromiter((crc32(digest.encode()) for digest in digests), np.uint32, len(digests))


def _as_text(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode()
