"""The groups of a collection, kept in its folder."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lodisc.errors import UserError
from lodisc.files import write_json
from lodisc.vectors.clusters import CRITERION, Grouping

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection

GROUPS = "groups.json"


def save_groups(grouping: Grouping, collection: Collection) -> None:
    """Keep the grouping in the collection, in place of the one before."""
    content = {
        "format": 1,
        "seed": grouping.seed,
        "fingerprint": grouping.fingerprint,
        "criterion": CRITERION,
        "tried": {str(k): list(value) for k, value in grouping.likelihoods.items()},
        "groups": len(grouping),
        "features": grouping.centroids.shape[1],
        "centroids": base64.b64encode(grouping.centroids.astype("<f4").tobytes()).decode(),
    }
    write_json(collection.path / GROUPS, content)


def load_groups(collection: Collection) -> Grouping | None:
    """The grouping of a collection; none when it was never grouped, or with another encoder. Raises `UserError` when it is damaged."""
    path = collection.path / GROUPS
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        flat = np.frombuffer(base64.b64decode(content["centroids"], validate=True), "<f4")
        centroids = flat.astype(np.float32).reshape(content["groups"], content["features"])
        tried = {
            int(k): (float(value), float(error)) for k, (value, error) in content["tried"].items()
        }
        grouping = Grouping(centroids, content["seed"], content["fingerprint"], tried)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); run  lodisc group  again") from None
    return grouping if grouping.fingerprint == collection.photos().fingerprint else None
