"""Studies through the command line and the public API, on tiny runs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from photos import collection
from runs import TINY, run_command

from lodisc.config import TrainConfig
from lodisc.data.finches import draw_finches
from lodisc.evaluation.paired import difference, mean_figure
from lodisc.method.encoder import build_encoder
from lodisc.study import STUDIES, study
from lodisc.study.compute import of_equal_compute, tokens_per_view
from lodisc.study.words import findings

BASE = TrainConfig(**{**TINY, "epochs": 2.0})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "test"):
        collection(folder / split, per_label=6)
    return folder


def test_a_study_from_the_command_line(photos: Path, tmp_path: Path) -> None:
    settings = {"epochs": 2, "keep_ratio": 0.25}
    words = ["study", "direction", photos, "--out", tmp_path / "studies", "--seeds", "0,1"]
    status, out, messages = run_command(*words, **settings)
    assert status == 0, messages
    result = json.loads((tmp_path / "studies" / "direction.json").read_text())
    assert list(result["arms"]) == [
        "start", "global", "masked key, other view", "masked key, both views", "masked query, other view", "masked query, both views",
    ]  # fmt: skip
    assert (tmp_path / "studies" / "direction.png").stat().st_size > 10_000
    assert "run 1 of 10: global, seed 0" in messages and "minutes left" in messages
    assert result["findings"] in " ".join(out.split()) and "masked query, both views" in out
    assert max(map(len, out.splitlines()[1:9])) < 140
    arm = result["arms"]["masked query, both views"]
    assert (
        arm["figures"]["rank1"].keys() == {"mean", "deviation"}
        and arm["against_global"]["map"]["low"] <= arm["against_global"]["map"]["high"]
    )
    assert result["arms"]["global"]["steps"] > arm["steps"], "global only is cheaper, so it is trained for longer"

    status, out, messages = run_command(*words, "--json", **settings)
    assert status == 0 and "run 1" not in messages, "nothing is trained twice"
    again = json.loads(out)
    assert again["arms"] == result["arms"]


def test_studies_share_their_runs(photos: Path, tmp_path: Path, capfd) -> None:
    study("masks", photos, out=tmp_path, base=BASE, seeds=[0], arms=["pivotal"])
    assert "run 2 of 2" in capfd.readouterr().err
    study("masks", photos, out=tmp_path, base=BASE, seeds=[0])
    assert "run 4 of 4" in capfd.readouterr().err
    study("keep-ratio", photos, out=tmp_path, base=BASE, seeds=[0])
    assert "run 4 of 4" in capfd.readouterr().err, "the baseline and the arm with the base's own ratio are there"


def test_an_interrupted_study_goes_on(photos: Path, tmp_path: Path, capfd) -> None:
    whole = study("branches", photos, out=tmp_path / "whole", base=BASE, seeds=[0])
    study("branches", photos, out=tmp_path / "cut", base=BASE, seeds=[0])
    measured = {path.parts[-3].split("-")[0]: path for path in (tmp_path / "cut").rglob("seed-0/scores-*.safetensors")}
    measured["local"].unlink()
    shutil.rmtree(measured["both"].parent)
    capfd.readouterr()
    again = study("branches", photos, out=tmp_path / "cut", base=BASE, seeds=[0])
    assert "run 1 of 2" in capfd.readouterr().err
    figures = [{arm: entry["figures"] for arm, entry in result["arms"].items()} for result in (whole, again)]
    assert figures[0] == figures[1]


def test_focus_needs_masks_and_measures_them(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no masks/"):
        study("focus", photos, out=tmp_path, base=BASE, seeds=[0])
    draw_finches(tmp_path / "finches", species=2, train=8, test=4, image_size=48)
    result = study("focus", tmp_path / "finches", out=tmp_path / "out", base=replace(BASE, epochs=4.0), seeds=[0])
    assert list(result["arms"]) == ["start", "global", "global, a quarter", "both, a quarter", "global, half", "both, half", "both, whole"]
    shares = result["arms"]["both, whole"]["figures"]
    assert 0 < shares["part"]["mean"] < shares["object"]["mean"] < 100


def test_a_start_that_cannot_be_had_is_left_out_and_said(photos: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = study("start", photos, out=tmp_path, base=replace(BASE, image_size=32), seeds=[0])
    assert set(result["left_out"]) == {"self-supervised, global", "self-supervised, both"}
    assert "left out" in result["findings"]
    assert {"given, both", "random, both", "random, global", "start"} <= result["arms"].keys()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nonsense", "{photos}"], "no study 'nonsense'; there are branches"),
        (["masks", "{photos}", "--seeds", "0,x"], "whole numbers"),
        (["masks", "{photos}", "--seeds", "0,0"], "each once"),
        (["masks", "{photos}", "--minutes", "1"], "equal compute"),
        (["masks", "{photos}", "--seed", "3"], "--seeds, not --seed"),
        (["masks", "{photos}", "--arms", "chance"], "there are 'pivotal', 'random'"),
        (["masks", "{photos}/nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(photos: Path, tmp_path: Path, words: list[str], reason: str) -> None:
    status, out, messages = run_command("study", *[word.format(photos=photos) for word in words], "--out", tmp_path / "out")
    assert status == 1 and out == ""
    assert reason in messages and messages.count("\n") == 1


def test_compute_is_counted_in_tokens() -> None:
    encoder = build_encoder(BASE.encoder, image_size=32, args=BASE.encoder_args)
    whole, kept = encoder.patches + 1, 4 + 1  # a quarter of 16 patches
    base = replace(BASE, keep_ratio=0.25)
    for config, expected in (
        (replace(base, objective="global"), 4 * whole),
        (replace(base, direction="query"), 4 * whole + 3 * kept),
        (replace(base, direction="key"), 4 * whole + kept),
        (replace(base, direction="key", mask_mode="zero"), 5 * whole),
    ):
        assert tokens_per_view(config) == expected
        epochs = of_equal_compute(config, base).epochs
        assert epochs is not None and epochs * expected == pytest.approx(2 * (4 * whole + 3 * kept))


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0, 1, (3, 400))
    better = baseline + 0.02
    better[:, 7] = np.nan
    found = difference(better, baseline)
    assert found.value == pytest.approx(2) and found.low == pytest.approx(2) and found.high == pytest.approx(2)
    noise = difference(rng.uniform(0, 1, (3, 400)), baseline)
    assert noise.low < 0 < noise.high
    figure = mean_figure(better)
    assert figure["mean"] == pytest.approx(100 * np.nanmean(better), abs=1e-3)
    assert figure["deviation"] == pytest.approx(100 * np.nanmean(better, axis=1).std(ddof=1), abs=1e-3)
    with pytest.raises(ValueError, match="same trainings"):
        difference(better[:2], baseline)


def test_findings_say_what_the_intervals_say() -> None:
    def entry(value: float, low: float, high: float) -> dict:
        gain = {figure: {"value": value, "low": low, "high": high} for figure in ("rank1", "map")}
        return {"steps": 3, "figures": {figure: {"mean": 50 + value} for figure in ("rank1", "map")}, "against_global": gain}

    start = {"figures": {"rank1": {"mean": 41.0}}}
    arms = {"start": start, "global": entry(0, 0, 0), "a": entry(2, 1, 3), "b": entry(-2, -3, -1), "c": entry(0.5, -1, 1)}
    text = findings({"seeds": [0], "titles": {"rank1": "Rank-1", "map": "mAP"}, "arms": arms, "left_out": {"d": "no weights"}})
    assert "in Rank-1, better are a (+2.0); worse are b (-2.0); no clear difference for c." in text
    assert "Highest on average is a, with 52.0 % Rank-1 where the untouched start has 41.0 %." in text
    assert "One seed says little" in text and "d was left out: no weights." in text


def test_every_study_asks_a_question() -> None:
    assert all(question.question.endswith("?") and question.arms(BASE) for question in STUDIES.values())
