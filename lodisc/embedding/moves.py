"""What became of photographs that are not where an embedding has them."""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

from lodisc.data.decode import Unreadable
from lodisc.data.photo import Photo, digest_of, size_of
from lodisc.embedding.embedding import Embedding, EmbeddingSettings
from lodisc.embedding.parts import Row, read_part, write_part

_FEW = 64  # photographs that are read to know them


def forget_moved(
    embedding: Embedding,
    elsewhere: Mapping[Path, Sequence[Row]],
    *,
    shards: Mapping[str, Set[str]],
    known: Mapping[str, str],
    settings: EmbeddingSettings,
) -> None:
    """Drop the rows of photographs that are now under another name, or in another shard.

    `elsewhere` are rows by part, as `Embedding.elsewhere` gives them for the keys of `shards`.
    `known` are the digests that names had before: a copy that was there all along is not what
    became of a photograph that has gone.
    """
    if not elsewhere:
        return
    fingerprint = settings["fingerprint"]
    keys, digests = set(), set()
    for path in embedding.parts():
        here = shards.get(embedding.shard(path), frozenset())
        for row in read_part(path, fingerprint=fingerprint):
            if row.key in here:
                keys.add(row.key)
                if known.get(row.key) != row.digest:
                    digests.add(row.digest)
    for path, rows in elsewhere.items():
        moved = {row.key for row in rows if row.key in keys or row.digest in digests}
        if not moved:
            continue
        left = [row for row in read_part(path, fingerprint=fingerprint) if row.key not in moved]
        if left or embedding.shard(path) in shards:
            dim, dtype = settings["dim"], settings["dtype"]
            write_part(path, left, dim=dim, dtype=dtype, fingerprint=fingerprint)
        else:
            embedding.remove_part(path)


def rows_under_other_names(
    embedding: Embedding,
    shards: Mapping[str, Sequence[Photo]],
    *,
    have_gone: bool,
    fingerprint: str,
) -> dict[str, Row]:
    """The rows, by digest, of which photographs of `shards` may be copies, or have the new name.

    Those have the size of a photograph whose name is new, or had a file of another size. Unless
    other names `have_gone`, what is new before a call has come to its end waits to be embedded.
    """
    if not (have_gone or embedding.is_finished):
        return {}
    sizes = embedding.sizes()
    present = {(name, photo.key): photo for name, photos in shards.items() for photo in photos}
    if not have_gone and present.keys() <= sizes.keys():
        return {}
    new = {size for name, photo in present.items() if (size := size_of(photo)) != sizes.get(name)}
    return embedding.rows_of_size(new, fingerprint=fingerprint)


def is_of(embedding: Embedding, photos: Sequence[Photo]) -> bool:
    """Whether one of these photographs is in the embedding by its bytes, under any name.

    A few are read, of those whose size is that of a photograph there.
    """
    sizes, digests = set(embedding.sizes().values()), set(embedding.digests().values())
    alike = [photo for photo in photos if size_of(photo) in sizes]
    for photo in alike[:: max(1, len(alike) // _FEW)]:
        with suppress(Unreadable):
            if digest_of(photo.read()) in digests:
                return True
    return False
