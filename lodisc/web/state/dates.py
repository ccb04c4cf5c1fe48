"""When photographs were taken: read in the background, and cached by the digest of the file.

C/cache/dates.json   {digest: ISO 8601, or null where EXIF says nothing}

Axes: N photographs.
"""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.data.decode import Unreadable
from lodisc.data.taken import photo_taken
from lodisc.files import read_bytes
from lodisc.web.state.cache import write_cache

PATIENCE = 1.0  # seconds that the request which begins to read waits for the end
BETWEEN_WRITES = 2000  # files
Times = dict[str, datetime | None]


@dataclass(eq=False)
class _Reading:
    """The times of some photographs, as far as they are read."""

    photos: Photos
    time_N: NDArray[np.int64] = field(init=False)
    """Nanoseconds since 1970: when it was taken where that is known, else those of its file."""
    done: int = 0

    def __post_init__(self) -> None:
        self.time_N = self.photos.table["modified"].to_numpy().copy()

    def add(self, row: int, time: datetime | None) -> None:
        """What was read of a row; without an offset from UTC it is the time of this machine."""
        if time is not None:
            self.time_N[row] = int(time.timestamp()) * 10**9
        self.done += 1  # last: once all are done, the order is that of all


class Dates:
    """The dates of the photographs of a collection; safe from several threads.

    The file may be deleted at any time. A photograph whose EXIF says nothing has the time at which
    its file was changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._reading: _Reading | None = None
        self._worker: threading.Thread | None = None
        self._times: Times | None = None  # by digest; only the worker uses it
        self._is_closed = False

    @property
    def progress(self) -> tuple[int, int]:
        """How many photographs of how many were read; none before the first `get`."""
        reading = self._reading
        return (0, 0) if reading is None else (reading.done, len(reading.photos))

    def get(self, photos: Photos) -> NDArray[np.int64]:
        """Nanoseconds [N] by which photographs are ordered; the first call begins to read them."""
        with self._lock:
            reading = self._reading
            if reading is not None and reading.photos is photos:
                return reading.time_N
            reading = self._reading = _Reading(photos)
            worker = self._worker = threading.Thread(
                target=self._read, args=(reading, self._worker), name="dates", daemon=True
            )
            worker.start()
        worker.join(PATIENCE)
        return reading.time_N

    def close(self) -> None:
        """Stop after the file that is being read; what was read is kept."""
        self._is_closed = True

    def _read(self, reading: _Reading, former: threading.Thread | None) -> None:
        """Read what the cache lacks, unless other photographs have come meanwhile."""
        if former is not None:
            former.join()
        if self._times is None:
            self._times = _cached(self.path)
        times, unread = self._times, []
        digests = reading.photos.table["digest"].to_pylist()
        for row, digest in enumerate(digests):
            if digest in times:
                reading.add(row, times[digest])
            else:
                unread.append(row)
        for count, row in enumerate(unread, start=1):
            if self._is_closed or self._reading is not reading:
                break
            digest = digests[row]
            if digest not in times:  # else another file has the same bytes
                with suppress(Unreadable, MemoryError):  # it may be readable next time
                    times[digest] = photo_taken(reading.photos.photo(row))
            reading.add(row, times.get(digest))
            if count % BETWEEN_WRITES == 0:
                _write(times, self.path)
        if unread:
            _write(times, self.path)


def _cached(path: Path) -> Times:
    """The cache; empty if it is not there, or damaged."""
    try:
        content = json.loads(read_bytes(path))
        return {
            digest: None if time is None else datetime.fromisoformat(time)
            for digest, time in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(times: Times, path: Path) -> None:
    texts = {digest: time and time.isoformat() for digest, time in times.items()}
    write_cache(json.dumps(texts).encode(), path)
