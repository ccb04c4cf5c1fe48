"""Names of photographs that are not in a collection, by what was learnt from its labels.

Axes: N photographs of the collection, M new ones, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lodisc.vectors.nearest import nearest

if TYPE_CHECKING:
    from lodisc.collection.collection import Photos
    from lodisc.collection.row_labels import RowLabels
    from lodisc.vectors.classifier import Predictions

LIKELY = 0.5  # the probability from which on a photograph is likely of a new kind


class NewName(NamedTuple):
    """What is said of one new photograph."""

    name: str | None
    """None where people have given labels of fewer than two kinds."""
    confidence: float | None
    """Calibrated probability that the name is right, 0 to 1."""
    new_kind: float | None
    """That it is of none of the labelled kinds; None with too few labels to tell."""
    look_alike: int | None
    """The row of the most similar photograph that a person gave a label; without names, of all."""
    similarity: float | None
    """Its cosine."""


def name_vectors(
    photos: Photos,
    by_row: RowLabels,
    predictions: Predictions,
    vectors_MD: NDArray[np.float32],
) -> list[NewName]:
    """Name vectors of length 1 that are not in a collection.

    `predictions` are those learnt from `photos.smoothed` and the labels `by_row`. Each vector is
    named as if it alone were in the collection, without a label.
    """
    if not len(vectors_MD):
        return []
    others = predictions.predict_others(photos.smoothed_among(vectors_MD))
    allowed_N = by_row.is_from_people_N if others is not None else None
    rows_MK, cosines_MK = nearest(photos.vectors, vectors_MD, top=1, allowed_N=allowed_N)
    names = []
    for index, (rows_K, cosines_K) in enumerate(zip(rows_MK, cosines_MK, strict=True)):
        new_kind_M = None if others is None else others.new_kind_M
        names.append(
            NewName(
                None if others is None else others.labels[index],
                None if others is None else round(float(others.confidence_M[index]), 4),
                None if new_kind_M is None else round(float(new_kind_M[index]), 4),
                int(rows_K[0]) if len(rows_K) else None,
                round(float(cosines_K[0]), 4) if len(rows_K) else None,
            )
        )
    return names


def is_likely_new(new_kind: float | None) -> bool:
    """Whether a photograph with this probability is more likely of none of the labelled kinds."""
    return new_kind is not None and new_kind >= LIKELY
