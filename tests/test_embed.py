"""Embedding through the command line and the public API: parts, second calls, killed processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from photos import collection, encoded, odd, tar, texture, unreadable, write
from runs import run_command

import lodisc
from lodisc.embedding import embed as embedding
from lodisc.embedding.embed import embed
from lodisc.embedding.parts import vectors_of
from lodisc.files import read_json_lines


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return collection(tmp_path / "photos", per_label=5)


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*.parquet"))}


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        row["key"]: row
        for path in folder.glob("part-*.parquet")
        for row in pq.read_table(path).to_pylist()
    }


def test_from_the_command_line(run: Path, photos: Path, tmp_path: Path) -> None:
    write(photos / "wren" / "cut.jpg", b"nothing")
    status, out, messages = run_command("embed", run, photos, "--out", tmp_path / "vectors")
    assert status == 0, messages
    assert "10 photographs embedded, 1 could not be read (listed in its _*.jsonl); 1 parts" in out
    status, out, _ = run_command("embed", run, photos, "--out", tmp_path / "vectors", "--json")
    assert json.loads(out) == {
        "out": str(tmp_path / "vectors"),
        "parts": 1,
        "photographs": 11,
        "embedded": 0,
        "kept": 10,
        "skipped": 1,
    }
    assert len(pq.read_table(tmp_path / "vectors")) == 10, (
        "the folder as a whole is read as Parquet"
    )
    (skipped,) = read_json_lines(tmp_path / "vectors" / "_part-00000.jsonl")
    assert skipped["key"] == "wren/cut.jpg" and "not an image" in skipped["reason"]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_part_holds_what_load_gives(run: Path, photos: Path, tmp_path: Path, dtype: Any) -> None:
    embed(run, photos, out=tmp_path / "out", dtype=dtype, workers=0)
    table = pq.read_table(tmp_path / "out" / "part-00000.parquet")
    keys = table["key"].to_pylist()
    assert keys == sorted(keys) and set(table["label"].to_pylist()) == {"finch", "wren"}
    assert table["bytes"].to_pylist() == [(photos / key).stat().st_size for key in keys]
    expected = lodisc.load(run).embed([photos / key for key in keys]).numpy()
    vectors = vectors_of(table)
    assert vectors.dtype == dtype and vectors.shape == expected.shape
    np.testing.assert_allclose(
        vectors, expected, atol=2e-2 if dtype == "float16" else 1e-5, rtol=1e-2
    )


def test_only_what_is_new_or_changed_is_embedded(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    before, first = parts(out), rows(out)
    assert embed(run, photos, out=out, workers=0)["embedded"] == 0 and parts(out) == before
    write(photos / "wren" / "new.jpg", encoded(texture(77)))
    write(photos / "wren" / "0.jpg", encoded(texture(78)))
    (photos / "finch" / "1.jpg").unlink()
    done = embed(run, photos, out=out, workers=0)
    assert (done["embedded"], done["kept"]) == (2, 8)
    second = rows(out)
    assert second.keys() == (first.keys() | {"wren/new.jpg"}) - {"finch/1.jpg"}
    changed = {key for key in first.keys() & second.keys() if first[key] != second[key]}
    assert (
        changed == {"wren/0.jpg"}
        and first["wren/0.jpg"]["digest"] != second["wren/0.jpg"]["digest"]
    )


def test_slices_stay_apart_when_photographs_come_and_go(
    run: Path, photos: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(embedding, "SLICE", 3)
    out = tmp_path / "out"
    assert embed(run, photos, out=out, workers=0)["parts"] > 1
    before = parts(out)
    write(photos / "wren" / "new.jpg", encoded(texture(77)))
    embed(run, photos, out=out, workers=0)
    after = parts(out)
    assert (
        len({name for name in before.keys() | after.keys() if before.get(name) != after.get(name)})
        == 1
    )
    assert len(rows(out)) == 11


def test_a_folder_of_other_photographs_is_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    before = parts(out)
    with pytest.raises(ValueError, match="vectors of 10 other photographs"):
        embed(run, collection(tmp_path / "others", labels=("owl",)), out=out, workers=0)
    assert parts(out) == before


def test_labels_of_a_list_are_brought_up_to_date(run: Path, photos: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(
        f"path,label\n{photos / 'wren' / '0.jpg'},wren\n{photos / 'wren' / '1.jpg'},wren\n"
    )
    embed(run, listed, out=tmp_path / "out", workers=0)
    listed.write_text(listed.read_text().replace("wren\n", "owl\n", 1))
    assert embed(run, listed, out=tmp_path / "out", workers=0)["embedded"] == 0
    assert sorted(row["label"] for row in rows(tmp_path / "out").values()) == ["owl", "wren"]


def test_a_damaged_part_is_made_again(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    whole = parts(out)
    path = out / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:300])
    assert embed(run, photos, out=out, workers=0)["embedded"] == 10
    assert parts(out) == whole


def test_a_folder_may_be_called_like_an_address(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert embed(run, photos, out="birds:v2", workers=0)["embedded"] == 10
    assert embed(run, photos, out="birds:v2", workers=0)["embedded"] == 0


def test_other_encoders_and_types_are_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    whole = parts(out)
    with pytest.raises(ValueError, match="vectors of another encoder"):
        embed(run, photos, out=out, workers=0, momentum=True)
    with pytest.raises(ValueError, match="use --dtype float16"):
        embed(run, photos, out=out, workers=0, dtype="float32")
    with pytest.raises(ValueError, match="holds no embedding"):
        embed(run, photos, out=photos, workers=0)
    settled = json.loads((out / "_embedding.json").read_text())
    (out / "_embedding.json").write_text(json.dumps({**settled, "fingerprint": "0" * 64}))
    with pytest.raises(ValueError, match="vectors of another encoder"):
        embed(run, photos, out=out, workers=0)
    assert parts(out) == whole


def test_photographs_of_every_kind(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    good, bad = odd(data / "odd"), unreadable(data / "bad")
    done = embed(run, data, out=tmp_path / "out", workers=0)
    assert done["embedded"] == len(good)
    listed = [
        entry["key"]
        for path in (tmp_path / "out").glob("*.jsonl")
        for entry in read_json_lines(path)
    ]
    assert {Path(key).name for key in listed} >= {Path(name).name for name in bad} and len(
        listed
    ) == done["skipped"]


def test_a_file_of_the_far_future_is_a_file(run: Path, photos: Path, tmp_path: Path) -> None:
    os.utime(photos / "wren" / "0.jpg", (2**34, 2**34))
    assert embed(run, photos, out=tmp_path / "out", workers=0)["embedded"] == 10
    assert embed(run, photos, out=tmp_path / "out", workers=0)["embedded"] == 0


def test_a_name_that_is_no_text_is_skipped_and_listed(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    write(Path(os.fsdecode(os.fsencode(photos) + b"/wren/\xe9.jpg")), encoded(texture(5)))
    done = embed(run, photos, out=tmp_path / "out", workers=0)
    assert (done["embedded"], done["skipped"]) == (10, 1)
    assert (
        read_json_lines(tmp_path / "out" / "_skipped.jsonl")[0]["reason"] == "its name is not UTF-8"
    )


def shards(folder: Path) -> Path:
    for number in range(6):
        tar(
            folder / f"shard-{number}.tar",
            {f"{number}-{i}.jpg": encoded(texture(10 * number + i)) for i in range(7)},
        )
    return folder


def process(rank: int, *words: object) -> subprocess.Popen[str]:
    env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    return subprocess.Popen(
        [sys.executable, "-m", "lodisc", *map(str, words)],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_one_of_them_killed_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    data = shards(tmp_path / "data")
    embed(run, data, out=tmp_path / "one", workers=0)
    assert len(parts(tmp_path / "one")) == 6
    words = ["embed", run, data, "--out", tmp_path / "two", "--workers", 0]
    first, second = process(0, *words), process(1, *words)
    begun = time.monotonic()
    while not parts(tmp_path / "two") and time.monotonic() - begun < 60:
        time.sleep(0.001)
    second.send_signal(signal.SIGKILL)
    first.communicate(timeout=60), second.communicate()
    assert first.returncode == 0 and second.returncode == -signal.SIGKILL
    for again in [process(rank, *words) for rank in (0, 1)]:
        _, messages = again.communicate(timeout=60)
        assert again.returncode == 0, messages
    assert parts(tmp_path / "two") == parts(tmp_path / "one")
    assert not list((tmp_path / "two").glob(".part-*.parquet*"))


def test_vectors_that_are_not_finite_are_refused_by_name(
    run: Path, photos: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(
        "lodisc.photo_encoder.PhotoEncoder.features",
        lambda self, images: torch.full((len(images), self.dim), torch.nan),
    )
    with pytest.raises(ValueError, match=r"finch/0\.jpg is not finite"):
        embed(run, photos, out=tmp_path / "out", workers=0)
    assert parts(tmp_path / "out") == {}
