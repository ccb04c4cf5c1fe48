"""What the encoder computes of a photograph: its vector, its attention, its patch features.

Axes: P patches, R rows, C columns of patches, D feature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Semaphore

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lodisc.collection.collection import Collection
from lodisc.config import Fit, TrainConfig
from lodisc.data.decode import decode
from lodisc.data.loader import most_pixels
from lodisc.data.views import whole_box
from lodisc.web import models
from lodisc.web.state.memo import LruCache

# A large encoder needs 6 MB for a photograph and 10 MB for a pair.
MOST_ENCODED, MOST_PAIRS = 32, 8


@dataclass(frozen=True, eq=False)
class EncodedPhoto:
    """The attention over one photograph, and the features of its patches, of length 1."""

    attention: models.AttentionOut
    patches_PD: NDArray[np.float32]


class SharedEncoder:
    """The encoder of a collection: loaded on first use, and used by one request at a time.

    `decoding_slots` bounds how many photographs are decoded at a time.
    """

    def __init__(self, collection: Collection, decoding_slots: Semaphore) -> None:
        self.collection = collection
        self._decoding_slots = decoding_slots
        self._lock = Lock()
        self._encoded: LruCache[EncodedPhoto] = LruCache(MOST_ENCODED)
        self._pairs: LruCache[bytes] = LruCache(MOST_PAIRS)

    def warm_up(self) -> None:
        """Load the encoder and run it once, so that the first request does not wait for it."""
        with self._lock:
            encoder = self.collection.encoder()
            encoder.embed([Image.new("RGB", (encoder.image_size, encoder.image_size))])

    def vector(self, data: bytes) -> NDArray[np.float32]:
        """The vector [D] of a photograph's bytes, of length 1; raises `Unreadable`."""
        image = self._decode(data)
        with self._lock:
            vector_D = self.collection.encoder().embed([image])[0].numpy()
        return np.asarray(vector_D / max(float(np.linalg.norm(vector_D)), 1e-12), dtype=np.float32)

    def encode(self, name: str, read: Callable[[], bytes]) -> EncodedPhoto:
        """Encode the photograph that `read` returns, or remember it by its name.

        Raises `Unreadable`.
        """
        return self._encoded.get(name, lambda: self._encode(read()))

    def pair(
        self, names: tuple[str, str], reads: tuple[Callable[[], bytes], Callable[[], bytes]]
    ) -> bytes:
        """`models.PairOut` of two photographs as JSON; raises `Unreadable`."""

        def compute() -> bytes:
            a, b = (self.encode(name, read) for name, read in zip(names, reads, strict=True))
            return _pair(a, b)

        return self._pairs.get(names, compute)

    def _encode(self, data: bytes) -> EncodedPhoto:
        from lodisc.explanation.attention import attention_maps

        image = self._decode(data)
        fusion = self.collection.settings.get("fusion", TrainConfig().fusion)
        with self._lock:
            encoder = self.collection.encoder()
            (areas,) = attention_maps(encoder, [image], fusion=fusion)
            patches_RCD = encoder.patch_features([image])[0].numpy()
        rows, columns = areas.attention.shape
        share_RC = (areas.attention / max(float(areas.attention.max()), 1e-12)).round(3)
        attention = models.AttentionOut(
            rows=rows,
            columns=columns,
            attention=share_RC.astype(float).round(3).tolist(),
            pivotal=areas.pivotal.tolist(),
            box=view_box(*image.size, image_size=encoder.image_size, fit=encoder.fit),
        )
        return EncodedPhoto(attention, patches_RCD.reshape(rows * columns, -1))

    def _decode(self, data: bytes) -> Image.Image:
        with self._decoding_slots:
            return decode(data, at_least=most_pixels(self.collection.settings["image_size"]))


def view_box(width: int, height: int, *, image_size: int, fit: Fit = "crop") -> list[float]:
    """Left, top, right, bottom of what the encoder sees, as shares of the picture."""
    left, top, right, bottom = whole_box(width, height, image_size=image_size, fit=fit)
    return [left / width, top / height, right / width, bottom / height]


def _pair(a: EncodedPhoto, b: EncodedPhoto) -> bytes:
    similarity_PP = (a.patches_PD @ b.patches_PD.T).astype(float).round(2) + 0.0  # no minus zero
    pair = models.PairOut.model_construct(
        a=a.attention, b=b.attention, similarity=similarity_PP.tolist()
    )
    return pair.model_dump_json().encode()
