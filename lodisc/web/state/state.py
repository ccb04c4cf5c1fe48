"""The opened collection with all that is derived from it: made when it is first asked for, and again when what it was made from changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import Depends, Request
from numpy.typing import NDArray

from lodisc.collection.collection import Collection, Photos
from lodisc.collection.grouping import load_groups
from lodisc.vectors.clusters import assign, list_groups
from lodisc.web.errors import one_line, refusing
from lodisc.web.label_models import Changed
from lodisc.web.state.encoding import Seer
from lodisc.web.state.map_layouts import Layouts
from lodisc.web.state.memo import Kept, Latest
from lodisc.web.state.snapshot import Groups, Now
from lodisc.web.state.thumbnails import Thumbnails
from lodisc.web.state.uploads import Uploads

if TYPE_CHECKING:
    from lodisc.vectors.classifier import Predictions

MOST_DOUBTFUL = 12  # shown of each group
MOST_DONE = 1000  # actions whose answers are kept, should they be sent again
log = logging.getLogger("lodisc.web")


class State:
    """What all requests share; safe from several threads. Raises `ValueError` when the folder holds no collection."""

    def __init__(self, path: Path) -> None:
        self.name = path.resolve().name
        self.collection = Collection(path)
        self.thumbnails = Thumbnails(self.collection.files.thumbnails)
        self.layouts = Layouts(self.collection.files.projections)
        self.uploads = Uploads()
        self.seer = Seer(self.collection)
        self.grouping, self._naming = threading.Lock(), threading.Lock()  # one at a time
        self.trouble: str | None = None
        self._now: Kept[Now] = Kept()
        self._labels: Kept[dict[str, str]] = Kept()
        self._groups: Kept[Groups | None] = Kept()
        self._names: Kept[Predictions] = Kept()
        self._learnt: tuple[Photos, Predictions] | None = None
        self._duplicates: Kept[list[list[int]]] = Kept()
        self._oddness: Kept[NDArray[np.float32]] = Kept()
        self._done: Latest[Kept[Changed]] = Latest(MOST_DONE)

    def warm_up(self) -> None:
        """Make in the background what takes the first requests long; `trouble` says why the encoder can't be had."""

        def work() -> None:
            try:
                self.names()
                self.seer.warm_up()
                self.trouble = None
            except Exception as error:  # whatever it is, the page shows it and the rest goes on
                self.trouble = one_line(str(getattr(error, "detail", error)))
                log.warning("Not ready: %s", self.trouble)

        threading.Thread(target=work, name="warm-up", daemon=True).start()

    def now(self) -> Now:
        """Everything that is known of the photographs at this moment."""
        with refusing(HTTPStatus.SERVICE_UNAVAILABLE):
            photos, typed = self.collection.photos(), self.collection.labels.version
            stamp = _stamp(self.collection.files.groups)
            learnt = self._learnt if self._learnt and self._learnt[0] is photos else None
            return self._now.get(
                (photos, typed, stamp, learnt),
                lambda: self._join(photos, typed, stamp, learnt and learnt[1]),
            )

    def names(self) -> tuple[Now, Predictions]:
        """What the probe learns from all labels typed so far, and the state with it."""
        from lodisc.vectors.classifier import predict_labels

        while True:
            with self._naming:  # who waited for another one's turn learns from what was typed meanwhile, if anything was
                now = self.now()
                names = self._names.get(
                    (now.photos, now.typed),
                    partial(predict_labels, now.photos.vectors, now.label_N),
                )
                self._learnt = (now.photos, names) if len(names.classes) > 1 else None
            joined = self.now()
            if joined.photos is now.photos:  # else photographs came or went meanwhile
                return joined, names

    def learn(self, vectors_ND: NDArray[np.float32], labels: list[str | None]) -> Predictions:
        """`predict_labels`, anew only where the names that are kept are of other photographs or labels."""
        from lodisc.vectors.classifier import predict_labels

        now, names = self.names()
        return (
            names
            if vectors_ND is now.photos.vectors and labels == now.label_N
            else predict_labels(vectors_ND, labels)
        )

    def duplicates(self, now: Now) -> list[list[int]]:
        """Rows of photographs that are nearly the same, largest set first."""
        from lodisc.vectors.neighbours import duplicates

        digests = now.photos.table["digest"].to_pylist()
        return self._duplicates.get(now.photos, lambda: duplicates(now.photos.vectors, digests))

    def oddness(self, now: Now) -> NDArray[np.float32]:
        """How far each row lies from its nearest ones."""
        from lodisc.vectors.neighbours import outliers

        return self._oddness.get(now.photos, lambda: outliers(now.photos.vectors))

    def once(self, id: str | None, act: Callable[[], Changed]) -> Changed:
        """What `act` gives; where this id was acted on before, what was given then."""
        return act() if id is None else self._done.get(id, Kept).get(id, act)

    def _join(
        self, photos: Photos, typed: int, stamp: tuple[int, int] | None, names: Predictions | None
    ) -> Now:
        labels = self._labels.get(typed, self.collection.labels.current)
        groups = self._groups.get((photos, stamp), lambda: self._read_groups(photos))
        version = f"{photos.version}-{typed}-{stamp[0] if stamp else 0}"
        return Now(version, photos, typed, labels, groups, names)

    def _read_groups(self, photos: Photos) -> Groups | None:
        try:
            grouping = load_groups(self.collection)
        except ValueError:  # `describe_health` says so; it is no reason to show nothing
            return None
        if grouping is None or grouping.fingerprint != photos.fingerprint or not len(photos):
            return None
        described = list_groups(photos.vectors, grouping, doubtful=MOST_DOUBTFUL)
        group_N, doubt_N = assign(photos.vectors, grouping)
        members = blake2b(
            group_N.tobytes() + "\n".join(photos.keys).encode(errors="surrogatepass"), digest_size=8
        ).hexdigest()
        return Groups(grouping, group_N, doubt_N, described, members)


def opened(request: Request) -> State:
    """The state of the application that a request was made to."""
    state: State = request.app.state.opened
    return state


Opened = Annotated[State, Depends(opened)]


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tells one state of a file from the next; none where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
