"""Look-alikes of a photograph of the collection or of an upload.

Axes: Q queries, K neighbours of each, D feature.
"""

from lodisc.collection.lookalikes import look_alikes as nearest_in_collection
from lodisc.collection.lookalikes import same_kind_shares
from lodisc.data.decode import Unreadable, dimensions
from lodisc.web import models
from lodisc.web.state.errors import UploadUnreadable
from lodisc.web.state.requested import RequestedPhoto
from lodisc.web.state.state import State
from lodisc.web.state.thumbnails import picture
from lodisc.web.state.uploads import Upload, Uploads, upload_id

MOST_PIXELS = 64_000_000  # of an upload


def look_alikes(requested: RequestedPhoto, *, top: int) -> models.SimilarOut:
    """The `top` photographs most similar to another: not that one itself, and no hidden ones."""
    snapshot, photos = requested.snapshot, requested.photos
    query_QD, is_hidden_N = requested.vector[None], snapshot.is_hidden_N
    nearest_QK = nearest_in_collection(
        requested.state.collection,
        photos,
        query_QD,
        top=min(top + 1, len(photos)),
        allowed_N=~is_hidden_N if is_hidden_N.any() else None,
    )
    ((rows, scores),) = zip(*nearest_QK, strict=True)
    others = [
        (int(row), float(score))
        for row, score in zip(rows, scores, strict=True)
        if row != requested.row
    ]
    others = others[:top]
    same_kind = requested.state.same_kind(snapshot)
    shares = same_kind_shares(
        same_kind,
        photos,
        snapshot.by_row.from_people,
        requested.vector,
        [row for row, _ in others],
        own=requested.row,
    )
    similar = [
        models.LikenessOut(photo=snapshot.photo(row), score=round(score, 4), same_kind=share)
        for (row, score), share in zip(others, shares, strict=True)
    ]
    return models.SimilarOut(query=requested.photo, similar=similar, reason=same_kind.reason)


def add_upload(state: State, data: bytes, *, name: str, memory: Uploads) -> RequestedPhoto:
    """Encode an uploaded photograph and remember it in `memory`; raises `UploadUnreadable`."""
    id, snapshot = upload_id(data), state.snapshot()
    fingerprint = snapshot.photos.fingerprint
    upload = state.upload(id)
    if upload is None or upload.fingerprint != fingerprint:
        try:
            _require_size(data)
            vector_D = state.encoder.vector(data)
            with state.decoding_slots:
                upload = Upload(id, name, picture(data), vector_D, fingerprint)
        except Unreadable as error:
            raise UploadUnreadable(f"The upload can't be read as a photograph: {error}") from None
    memory.put(upload)
    return RequestedPhoto(state, snapshot.photos, None, upload, snapshot)


def _require_size(data: bytes) -> None:
    width, height = dimensions(data)
    if width * height > MOST_PIXELS:
        most = f"{MOST_PIXELS // 1_000_000} million are the most"
        raise Unreadable(f"{width} x {height} pixels is too large; {most}")
