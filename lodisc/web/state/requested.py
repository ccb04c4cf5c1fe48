"""From an id to a photograph of the collection, or to an upload."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.web import models
from lodisc.web.state.errors import NotFound
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State
from lodisc.web.state.uploads import Upload

UPLOADED = "upload-"


@dataclass(frozen=True, eq=False)
class RequestedPicture:
    """What a request names, without its labels: a row of the collection, or an upload."""

    state: State
    photos: Photos
    row: int | None
    upload: Upload | None

    @property
    def vector(self) -> NDArray[np.float32]:
        """Its vector [D]."""
        return self._upload.vector if self.row is None else self.photos.vectors[self.row]

    @property
    def digest(self) -> str:
        """Differs for other bytes."""
        if self.row is None:
            return self._upload.id
        return str(self.photos.table["digest"][self.row].as_py())

    @property
    def name(self) -> str:
        """Differs for other bytes or another encoder."""
        return f"{self.photos.fingerprint}-{self.digest}"

    def read(self) -> bytes:
        """The bytes of its file; raises `Unreadable`."""
        if self.row is None:
            return self._upload.picture
        return self.photos.photo(self.row).read()

    @property
    def _upload(self) -> Upload:
        assert self.upload is not None
        return self.upload


@dataclass(frozen=True, eq=False)
class RequestedPhoto(RequestedPicture):
    """The same with its labels, groups and names."""

    snapshot: Snapshot

    @property
    def photo(self) -> models.PhotoOut:
        """Its description in the API."""
        if self.row is None:
            upload = self._upload
            return models.PhotoOut.model_validate(
                {"id": upload.id, "key": upload.name, "title": upload.name}
            )
        return self.snapshot.photo(self.row)


def find(state: State, id: str) -> RequestedPhoto:
    """The photograph with this id; raises `NotFound`."""
    snapshot = state.snapshot()
    return RequestedPhoto(state, snapshot.photos, *_find(state, id, snapshot.photos), snapshot)


def find_picture(state: State, id: str) -> RequestedPicture:
    """The same, but it needs no file of labels; raises `NotFound`."""
    photos = state.collection.photos()
    return RequestedPicture(state, photos, *_find(state, id, photos))


def _find(state: State, id: str, photos: Photos) -> tuple[int | None, Upload | None]:
    """The row with this id, or the upload."""
    if id.startswith(UPLOADED):
        upload = state.upload(id)
        if upload is None or upload.fingerprint != photos.fingerprint:
            raise NotFound("That upload has expired; upload it again")
        return None, upload
    row = photos.by_id.get(id)
    if row is None:
        raise NotFound("No photograph of the collection has that id")
    return row, None
