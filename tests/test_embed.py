"""Embedding through the command line and the public API: parts, second calls, killed processes."""

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
import torch
from photos import collection, encoded, odd, put_pipe, tar, texture, unreadable, write
from runs import run_command

import lodisc
from lodisc.embedding import embed as embedding
from lodisc.embedding.embed import embed
from lodisc.embedding.embedding import Embedding
from lodisc.embedding.parts import vectors_of
from lodisc.encoders import load_encoder
from lodisc.errors import UserError
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
        "absent": 0,
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
    assert (done["embedded"], done["kept"], done["absent"]) == (2, 8, 1)
    second = rows(out)
    assert second.keys() == first.keys() | {"wren/new.jpg"}
    assert second["finch/1.jpg"] == first["finch/1.jpg"], "what is not there is not forgotten"
    done = embed(run, photos, out=out, workers=0, remove=True)
    assert (done["embedded"], done["kept"], done["absent"]) == (0, 10, 0)
    assert rows(out).keys() == second.keys() - {"finch/1.jpg"}
    changed = {key for key in first.keys() & second.keys() if first[key] != second[key]}
    assert (
        changed == {"wren/0.jpg"}
        and first["wren/0.jpg"]["digest"] != second["wren/0.jpg"]["digest"]
    )


def test_a_photograph_is_known_by_its_bytes_whatever_its_name_and_time(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    before = rows(out)
    for number, path in enumerate(sorted(photos.rglob("*.jpg"))):
        os.utime(path, (number, number))
    assert embed(run, photos, out=out, workers=0)["embedded"] == 0
    (photos / "finch").rename(photos / "linnet")
    (photos / "wren" / "0.jpg").rename(photos / "wren" / "first.jpg")
    done = embed(run, photos, out=out, workers=2)
    assert (done["embedded"], done["kept"], done["absent"]) == (0, 10, 0)
    after = rows(out)
    assert after["linnet/3.jpg"]["vector"] == before["finch/3.jpg"]["vector"]
    assert after["wren/first.jpg"]["vector"] == before["wren/0.jpg"]["vector"]
    assert len(after) == 10, "the old names are forgotten, as their photographs have new ones"
    tar(tmp_path / "a.tar", {"wren/1.jpg": (photos / "wren" / "1.jpg").read_bytes()})
    embed(run, tmp_path / "a.tar", out=tmp_path / "tarred", workers=0)
    os.utime(tmp_path / "a.tar", (1, 1))
    assert embed(run, tmp_path / "a.tar", out=tmp_path / "tarred", workers=0)["embedded"] == 0


def test_photographs_that_go_into_another_tar_or_out_of_it_are_known(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    """Each keeps its name; what changes is the shard."""
    out, files = tmp_path / "out", sorted(photos.rglob("*.jpg"))
    members = {str(path.relative_to(photos)): path.read_bytes() for path in files}
    embed(run, photos, out=out, workers=0)
    before = rows(out)
    tars = tmp_path / "tars"

    def pack(*names: str) -> Path:
        shutil.rmtree(tars, ignore_errors=True)
        for number, name in enumerate(names):
            keys = list(members)[number :: len(names)]
            tar(tars / name, {key: members[key] for key in keys})
        return tars

    for data in (pack("a.tar"), pack("b.tar"), pack("b.tar", "c.tar"), photos):
        done = embed(run, data, out=out, workers=0)
        assert (done["embedded"], done["kept"], done["absent"]) == (0, 10, 0), data
        after = rows(out)
        assert after.keys() == before.keys()
        assert all(after[key]["vector"] == before[key]["vector"] for key in before)
        assert sum(pq.read_metadata(path).num_rows for path in out.glob("part-*.parquet")) == 10
    assert embed(run, photos, out=out, workers=0)["kept"] == 10


def test_a_folder_that_was_packed_or_put_deeper_is_known(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    """No photograph keeps its name."""
    out, files = tmp_path / "out", sorted(photos.rglob("*.jpg"))
    members = {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}
    embed(run, photos, out=out, workers=0)
    for data in (tar(tmp_path / "photos.tar", members), photos):
        done = embed(run, data, out=out, workers=0)
        assert (done["embedded"], done["kept"], done["absent"]) == (0, 10, 0)
    photos.rename(tmp_path / "deeper")
    (tmp_path / "photos" / "2026").mkdir(parents=True)
    (tmp_path / "deeper").rename(photos / "2026" / "birds")
    assert embed(run, photos, out=out, workers=0)["embedded"] == 0
    assert len(rows(out)) == 10


def test_renumbered_and_copied_photographs_are_known(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    """Names that were there before, now of other photographs, and names of further copies."""
    out, wren = tmp_path / "out", photos / "wren"
    embed(run, photos, out=out, workers=0)
    before = rows(out)
    count = len(list(wren.iterdir()))
    for number in reversed(range(count)):
        (wren / f"{number}.jpg").rename(wren / f"{number + 1}.jpg")
    shutil.copytree(photos / "finch", photos / "backup" / "finch")
    done = embed(run, photos, out=out, workers=2)
    assert (done["embedded"], done["absent"]) == (0, 0)
    after = rows(out)
    for number in range(count):
        old, new = before[f"wren/{number}.jpg"], after[f"wren/{number + 1}.jpg"]
        assert (old["digest"], old["vector"]) == (new["digest"], new["vector"])
    assert after["backup/finch/1.jpg"]["vector"] == before["finch/1.jpg"]["vector"]
    assert "wren/0.jpg" not in after
    assert len(after) == len(before) + len(list((photos / "finch").iterdir()))


@pytest.mark.parametrize(("is_finished", "embedded"), [(True, 0), (False, 5)])
def test_a_first_call_that_was_stopped_goes_on_without_looking_for_copies(
    run: Path, photos: Path, tmp_path: Path, is_finished: bool, embedded: int
) -> None:
    out = Embedding(tmp_path / "out")
    embed(run, photos, out=out.path, workers=0)
    progress = json.loads(out.progress_file.read_text())
    out.progress_file.write_text(json.dumps({**progress, "finished": is_finished}))
    shutil.copytree(photos / "finch", photos / "backup" / "finch")
    assert embed(run, photos, out=out.path, workers=0)["embedded"] == embedded


def test_moved_photographs_are_known_among_many_new_ones(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    for number in range(20):
        write(tmp_path / "new" / "aaa" / f"{number}.jpg", encoded(texture(300 + number)))
    shutil.copytree(photos, tmp_path / "new" / "birds")
    done = embed(run, tmp_path / "new", out=out, workers=0)
    assert (done["embedded"], done["kept"]) == (20, 10)


def test_an_absent_photograph_is_not_what_became_of_its_copy(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    out, drive = tmp_path / "out", photos / "drive"
    write(drive / "copy.jpg", (photos / "wren" / "0.jpg").read_bytes())
    write(drive / "other.jpg", encoded(texture(77)))
    embed(run, photos, out=out, workers=0)
    drive.rename(tmp_path / "away")
    for _ in range(2):
        assert embed(run, photos, out=out, workers=0)["absent"] == 2
    assert {"drive/copy.jpg", "drive/other.jpg"} < rows(out).keys()
    (tmp_path / "away").rename(photos / "drive")
    assert embed(run, photos, out=out, workers=0)["embedded"] == 0


def test_other_bytes_of_equal_size_and_time_are_not_believed(run: Path, tmp_path: Path) -> None:
    """Such as bitmaps that were unpacked from an archive."""
    for folder, first in (("a", 0), ("b", 50)):
        for number in range(3):
            picture = encoded(texture(first + number, size=(40, 30)), "BMP")
            path = write(tmp_path / folder / f"{number}.bmp", picture)
            os.utime(path, (1_700_000_000,) * 2)
    out = tmp_path / "out"
    embed(run, tmp_path / "a", out=out, workers=0)
    before = rows(out)
    done = embed(run, tmp_path / "b", out=out, workers=0)
    assert (done["embedded"], done["kept"]) == (3, 0)
    assert all(rows(out)[key]["digest"] != before[key]["digest"] for key in before)


def test_an_encoder_that_has_gone_is_written_again(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    shutil.rmtree(Embedding(out).encoder)
    assert embed(run, photos, out=out, workers=0)["kept"] == 10
    assert load_encoder(Embedding(out).encoder).dim == lodisc.load(run).dim


def test_what_cannot_be_read_any_more_keeps_its_vector(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    """Such as a file that a cloud holds back, or one that was cut off by a copy."""
    out, path = tmp_path / "out", photos / "wren" / "0.jpg"
    embed(run, photos, out=out, workers=0)
    before, data = rows(out), path.read_bytes()
    for damaged in (b"", data[:200], bytes(70_000)):
        path.write_bytes(damaged)
        done = embed(run, photos, out=out, workers=0)
        assert (done["embedded"], done["kept"], done["skipped"]) == (0, 9, 1)
        assert rows(out)["wren/0.jpg"]["vector"] == before["wren/0.jpg"]["vector"]
    path.write_bytes(data)
    assert embed(run, photos, out=out, workers=0)["embedded"] == 0
    path.write_bytes(b"")
    embed(run, photos, out=out, workers=0, remove=True)
    assert "wren/0.jpg" not in rows(out)


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
        embed(
            run, collection(tmp_path / "others", labels=("owl",), size=(50, 40)), out=out, workers=0
        )
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
    table = pq.read_table(path)
    no_text = pa.array([b"\xe5%d" % row for row in range(10)]).view(pa.string())
    for harm in (
        lambda: path.write_bytes(path.read_bytes()[:300]),
        lambda: pq.write_table(pa.concat_tables([table, table.slice(3, 1)]), path),
        lambda: pq.write_table(pa.concat_tables([table, table]), path),
        lambda: path.write_bytes(path.read_bytes().replace(b"digest", b"dig\xe5st")),
        lambda: pq.write_table(table.set_column(0, table.field(0), no_text), path),
        lambda: put_pipe(path),
    ):
        harm()
        assert embed(run, photos, out=out, workers=0)["embedded"] == 10
        assert parts(out) == whole


@pytest.mark.parametrize(
    "changes",
    [
        {"slices": 0},
        {"slices": "1"},
        {"slices": None},
        {"dtype": "float99"},
        {"dim": -1},
        {"fusion": "sum"},
        {"data": 3},
    ],
)
def test_settings_of_another_kind_are_named(
    run: Path, photos: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    embed(run, photos, out=out, workers=0)
    settings = json.loads((out / "_embedding.json").read_text())
    (out / "_embedding.json").write_text(json.dumps({**settings, **changes}))
    with pytest.raises(UserError, match=rf"_embedding\.json is damaged \(its .*{min(changes)}"):
        embed(run, photos, out=out, workers=0)
    (out / "_embedding.json").unlink()
    os.mkfifo(out / "_embedding.json")
    with pytest.raises(OSError, match="not a file"):
        embed(run, photos, out=out, workers=0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mean": [0.5]}, "not of 3 colours"),
        ({"std": 0.5}, "not of 3 colours"),
        ({"std": ["a", "b", "c"]}, "not of 3 colours"),
        ({"crop_mode": ["center"]}, "its crop_mode is none of center, border, squash, tiles"),
        ({"crop_mode": "middle"}, "its crop_mode is none of center, border, squash, tiles"),
        ({"crop_mode": None}, "its crop_mode is none of center, border, squash, tiles"),
    ],
)
def test_an_encoder_that_is_described_otherwise_is_named(
    run: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = Path(shutil.copytree(run / "encoder", tmp_path / "encoder"))
    config = json.loads((folder / "config.json").read_text())
    del config["digest"]  # as in files of older versions
    described = config["pretrained_cfg"]
    (folder / "config.json").write_text(
        json.dumps({**config, "pretrained_cfg": {**described, **changes}})
    )
    with pytest.raises(UserError, match=rf"config\.json is damaged \(.*{reason}"):
        load_encoder(folder)
    del described["crop_mode"]
    (folder / "config.json").write_text(json.dumps(config))
    assert load_encoder(folder).fit == "crop"


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
