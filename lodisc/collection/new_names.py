"""Names of photographs that are not in a collection, by its labels.

Axes: N photographs of the collection, M new ones, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import smoothed
from lodisc.vectors.nearest import nearest

if TYPE_CHECKING:
    from lodisc.collection.collection import Photos
    from lodisc.collection.row_labels import RowLabels

LIKELY = 0.5  # the probability from which on a photograph is likely of a new kind


class NewName(NamedTuple):
    """What is said of one new photograph."""

    name: str | None
    """None where people have given labels of fewer than two kinds."""
    confidence: float
    """Calibrated probability that the name is right, 0 to 1."""
    new_kind: float | None
    """That it is of none of the labelled kinds; None with too few labels to tell."""

    @property
    def is_likely_new(self) -> bool:
        """Whether it is more likely of none of the labelled kinds."""
        return self.new_kind is not None and self.new_kind >= LIKELY


def name_together(
    photos: Photos, by_row: RowLabels, vectors_MD: NDArray[np.float32]
) -> list[NewName]:
    """Name vectors [M, D] of length 1 that are not in a collection, as if they were, unlabelled.

    They are named together: photographs of a new kind resemble one another, and so they are told
    from labelled kinds.
    """
    from lodisc.vectors.classifier import predict_labels  # loads torch

    count = len(vectors_MD)
    predictions = predict_labels(
        smoothed(np.concatenate([photos.vectors, vectors_MD]), count=len(photos)),
        [*by_row.labels, *[None] * count],
        accepted_N=np.append(by_row.accepted_N, np.zeros(count, np.bool_)),
    )
    new_N = predictions.new_kinds.probability
    return [
        NewName(
            predictions.labels[row],
            round(float(predictions.confidence[row]), 4),
            None if new_N is None else round(float(new_N[row]), 4),
        )
        for row in range(len(photos), len(photos) + count)
    ]


def labelled_look_alikes(
    photos: Photos, by_row: RowLabels, vectors_MD: NDArray[np.float32]
) -> list[tuple[int, float] | None]:
    """The row and the cosine of the most similar photograph that a person gave a label.

    Where they gave labels of fewer than two kinds, it is the most similar of all; None in an empty
    collection.
    """
    labels = {row: label for row, label in enumerate(by_row.from_people) if label is not None}
    has_kinds = len({*labels.values()}) > 1
    rows = np.array([*labels] if has_kinds else range(len(photos)), np.int64)
    if not len(rows):
        return [None] * len(vectors_MD)
    nearest_M1, cosine_M1 = nearest(photos.vectors[rows], vectors_MD, top=1)
    pairs = zip(nearest_M1[:, 0], cosine_M1[:, 0], strict=True)
    return [(int(rows[index]), round(float(cosine), 4)) for index, cosine in pairs]
