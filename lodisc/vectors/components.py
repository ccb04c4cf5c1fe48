"""Principal components: the directions along which vectors differ most.

Axes: N photographs, D features, P components.
"""

import numpy as np
from numpy.typing import NDArray


def principal_components(vectors_ND: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The first `count` principal components [N, P] of vectors, or D if that is smaller.

    The largest weight of each component is positive.
    """
    if not len(vectors_ND):
        return vectors_ND[:, :count]
    centred_ND = vectors_ND - vectors_ND.mean(0, dtype=np.float64).astype(np.float32)
    _, axes_DD = np.linalg.eigh(centred_ND.T @ centred_ND)  # ascending
    axes_DP = axes_DD[:, ::-1][:, :count]
    largest_P = np.take_along_axis(axes_DP, np.abs(axes_DP).argmax(0)[None], axis=0)[0]
    components_NP: NDArray[np.float32] = centred_ND @ (
        axes_DP * np.where(largest_P < 0, -1, 1).astype(np.float32)
    )
    return components_NP
