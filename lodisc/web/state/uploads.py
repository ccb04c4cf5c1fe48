"""Uploaded photographs: kept in memory only, the latest of them, and never part of the collection."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 128 * 2**20  # of all uploads that are kept


@dataclass(frozen=True, eq=False)
class Upload:
    """One upload: its picture as a JPEG and its vector [D], of length 1, by the encoder with this fingerprint."""

    id: str
    name: str
    picture: bytes
    vector: NDArray[np.float32]
    fingerprint: str


class Uploads:
    """The latest uploads by their id; safe from several threads."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = Lock()

    def put(self, upload: Upload) -> None:
        """Keep an upload, and forget the oldest ones when all together are too large."""
        with self._lock:
            self._kept[upload.id] = upload
            self._kept.move_to_end(upload.id)
            while (
                len(self._kept) > 1
                and sum(len(kept.picture) + kept.vector.nbytes for kept in self._kept.values())
                > self.most_bytes
            ):
                self._kept.popitem(last=False)

    def get(self, id: str) -> Upload | None:
        """An upload that is still kept."""
        with self._lock:
            found = self._kept.get(id)
            if found is not None:
                self._kept.move_to_end(id)
            return found


def upload_id(data: bytes) -> str:
    """The id of an upload: the same for the same bytes."""
    return f"upload-{blake2b(data, digest_size=8).hexdigest()}"
