"""When a photograph was taken, as its EXIF says."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from PIL.ExifTags import Base

from lodisc.data.decode import Unreadable, exif_of
from lodisc.data.photo import Photo
from lodisc.data.png import SIGNATURE

TAGS = (  # of a time, and of its offset from UTC
    (Base.DateTimeOriginal, Base.OffsetTimeOriginal),
    (Base.DateTimeDigitized, Base.OffsetTimeDigitized),
    (Base.DateTime, Base.OffsetTime),
)
FORMAT = "%Y:%m:%d %H:%M:%S"
FIRST_YEAR = 1826  # of the oldest photograph
HEADED = (b"\xff\xd8\xff", SIGNATURE)  # JPEG and PNG have EXIF before the picture, or none
HEAD = 2**18  # bytes of a file in which these have their EXIF


def taken(data: bytes) -> datetime | None:
    """When it was taken; None if that is not known. Raises only `Unreadable`.

    With its offset from UTC where the file has one, else the time on the clock of the camera.
    """
    exif = exif_of(data)
    times = (_time(exif.get(tag), exif.get(offset)) for tag, offset in TAGS)
    return next((time for time in times if time is not None), None)


def photo_taken(photo: Photo) -> datetime | None:
    """The same of a photograph, of which only the head is read where that will do."""
    head = photo.read_head(HEAD)
    with suppress(Unreadable):  # as it is cut
        time = taken(head)
        if time or head.startswith(HEADED):
            return time
    return taken(photo.read())


def _time(value: object, offset: object) -> datetime | None:
    """A time; None for what is none, before the first photograph, or more than a day ahead."""
    try:
        time = datetime.strptime(_text(value)[:19], FORMAT)
    except ValueError:
        return None
    with suppress(ValueError):
        time = time.replace(tzinfo=datetime.strptime(_text(offset), "%z").tzinfo)
    is_ahead = time.replace(tzinfo=UTC) > datetime.now(UTC) + timedelta(days=1)
    return None if time.year < FIRST_YEAR or is_ahead else time


def _text(value: object) -> str:
    return str(value).strip("\0 ")
