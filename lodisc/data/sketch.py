"""A sketch of many photographs, by which one can tell later how many of others are among them."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from lodisc.data.photo import Photo, size_of

SIZE = 256

Sketch = tuple[str, ...]
"""The smallest hashes of the photographs, sorted: a sample of them, drawn by the hash."""


def sketch_of(photos: Iterable[Photo], *, of_earlier: Sketch = ()) -> Sketch:
    """The sketch of photographs, and of those that an earlier sketch is of.

    A photograph is known by the name of its file and its size in bytes: folders may be renamed.
    """
    return tuple(sorted({*map(_hash, photos), *of_earlier})[:SIZE])


def share_among(photos: Sequence[Photo], sketch: Sketch) -> float:
    """The share of photographs that are among those of a sketch: exact for up to 256 of these.

    Where a sketch is full, it is estimated by the photographs whose hash is in its range.
    """
    hashes = [hash for hash in map(_hash, photos) if len(sketch) < SIZE or hash <= sketch[-1]]
    return sum(hash in sketch for hash in hashes) / len(hashes) if hashes else 0.0


def _hash(photo: Photo) -> str:
    name = photo.key.rpartition("/")[2].encode("utf-8", "surrogatepass")
    return blake2b(name + size_of(photo).to_bytes(8, "little"), digest_size=6).hexdigest()
