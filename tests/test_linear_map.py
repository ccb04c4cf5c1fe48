"""`--recipe map`: a linear map of frozen features, from the command line to other tools."""

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from photos import collection
from runs import TINY, run_command
from safetensors.torch import load_file

import lodisc
from lodisc.embedding.embed import fingerprint_of
from lodisc.errors import UserError
from lodisc.files import read_json_lines
from lodisc.method.linear_map import STEPS

MAP = {**TINY, "spared": 0.0, "neighbours": 5}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=8, splits=("train", "test"))


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mapped"
    code, printed, errors = run_command(
        "train", photos, "--out", out, "--recipe", "map", spared=0.0, neighbours=5
    )
    assert code == 0, errors
    assert str(out) in printed and "linear map was learnt" in errors
    return out


def test_the_map_is_the_head_of_a_timm_model(run: Path) -> None:
    encoder = lodisc.load(run, device="cpu")
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    model = timm.create_model(f"local-dir:{run / 'encoder'}", pretrained=True).eval()
    with torch.inference_mode():
        features = encoder(images)
        assert torch.equal(model(encoder.encoder.normalise(images)), features)

    start, mapped = (load_file(run / name / "model.safetensors") for name in ("start", "encoder"))
    changed = {
        name for name in mapped if name not in start or not torch.equal(mapped[name], start[name])
    }
    assert changed == {"head.weight", "head.bias", "norm.bias"}
    untouched = lodisc.load(run, device="cpu")
    with torch.inference_mode():
        tokens = untouched.encoder._tokens(images)[:, 0]
    assert torch.allclose(features, tokens @ mapped["head.weight"].T, atol=1e-5)


def test_a_mapped_run_is_measured_embedded_and_reported(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    result = lodisc.evaluate(run, photos, protocols=["retrieval", "smoothed"], workers=0)
    assert result["arms"]["run"] != result["arms"]["start"]
    assert set(result["arms"]["run"]["smoothed"]) == set(result["arms"]["run"]["retrieval"])
    code, printed, errors = run_command(
        "embed", run, photos, "--out", tmp_path / "vectors", "--workers", "0", "--json"
    )
    assert code == 0 and json.loads(printed)["embedded"] == 32, errors
    saved = lodisc.load(run, device="cpu")
    start = lodisc.load(run, device="cpu", momentum=True)
    assert fingerprint_of(saved) == fingerprint_of(start)  # a map has no momentum encoder
    code, _, errors = run_command("report", run)
    assert code == 0, errors
    page = (run / "report.html").read_text()
    assert "A linear map of its features" in page and "Nothing was logged" not in page


def test_a_finished_map_is_not_learnt_again_and_a_killed_one_is(
    run: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(run, killed)
    shutil.rmtree(killed / "encoder")
    with caplog.at_level("INFO", logger="lodisc"):
        lodisc.train(photos, out=killed, recipe="map", **MAP)
        lodisc.train(photos, out=killed, recipe="map", **MAP)
    assert caplog.text.count("linear map was learnt") == 1 and "is finished" in caplog.text
    again, before = (
        load_file(folder / "encoder" / "model.safetensors") for folder in (killed, run)
    )
    assert all(torch.equal(again[name], before[name]) for name in before)
    steps = [entry["step"] for entry in read_json_lines(killed / "log.jsonl")]
    assert steps == list(range(1, STEPS + 1))


@pytest.mark.parametrize("settings", [{"epochs": 2.0}, {"minutes": 1.0}, {"keys": "batch"}])
def test_what_a_map_does_not_have_is_refused(
    settings: dict[str, object], photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--tune map learns from the neighbours in a bank"):
        lodisc.train(photos, out=tmp_path / "run", recipe="map", **{**TINY, **settings})
