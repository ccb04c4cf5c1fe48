"""Benchmarks of steps, smoothing, look-alikes and new kinds run, small; no figure matters here."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from photos import collection
from runs import TINY, flags

import lodisc

BENCH = Path(__file__).parent.parent / "bench"


def run_bench(name: str, *words: Any) -> str:
    command = [sys.executable, str(BENCH / name), *map(str, words)]
    wide = {**os.environ, "COLUMNS": "200"}  # so that no cell is on two lines
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=wide
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_arm_makes_a_step() -> None:
    table = run_bench("step.py", "--rounds", 1, "--batch-size", 2, "--image-size", 32)
    assert "bank: the default" in table and "both, ρ 0.25, key, zero" in table


@pytest.mark.slow
def test_what_smoothing_adds_is_measured(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", per_label=8)
    run = lodisc.train(photos, out=tmp_path / "run", **{**TINY, "epochs": 1})
    table = run_bench("smoothing.py", run, photos, "--draws", 1)
    assert table.count("smoothed") >= 2 and "5 labels" in table


@pytest.mark.slow
def test_the_probability_of_the_same_kind_is_measured(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", per_label=24)
    run = lodisc.train(photos, out=tmp_path / "run", **{**TINY, "epochs": 1})
    table = run_bench("same_kind.py", run, photos, "--draws", 1)
    assert table.count("10, at random") == 2 and table.count("reliability") == 2


@pytest.mark.slow
def test_kinds_without_a_label_are_measured(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", labels="abcdef", per_label=5)
    run = lodisc.train(photos, out=tmp_path / "run", **{**TINY, "epochs": 1})
    table = run_bench("unknown.py", run, photos, "--labels", 1, 2, "--draws", 1)
    assert "start" in table and "run" in table and "–" in table, "one label tells nothing"


@pytest.mark.slow
def test_numbers_after_names_were_accepted_are_measured(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", labels="abcdef", per_label=8)
    run = lodisc.train(photos, out=tmp_path / "run", **{**TINY, "epochs": 1})
    table = run_bench("accepted.py", run, photos, "--labels", 2, "--draws", 1)
    assert table.count("not learnt from") == 4


@pytest.mark.slow
def test_discovery_is_compared_with_k_means(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", labels="abcd", per_label=8, splits=("train", "test"))
    run = lodisc.train(photos, out=tmp_path / "run", **{**TINY, "epochs": 1})
    table = run_bench("discovery.py", run, photos, "--draws", 2)
    assert "k-means" in table and "start" in table and table.count("±") == 12


@pytest.mark.slow
def test_scores_without_labels_are_compared(tmp_path: Path) -> None:
    data = collection(tmp_path / "data", labels="abcd", per_label=24, splits=("train", "test"))
    encoders = tmp_path / "encoders"
    settings = flags(batch_size=16)
    run_bench("encoders.py", data, encoders, "--name", "a", "--steps", 2, "--marks", 1, *settings)
    table = run_bench("without_labels.py", f"{data}={encoders}")
    assert all(name in table for name in ("start@0", "random@0", "a@1", "a@2"))
    assert "RankMe" in table and "Verdicts on data" in table
    run_bench(
        "supervised.py",
        data,
        encoders / "start@0",
        encoders / "labels",
        "--steps",
        2,
        "--share",
        0.5,
    )
    table = run_bench("starts.py", data, encoders, "labels:a@2", "start@0:a@1,a@2")
    assert table.count("→") == 2 and "75%" in table and "Rank-1 gain" in table
    assert "a@1, a@2" in table and table.count("±") == 2 * 4, "of several seeds"
    table = run_bench("two_seeds.py", data, encoders, "a@1:a@2", "start@0:random@0")
    assert "agreement" in table and "Spearman" in table
    assert len(re.findall(r"\d\.\d / \d+\.\d · \d\.\d\d", table)) == 4
