"""Embedding by a Ray cluster on this machine: the same bytes as by one process."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from photos import collection, encoded, tar, texture
from runs import TINY

import lodisc
from lodisc.embedding.embed import embed

RAY = """
import os, sys
from pathlib import Path
from lodisc.embedding.ray import embed_on_ray
assert "ray" not in sys.modules
print(embed_on_ray(sys.argv[1], Path(sys.argv[2]), out=Path(sys.argv[3]), actors=2))
print("told:", os.environ["RAY_USAGE_STATS_ENABLED"])
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return lodisc.train(collection(folder / "photos"), out=folder / "run", **{**TINY, "epochs": 1})


def files(folder: Path) -> dict[str, bytes]:
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    del found["_progress.json"]
    return found


@pytest.mark.slow
def test_what_is_missing_is_embedded_to_the_same_bytes_as_by_one_process(
    run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    data = tmp_path / "data"
    for number in range(4):
        members = {
            f"{number}-{i} \N{BIRD}.jpg": encoded(texture(10 * number + i)) for i in range(7)
        }
        tar(data / f"shard-{number}.tar", members | {f"{number}/cut.jpg": b"nothing"})
        if number == 1:
            embed(run, data, out=tmp_path / "two", workers=0)
    embed(run, data, out=tmp_path / "one", workers=0)
    private = {
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
    }  # nothing in ~, nothing out
    words = [sys.executable, "-c", RAY, *map(str, (run, data, tmp_path / "two"))]
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RAY_ADDRESS", "RAY_USAGE_STATS_ENABLED")
    } | private
    ran = subprocess.run(words, env=env, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert "'photographs': 32, 'embedded': 14, 'kept': 14, 'skipped': 4" in ran.stdout
    assert "told: 0" in ran.stdout
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_where_ray_is_missing_one_line_says_so(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lodisc.embedding.ray import embed_on_ray

    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(ValueError, match=r'needs Ray:  pip install "lodisc\[ray\]"'):
        embed_on_ray(str(run), tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
