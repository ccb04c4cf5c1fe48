"""Small pictures of the photographs, made on demand and cached by the digest of the file.

C/cache/thumbnails/<2 hex>/<digest>-<size>.webp   with a checksum of 16 bytes after its end
"""

import contextlib
import re
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from threading import Semaphore

from PIL import Image

from lodisc.data.decode import decode
from lodisc.data.photo import Photo, digest_of
from lodisc.files import read_bytes
from lodisc.web.state.cache import write_cache

MOST_ELONGATED = 3  # longer side over shorter side; more is cut off
PICTURE_SIDE = 1600
CHECKSUM_BYTES = 16


class Thumbnails:
    """The thumbnails of a collection; safe from several threads and processes.

    `decoding_slots` bounds how many photographs are decoded at a time. The folder may be deleted
    at any time.
    """

    def __init__(self, folder: Path, decoding_slots: Semaphore) -> None:
        self.folder, self._decoding_slots = folder, decoding_slots

    def get(self, photo: Photo, *, digest: str, size: int) -> bytes:
        """A WebP whose shorter side has `size` pixels; raises `Unreadable`."""
        path = self._path(digest, size)
        if path is not None:
            with contextlib.suppress(OSError):
                content = read_bytes(path)
                webp = content[:-CHECKSUM_BYTES]
                if content == webp + _checksum(webp):  # else a power cut left zeros, or less
                    return webp
        with self._decoding_slots:
            data = photo.read()
            webp = thumbnail(data, size=size)
        if path is not None and digest_of(data) == digest:
            write_cache(webp + _checksum(webp), path)
        return webp

    def _path(self, digest: str, size: int) -> Path | None:
        if not re.fullmatch(r"[0-9a-f]{8,128}", digest):
            return None
        return self.folder / digest[:2] / f"{digest}-{size}.webp"


def _checksum(webp: bytes) -> bytes:
    return blake2b(webp, digest_size=CHECKSUM_BYTES).digest()


def thumbnail(data: bytes, *, size: int) -> bytes:
    """A photograph as a small WebP; raises `Unreadable`.

    The shorter side has `size` pixels, or fewer if the photograph has fewer.
    """
    image = decode(data, at_least=size)
    width, height = (min(side, MOST_ELONGATED * min(image.size)) for side in image.size)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    scale = min(1, size / min(width, height))
    small = image.resize(
        (max(1, round(width * scale)), max(1, round(height * scale))),
        Image.Resampling.BICUBIC,
        box=(left, top, left + width, top + height),
        reducing_gap=2.0,
    )
    stream = BytesIO()
    small.save(stream, "WEBP", quality=80, method=2)
    return stream.getvalue()


def picture(data: bytes) -> bytes:
    """A photograph as an upright JPEG without metadata; raises `Unreadable`.

    It is at most 1600 pixels wide and high.
    """
    image = decode(data, at_least=PICTURE_SIDE)
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    stream = BytesIO()
    clean.save(stream, "JPEG", quality=88)
    return stream.getvalue()
