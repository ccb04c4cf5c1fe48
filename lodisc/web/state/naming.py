"""Names of uploaded photographs, as `lodisc name` gives them."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from lodisc.collection.new_names import labelled_look_alikes, name_together
from lodisc.web import label_models
from lodisc.web.state.errors import NotFound
from lodisc.web.state.similar import add_upload
from lodisc.web.state.state import State


def add_new(state: State, data: bytes, *, name: str) -> label_models.NewPhotoOut:
    """Encode an uploaded photograph, so that it can be named; raises `UploadUnreadable`."""
    while True:
        requested = add_upload(state, data, name=name, memory=state.named_uploads)
        snapshot = state.snapshot()
        if snapshot.photos.fingerprint == requested.photos.fingerprint:
            break  # else another encoder has come meanwhile
    id, vector = requested.photo.id, requested.vector
    state.new_vectors.get((snapshot.photos.fingerprint, id), lambda: vector)
    (look_alike,) = labelled_look_alikes(snapshot.photos, snapshot.by_row, vector[None])
    row, cosine = look_alike or (None, None)
    photo = None if row is None else snapshot.photo(row)
    return label_models.NewPhotoOut(id=id, look_alike=photo, similarity=cosine)


def name_new(state: State, ids: Sequence[str]) -> label_models.NewNamesOut:
    """Names of photographs that `add_new` encoded, together; raises `NotFound` if none is known."""
    snapshot = state.snapshot()
    vectors = {}
    for id in ids:
        with suppress(NotFound):
            vectors[id] = state.new_vectors.get((snapshot.photos.fingerprint, id), _forgotten)
    if not vectors:
        raise NotFound("These photographs were forgotten; drop them again")
    with state.naming_together:  # each learns anew
        names = name_together(snapshot.photos, snapshot.by_row, np.stack([*vectors.values()]))
    return label_models.NewNamesOut(
        names=[
            label_models.NewNameOut(
                id=id,
                name=name.name,
                confidence=None if name.name is None else name.confidence,
                new_kind=name.new_kind,
                likely_new=name.is_likely_new,
            )
            for id, name in zip(vectors, names, strict=True)
        ]
    )


def _forgotten() -> NDArray[np.float32]:
    raise NotFound("It was forgotten")
