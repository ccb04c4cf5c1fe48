"""Labels to and from tables for spreadsheets, and from the sub-folders of photographs."""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from lodisc.collection.row_labels import RowLabels, current_row_labels, predict
from lodisc.data.labels import label_in, odd_labels, plain_label
from lodisc.data.paths import composed_form, folded_form, spellings
from lodisc.data.photo import printable
from lodisc.data.tables import read_table, refuse_line_break, write_table
from lodisc.errors import UserError

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection, Photos
    from lodisc.vectors.classifier import Predictions

logger = logging.getLogger("lodisc")
Predict: TypeAlias = "Callable[[Photos, RowLabels], Predictions]"

COLUMNS = (
    "key",
    "path",
    "folder",
    "label",
    "accepted_name",
    "accepted_confidence",
    "labelled_by",
    "labelled_at",
    "name",
    "confidence",
    "new_kind",
    "group",
    "hidden",
)
FEW = 10  # unknown keys in the result


class CsvImportResult(TypedDict):
    """What an import of a table did; also what `lodisc labels import --json` prints."""

    rows: int
    changed: int
    """Labels that changed."""
    unknown: int
    """Rows that name no photograph of the collection or, by a path, several."""
    unknown_keys: list[str]
    """The first few of those."""
    notes: list[str]
    """What to look at: labels and keys that may be slips."""


def export_csv(
    collection: Collection, path: str | Path, *, predict_names: Predict = predict
) -> int:
    """Write one line for each photograph; returns the number of photographs.

    The columns are key, path, folder, label, that again if it is an accepted name and how sure that
    was, who gave the label and when, predicted name and confidence, probability of a kind without a
    label, group, “yes” if it is hidden; as `write_table` writes them.
    `predict_names` takes the place of `predict`, for a caller with a cache. Raises `UserError` if
    the folder does not exist.
    """
    destination = Path(path)
    if not destination.parent.is_dir():
        raise UserError(f"{printable(destination.parent)}: no such folder")
    write_table(destination, COLUMNS, _rows(collection, predict_names))
    return len(collection.photos())


def import_csv(
    collection: Collection, path: str | Path, *, clear: bool = False, user: str | None = None
) -> CsvImportResult:
    """Take labels over from the columns `key` (or `path`) and `label`.

    They are one action. Those that equal the cell `accepted_name` of their row stay accepted names,
    as another action, and change no label.

    A relative path is relative to the folder of the file. An empty label leaves a photograph as it
    is, so that a table from yesterday removes nothing; with `clear` it removes the label. UTF-8 or
    UTF-16, with commas, semicolons or tabs between the cells; `file`, `image`, `species` and other
    usual names of these columns will do, and other columns are ignored. Raises `UserError`, and
    changes nothing, without these columns, for a label that is not valid, or for two labels of one
    photograph.
    """
    photos = _PhotosByName(collection.photos(), Path(path).parent)
    labels: dict[str, str | None] = {}
    accepted_keys: set[str] = set()
    unknown: list[str] = []
    rows = 0
    for line, row in read_table(Path(path), columns=[{"key", "path"}, {"label"}]):
        rows += 1
        key = photos.key_of(row.get("key", ""), row.get("path", ""))
        if key is None:
            unknown.append(row.get("key") or row.get("path", ""))
            refuse_line_break(unknown[-1], Path(path), line)
            continue
        try:
            label = label_in(row["label"])
        except UserError as error:
            raise UserError(f"{printable(path)}, line {line}: {error}") from None
        if label is None and not clear:
            continue
        if labels.setdefault(key, label) != label:
            raise UserError(
                f"{printable(path)}, line {line}: {printable(key)} has another label further up; "
                "leave one of them"
            )
        if row.get("accepted_name", "").strip() == row["label"].strip():
            accepted_keys.add(key)
    changed = collection.labels.take_over(
        labels, accepted_keys=accepted_keys, how="imported from a table", user=user
    )
    notes = odd_labels({*labels.values(), *collection.labels.current().values()})
    return CsvImportResult(
        rows=rows,
        changed=changed,
        unknown=len(unknown),
        unknown_keys=unknown[:FEW],
        notes=[*photos.notes(unknown), *notes],
    )


def adopt_folders(collection: Collection, *, user: str | None = None) -> int:
    """Label photographs without a label by their sub-folder, as one action; returns how many.

    Names that cannot be labels are skipped and reported.
    """
    photos = collection.photos()
    folders = zip(photos.keys, photos.table["folder"].to_pylist(), strict=True)
    labels: dict[str, str | None] = {}
    problems: dict[str, str] = {}
    for key, name in folders:
        try:
            if name:
                labels[key] = plain_label(name)
        except UserError as error:
            problems[name] = str(error)
    for name, problem in problems.items():
        logger.info(
            "left out: the photographs in folders called “%s”: %s", printable(name[:40]), problem
        )
    return collection.labels.set_each(
        labels, how="from sub-folders", user=user, only_unlabelled=True
    )


def _rows(collection: Collection, predict_names: Predict) -> Iterator[tuple[str, ...]]:
    from lodisc.collection.groups_file import load_groups
    from lodisc.vectors.clusters import assign

    photos = collection.photos()
    by_row = current_row_labels(collection, photos)
    predictions = predict_names(photos, by_row)
    try:
        grouping = load_groups(collection)
    except UserError as error:
        logger.info(f"note: {error}; until then the column group is empty.")
        grouping = None
    groups = (
        assign(photos.grouped(grouping), grouping)[0].tolist()
        if grouping is not None
        else [None] * len(photos)
    )
    confidences = [
        f"{confidence:.4f}" if name else ""
        for name, confidence in zip(predictions.labels, predictions.confidence, strict=True)
    ]
    new_N = predictions.new_kinds.probability
    columns = [
        photos.keys,
        photos.table["path"].to_pylist(),
        photos.table["folder"].to_pylist(),
        by_row.labels,
        [
            label if is_accepted else ""
            for label, is_accepted in zip(by_row.labels, by_row.accepted_N, strict=True)
        ],
        *_origins(collection, photos, by_row),
        predictions.labels,
        confidences,
        [""] * len(photos) if new_N is None else [f"{is_new:.4f}" for is_new in new_N],
        groups,
        _hidden(collection, photos),
    ]
    for row in zip(*columns, strict=True):
        yield tuple("" if cell is None else str(cell) for cell in row)


def _hidden(collection: Collection, photos: Photos) -> list[str]:
    try:
        is_hidden_N = collection.hidden.mask(photos)
    except UserError as error:
        logger.info(f"note: {error}; until then the column hidden is empty.")
        return [""] * len(photos)
    return ["yes" if is_hidden else "" for is_hidden in is_hidden_N]


def _origins(
    collection: Collection, photos: Photos, by_row: RowLabels
) -> Iterator[Iterable[str | None]]:
    """Columns: the confidence of accepted names, who gave each label, and when."""
    origins = collection.labels.origins()
    by_key = [
        origins.get(key) if label is not None else None
        for key, label in zip(photos.keys, by_row.labels, strict=True)
    ]
    yield [
        f"{origin.acceptance.confidence:.4f}"
        if is_accepted and origin is not None and origin.acceptance.confidence is not None
        else ""
        for origin, is_accepted in zip(by_key, by_row.accepted_N, strict=True)
    ]
    yield [origin.user if origin else None for origin in by_key]
    yield [origin.time if origin else None for origin in by_key]


class _PhotosByName:
    """The photographs of a collection, as tables name them; paths are relative to `folder`."""

    def __init__(self, photos: Photos, folder: Path) -> None:
        self._keys = _Names(photos.keys, photos.keys)
        self._paths = _Names(photos.table["path"].to_pylist(), photos.keys)
        self._folders = dict.fromkeys((folder, folder.resolve()))

    def key_of(self, key: str, path: str) -> str | None:
        """The key of a row's photograph: by its key, else by its path; None if it has none."""
        return self._of_key(key) or self._at_path(path) or self._of_key(path)

    def notes(self, unknown: Iterable[str]) -> list[str]:
        """A note on unknown keys that differ from known ones in case alone, if there are any."""
        pairs = [(name, key) for name in unknown if (key := self._keys.twin(_as_keys(name)))]
        if not pairs:
            return []
        name, key = pairs[0]
        more = f", and so for {len(pairs) - 1:,} more" if len(pairs) > 1 else ""
        return [f"{printable(name)} is unknown, but {printable(key)} differs in case alone{more}"]

    def _of_key(self, name: str) -> str | None:
        return self._keys.key_of([name, *_as_keys(name)])

    def _at_path(self, name: str) -> str | None:
        """The key of the photograph in a file, as any system would write its path."""
        return self._paths.key_of(
            os.path.abspath(folder / spelling)  # noqa: PTH100 - keeps links
            for folder in self._folders
            for spelling in spellings(name)
        )


def _as_keys(name: str) -> list[str]:
    return [posixpath.normpath(spelling) for spelling in spellings(name)]


class _Names:
    """The keys of photographs by another name of each; None by a name of several."""

    def __init__(self, names: Sequence[str], keys: Sequence[str]) -> None:
        self._names, self._keys = names, keys

    def key_of(self, spellings: Iterable[str]) -> str | None:
        """The key of the photograph with one of these names, however its accents are encoded."""
        spellings = list(spellings)
        return _first(self._exact, spellings) or _first(
            self._composed, map(composed_form, spellings)
        )

    def twin(self, spellings: Iterable[str]) -> str | None:
        """The key of a photograph with one of these names in other case."""
        return _first(self._folded, map(folded_form, spellings))

    @cached_property
    def _exact(self) -> dict[str, str | None]:
        return self._by(str)

    @cached_property
    def _composed(self) -> dict[str, str | None]:
        return self._by(composed_form)

    @cached_property
    def _folded(self) -> dict[str, str | None]:
        return self._by(folded_form)

    def _by(self, form: Callable[[str], str]) -> dict[str, str | None]:
        keys: dict[str, str | None] = {}
        for name, key in zip(map(form, self._names), self._keys, strict=True):
            keys[name] = None if name in keys else key
        return keys


def _first(keys: Mapping[str, str | None], names: Iterable[str]) -> str | None:
    return next((key for name in names if (key := keys.get(name))), None)
