"""Labels by the rows of a collection, and which of them are accepted names.

Axes: N photographs.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos
    from lodisc.vectors.classifier import Predictions


@dataclass(frozen=True, eq=False)
class RowLabels:
    """The label of each row at one moment."""

    labels: list[str | None]
    accepted_N: NDArray[np.bool_]
    """Which of them are accepted names, from which nothing is learnt."""
    rejected: Mapping[int, frozenset[str]]
    """Names that people rejected, by row, of photographs without a label."""

    @property
    def from_people(self) -> list[str | None]:
        """The label of each row, None for an accepted name."""
        return [
            None if is_accepted else label
            for label, is_accepted in zip(self.labels, self.accepted_N, strict=True)
        ]


def row_labels(
    photos: Photos,
    labels: Mapping[str, str],
    accepted_keys: Container[str],
    rejections: Mapping[str, frozenset[str]],
) -> RowLabels:
    """The labels of these photographs by their keys."""
    is_accepted = (key in accepted_keys for key in photos.keys)
    rows = enumerate(photos.keys) if rejections else ()
    return RowLabels(
        [labels.get(key) for key in photos.keys],
        np.fromiter(is_accepted, np.bool_, len(photos)),
        {row: rejections[key] for row, key in rows if key in rejections and key not in labels},
    )


def current_row_labels(collection: Collection, photos: Photos) -> RowLabels:
    """The labels as they are now."""
    labels = collection.labels
    return row_labels(photos, *labels.with_accepted_keys(), labels.rejections())


def predict(photos: Photos, by_row: RowLabels) -> Predictions:
    """The names learnt from these labels, without those that people rejected."""
    from lodisc.vectors.classifier import predict_labels  # loads torch

    predictions = predict_labels(photos.smoothed, by_row.labels, accepted_N=by_row.accepted_N)
    return predictions.without(by_row.rejected)
