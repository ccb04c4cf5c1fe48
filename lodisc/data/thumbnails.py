"""Photographs that look the same though their files differ, by tiny grey copies of them.

They may be re-encoded, resized, a little brighter or mirrored. Cropped copies, even slightly, are
often missed, and turned ones always.

Axes: N photographs, G in a gallery, Q queries (a block), D pixels of a thumbnail, S its side.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LIKENESS = 0.97
MOST_BITS_APART = 6
_BLOCK, _MOST_PAIRS = 512, 2**26  # queries, and pairs, at a time


class Thumbnail(NamedTuple):
    """What a photograph and its altered copies have in common."""

    bits: int
    """For each pixel of a 9 x 8 thumbnail: brighter than its right neighbour?"""
    pixels: bytes
    """16 x 16 grey."""
    mirrored_bits: int
    """`bits` of the mirrored photograph."""


class Alike(NamedTuple):
    """For a query, the photograph of a gallery that is most like it."""

    query: int
    other: int
    likeness: float
    """Correlation of their thumbnails, at most 1."""


def thumbnail(image: Image.Image) -> Thumbnail:
    """The thumbnail of an image."""
    grey = image.convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    pixels = grey.resize((16, 16), Image.Resampling.BOX).tobytes()
    return Thumbnail(_bits(small), pixels, _bits(small[:, ::-1]))


def _bits(small: NDArray[np.int16]) -> int:
    return int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes())


def most_alike(
    queries: Sequence[Thumbnail],
    gallery: Sequence[Thumbnail],
    *,
    unlike: tuple[Sequence[int], Sequence[int]] | None = None,
) -> list[Alike]:
    """The most alike photograph of the gallery for each query that has one, in order.

    A query is not compared with what has the same number in `unlike`: [Q] and [G], such as rows,
    where no photograph is to be like itself.
    """
    if not queries or not gallery:
        return []
    pairs: list[Alike] = []
    gallery_GD = _pixels(gallery).reshape(len(gallery), -1)
    bits_G = _as_bits(item.bits for item in gallery)
    number_Q, number_G = map(np.asarray, unlike or ((), ()))
    size = max(1, min(_BLOCK, _MOST_PAIRS // len(gallery)))
    for first in range(0, len(queries), size):
        block = queries[first : first + size]
        pixels_QSS = _pixels(block)
        likeness_QG = np.zeros((len(block), len(gallery)), np.float32)
        for query_QSS, bits_Q in (
            (pixels_QSS, _as_bits(item.bits for item in block)),
            (pixels_QSS[:, :, ::-1], _as_bits(item.mirrored_bits for item in block)),
        ):
            alike_QG = query_QSS.reshape(len(block), -1) @ gallery_GD.T
            rows, columns = np.nonzero(alike_QG >= LIKENESS)
            near = np.bitwise_count(bits_Q[rows] ^ bits_G[columns]) <= MOST_BITS_APART
            rows, columns = rows[near], columns[near]
            likeness_QG[rows, columns] = np.maximum(
                likeness_QG[rows, columns], alike_QG[rows, columns]
            )
        if unlike:
            likeness_QG[number_Q[first : first + size, None] == number_G] = 0
        for row, column in enumerate(likeness_QG.argmax(1)):
            if likeness := float(likeness_QG[row, column]):
                pairs.append(Alike(first + row, int(column), min(likeness, 1.0)))
    return pairs


def _pixels(thumbnails: Sequence[Thumbnail]) -> NDArray[np.float32]:
    """Thumbnails [N, 16, 16] of mean 0 and length 1.

    Products of thumbnails are correlations; a thumbnail of one grey correlates with nothing.
    """
    pixels_ND = np.stack([np.frombuffer(item.pixels, np.uint8) for item in thumbnails])
    pixels_ND = pixels_ND.astype(np.float32)
    pixels_ND -= pixels_ND.mean(1, keepdims=True)
    length_N1 = np.linalg.norm(pixels_ND, axis=1, keepdims=True)
    return (pixels_ND / np.maximum(length_N1, 1e-6)).reshape(-1, 16, 16)


def _as_bits(bits: Iterable[int]) -> NDArray[np.uint64]:
    return np.fromiter(bits, np.uint64)
