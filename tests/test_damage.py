"""What changed on the disk is noticed: it is made again, or named in one line."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from photos import collection, encoded, tar, texture
from stored import stored

import lodisc
from lodisc import cli
from lodisc.collection.collection import Collection
from lodisc.collection.index import index
from lodisc.embedding.embed import embed
from lodisc.embedding.embedding import Embedding
from lodisc.embedding.parts import read_part, write_part
from lodisc.errors import UserError
from lodisc.photo_encoder import load_start

VECTORS = np.random.default_rng(0).standard_normal((20, 8), np.float32)


def change(path: Path, before: bytes, after: bytes) -> None:
    """Replace some bytes of a file, as damage on a disk does."""
    data = path.read_bytes()
    assert before in data
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


def rewrite(folder: Path, changes: dict[str, dict[str, Any] | None]) -> None:
    """Change photographs of the embedding of a collection, by key, or remove them."""
    (part,) = Embedding(folder / "vectors").parts()
    fingerprint = Embedding(folder / "vectors").settings()["fingerprint"]
    before = {row.key: row for row in read_part(part, fingerprint=fingerprint)}
    now = {key: changes.get(key, {}) for key in before}
    rows = [before[key]._replace(**change) for key, change in now.items() if change is not None]
    write_part(part, rows, dim=8, dtype="float32", fingerprint=fingerprint)


def test_the_label_of_a_damaged_row_that_cannot_follow_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = stored(tmp_path, VECTORS).labels
    labels.set(["000003.jpg"], "wren")
    labels.set(["000004.jpg"], "finch")
    change(lance_file(tmp_path / "C", "data/*.lance"), VECTORS[3].tobytes(), bytes(32))
    rewrite(tmp_path, {"000003.jpg": {"key": "a.jpg"}, "000004.jpg": {"key": "b.jpg"}})
    assert index(tmp_path / "vectors", collection=tmp_path / "C")["labels_carried"] == 1
    assert labels.current() == {"000003.jpg": "wren", "b.jpg": "finch"}
    assert "1 labels of damaged rows stay under names that are not there now" in caplog.text


def test_a_copy_whose_row_is_damaged_takes_no_label_of_another(tmp_path: Path) -> None:
    labels = stored(tmp_path, VECTORS).labels
    rewrite(tmp_path, {"000002.jpg": {"digest": "1"}})
    index(tmp_path / "vectors", collection=tmp_path / "C")
    labels.set(["000001.jpg"], "wren")
    for path in (tmp_path / "C" / "photos.lance" / "data").glob("*.lance"):
        path.write_bytes(path.read_bytes().replace(VECTORS[2].tobytes(), bytes(32)))
    rewrite(tmp_path, {"000001.jpg": None})
    assert index(tmp_path / "vectors", collection=tmp_path / "C")["labels_carried"] == 0
    assert labels.current() == {"000001.jpg": "wren"}


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


@pytest.fixture
def embedding(run: Path, tmp_path: Path) -> Embedding:
    """The embedding of a few photographs in `tmp_path / "photos"`."""
    embed(run, collection(tmp_path / "photos"), out=tmp_path / "vectors", workers=0)
    return Embedding(tmp_path / "vectors")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"0.5", b"0.9"),
        (b'"num_heads": 2', b'"num_heads": 4'),
        (b'"img_size": 32', b'"img_size": 40'),
        (b'"crop_mode": "tiles"', b'"crop_mode": "center"'),
    ],
)
def test_an_encoder_that_is_described_otherwise_than_it_was_saved_is_named(
    run: Path, embedding: Embedding, tmp_path: Path, before: bytes, after: bytes
) -> None:
    other = Path(shutil.copytree(run, tmp_path / "run"))
    for folder, load in (("encoder", lodisc.load), ("start", load_start)):
        change(other / folder / "config.json", before, after)
        with pytest.raises(UserError, match=rf"{folder}/config\.json is damaged \(its content has"):
            load(other)
    change(embedding.encoder / "config.json", before, after)
    assert embed(run, tmp_path / "photos", out=embedding.path, workers=0)["kept"] == 8
    index(embedding.path, collection=tmp_path / "C")
    (copy,) = (tmp_path / "C" / "encoders").iterdir()
    assert Collection(tmp_path / "C").encoder().dim == 32
    change(copy / "config.json", before, after)
    with pytest.raises(UserError, match=r"config\.json is damaged .* run  lodisc embed  and then"):
        Collection(tmp_path / "C").encoder()
    index(embedding.path, collection=tmp_path / "C")
    assert Collection(tmp_path / "C").encoder().dim == 32


def test_an_encoder_without_a_digest_is_known_by_its_fingerprint(
    embedding: Embedding, tmp_path: Path
) -> None:
    index(embedding.path, collection=tmp_path / "C")
    (copy,) = (tmp_path / "C" / "encoders").iterdir()
    change(copy / "config.json", b'"digest"', b'"former"')
    assert Collection(tmp_path / "C").encoder().dim == 32
    change(copy / "config.json", b"0.5", b"0.9")
    with pytest.raises(UserError, match="does not hold the encoder that made the vectors; run"):
        Collection(tmp_path / "C").encoder()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("content", [None, b"", bytes(500)])
def test_a_damaged_encoder_of_an_embedding_is_written_again_and_never_copied(
    run: Path, embedding: Embedding, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = embedding.encoder / name
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    index(embedding.path, collection=tmp_path / "C")
    with pytest.raises(UserError, match="run  lodisc embed  and then  lodisc index  again"):
        Collection(tmp_path / "C").encoder()
    assert embed(run, tmp_path / "photos", out=embedding.path, workers=0)["kept"] == 8
    assert path.read_bytes() == whole
    index(embedding.path, collection=tmp_path / "C")
    assert Collection(tmp_path / "C").encoder().dim == 32


def test_a_damaged_encoder_leaves_the_copy_of_a_collection_alone(
    embedding: Embedding, tmp_path: Path, notes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    index(embedding.path, collection=tmp_path / "C")
    (embedding.encoder / "model.safetensors").write_bytes(b"")
    index(embedding.path, collection=tmp_path / "C")
    assert "model.safetensors is empty" in capsys.readouterr().err
    assert Collection(tmp_path / "C").encoder().dim == 32


def test_a_full_disk_is_one_line(
    embedding: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    assert cli.main(["index", str(embedding.path), "--collection", str(tmp_path / "C")]) == 1
    assert capsys.readouterr().err.strip() == "lodisc index: No space left on device"


def rows(embedding: Embedding) -> dict[str, list[float]]:
    """The vector of every photograph, by key."""
    tables = [pq.read_table(path).to_pylist() for path in embedding.parts()]
    return {row["key"]: row["vector"] for table in tables for row in table}


def spoil(part: Path, column: str) -> bytes:
    """Change one bit of the last value of a column; returns what the file then holds."""
    group = pq.read_metadata(part).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    (chunk,) = (chunk for chunk in columns if chunk.path_in_schema.split(".")[0] == column)
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    data = bytearray(part.read_bytes())
    data[first + chunk.total_compressed_size - 1] ^= 1
    part.write_bytes(data)
    return bytes(data)


def test_a_damaged_part_is_set_aside_and_said(
    run: Path, embedding: Embedding, tmp_path: Path, notes: None, capsys: Any
) -> None:
    before, (part,) = rows(embedding), embedding.parts()
    shutil.move(tmp_path / "photos" / "wren", tmp_path / "away")
    damaged = spoil(part, "vector")
    with pytest.raises(UserError, match=r"is damaged .* run  lodisc embed  again"):
        index(embedding.path, collection=tmp_path / "C")
    assert embed(run, tmp_path / "photos", out=embedding.path, workers=0)["embedded"] == 4
    said = " ".join(capsys.readouterr().err.split())
    assert "part-00000.parquet is damaged" in said and "its 8 vectors are made again" in said
    assert "kept as _part-00000.parquet.damaged" in said
    assert (embedding.path / "_part-00000.parquet.damaged").read_bytes() == damaged
    assert rows(embedding) == {key: before[key] for key in before if key.startswith("finch")}
    assert index(embedding.path, collection=tmp_path / "C")["photographs"] == 4


def test_a_part_that_is_damaged_again_is_kept_beside_the_first(
    run: Path, embedding: Embedding, tmp_path: Path
) -> None:
    (part,) = embedding.parts()
    damaged = []
    for _ in range(3):
        damaged.append(spoil(part, "vector"))
        embed(run, tmp_path / "photos", out=embedding.path, workers=0)
        shutil.rmtree(tmp_path / "photos" / "wren", ignore_errors=True)
    copies = sorted(embedding.path.glob("*.damaged*"))
    assert [path.read_bytes() for path in copies] == damaged and len(set(damaged)) > 1


def test_a_damaged_part_is_left_to_the_process_that_writes_it(
    run: Path, embedding: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (part,) = embedding.parts()
    damaged = spoil(part, "vector")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, is_kept in ((1, True), (0, False)):
        monkeypatch.setenv("RANK", str(rank))
        embed(run, tmp_path / "photos", out=embedding.path, workers=0)
        assert (part.read_bytes() == damaged) is is_kept


@pytest.mark.parametrize("column", ["vector", "key", "digest"])
def test_a_damaged_part_of_a_tar_that_is_not_there_is_said(
    run: Path, tmp_path: Path, notes: None, capsys: Any, column: str
) -> None:
    data, out = tmp_path / "photos", tmp_path / "vectors"
    for name in "ab":
        pictures = {f"{name}{number}.jpg": encoded(texture(number)) for number in range(3)}
        tar(data / f"{name}.tar", pictures)
    embed(run, data, out=out, workers=0)
    before = {path: set(pq.read_table(path)["key"].to_pylist()) for path in out.glob("*.parquet")}
    (data / "a.tar").unlink()
    (part,) = (path for path, keys in before.items() if any("a0" in key for key in keys))
    spoil(part, column)
    assert embed(run, data, out=out, workers=0)["kept"] == 3
    assert f"{part.name} is damaged" in " ".join(capsys.readouterr().err.split())
    assert (out / f"_{part.name}.damaged").is_file() and not part.exists()
    assert index(out, collection=tmp_path / "C")["photographs"] == 3


@pytest.mark.parametrize(("name", "value"), [("dim", 64), ("dtype", "float32")])
def test_settings_of_other_vectors_are_one_line(
    run: Path, embedding: Embedding, tmp_path: Path, name: str, value: object
) -> None:
    settings = embedding.settings()
    embedding.settings_file.write_text(json.dumps({**settings, name: value}))
    with pytest.raises(UserError, match=f"32 float16 numbers, and _embedding.json says .*{value}"):
        index(embedding.path, collection=tmp_path / "C")
    if name == "dim":
        embed(run, tmp_path / "photos", out=embedding.path, workers=0)
        assert index(embedding.path, collection=tmp_path / "C")["photographs"] == 8
