"""Queries and their nearest photographs, before and after: what features are for, on photographs drawn by lot.

Axes: N photographs of the gallery, Q queries, K neighbours.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lodisc.config import split_seed
from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos, split_photos, training_photos
from lodisc.errors import UserError
from lodisc.evaluation.features import extract
from lodisc.photo_encoder import PhotoEncoder
from lodisc.vectors.logistic import unit

GALLERY, QUERIES, NEIGHBOURS = 600, 8, 5


@dataclass(frozen=True, eq=False)
class Query:
    """A photograph and the photographs nearest to it by the features of each arm, nearest first."""

    photo: Photo
    nearest: dict[str, list[Photo]]

    def right(self, arm: str) -> int | None:
        """How many of them are of its class; None where it has no label."""
        return (
            None
            if self.photo.label is None
            else sum(photo.label == self.photo.label for photo in self.nearest[arm])
        )


@dataclass(frozen=True, eq=False)
class Lookalikes:
    """Queries among a gallery of so many `test` or `training` photographs, all of them or a part drawn by lot."""

    queries: list[Query]
    gallery: int
    of: int
    kind: str


def find_lookalikes(
    arms: Mapping[str, PhotoEncoder], data: Path, settings: Mapping[str, Any]
) -> Lookalikes:
    """Queries from the test photographs of `data`, or from those that the run learnt from; raises `UserError` when none can be read.

    Queries are drawn by lot from the run's seed, of different classes as far as there are labels; never by what they show.
    """
    photos, kind = _photographs(data, settings)
    rng = np.random.default_rng([settings["seed"], len(photos)])
    chosen = sorted(rng.permutation(len(photos))[:GALLERY].tolist())
    gallery = [photos[index] for index in chosen]
    nearest: dict[str, Tensor] = {}
    for name, encoder in arms.items():
        features = extract(
            encoder,
            gallery,
            classes=(),
            description=f"{name}: photographs of the report",
            workers=settings["workers"],
        )
        gallery = features.photos
        if len(gallery) < 2:
            raise UserError("fewer than two of the photographs can be read")
        similarity_NN = unit(features.vectors) @ unit(features.vectors).T
        similarity_NN.fill_diagonal_(-2)
        count = min(NEIGHBOURS, len(gallery) - 1)
        nearest[name] = similarity_NN.sort(dim=1, descending=True, stable=True).indices[:, :count]
    queries = [
        Query(
            gallery[index],
            {
                name: [gallery[other] for other in near_NK[index].tolist()]
                for name, near_NK in nearest.items()
            },
        )
        for index in _draw(gallery, rng)
    ]
    return Lookalikes(queries, gallery=len(gallery), of=len(photos), kind=kind)


def _photographs(data: Path, settings: Mapping[str, Any]) -> tuple[list[Photo], str]:
    """The test photographs, in the run's own division, or else all that it learnt from; labels only where they tell apart."""
    photos = find_photos(data).photos
    if not any(photo.split == "test" for photo in photos):
        photos = split_photos(
            photos, train_split=settings["train_split"], seed=split_seed(settings)
        )
    test = [photo for photo in photos if photo.split == "test"]
    photos, kind = (test, "test") if len(test) > 1 else (training_photos(photos), "training")
    if len({photo.label for photo in photos if photo.label is not None}) < 2:
        photos = [replace(photo, label=None) for photo in photos]
    return photos, kind


def _draw(gallery: Sequence[Photo], rng: np.random.Generator) -> list[int]:
    """Positions of the queries: those that have something to find, one of each class before a second of any."""
    sizes = Counter(photo.label for photo in gallery)
    order = rng.permutation(len(gallery)).tolist()
    able = [
        index for index in order if gallery[index].label is None or sizes[gallery[index].label] > 1
    ] or order
    turn: Counter[str | None] = Counter()
    rounds = []
    for place, index in enumerate(able):
        rounds.append((turn[gallery[index].label], place, index))
        turn[gallery[index].label] += 1
    return [index for _, _, index in sorted(rounds)[:QUERIES]]
