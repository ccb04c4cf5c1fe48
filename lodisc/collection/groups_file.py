"""The grouping of a collection, in its folder."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lodisc.console import progress_bar
from lodisc.errors import UserError
from lodisc.files import write_json
from lodisc.vectors.clusters import CRITERION, Grouping, find_groups

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos


def group_photos(
    collection: Collection, photos: Photos, *, k: int | None = None, seed: int = 0
) -> Grouping:
    """Group the photographs and save the grouping. Raises `UserError` for `k` below 1."""
    with progress_bar() as progress:
        bar = progress.add_task("Grouping", total=None, note="")
        grouping = find_groups(
            photos.vectors,
            smoothed_ND=photos.smoothed,
            k=k,
            seed=seed,
            fingerprint=photos.fingerprint,
            advance=lambda k: progress.update(bar, advance=1, note=f"{k} groups tried"),
        )
    save_groups(grouping, collection)
    return grouping


def save_groups(grouping: Grouping, collection: Collection) -> None:
    """Write the grouping into the collection, in place of the previous one."""
    content = {
        "format": 1,
        "seed": grouping.seed,
        "fingerprint": grouping.fingerprint,
        "smoothed": grouping.smoothed,
        "criterion": CRITERION,
        "tried": {str(k): list(value) for k, value in grouping.likelihoods.items()},
        "groups": len(grouping),
        "features": grouping.centroids.shape[1],
        "centroids": base64.b64encode(grouping.centroids.astype("<f4").tobytes()).decode(),
    }
    write_json(collection.files.groups, content)


def load_groups(collection: Collection) -> Grouping | None:
    """The grouping of a collection; None if there is none, or only one of another encoder.

    Raises `UserError` if it is damaged.
    """
    path = collection.files.groups
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        flat = np.frombuffer(base64.b64decode(content["centroids"], validate=True), "<f4")
        centroids = flat.astype(np.float32).reshape(content["groups"], content["features"])
        likelihoods = {
            int(k): (float(value), float(error)) for k, (value, error) in content["tried"].items()
        }
        smoothed = bool(content.get("smoothed", False))
        grouping = Grouping(
            centroids, content["seed"], content["fingerprint"], smoothed, likelihoods
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); run  lodisc group  again") from None
    return grouping if grouping.fingerprint == collection.photos().fingerprint else None
