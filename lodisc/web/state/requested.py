"""From an id to a photograph of the collection, or to an upload."""

from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from lodisc.data.decode import Unreadable
from lodisc.web import models
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import State
from lodisc.web.state.uploads import Upload

UPLOADED = "upload-"


@dataclass(frozen=True, eq=False)
class Source:
    """A photograph that was asked for: a row of the collection or an upload."""

    state: State
    now: Now
    row: int | None
    upload: Upload | None

    @property
    def photo(self) -> models.Photo:
        """What the API says of it."""
        return self.now.photo(self.row) if self.row is not None else uploaded_photo(self._uploaded)

    @property
    def vector(self) -> NDArray[np.float32]:
        """Its vector [D]."""
        return self.now.photos.vectors[self.row] if self.row is not None else self._uploaded.vector

    @property
    def digest(self) -> str:
        """Another one for other bytes."""
        return (
            str(self.now.photos.table["digest"][self.row].as_py())
            if self.row is not None
            else self._uploaded.id
        )

    @property
    def name(self) -> str:
        """Another one for other bytes or another encoder."""
        return f"{self.now.photos.fingerprint}-{self.digest}"

    def read(self) -> bytes:
        """The bytes of its file; answers 404 with the reason where they can't be read."""
        if self.row is None:
            return self._uploaded.picture
        try:
            return self.now.photos.photo(self.row).read()
        except Unreadable as error:
            raise gone(error) from None

    @property
    def _uploaded(self) -> Upload:
        assert self.upload is not None
        return self.upload


def find(state: State, id: str) -> Source:
    """The photograph with this id; answers 404 where there is none."""
    now = state.now()
    if id.startswith(UPLOADED):
        upload = state.uploads.get(id)
        if upload is None or upload.fingerprint != now.photos.fingerprint:
            raise HTTPException(
                HTTPStatus.NOT_FOUND, "That upload is no longer kept; upload it again"
            )
        return Source(state, now, None, upload)
    row = now.photos.by_id.get(id)
    if row is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No photograph of the collection has that id")
    return Source(state, now, row, None)


def uploaded_photo(upload: Upload) -> models.Photo:
    """What the API says of an upload."""
    return models.Photo.model_validate({"id": upload.id, "key": upload.name})


def gone(error: Unreadable) -> HTTPException:
    """The answer for a photograph that can't be read."""
    return HTTPException(HTTPStatus.NOT_FOUND, f"The photograph can't be read: {error}")
