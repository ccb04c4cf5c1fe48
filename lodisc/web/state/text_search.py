"""Search by words in the keys, folders and labels of photographs.

Axes: N photographs.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.data.paths import searched_form


class TextSearch:
    """The texts of photographs as they are searched: without case and accents."""

    def __init__(self, photos: Photos) -> None:
        folders = photos.table["folder"].to_pylist()
        pairs = zip(photos.keys, folders, strict=True)
        self._texts = [searched_form(f"{key}\n{folder or ''}") for key, folder in pairs]

    def matches(self, words: str, labels: Sequence[str | None]) -> NDArray[np.bool_]:
        """Which photographs [N] have all these words in key, folder or label, in any order."""
        is_match_N = np.ones(len(self._texts), np.bool_)
        of_label = cache(lambda label: searched_form(label or ""))
        for word in searched_form(words).split():
            has_word = (
                word in text or word in of_label(label)
                for text, label in zip(self._texts, labels, strict=True)
            )
            is_match_N &= np.fromiter(has_word, np.bool_, len(self._texts))
        return is_match_N
