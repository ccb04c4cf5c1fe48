"""When photographs were taken: read in the background, and cached by the digest of the file.

C/cache/dates.json   {digest: time on the camera's clock, or null}

Axes: N photographs.
"""

import json
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.data.decode import Missing, Unreadable
from lodisc.data.taken import photo_taken
from lodisc.files import read_bytes
from lodisc.web.state.cache import write_cache
from lodisc.web.state.memo import Memo

BETWEEN_WRITES = 2000  # photographs


class Dates:
    """The dates of the photographs of a collection; safe from several threads.

    The file may be deleted at any time. A photograph whose EXIF says nothing has the time at which
    its file was changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done, self.total = 0, 0
        """How many photographs of how many were read; while they are, files' times count."""
        self._lock = threading.Lock()
        self._of: Photos | None = None
        self._is_ready = False
        self._times: dict[str, str | None] | None = None
        self._sorted: Memo[NDArray[np.int64]] = Memo()

    def get(self, photos: Photos) -> NDArray[np.int64]:
        """Microseconds [N] by which photographs are ordered; the first call begins to read them."""
        with self._lock:
            if self._of is not photos:
                self._of, self._is_ready = photos, False
                self.done, self.total = 0, len(photos)
                threading.Thread(
                    target=self._read, args=(photos,), name="dates", daemon=True
                ).start()
            is_ready = self._is_ready
        return self._sorted.get((photos, is_ready), lambda: self._microseconds(photos, is_ready))

    def _microseconds(self, photos: Photos, is_ready: bool) -> NDArray[np.int64]:
        changed_N = photos.table["modified"].to_numpy() // 1000
        if not is_ready or self._times is None:
            return np.asarray(changed_N, np.int64)
        digests = photos.table["digest"].to_pylist()
        times = (self._times.get(digest) for digest in digests)
        return np.array(
            [
                changed if time is None else np.datetime64(time, "us").astype(np.int64)
                for time, changed in zip(times, changed_N.tolist(), strict=True)
            ],
            np.int64,
        )

    def _read(self, photos: Photos) -> None:
        """Read what the cache lacks, unless other photographs have come meanwhile."""
        times = self._cached()
        for row, digest in enumerate(photos.table["digest"].to_pylist()):
            if self._of is not photos:
                return
            if digest not in times:
                try:
                    time = photo_taken(photos.photo(row))
                    times[digest] = None if time is None else time.isoformat()
                except Missing:  # it may be back next time
                    pass
                except Unreadable:
                    times[digest] = None
                if (row + 1) % BETWEEN_WRITES == 0:
                    self._write(times)
            self.done = row + 1
        self._write(times)
        with self._lock:
            if self._of is photos:
                self._times, self._is_ready = times, True

    def _cached(self) -> dict[str, str | None]:
        """The cache; empty if it is not there, or damaged."""
        try:
            content = json.loads(read_bytes(self.path))
            for time in content.values():
                if time is not None:
                    datetime.fromisoformat(time)
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
        return dict(content)

    def _write(self, times: dict[str, str | None]) -> None:
        write_cache(json.dumps(times).encode(), self.path)
