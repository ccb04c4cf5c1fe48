"""The details of one photograph: its file, its size, and why it can't be read."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from PIL import ExifTags
from PIL.JpegImagePlugin import JpegImageFile

from lodisc.data.decode import Unreadable, decode, dimensions
from lodisc.data.photo import printable
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
        }
    return models.PhotoDetailOut(**fields, **_size(requested))


def _size(requested: RequestedPhoto) -> dict[str, Any]:
    """Width and height, upright, or why the photograph can't be read."""
    try:
        with requested.state.decoding_slots:
            width, height = upright_size(requested.read())
    except Unreadable as error:
        return {"trouble": str(error)}
    return {"width": width, "height": height}


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height as `decode` gives them, of a JPEG by its header; raises `Unreadable`."""
    if not data.startswith(b"\xff\xd8"):
        return decode(data).size
    width, height = dimensions(data)
    try:
        orientation = JpegImageFile(BytesIO(data)).getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF does not turn the picture
        orientation = None
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)
