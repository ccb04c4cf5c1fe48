"""What the encoder makes of a photograph: its vector, where it looks, and which patches of two answer one another.

Axes: P patches, D feature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lodisc.collection.collection import Collection
from lodisc.config import TrainConfig
from lodisc.data.decode import decode
from lodisc.data.loader import most_pixels
from lodisc.data.views import centre_box
from lodisc.web import models
from lodisc.web.state.memo import Latest
from lodisc.web.state.thumbnails import decoding

MOST_LOOKS, MOST_PAIRS = 32, 8  # a large encoder makes 6 MB of a photograph, 10 MB of a pair


@dataclass(frozen=True, eq=False)
class Seen:
    """Where the encoder looks in one photograph, and the features [P, D] of its patches, of length 1."""

    look: models.Look
    patches: NDArray[np.float32]


class Seer:
    """The encoder of a collection, for one request at a time; it is loaded when it is first needed."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._lock = Lock()
        self._seen: Latest[Seen] = Latest(MOST_LOOKS)
        self._pairs: Latest[bytes] = Latest(MOST_PAIRS)

    def warm_up(self) -> None:
        """Load the encoder and let it see an empty picture, so that the first person does not wait for it."""
        with self._lock:
            encoder = self.collection.encoder()
            encoder.embed([Image.new("RGB", (encoder.image_size, encoder.image_size))])

    def vector(self, data: bytes) -> NDArray[np.float32]:
        """The vector [D] of a photograph's bytes, of length 1; raises `Unreadable`."""
        image = self._decoded(data)
        with self._lock:
            vector_D = self.collection.encoder().embed([image])[0].numpy()
        return np.asarray(vector_D / max(float(np.linalg.norm(vector_D)), 1e-12), dtype=np.float32)

    def look(self, name: str, read: Callable[[], bytes]) -> Seen:
        """What is seen in the photograph that `read` gives, kept under `name`; raises `Unreadable`."""
        return self._seen.get(name, lambda: self._look(read()))

    def pair(
        self, names: tuple[str, str], reads: tuple[Callable[[], bytes], Callable[[], bytes]]
    ) -> bytes:
        """`models.Pair` of two photographs as JSON; raises `Unreadable`."""
        return self._pairs.get(
            names,
            lambda: _pair(
                *(self.look(name, read) for name, read in zip(names, reads, strict=True))
            ),
        )

    def _look(self, data: bytes) -> Seen:
        from lodisc.explanation.attention import attention_maps

        image = self._decoded(data)
        fusion = self.collection.settings.get("fusion", TrainConfig().fusion)
        with self._lock:
            encoder = self.collection.encoder()
            (found,) = attention_maps(encoder, [image], fusion=fusion)
            patches_RCD = encoder.patch_features([image])[0].numpy()
        rows, columns = found.attention.shape
        attention_RC = (found.attention / max(float(found.attention.max()), 1e-12)).round(3)
        described = models.Look(
            rows=rows,
            columns=columns,
            attention=attention_RC.astype(float).round(3).tolist(),
            pivotal=found.pivotal.tolist(),
            box=view_box(*image.size, image_size=encoder.image_size),
        )
        return Seen(described, patches_RCD.reshape(rows * columns, -1))

    def _decoded(self, data: bytes) -> Image.Image:
        with decoding:
            return decode(data, at_least=most_pixels(self.collection.settings["image_size"]))


def view_box(width: int, height: int, *, image_size: int) -> list[float]:
    """Left, top, right, bottom of the encoder's centre view, as shares of the picture."""
    left, top, right, bottom = centre_box(width, height, image_size=image_size)
    return [left / width, top / height, right / width, bottom / height]


def _pair(a: Seen, b: Seen) -> bytes:
    similarity_PP = (a.patches @ b.patches.T).astype(float).round(2) + 0.0  # no minus zero
    pair = models.Pair.model_construct(a=a.look, b=b.look, similarity=similarity_PP.tolist())
    return pair.model_dump_json().encode()
