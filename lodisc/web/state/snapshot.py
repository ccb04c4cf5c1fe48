"""Photographs, labels, groups and names at one moment, row by row.

Axes: N photographs, D feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.collection.hidden import Stamp as HiddenStamp
from lodisc.collection.labels import Stamp
from lodisc.collection.row_labels import RowLabels, row_labels
from lodisc.vectors.clusters import Group, Grouping, typicality
from lodisc.web import models

if TYPE_CHECKING:
    from lodisc.vectors.classifier import Predictions

DOUBTFUL, FITS_LEAST = 0.5, 0.1


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups, and the group of each row."""

    grouping: Grouping
    group_N: NDArray[np.int64]
    doubt_N: NDArray[np.float32]
    groups: list[Group]
    membership_digest: str
    """Changes whenever a photograph comes, goes or changes its group."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Photographs, labels, groups and names that belong together; it never changes."""

    version: str
    photos: Photos
    labels_stamp: Stamp
    labels_by_key: dict[str, str]
    """The labels that people gave, or accepted."""
    is_hidden_N: NDArray[np.bool_]
    """Which rows are hidden."""
    hidden_stamp: HiddenStamp | None = None
    accepted_keys: frozenset[str] = frozenset()
    """The keys of those that are accepted names."""
    rejections: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Names that people rejected, by key."""
    groups: Groups | None = None
    learnt: Predictions | None = None
    """The last `Predictions` learnt from these photographs, perhaps before the last label."""

    @cached_property
    def by_row(self) -> RowLabels:
        """The label of each row, and which are accepted names."""
        return row_labels(self.photos, self.labels_by_key, self.accepted_keys, self.rejections)

    @cached_property
    def names(self) -> Predictions | None:
        """What was learnt, without the names that people have rejected, perhaps since."""
        return None if self.learnt is None else self.learnt.without(self.by_row.rejected)

    @property
    def labels(self) -> list[str | None]:
        """The label of each row."""
        return self.by_row.labels

    @cached_property
    def is_labelled_N(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return np.fromiter((label is not None for label in self.labels), np.bool_, len(self.photos))

    @cached_property
    def awaits_label_N(self) -> NDArray[np.bool_]:
        """Which rows a person may be asked to label: those without a label that are not hidden."""
        return ~self.is_labelled_N & ~self.is_hidden_N

    @cached_property
    def bytes_N(self) -> NDArray[np.int64]:
        """The size of the file of each row."""
        return self.photos.table["bytes"].to_numpy()

    @cached_property
    def folder_N(self) -> NDArray[np.object_]:
        """The folder of each row, or None."""
        return np.array([*self.photos.table["folder"].to_pylist(), None], dtype=object)[:-1]

    @cached_property
    def doubt_N(self) -> NDArray[np.float32] | None:
        """How doubtful the name of each row is, 0..1; without names, how doubtful its group is.

        The doubt of a labelled row is the confidence of a name that contradicts its label. An
        accepted name is as doubtful as it was before, or as the name that contradicts it. None
        without names and groups.
        """
        if self.names is None:
            if self.groups is None:
                return None
            return np.where(self.is_labelled_N, np.float32(0), self.groups.doubt_N)
        confidence_N = self.names.confidence.astype(np.float32)
        contradicted_N = np.fromiter(
            (a != b for a, b in zip(self.names.labels, self.labels, strict=True)),
            np.bool_,
            len(self.photos),
        )
        label_doubt_N = np.where(contradicted_N, confidence_N, 0)
        doubt_N = np.where(self.is_labelled_N, label_doubt_N, 1 - confidence_N)
        accepted_N = self.by_row.accepted_N
        doubt_N[accepted_N] = np.maximum(label_doubt_N, 1 - confidence_N)[accepted_N]
        return doubt_N.astype(np.float32)

    @cached_property
    def doubtful(self) -> NDArray[np.int64]:
        """The rows to check, most doubtful first.

        They are the rows whose name is more likely wrong than right; without names, the 10 % of
        the rows that fit their group least.
        """
        if self.doubt_N is None or not len(self.photos):
            return np.zeros(0, np.int64)
        if self.names is not None:
            least = DOUBTFUL
        else:
            least = max(1e-6, float(np.quantile(self.doubt_N, 1 - FITS_LEAST)))
        rows = np.flatnonzero(self.doubt_N >= least)
        return rows[np.argsort(-self.doubt_N[rows], kind="stable")]

    def name(self, row: int) -> str | None:
        """The label that the classifier predicts; None before there is one."""
        return None if self.names is None else self.names.labels[row]

    @property
    def named_rows(self) -> NDArray[np.int64]:
        """The rows without a label that have a name, by name, those that are surest first.

        Those that are hidden or likely of a new kind are left out.
        """
        names = self.names
        if names is None:
            return np.zeros(0, np.int64)
        is_new_N = np.zeros(len(self.photos), np.bool_)
        is_new_N[names.new_kinds.likely] = True
        nameless = [row for row in self.by_row.rejected if names.labels[row] is None]
        has_name_N = np.ones(len(self.photos), np.bool_)
        has_name_N[nameless] = False
        rows = np.flatnonzero(self.awaits_label_N & has_name_N & ~is_new_N)
        class_R = names.likeliest[rows, 0]
        return rows[np.lexsort((-names.confidence[rows], class_R))]

    @property
    def accepted_rows(self) -> NDArray[np.int64]:
        """The rows with an accepted name for a label, the most doubtful first."""
        rows = np.flatnonzero(self.by_row.accepted_N)
        if self.doubt_N is None:
            return rows
        return rows[np.argsort(-self.doubt_N[rows], kind="stable")]

    @property
    def likely_new_rows(self) -> NDArray[np.int64]:
        """The visible rows without a label that are likely of a new kind, likeliest first."""
        if self.names is None:
            return np.zeros(0, np.int64)
        rows = self.names.new_kinds.likely
        return rows[self.awaits_label_N[rows]]

    @cached_property
    def typical_N(self) -> NDArray[np.float32]:
        """How close each row is to the centre of its group; without groups, to that of all."""
        vectors_ND = self.photos.vectors
        if not len(vectors_ND):
            return np.zeros(0, np.float32)
        if self.groups is None:
            return vectors_ND @ vectors_ND.mean(axis=0)
        grouping, group_N = self.groups.grouping, self.groups.group_N
        return typicality(self.photos.grouped(grouping), grouping, group_N)

    def photo(self, row: int) -> models.PhotoOut:
        """The description of a row in the API."""
        names, doubt_N = self.names, self.doubt_N
        new_N = None if names is None else names.new_kinds.probability
        return models.PhotoOut(
            id=self.photos.ids[row],
            key=self.photos.keys[row],
            title=self.photos.titles[row],
            folder=self.folder_N[row],
            split=self.photos.table["split"][row].as_py(),
            label=self.labels[row],
            group=None if self.groups is None else int(self.groups.group_N[row]),
            name=self.name(row),
            confidence=None if names is None else round(float(names.confidence[row]), 4),
            new_kind=None if new_N is None else round(float(new_N[row]), 4),
            likely_new=self.labels[row] is None
            and names is not None
            and names.new_kinds.is_likely(row),
            is_accepted=bool(self.by_row.accepted_N[row]),
            doubt=None if doubt_N is None else round(float(doubt_N[row]), 4),
        )

    def proposed(self, row: int) -> models.ProposedPhotoOut:
        """The same with the labels that it may have."""
        suggestions = [] if self.names is None else self.names.suggestions(row)
        return models.ProposedPhotoOut(
            **self.photo(row).model_dump(),
            suggestions=[
                models.SuggestionOut(label=label, confidence=round(confidence, 4))
                for label, confidence in suggestions
            ],
        )
