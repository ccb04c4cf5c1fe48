"""Search by words in the keys, folders and labels of photographs.

Axes: N photographs.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.collection import Photos
from lodisc.data.paths import searched_form

MOST_WORDS = 20  # that are searched for


class TextSearch:
    """The texts of photographs as they are searched: without case and accents."""

    def __init__(self, photos: Photos) -> None:
        folders = photos.table["folder"].to_pylist()
        pairs = zip(photos.keys, folders, strict=True)
        self._texts = [searched_form(f"{key}\n{folder or ''}") for key, folder in pairs]

    def matches(self, words: str, labels: Sequence[str | None]) -> NDArray[np.bool_]:
        """Which photographs [N] have all these words in key, folder or label, in any order."""
        of_label = cache(lambda label: searched_form(label or ""))
        rows: Sequence[int] = range(len(self._texts))
        for word in list(dict.fromkeys(searched_form(words).split()))[:MOST_WORDS]:
            rows = [r for r in rows if word in self._texts[r] or word in of_label(labels[r])]
        is_match_N = np.zeros(len(self._texts), np.bool_)
        is_match_N[list(rows)] = True
        return is_match_N
