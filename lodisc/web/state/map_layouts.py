"""Layouts of the map: a quick one at once, and a better one, made in the background and cached.

C/cache/maps/<digest of the vectors>-<method>.npy

Axes: N photographs.
"""

import importlib.util
import logging
import threading
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.files import read_bytes
from lodisc.vectors.projection import Method, project
from lodisc.web.state.cache import write_cache
from lodisc.web.state.memo import Memo

PATIENCE = 1.0  # seconds that a request waits for the better layout
QUICK: Method = "pca"
log = logging.getLogger("lodisc.web")


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of the photographs, their method, and the better method that is still running."""

    places_N2: NDArray[np.float32]
    """In 0..1."""
    method: Method
    making: Method | None = None


class Layouts:
    """The layouts of a collection; safe from several threads. `folder` may be deleted any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._quick: Memo[Layout] = Memo()
        # Of which photographs it is; the layout is None if it failed
        self._better: tuple[Photos, Layout | None] | None = None

    def get(self, photos: Photos) -> Layout:
        """The best layout so far; the first call starts a better one."""
        worker = self._working(photos)
        if worker is not None:
            worker.join(PATIENCE)
        better = self._better
        if better is not None and better[0] is photos and better[1] is not None:
            return better[1]
        quick = self._quick.get(
            photos, lambda: Layout(project(photos.vectors, method=QUICK), QUICK)
        )
        return Layout(
            quick.places_N2, QUICK, making=better_method() if worker is not None else None
        )

    def making(self, photos: Photos) -> Method | None:
        """The method of the better layout that is being made; the first call starts it."""
        return better_method() if self._working(photos) is not None else None

    def _working(self, photos: Photos) -> threading.Thread | None:
        with self._lock:
            if self._worker is None and (self._better is None or self._better[0] is not photos):
                self._worker = threading.Thread(
                    target=self._make, args=(photos,), name="layout", daemon=True
                )
                self._worker.start()
            return self._worker

    def _make(self, photos: Photos) -> None:
        method, better = better_method(), None
        digest = blake2b(np.ascontiguousarray(photos.vectors).tobytes(), digest_size=16).hexdigest()
        path = self.folder / f"{digest}-{method}.npy"
        try:
            places_N2 = _read(path, len(photos))
            if places_N2 is None:
                places_N2 = project(photos.vectors, method=method)
                stream = BytesIO()
                np.save(stream, places_N2.astype(np.float32), allow_pickle=False)
                write_cache(stream.getvalue(), path)
            better = Layout(places_N2, method)
        except (ValueError, MemoryError) as error:
            log.warning("The map keeps its quick layout: %s", error)
        finally:
            with self._lock:
                self._better, self._worker = (photos, better), None


def better_method() -> Method:
    """The best method that is installed."""
    return "umap" if importlib.util.find_spec("umap") else "tsne"


def _read(path: Path, count: int) -> NDArray[np.float32] | None:
    """A cached layout; None if there is none, or a damaged one."""
    try:
        places_N2 = np.load(BytesIO(read_bytes(path)), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    sound = (
        places_N2.shape == (count, 2)
        and places_N2.dtype == np.float32
        and np.isfinite(places_N2).all()
    )
    return places_N2 if sound else None
