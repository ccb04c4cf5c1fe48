"""When a photograph was taken, as its EXIF says."""

from contextlib import suppress
from datetime import datetime

from PIL.ExifTags import Base

from lodisc.data.decode import Unreadable, exif_of
from lodisc.data.photo import Photo

TAGS = (Base.DateTimeOriginal, Base.DateTimeDigitized, Base.DateTime)
FORMAT = "%Y:%m:%d %H:%M:%S"
JPEG = b"\xff\xd8\xff"
HEAD = 2**18  # bytes of a file in which a JPEG has its EXIF


def taken(data: bytes) -> datetime | None:
    """The time on the clock of the camera; None if it is not known. Raises only `Unreadable`."""
    exif = exif_of(data)
    times = (_time(exif.get(tag)) for tag in TAGS)
    return next(filter(None, times), None)


def photo_taken(photo: Photo) -> datetime | None:
    """The same of a photograph, of which only the head is read where that will do."""
    head = photo.read_head(HEAD)
    with suppress(Unreadable):  # as it is cut
        time = taken(head)
        if time or head.startswith(JPEG):
            return time
    return taken(photo.read())


def _time(value: object) -> datetime | None:
    try:
        return datetime.strptime(str(value).strip("\0 ")[:19], FORMAT)
    except ValueError:
        return None
