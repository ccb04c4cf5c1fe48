"""The demo as a newcomer runs it."""

import json
from pathlib import Path

import pytest
from runs import run_command

from lodisc.files import read_json_lines


@pytest.mark.slow
def test_the_demo_learns_and_leads_on(tmp_path: Path) -> None:
    status, out, messages = run_command("demo", "--out", tmp_path / "demo", timeout=2700)
    assert status == 0, messages
    run = tmp_path / "demo" / "run"
    losses = [entry["loss"] for entry in read_json_lines(run / "log.jsonl")]
    assert sum(losses[-5:]) / 5 < 0.8 * losses[0]
    arms = json.loads((run / "evaluation.json").read_text())["arms"]
    for name in ("start", "pixels"):
        assert arms["run"]["linear"]["top1"]["low"] > arms[name]["linear"]["top1"]["high"]
        assert arms["run"]["retrieval"]["rank1"]["low"] > arms[name]["retrieval"]["rank1"]["high"]
    assert {"object", "part", "part_area", "part_covered"} <= arms["run"]["focus"].keys()
    assert (run / "report.html").stat().st_size > 50_000
    assert len(list((run / "explain").glob("*.png"))) >= 8
    assert "train PHOTOS" in out and "report.html" in out
    status, out, messages = run_command("demo", "--out", tmp_path / "demo", timeout=300)
    assert status == 0 and "is finished" in messages
