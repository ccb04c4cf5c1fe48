"""What became of photographs that are not where an embedding has them."""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

from lodisc.data.decode import Unreadable
from lodisc.data.photo import Photo, digest_of
from lodisc.embedding.embedding import Embedding, EmbeddingSettings
from lodisc.embedding.parts import Row, read_part, write_part


def forget_moved(
    embedding: Embedding,
    elsewhere: Mapping[Path, Sequence[Row]],
    *,
    shards: Mapping[str, Set[str]],
    known: Set[str],
    settings: EmbeddingSettings,
) -> None:
    """Drop the rows of photographs that are now under another name, or in another shard.

    `elsewhere` are rows by part, as `Embedding.elsewhere` gives them for the keys of `shards`. A
    name is another one if it was not `known` before: a copy that was there all along is not what
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
                if row.key not in known:
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


def has_one_of(digests: Set[str], photos: Sequence[Photo]) -> bool:
    """Whether the bytes of one of these photographs, which are read, have one of the digests."""
    for photo in photos:
        with suppress(Unreadable):
            if digest_of(photo.read()) in digests:
                return True
    return False
