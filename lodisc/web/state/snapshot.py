"""One state of everything that is known of the photographs, row by row, and what the API says of one.

Axes: N photographs, D feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.vectors.clusters import Group, Grouping, typicality
from lodisc.web import models

if TYPE_CHECKING:
    from lodisc.vectors.classifier import Predictions

DOUBTFUL, FITS_LEAST = 0.5, 0.1


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups, and which of them each row belongs to."""

    grouping: Grouping
    group_N: NDArray[np.int64]
    doubt_N: NDArray[np.float32]
    described: list[Group]
    digest: str
    """Of who is in which group."""


@dataclass(frozen=True, eq=False)
class Now:
    """Photographs, labels, groups and names as they are together; it never changes."""

    version: str
    photos: Photos
    typed: int
    """The version of the labels."""
    labels: dict[str, str]
    """What people typed, by key."""
    groups: Groups | None = None
    names: Predictions | None = None
    """The last `Predictions` that were learnt from these photographs, perhaps before the last label."""

    @cached_property
    def label_N(self) -> list[str | None]:
        """The label of each row."""
        return [self.labels.get(key) for key in self.photos.keys]

    @cached_property
    def is_labelled_N(self) -> NDArray[np.bool_]:
        """Which rows a person has labelled."""
        return np.fromiter(
            (label is not None for label in self.label_N), np.bool_, len(self.photos)
        )

    @cached_property
    def folder_N(self) -> NDArray[np.object_]:
        """The folder of each row, or None."""
        return np.array([*self.photos.table["folder"].to_pylist(), None], dtype=object)[:-1]

    @cached_property
    def doubt_N(self) -> NDArray[np.float32] | None:
        """How doubtful each row is, 0..1: its name, or else its group; None before there is either.

        A label is as doubtful as the probe is sure of another name.
        """
        if self.names is None:
            return (
                None
                if self.groups is None
                else np.where(self.is_labelled_N, np.float32(0), self.groups.doubt_N)
            )
        confidence_N = self.names.confidence.astype(np.float32)
        contradicted_N = np.fromiter(
            (a != b for a, b in zip(self.names.labels, self.label_N, strict=True)),
            np.bool_,
            len(self.photos),
        )
        return np.where(
            self.is_labelled_N, np.where(contradicted_N, confidence_N, 0), 1 - confidence_N
        ).astype(np.float32)

    @cached_property
    def doubtful(self) -> NDArray[np.int64]:
        """The rows to look at, most doubtful first: names more likely wrong than right, or else the tenth that fits its groups least."""
        if self.doubt_N is None or not len(self.photos):
            return np.zeros(0, np.int64)
        least = (
            DOUBTFUL
            if self.names is not None
            else max(1e-6, float(np.quantile(self.doubt_N, 1 - FITS_LEAST)))
        )
        rows = np.flatnonzero(self.doubt_N >= least)
        return rows[np.argsort(-self.doubt_N[rows], kind="stable")]

    @cached_property
    def typical_N(self) -> NDArray[np.float32]:
        """How near each row lies to the middle of its group, or of all."""
        vectors_ND = self.photos.vectors
        if self.groups is None:
            return (
                vectors_ND @ vectors_ND.mean(axis=0) if len(vectors_ND) else np.zeros(0, np.float32)
            )
        return typicality(vectors_ND, self.groups.grouping, self.groups.group_N)

    def photo(self, row: int) -> models.Photo:
        """What the API says of a row."""
        return models.Photo(**self.described(row))

    def described(self, row: int) -> dict[str, Any]:
        """The fields of `models.Photo`."""
        table = self.photos.table
        return {
            "id": self.photos.ids[row],
            "key": self.photos.keys[row],
            "folder": self.folder_N[row],
            "split": table["split"][row].as_py(),
            "label": self.label_N[row],
            "group": None if self.groups is None else int(self.groups.group_N[row]),
            "name": None if self.names is None else self.names.labels[row],
            "confidence": None
            if self.names is None
            else round(float(self.names.confidence[row]), 4),
            "doubt": None if self.doubt_N is None else round(float(self.doubt_N[row]), 4),
        }
