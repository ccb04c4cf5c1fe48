"""The name of an uploaded photograph, as `lodisc name` gives it."""

from lodisc.collection.new_names import is_likely_new, name_vectors
from lodisc.web import label_models
from lodisc.web.state.similar import add_upload
from lodisc.web.state.state import State


def name_upload(state: State, data: bytes, *, name: str) -> label_models.NewNameOut:
    """Encode an uploaded photograph and name it by what was learnt last.

    Raises `UploadUnreadable`.
    """
    while True:
        requested = add_upload(state, data, name=name, memory=state.named_uploads)
        snapshot, predictions = state.names()
        if snapshot.photos.fingerprint == requested.photos.fingerprint:
            break  # else another encoder has come meanwhile
    (new,) = name_vectors(snapshot.photos, snapshot.by_row, predictions, requested.vector[None])
    return label_models.NewNameOut(
        id=requested.photo.id,
        name=new.name,
        confidence=new.confidence,
        new_kind=new.new_kind,
        likely_new=is_likely_new(new.new_kind),
        look_alike=None if new.look_alike is None else snapshot.photo(new.look_alike),
        similarity=new.similarity,
    )
