"""What changed on the disk is noticed: it is made again, or named in one line."""

from pathlib import Path

import numpy as np
import pytest
from stored import stored

from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.errors import UserError

VECTORS = np.random.default_rng(0).standard_normal((20, 8), np.float32)


def change(path: Path, before: bytes, after: bytes) -> None:
    """Replace the first bytes of this content, by as many, as damage on a disk does."""
    data = path.read_bytes()
    assert before in data and len(before) == len(after)
    path.write_bytes(data.replace(before, after, 1))


def lance_file(collection: Path, pattern: str) -> Path:
    (path,) = (collection / "photos.lance").glob(pattern)
    return path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (VECTORS[3].tobytes(), VECTORS[4].tobytes()),
        (VECTORS[7].tobytes(), bytes(32)),
        (b"000003.jpg", b"0000x3.jpg"),
        (b"/photos/000005.jpg", b"/photos/000006.jpg"),
    ],
)
def test_a_changed_row_of_a_collection_is_named_and_written_again(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    photos = stored(tmp_path, VECTORS).photos()
    change(lance_file(tmp_path / "C", "data/*.lance"), before, after)
    with pytest.raises(UserError, match=r"^\d rows of .*photos\.lance changed .* lodisc index"):
        Collection(tmp_path / "C").photos()
    index(tmp_path / "vectors", collection=tmp_path / "C")
    again = Collection(tmp_path / "C").photos()
    assert np.array_equal(again.vectors, photos.vectors) and again.table.equals(photos.table)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"string", b"strinf"),  # LanceDB panics
        (b"lodisc.encoder", b"lodisc.encodes"),
        (b"modified", b"modifiee"),
        (b"fixed_size_list:float:8", b"fixed_size_list:int32:8"),
    ],
)
def test_a_collection_of_another_shape_is_one_line(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    stored(tmp_path, VECTORS)
    path = lance_file(tmp_path / "C", "_versions/*.manifest")
    path.write_bytes(path.read_bytes().replace(before, after))
    for command in (
        lambda: Collection(tmp_path / "C").photos(),
        lambda: index(tmp_path / "vectors", collection=tmp_path / "C"),
    ):
        with pytest.raises(UserError, match=r"photos\.lance can't be read .*labels stay") as error:
            command()
        assert "\n" not in str(error.value)
