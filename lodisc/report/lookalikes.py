"""Random queries and the photographs nearest to them, before and after the training.

Axes: N photographs of the gallery, Q queries, K neighbours.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos, split_photos, training_photos
from lodisc.errors import UserError
from lodisc.evaluation.features import extract
from lodisc.photo_encoder import PhotoEncoder
from lodisc.vectors.logistic import unit

GALLERY, QUERIES, NEIGHBOURS = 600, 8, 5


@dataclass(frozen=True, eq=False)
class Query:
    """A photograph and the photographs nearest to it, nearest first, by arm."""

    photo: Photo
    nearest: dict[str, list[Photo]]

    def right(self, arm: str) -> int | None:
        """The number of nearest photographs of its class; None where it has no label."""
        if self.photo.label is None:
            return None
        return sum(photo.label == self.photo.label for photo in self.nearest[arm])


@dataclass(frozen=True, eq=False)
class Lookalikes:
    """Queries and the gallery that was searched."""

    queries: list[Query]
    gallery: int
    """Number of photographs in the gallery, a random part of `of` photographs or all of them."""
    of: int
    kind: str
    """`test` or `training`."""


def find_lookalikes(
    arms: Mapping[str, PhotoEncoder], data: Path, settings: Mapping[str, Any]
) -> Lookalikes:
    """Queries from the test photographs of `data`, or else from the training photographs.

    Queries are chosen at random by the seed of the run, from different classes as far as there are
    labels, and never by what they show. Raises `UserError` when fewer than two can be read.
    """
    photos, kind = _photographs(data, settings)
    rng = np.random.default_rng([settings["seed"], len(photos)])
    gallery = [photos[index] for index in sorted(rng.permutation(len(photos))[:GALLERY].tolist())]
    nearest: dict[str, Tensor] = {}
    for name, encoder in arms.items():
        features = extract(
            encoder,
            gallery,
            classes=(),
            description=f"{name}: photographs of the report",
            workers=min(settings["workers"], os.cpu_count() or 1),
        )
        gallery = features.photos
        if len(gallery) < 2:
            raise UserError("fewer than two of the photographs can be read; give others")
        similarity_NN = unit(features.vectors) @ unit(features.vectors).T
        similarity_NN.fill_diagonal_(-2)
        count = min(NEIGHBOURS, len(gallery) - 1)
        nearest[name] = similarity_NN.sort(dim=1, descending=True, stable=True).indices[:, :count]
    queries = []
    for index in _choose_queries(gallery, rng):
        neighbours = {
            name: [gallery[other] for other in near_NK[index].tolist()]
            for name, near_NK in nearest.items()
        }
        queries.append(Query(gallery[index], neighbours))
    return Lookalikes(queries, gallery=len(gallery), of=len(photos), kind=kind)


def _photographs(data: Path, settings: Mapping[str, Any]) -> tuple[list[Photo], str]:
    """The test photographs in the division of the run, or else all its training photographs.

    Labels are dropped unless there are at least two.
    """
    photos = find_photos(data).photos
    if not any(photo.split == "test" for photo in photos):
        photos = split_photos(
            photos, train_split=settings["train_split"], seed=settings["split_seed"]
        )
    test = [photo for photo in photos if photo.split == "test"]
    photos, kind = (test, "test") if len(test) > 1 else (training_photos(photos), "training")
    if len({photo.label for photo in photos if photo.label is not None}) < 2:
        photos = [replace(photo, label=None) for photo in photos]
    return photos, kind


def _choose_queries(gallery: Sequence[Photo], rng: np.random.Generator) -> list[int]:
    """Positions of the queries, one of each class before a second of any.

    Photographs that are the only one of their class are chosen only if there are no others.
    """
    sizes = Counter(photo.label for photo in gallery)
    order = rng.permutation(len(gallery)).tolist()
    candidates = [
        index for index in order if gallery[index].label is None or sizes[gallery[index].label] > 1
    ]
    count: Counter[str | None] = Counter()
    rounds = []
    for place, index in enumerate(candidates or order):
        rounds.append((count[gallery[index].label], place, index))
        count[gallery[index].label] += 1
    return [index for _, _, index in sorted(rounds)[:QUERIES]]
