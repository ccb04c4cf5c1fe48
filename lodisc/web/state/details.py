"""The details of one photograph: its file, its size, and why it can't be read."""

from datetime import UTC, datetime
from typing import Any

from lodisc.collection.label_file import Busy
from lodisc.data.decode import Unreadable, upright_dimensions
from lodisc.data.photo import printable
from lodisc.data.taken import taken
from lodisc.web import models
from lodisc.web.state.requested import RequestedPhoto


def describe_photo(requested: RequestedPhoto) -> models.PhotoDetailOut:
    """All about one photograph; an upload has no file."""
    fields: dict[str, Any] = requested.photo.model_dump()
    if requested.row is not None:
        fields = requested.snapshot.proposed(requested.row).model_dump()
        table = requested.photos.table
        modified = datetime.fromtimestamp(table["modified"][requested.row].as_py() / 1e9, UTC)
        fields |= {
            "path": printable(requested.photos.path(requested.row)),
            "bytes": table["bytes"][requested.row].as_py(),
            "digest": requested.digest,
            "modified": modified.isoformat(timespec="seconds"),
            "origin": _origin(requested, requested.photos.keys[requested.row]),
        }
    return models.PhotoDetailOut(**fields, **_of_file(requested))


def _origin(requested: RequestedPhoto, key: str) -> models.OriginOut | None:
    """Where its label comes from; None while another program locks the labels, too."""
    try:
        origin = requested.state.collection.labels.origin(key)
    except Busy:
        return None
    if origin is None:
        return None
    confidence, encoder = origin.acceptance
    return models.OriginOut(
        time=origin.time,
        how=origin.how,
        user=origin.user,
        confidence=confidence,
        encoder=encoder,
        text=origin.words,
    )


def _of_file(requested: RequestedPhoto) -> dict[str, Any]:
    """Width and height, upright, when it was taken, or why the photograph can't be read."""
    try:
        with requested.state.decoding_slots:
            data = requested.read()
            width, height = upright_dimensions(data)
            time = taken(data)
    except Unreadable as error:
        return {"trouble": str(error)}
    return {"width": width, "height": height, "taken": None if time is None else time.isoformat()}
