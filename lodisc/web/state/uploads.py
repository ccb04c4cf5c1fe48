"""Uploaded photographs: the latest ones, in memory only, never part of the collection."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 64 * 2**20  # of all uploads in one memory


@dataclass(frozen=True, eq=False)
class Upload:
    """One upload: its picture as a JPEG, and its vector by the encoder with this fingerprint."""

    id: str
    name: str
    picture: bytes
    vector: NDArray[np.float32]
    """[D], of length 1."""
    fingerprint: str

    @property
    def size(self) -> int:
        """Its bytes in memory."""
        return len(self.picture) + self.vector.nbytes


class Uploads:
    """The latest uploads by their id; safe from several threads."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._lock = Lock()

    def put(self, upload: Upload) -> None:
        """Add an upload, and drop the oldest ones while all together are too large."""
        with self._lock:
            self._uploads[upload.id] = upload
            self._uploads.move_to_end(upload.id)
            while len(self._uploads) > 1 and self._total() > self.most_bytes:
                self._uploads.popitem(last=False)

    def get(self, id: str) -> Upload | None:
        """The upload with this id; None if it was dropped."""
        with self._lock:
            upload = self._uploads.get(id)
            if upload is not None:
                self._uploads.move_to_end(id)
            return upload

    def _total(self) -> int:
        return sum(upload.size for upload in self._uploads.values())


def upload_id(data: bytes) -> str:
    """The id of an upload: the same for the same bytes."""
    return f"upload-{blake2b(data, digest_size=8).hexdigest()}"
