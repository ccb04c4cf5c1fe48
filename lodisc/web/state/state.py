"""An open collection and everything computed from it, lazily, and again when its inputs change."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Collection, Photos
from lodisc.collection.describe import near_duplicates_learnt_from
from lodisc.collection.filling_terms import Choice
from lodisc.collection.groups_file import load_groups
from lodisc.collection.hidden import Stamp as HiddenStamp
from lodisc.collection.label_actions import Action, Origin
from lodisc.collection.label_file import Busy as LabelsBusy
from lodisc.collection.labels import Stamp
from lodisc.collection.learning import Busy, Learning
from lodisc.collection.row_labels import RowLabels, predict
from lodisc.errors import UserError
from lodisc.vectors.clusters import assign, list_groups
from lodisc.web.state.answers import Answers
from lodisc.web.state.dates import Dates
from lodisc.web.state.encoding import SharedEncoder
from lodisc.web.state.grouping import GroupingWork
from lodisc.web.state.map_layouts import Layouts
from lodisc.web.state.memo import LruCache, Memo
from lodisc.web.state.snapshot import Groups, Snapshot
from lodisc.web.state.text_search import TextSearch
from lodisc.web.state.thumbnails import Thumbnails
from lodisc.web.state.uploads import Upload, Uploads
from lodisc.web.text import one_line

if TYPE_CHECKING:
    from lodisc.vectors.classifier import Predictions
    from lodisc.vectors.same_kind import SameKind
    from lodisc.web.state.filling import Filling

MOST_LOOKED_AT = 20_000  # files whose being there is looked at
MOST_DOUBTFUL = 12  # listed of each group
# Seconds that a request waits for another program that has locked the labels
PATIENCE, READ_PATIENCE = 3.0, 0.25
MOST_NEW = 20_000  # vectors of photographs to be named that are remembered
# Photographs decoded at a time; each may need half a gigabyte
MOST_DECODED = max(1, min(4, os.cpu_count() or 1))
T = TypeVar("T")
log = logging.getLogger("lodisc.web")


@dataclass(frozen=True)
class Labelling:
    """The labels at one moment, and what undo and redo would do."""

    stamp: Stamp
    by_key: dict[str, str]
    accepted_keys: frozenset[str]
    rejections: dict[str, frozenset[str]]
    undoable: dict[str | None, Action]
    """The last action by each user; None is for those of nobody known."""
    redoable: dict[str | None, Action]


_NO_LABELS = Labelling((0, 0, 0, 0), {}, frozenset(), {}, {}, {})


class State:
    """What all requests share; safe from several threads.

    `user` is the name of the person who labels, where a request tells none; `is_shared` where
    other machines reach the server. Raises `UserError` for a folder that does not hold a
    collection.
    """

    def __init__(self, path: Path, *, user: str | None = None, is_shared: bool = False) -> None:
        self.name = path.resolve().name
        self.user, self.is_shared = user, is_shared
        self.collection = Collection(path, patience=PATIENCE, read_patience=READ_PATIENCE)
        self.decoding_slots = threading.Semaphore(MOST_DECODED)
        files = self.collection.files
        self.thumbnails = Thumbnails(files.thumbnails, self.decoding_slots)
        self.layouts, self.dates = Layouts(files.projections), Dates(files.dates)
        # Naming many photographs must not push out the one whose look-alikes are on a page
        self.uploads, self.named_uploads = Uploads(), Uploads()
        self.naming_together = threading.Lock()
        self.new_vectors: LruCache[NDArray[np.float32]] = LruCache(MOST_NEW)
        self.encoder = SharedEncoder(self.collection, self.decoding_slots)
        self.grouping_work = GroupingWork(self.collection)
        self._naming_lock = threading.Lock()
        self.trouble: str | None = None
        self.filling: Filling | None = None
        self.learning = Learning(self.collection)
        self._snapshot: Memo[Snapshot] = Memo()
        self._labels: Memo[Labelling] = Memo()
        self._locked_out_since: object = None  # the last write before another program's lock
        self._trying = threading.Lock()
        self._filling_lock = threading.Lock()
        self._groups: Memo[Groups | None] = Memo()
        self._hidden: Memo[NDArray[np.bool_]] = Memo()
        self._names: Memo[Predictions] = Memo()
        self._last_names: tuple[Photos, Predictions] | None = None
        self._same_kind: Memo[SameKind] = Memo()
        self._near_duplicates: Memo[int] = Memo()
        self._duplicates: Memo[list[list[int]]] = Memo()
        self._visible_duplicates: Memo[list[list[int]]] = Memo()
        self._proposals: Memo[list[int]] = Memo()
        self._oddness: Memo[NDArray[np.float32]] = Memo()
        self._missing: Memo[tuple[int, str]] = Memo()
        self._texts: Memo[TextSearch] = Memo()
        self._likeness: Memo[NDArray[np.float32]] = Memo()
        self._label_order: Memo[NDArray[np.int64]] = Memo()
        self._origins: Memo[dict[str, Origin]] = Memo()
        self.answers = Answers()

    def warm_up(self) -> None:
        """Prepare in the background what would delay the first requests.

        `trouble` then holds the reason if something failed.
        """

        def work() -> None:
            try:
                snapshot, _ = self.names()
                self.same_kind(snapshot)
                self.encoder.warm_up()
                self.learning.measure()
                self.trouble = None
            except Exception as error:  # of any kind: the page shows it, and the rest works
                self.trouble = one_line(str(error))
                log.warning("Not ready: %s", self.trouble)

        threading.Thread(target=work, name="warm-up", daemon=True).start()

    def fill(self, choice: Choice) -> None:
        """Read the photographs again, by another encoder maybe.

        Raises `Busy` while that is done.
        """
        from lodisc.web.state.filling import Filling

        with self._filling_lock:
            if self.filling is not None and not self.filling.is_over:
                raise Busy("The photographs are still being read; wait until that is done")
            data = Path(self.collection.settings["data"])
            self.filling = Filling(data, self.collection.path, choice)

    def close(self) -> None:
        """End what reads or groups the photographs, when the server ends. A training goes on."""
        self.grouping_work.cancel()
        self.dates.close()
        if self.filling is not None:
            self.filling.stop()

    def labelling(self) -> Labelling:
        """The labels, or while another program locks them, those that were read last.

        Then a single request at a time tries to read them, until one of this process has written
        them. Raises `UserError`, and the `Busy` of labels where none were read yet.
        """
        last, last_write = self._labels.last, self.collection.labels.last_write
        tries = self._locked_out_since is last_write and last is not None
        if tries and not self._trying.acquire(blocking=False):
            assert last is not None
            return last
        try:
            labelling = self._read_labels()
            self._locked_out_since = None
        except LabelsBusy:
            self._locked_out_since = last_write
            if last is None:
                raise
            return last
        finally:
            if tries:
                self._trying.release()
        return labelling

    @property
    def is_locked_out(self) -> bool:
        """Whether another program locked the labels when they were read last."""
        return self._locked_out_since is not None

    def _read_labels(self) -> Labelling:
        labels = self.collection.labels
        stamp = labels.stamp
        return self._labels.get(
            stamp,
            lambda: Labelling(
                stamp,
                *labels.with_accepted_keys(),
                labels.rejections(),
                labels.undoable(),
                labels.redoable(),
            ),
        )

    def snapshot(self) -> Snapshot:
        """The photographs, labels, groups and names at this moment.

        There are no labels while another program locks them and none were read yet. Raises
        `UserError`.
        """
        photos = self.collection.photos()
        try:
            labels = self.labelling()
        except LabelsBusy:
            labels = _NO_LABELS
        stamp = _stamp(self.collection.files.groups)
        hidden_stamp = self.collection.hidden.stamp
        last = self._last_names
        names = last[1] if last is not None and last[0] is photos else None
        return self._snapshot.get(
            (photos, labels.stamp, stamp, hidden_stamp, names),
            lambda: self._join(photos, labels, stamp, hidden_stamp, names),
        )

    def names(self) -> tuple[Snapshot, Predictions]:
        """The names learnt from the labels of people so far, and a snapshot that holds them."""
        while True:
            with self._naming_lock:  # whoever waited learns from the labels given meanwhile
                snapshot = self.snapshot()
                names = self._names.get(
                    (snapshot.photos, snapshot.labels_stamp),
                    partial(predict, snapshot.photos, snapshot.by_row),
                )
                self._last_names = (snapshot.photos, names) if len(names.classes) > 1 else None
            joined = self.snapshot()
            if joined.photos is snapshot.photos:  # else photographs came or went meanwhile
                return joined, names

    def predict(self, photos: Photos, by_row: RowLabels) -> Predictions:
        """`predict`, computed only if the remembered names have other inputs."""
        snapshot, names = self.names()
        own = snapshot.by_row
        is_same = photos is snapshot.photos and by_row.labels == own.labels
        is_same = is_same and by_row.rejected == own.rejected
        if is_same and np.array_equal(by_row.accepted_N, own.accepted_N):
            return names
        return predict(photos, by_row)

    def same_kind(self, snapshot: Snapshot) -> SameKind:
        """How likely look-alikes are of the same kind, learnt once from the same labels."""
        from lodisc.vectors.same_kind import learn_same_kind

        photos = snapshot.photos
        return self._same_kind.get(
            (photos, snapshot.labels_stamp),
            lambda: learn_same_kind(photos.vectors, snapshot.by_row.from_people),
        )

    def near_duplicates(self, snapshot: Snapshot, names: Predictions) -> int:
        """`near_duplicates_learnt_from`, once for the same names."""
        return self._near_duplicates.get(
            names, lambda: near_duplicates_learnt_from(snapshot.photos, snapshot.labels, names)
        )

    def duplicates(self, snapshot: Snapshot) -> list[list[int]]:
        """Rows of visible photographs that are nearly the same, largest set first."""
        from lodisc.vectors.duplicates import duplicates

        photos = snapshot.photos
        digests = photos.table["digest"].to_pylist()
        sets = self._duplicates.get(photos, lambda: duplicates(photos.vectors, digests))
        return self._visible_duplicates.get(
            (photos, snapshot.hidden_stamp), lambda: _visible_sets(sets, snapshot.is_hidden_N)
        )

    def proposals(self, snapshot: Snapshot, names: Predictions) -> list[int]:
        """Rows to label next, best first: those of the names, but no hidden ones."""
        from lodisc.vectors.active_learning import propose

        if not snapshot.is_hidden_N[names.proposals].any():
            return names.proposals
        return self._proposals.get(
            (names, snapshot.hidden_stamp),
            lambda: propose(
                snapshot.photos.smoothed,
                snapshot.is_labelled_N,
                doubt_N=names.closeness,
                allowed_N=~snapshot.is_hidden_N,
            ),
        )

    def oddness(self, snapshot: Snapshot) -> NDArray[np.float32]:
        """One minus the mean cosine [N] of each row with its nearest neighbours."""
        from lodisc.vectors.duplicates import outliers

        photos = snapshot.photos
        return self._oddness.get(photos, lambda: outliers(photos.vectors))

    def text_search(self, snapshot: Snapshot) -> TextSearch:
        """The texts of the photographs, to be searched."""
        return self._texts.get(snapshot.photos, lambda: TextSearch(snapshot.photos))

    def likeness(self, snapshot: Snapshot, row: int) -> NDArray[np.float32]:
        """The cosine [N] of each photograph with one of them, which is the largest."""

        def compute() -> NDArray[np.float32]:
            vectors_ND = snapshot.photos.vectors
            cosine_N = np.asarray(vectors_ND @ vectors_ND[row], np.float32)
            cosine_N[row] = np.inf
            return cosine_N

        return self._likeness.get((snapshot.photos, row), compute)

    def origins(self, snapshot: Snapshot) -> dict[str, Origin]:
        """`Labels.origins`, read once for the same labels; none while the file is locked."""
        try:
            return self._origins.get(snapshot.labels_stamp, self.collection.labels.origins)
        except LabelsBusy:
            return {}

    def label_order(self, snapshot: Snapshot) -> NDArray[np.int64]:
        """The larger, the later a label was given [N]; 0 without a label."""

        def compute() -> NDArray[np.int64]:
            origins = self._origins.get(snapshot.labels_stamp, self.collection.labels.origins)
            times = [
                origins[key].time if label is not None and key in origins else ""
                for key, label in zip(snapshot.photos.keys, snapshot.labels, strict=True)
            ]
            return np.unique([*times, ""], return_inverse=True)[1][:-1]

        try:
            return self._label_order.get((snapshot.photos, snapshot.labels_stamp), compute)
        except LabelsBusy:
            return np.zeros(len(snapshot.photos), np.int64)

    def upload(self, id: str) -> Upload | None:
        """The upload with this id; None if it was dropped."""
        return self.uploads.get(id) or self.named_uploads.get(id)

    def missing(self, snapshot: Snapshot) -> tuple[int, str]:
        """How many photographs have no file now, and the key of one; looks once a minute.

        Of more than 20,000 photographs, some 20,000 at equal distances tell the share.
        """
        photos = snapshot.photos
        return self._missing.get(
            (photos, int(time.monotonic() // 60)), lambda: _without_file(photos, MOST_LOOKED_AT)
        )

    def _join(
        self,
        photos: Photos,
        labels: Labelling,
        stamp: tuple[int, int] | None,
        hidden_stamp: HiddenStamp | None,
        names: Predictions | None,
    ) -> Snapshot:
        is_hidden_N = self._hidden.get((photos, hidden_stamp), lambda: self._read_hidden(photos))
        groups = self._groups.get(
            (photos, stamp, hidden_stamp), lambda: self._read_groups(photos, is_hidden_N)
        )
        label_version = ".".join(map(str, labels.stamp))
        hidden_version = hidden_stamp[0] if hidden_stamp else 0
        version = f"{photos.version}-{label_version}-{stamp[0] if stamp else 0}-{hidden_version}"
        return Snapshot(
            version,
            photos,
            labels.stamp,
            labels.by_key,
            is_hidden_N,
            hidden_stamp,
            labels.accepted_keys,
            labels.rejections,
            groups=groups,
            learnt=names,
        )

    def _read_hidden(self, photos: Photos) -> NDArray[np.bool_]:
        try:
            return self.collection.hidden.mask(photos)
        except UserError:  # `describe_health` reports it; everything else still works
            return np.zeros(len(photos), np.bool_)

    def _read_groups(self, photos: Photos, is_hidden_N: NDArray[np.bool_]) -> Groups | None:
        try:
            grouping = load_groups(self.collection)
        except UserError:  # `describe_health` reports it; everything else still works
            return None
        if grouping is None or grouping.fingerprint != photos.fingerprint or not len(photos):
            return None
        groups = list_groups(
            photos.grouped(grouping), grouping, doubtful=MOST_DOUBTFUL, allowed_N=~is_hidden_N
        )
        group_N, doubt_N = assign(photos.grouped(grouping), grouping)
        keys = "\n".join(photos.keys).encode(errors="surrogatepass")
        digest = blake2b(group_N.tobytes() + keys, digest_size=8).hexdigest()
        return Groups(grouping, group_N, doubt_N, groups, digest)


def _without_file(photos: Photos, most: int) -> tuple[int, str]:
    """About how many photographs have no file, by `most` of them, and the key of one."""
    step = max(1, -(-len(photos) // most))
    rows = range(0, len(photos), step)
    missing = [row for row in rows if not os.path.exists(photos.path(row))]  # noqa: PTH110
    count = round(len(missing) * len(photos) / max(1, len(rows)))
    return count, photos.keys[missing[0]] if missing else ""


def _visible_sets(sets: list[list[int]], is_hidden_N: NDArray[np.bool_]) -> list[list[int]]:
    """What is left of sets of rows without the hidden ones, largest set first."""
    visible = ([row for row in rows if not is_hidden_N[row]] for rows in sets)
    return sorted((rows for rows in visible if len(rows) > 1), key=lambda rows: (-len(rows), rows))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Differs between two versions of a file; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
