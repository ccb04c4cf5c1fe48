"""The collection: what `lodisc index` brings into it, what happens to labels, killed processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from photos import ODD_NAMES, collection, encoded, tar, texture, write
from runs import TINY, run_command
from stored import write_settings

import lodisc
from lodisc.collection.collection import Collection, photo_id
from lodisc.collection.index import index
from lodisc.commands.tables_collection import print_indexing
from lodisc.embedding.embed import embed
from lodisc.embedding.embedding import Embedding
from lodisc.embedding.parts import FINGERPRINT
from lodisc.errors import UserError

pytest.importorskip("lancedb", reason="lancedb is not installed")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return collection(tmp_path / "photos", per_label=5)


def indexed(run: Path, photos: Path, *, remove: bool = False) -> Path:
    """The collection of these photographs, beside them; again, brought up to date."""
    vectors, folder = photos.parent / "vectors", photos.parent / "birds"
    embed(run, photos, out=vectors, workers=0, remove=remove)
    index(vectors, collection=folder)
    return folder


def synthetic(
    folder: Path,
    *,
    rows: int,
    dim: int = 8,
    parts: int = 1,
    seed: int = 0,
    digests: str = "",
    burst: int = 1,
) -> Path:
    """An embedding of random vectors without photographs; those of a burst are nearly the same."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_encoder").mkdir(exist_ok=True)
    write_settings(folder, dim=dim)
    rng = np.random.default_rng(seed)
    vectors = np.repeat(rng.standard_normal((rows // burst, dim), np.float32), burst, axis=0)
    vectors += 0.01 * rng.standard_normal((rows, dim), np.float32) * (burst > 1)
    for part, chosen in enumerate(np.array_split(np.arange(rows), parts)):
        keys = [f"{number:06}.jpg" for number in chosen]
        pq.write_table(
            pa.table(
                {
                    "key": keys,
                    "path": [str(folder / key) for key in keys],
                    "offset": pa.nulls(len(keys), pa.int64()),
                    "label": pa.nulls(len(keys), pa.string()),
                    "split": pa.nulls(len(keys), pa.string()),
                    "bytes": [1] * len(keys),
                    "digest": [f"{digests}{key}" for key in keys],
                    "modified": [1] * len(keys),
                    "vector": pa.FixedSizeListArray.from_arrays(
                        pa.array(vectors[chosen].ravel()), dim
                    ),
                }
            ).replace_schema_metadata({FINGERPRINT: b"f" * 64}),
            folder / f"part-{part:05}.parquet",
        )
    return folder


def test_from_the_command_line(run: Path, photos: Path, tmp_path: Path) -> None:
    write(photos / "wren" / "cut.jpg", b"nothing")
    assert run_command("embed", run, photos, "--out", tmp_path / "vectors")[0] == 0
    status, out, messages = run_command(
        "index", tmp_path / "vectors", "--collection", tmp_path / "birds"
    )
    assert status == 0, messages
    assert "10 photographs (10 added)" in out
    status, out, _ = run_command(
        "index", tmp_path / "vectors", "--collection", tmp_path / "birds", "--json"
    )
    assert json.loads(out) == {
        "collection": str(tmp_path / "birds"),
        "photographs": 10,
        "added": 0,
        "replaced": 0,
        "kept": 10,
        "removed": 0,
        "labels_carried": 0,
        "labels_of_edited": 0,
        "skipped": 1,
        "recall": None,
    }
    assert [one.key for one in Collection(tmp_path / "birds").skipped()] == ["wren/cut.jpg"]


def test_a_collection_holds_what_was_embedded(run: Path, photos: Path) -> None:
    opened = Collection(indexed(run, photos))
    here = opened.photos()
    assert (
        here.keys == sorted(here.keys)
        and len(here) == 10
        and set(here.table["folder"].to_pylist()) == {"finch", "wren"}
    )
    expected = lodisc.load(run).embed([photos / key for key in here.keys]).numpy()
    np.testing.assert_allclose(
        here.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=2e-3
    )
    np.testing.assert_allclose(
        opened.encoder().embed([photos / here.keys[3]])[0], expected[3], atol=1e-5
    )
    assert here.photo(3).read() == (photos / here.keys[3]).read_bytes()
    assert here.by_id[photo_id(here.keys[3])] == 3
    assert opened.settings["fusion"] == "product" and opened.settings["data"] == str(photos)
    assert opened.photos() is here


def test_the_encoder_is_loaded_once_for_each_device(run: Path, photos: Path) -> None:
    opened = Collection(indexed(run, photos))
    encoder = opened.encoder(device="cpu")
    assert opened.encoder(device="cpu") is encoder
    assert encoder.device.type == "cpu"
    assert opened.encoder(device="auto") is not encoder


def test_a_damaged_list_of_skipped_photographs_is_named(run: Path, photos: Path) -> None:
    opened = Collection(indexed(run, photos))
    opened.files.skipped.write_text('{"key": "a.jpg", "reason": "empty file"}\n{"key"\n')
    with pytest.raises(ValueError, match=r"skipped\.jsonl, line 2, is damaged"):
        opened.skipped()


def test_it_mirrors_what_comes_changes_and_goes(run: Path, photos: Path) -> None:
    opened = Collection(indexed(run, photos))
    before = opened.photos()
    write(photos / "wren" / "new.jpg", encoded(texture(77)))
    write(photos / "wren" / "0.jpg", encoded(texture(78)))
    (photos / "finch" / "1.jpg").unlink()
    indexed(run, photos, remove=True)
    after = opened.photos()
    assert set(after.keys) == (set(before.keys) | {"wren/new.jpg"}) - {"finch/1.jpg"}
    changed = {
        key
        for key in set(before.keys) & set(after.keys)
        if not np.array_equal(
            before.vectors[before.position[key]], after.vectors[after.position[key]]
        )
    }
    assert changed == {"wren/0.jpg"}


def test_labels_follow_a_renamed_photograph_and_wait_for_one_that_comes_back(
    run: Path, photos: Path
) -> None:
    opened = Collection(indexed(run, photos))
    opened.labels.set(["wren/0.jpg", "wren/1.jpg"], "house wren")
    (photos / "wren" / "0.jpg").rename(photos / "wren" / "first.jpg")
    away = (photos / "wren" / "1.jpg").rename(photos.parent / "away.jpg")
    indexed(run, photos, remove=True)
    assert opened.labels.current()["wren/first.jpg"] == "house wren"
    assert "wren/1.jpg" not in opened.photos().position
    away.rename(photos / "wren" / "1.jpg")
    indexed(run, photos)
    assert opened.labels.current()["wren/1.jpg"] == "house wren"


def test_labels_follow_photographs_that_changed_names_with_each_other(
    run: Path, photos: Path
) -> None:
    opened = Collection(indexed(run, photos))
    for number in range(3):
        opened.labels.set([f"wren/{number}.jpg"], f"bird {number}")
    wren = photos / "wren"
    for old, new in (("1", "aside"), ("0", "1"), ("2", "0"), ("aside", "2")):
        (wren / f"{old}.jpg").rename(wren / f"{new}.jpg")
    (wren / "3.jpg").rename(wren / "9.jpg")
    indexed(run, photos)
    assert opened.labels.current() == {
        "wren/1.jpg": "bird 0",
        "wren/2.jpg": "bird 1",
        "wren/0.jpg": "bird 2",
    }
    opened.labels.undo()
    assert opened.labels.current() == {"wren/1.jpg": "bird 0", "wren/2.jpg": "bird 1"}


def test_a_label_follows_a_photograph_that_took_the_name_of_another(
    run: Path, photos: Path
) -> None:
    opened = Collection(indexed(run, photos))
    for number in range(4):
        opened.labels.set([f"wren/{number}.jpg"], f"bird {number}")
    wren = photos / "wren"
    (wren / "0.jpg").replace(wren / "1.jpg")
    (wren / "3.jpg").replace(wren / "2.jpg")
    (wren / "4.jpg").replace(wren / "3.jpg")  # has no label
    embed(run, photos, out=photos.parent / "vectors", workers=0)
    done = index(photos.parent / "vectors", collection=opened.path)
    assert (done["labels_carried"], done["labels_of_edited"]) == (2, 0)
    assert opened.labels.current() == {"wren/1.jpg": "bird 0", "wren/2.jpg": "bird 3"}
    assert {"wren/0.jpg", "wren/4.jpg"}.isdisjoint(opened.photos().position)
    for _ in range(2):
        opened.labels.undo()  # the labels 3 and 2: the second one's photograph has gone
    assert opened.labels.current() == {"wren/1.jpg": "bird 0"}


def test_labels_of_copies_follow_each_to_its_own(run: Path, photos: Path) -> None:
    for name in ("a/1", "a/2"):
        write(photos / f"{name}.jpg", encoded(texture(500)))
    opened = Collection(indexed(run, photos))
    opened.labels.set(["a/1.jpg", "a/2.jpg"], "twin")
    (photos / "a").rename(photos / "b")
    indexed(run, photos)
    assert opened.labels.current() == {"b/1.jpg": "twin", "b/2.jpg": "twin"}


def test_a_photograph_that_was_edited_in_its_place_keeps_its_label(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Collection(indexed(run, photos))
    opened.labels.set(["wren/0.jpg"], "house wren")
    write(photos / "wren" / "0.jpg", encoded(texture(501)))
    embed(run, photos, out=photos.parent / "vectors", workers=0)
    done = index(photos.parent / "vectors", collection=opened.path)
    assert opened.labels.current() == {"wren/0.jpg": "house wren"}
    assert (
        done["labels_of_edited"] == 1
        and index(photos.parent / "vectors", collection=opened.path)["labels_of_edited"] == 0
    )
    print_indexing(done)
    assert (
        "1 labels stayed with files of the same name and other content" in capsys.readouterr().out
    )


def test_a_collection_that_was_deleted_and_made_anew_is_seen(tmp_path: Path) -> None:
    one, two = (
        synthetic(tmp_path / "one", rows=5),
        synthetic(tmp_path / "two", rows=5, seed=1, digests="two"),
    )
    index(one, collection=tmp_path / "c")
    opened = Collection(tmp_path / "c")
    before = opened.photos()
    shutil.rmtree(tmp_path / "c")
    with pytest.raises(ValueError, match=r"/c was deleted; make it again"):
        opened.photos()
    index(two, collection=tmp_path / "c")
    assert opened.photos().version != before.version
    assert np.array_equal(opened.photos().vectors, Collection(tmp_path / "c").photos().vectors)
    assert not np.array_equal(opened.photos().vectors, before.vectors)


def test_a_damaged_collection_is_one_line_and_can_be_made_anew(tmp_path: Path) -> None:
    vectors = synthetic(tmp_path / "one", rows=5)
    index(vectors, collection=tmp_path / "c")
    for path in (tmp_path / "c" / "photos.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(
        ValueError,
        match=r"photos\.lance can't be read .*; if photos.lance is damaged, delete it "
        "and run  lodisc index  again: labels stay",
    ) as refusal:
        Collection(tmp_path / "c").photos()
    assert "\n" not in str(refusal.value)
    shutil.rmtree(tmp_path / "c" / "photos.lance")
    index(vectors, collection=tmp_path / "c")
    assert len(Collection(tmp_path / "c").photos()) == 5


@pytest.mark.parametrize("part", ["data", "_versions"])
@pytest.mark.parametrize("content", [b"", b"no lance", bytes(4096)])
def test_a_collection_with_other_files_is_one_line(
    tmp_path: Path, part: str, content: bytes
) -> None:
    index(synthetic(tmp_path / "one", rows=5), collection=tmp_path / "c")
    for path in (tmp_path / "c" / "photos.lance" / part).iterdir():
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"photos\.lance can't be read"):
        Collection(tmp_path / "c").photos()


def test_a_collection_may_have_a_name_that_others_take_for_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = synthetic(tmp_path / "one", rows=5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for _ in range(2):
        index(vectors, collection="~/birds")
    assert len(Collection("~/birds").photos()) == 5 and not (tmp_path / "home").exists()


def test_labels_of_an_indexing_that_failed_stay_where_they_are(
    run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = indexed(run, photos)
    labels = Collection(folder).labels
    labels.set(["wren/0.jpg", "wren/1.jpg"], "house wren")
    (photos / "wren" / "0.jpg").rename(photos / "wren" / "first.jpg")

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("lodisc.collection.store.Store.mirror", full)
        with pytest.raises(OSError, match="No space"):
            indexed(run, photos)
    assert set(labels.current()) == {"wren/0.jpg", "wren/1.jpg"}
    with monkeypatch.context() as killed:
        killed.setattr("lodisc.collection.index._carry_labels", lambda *_: full())
        with pytest.raises(OSError, match="No space"):
            indexed(run, photos)
    indexed(run, photos)
    assert set(labels.current()) == {"wren/1.jpg", "wren/first.jpg"}


def test_another_encoder_replaces_the_vectors_and_leaves_the_labels(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    folder = indexed(run, photos)
    opened = Collection(folder)
    before = opened.photos()
    opened.encoder()
    opened.labels.set(["wren/0.jpg"], "house wren")
    other = lodisc.train(
        photos,
        out=tmp_path / "other",
        **{
            **TINY,
            "epochs": 1,
            "seed": 9,
            "encoder_args": {**TINY["encoder_args"], "embed_dim": 48},
        },
    )
    embed(other, photos, out=tmp_path / "vectors-of-other", workers=0)
    done = index(tmp_path / "vectors-of-other", collection=folder)
    assert (done["added"], done["removed"]) == (10, 10)
    after = opened.photos()
    assert after.vectors.shape == (10, 48) and before.vectors.shape == (10, 32)
    assert opened.encoder().dim == 48 and opened.labels.current() == {"wren/0.jpg": "house wren"}
    assert len(list((folder / "encoders").iterdir())) == 1


def test_photographs_in_a_tar_and_under_odd_names(run: Path, tmp_path: Path) -> None:
    names = [name for name in ODD_NAMES if name.isprintable() or "\n" in name]
    tar(
        tmp_path / "photos" / "a.tar",
        {f"kind/{number}.jpg": encoded(texture(number)) for number in range(3)},
    )
    here = Collection(indexed(run, tmp_path / "photos")).photos()
    assert [here.photo(row).read() for row in range(3)] == [
        encoded(texture(number)) for number in range(3)
    ]
    for number, name in enumerate(names):
        write(tmp_path / "odd" / "photos" / name, encoded(texture(number)))
    here = Collection(indexed(run, tmp_path / "odd" / "photos")).photos()
    assert set(here.keys) == set(names)
    assert all(
        here.photo(row).read() == (tmp_path / "odd" / "photos" / key).read_bytes()
        for row, key in enumerate(here.keys)
    )


def test_one_photograph_is_a_collection(run: Path, tmp_path: Path) -> None:
    write(tmp_path / "photos" / "only.jpg", encoded(texture(1)))
    assert Collection(indexed(run, tmp_path / "photos")).photos().keys == ["only.jpg"]


def damaged(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:200])


def of_another_encoder(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    pq.write_table(pq.read_table(part).replace_schema_metadata({FINGERPRINT: b"other"}), part)


def twice(folder: Path) -> None:
    (folder / "part-00001.parquet").write_bytes((folder / "part-00000.parquet").read_bytes())


def not_finite(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    rows = pq.read_table(part)
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array([float("nan")] * 8 * len(rows), pa.float32()), 8
    )
    pq.write_table(
        rows.set_column(rows.column_names.index("vector"), rows.schema.field("vector"), vectors),
        part,
    )


def doubled(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    rows = pq.read_table(part)
    pq.write_table(pa.concat_tables([rows, rows.slice(5, 1)]), part)


def no_longer_there(folder: Path) -> None:
    Embedding(folder).settings_file.unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damaged, "part-00000.parquet is damaged"),
        (of_another_encoder, "made by another encoder"),
        (twice, "in another part too"),
        (not_finite, "not finite"),
        (doubled, r"part-00000.parquet is damaged \(it names a photograph twice\)"),
        (no_longer_there, "holds no embedding"),
    ],
)
def test_parts_that_cannot_be_trusted_are_refused_and_the_collection_stays(
    tmp_path: Path, harm: Any, message: str
) -> None:
    index(synthetic(tmp_path / "vectors", rows=20), collection=tmp_path / "c")
    before = Collection(tmp_path / "c").photos()
    harm(synthetic(tmp_path / "vectors", rows=20, seed=1, digests="changed"))
    with pytest.raises(ValueError, match=message):
        index(tmp_path / "vectors", collection=tmp_path / "c")
    after = Collection(tmp_path / "c").photos()
    assert after.keys == before.keys and np.array_equal(after.vectors, before.vectors)


def test_a_folder_of_other_photographs_is_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    folder = indexed(run, photos)
    with pytest.raises(ValueError, match="none of the 10 photographs"):
        index(synthetic(tmp_path / "others", rows=5), collection=folder)
    with pytest.raises(ValueError, match="not a collection"):
        Collection(tmp_path / "nowhere")


def begin(vectors: Path, folder: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from lodisc.collection.index import index; print('go', flush=True); "
        "index(sys.argv[1], collection=sys.argv[2])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(vectors), str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stdout is not None
    with process.stdout as stream:
        assert stream.readline() == b"go\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True], ids=["a new collection", "one that is there"])
def test_indexing_killed_at_any_moment_loses_and_doubles_nothing(
    tmp_path: Path, begun: bool
) -> None:
    rows, dim = 20_000, 64
    folder = tmp_path / "c"
    if begun:
        index(synthetic(tmp_path / "old", rows=rows // 2, dim=dim), collection=folder)
    vectors = synthetic(tmp_path / "vectors", rows=rows, dim=dim, parts=4, seed=1, digests="new")
    started = time.monotonic()
    process = begin(vectors, tmp_path / "whole")
    assert process.wait(timeout=120) == 0
    seconds = time.monotonic() - started
    killed = 0
    for share in np.linspace(0.05, 0.9, 8):
        process = begin(vectors, folder)
        time.sleep(share * seconds)
        process.send_signal(signal.SIGKILL)
        killed += process.wait(timeout=60) == -signal.SIGKILL
        if begun:
            assert len(Collection(folder).photos()) in (rows // 2, rows)
    assert killed >= 4
    done = index(vectors, collection=folder)
    assert done["photographs"] == rows
    here, whole = Collection(folder).photos(), Collection(tmp_path / "whole").photos()
    assert here.keys == whole.keys and np.array_equal(here.vectors, whole.vectors)
    assert not list((folder / "photos.lance" / "data").glob(".tmp*"))


@pytest.mark.slow
def test_two_processes_index_while_a_third_reads(tmp_path: Path) -> None:
    rows = 3000
    one, two = (
        synthetic(tmp_path / "one", rows=rows),
        synthetic(tmp_path / "two", rows=rows - 500, seed=1, digests="two"),
    )
    index(one, collection=tmp_path / "c")
    expected = {}
    for vectors in (one, two):
        index(vectors, collection=tmp_path / "c")
        expected[len(Collection(tmp_path / "c").photos())] = (
            Collection(tmp_path / "c").photos().vectors
        )
    reader = Collection(tmp_path / "c")
    seen = set()
    for _ in range(2):
        processes = [begin(vectors, tmp_path / "c") for vectors in (one, two)]
        while any(process.poll() is None for process in processes):
            here = reader.photos()
            assert np.array_equal(here.vectors, expected[len(here)])
            seen.add(len(here))
            time.sleep(0.02)
        assert [process.returncode for process in processes] == [0, 0]
    assert seen == set(expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"version": "1", "moved": {"a.jpg": 3}}',
        '{"version": "1", "moved": ["a.jpg"]}',
        '{"version": 1, "moved": {}}',
        '{"version": "1", "mo',
    ],
)
def test_a_damaged_list_of_renamed_photographs_says_what_is_lost(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "c"
    index(synthetic(tmp_path / "vectors", rows=20), collection=folder)
    Collection(folder).labels.set(["000003.jpg"], "wren")
    (folder / "renamed.json").write_text(text)
    with pytest.raises(
        UserError, match=r"renamed\.json is damaged \(.*\); delete it: .* no other is lost"
    ):
        index(tmp_path / "vectors", collection=folder)
    (folder / "renamed.json").unlink()
    index(tmp_path / "vectors", collection=folder)
    assert Collection(folder).labels.current() == {"000003.jpg": "wren"}
