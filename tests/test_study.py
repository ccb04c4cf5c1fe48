"""Studies through the command line and the public API, on tiny runs."""

import json
import logging
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photos import collection
from runs import TINY, run_command

import lodisc
from lodisc.commands.tables_learn import print_study
from lodisc.config import TrainConfig
from lodisc.encoders import WeightsUnavailable, build_encoder
from lodisc.evaluation.paired import difference, mean_metric
from lodisc.finches.finches import draw_finches
from lodisc.study import STUDIES, study
from lodisc.study.compute import of_equal_compute, operations
from lodisc.study.runs import Runs, Scores
from lodisc.study.words import findings
from lodisc.training import loop
from lodisc.training.checkpoint import save_checkpoint
from lodisc.training.learner import Learner

pytestmark = pytest.mark.usefixtures("notes")

BASE = TrainConfig(**{**TINY, "epochs": 2.0, "objective": "both"})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "test"):
        collection(folder / split, per_label=6)
    for path in (folder / "test").rglob("*.jpg"):
        path.write_bytes(path.read_bytes() + b" ")  # no equal file, but an equal picture
    return folder


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What was logged since the last call."""
    text = caplog.text
    caplog.clear()
    return text


def test_a_study_from_the_command_line(photos: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 2, "keep_ratio": 0.25, "objective": "both"}
    words = ["study", "masked-side", photos, "--out", tmp_path / "studies", "--seeds", "0,1"]
    status, out, messages = run_command(*words, **settings)
    assert status == 0, messages
    result = json.loads((tmp_path / "studies" / "masked-side.json").read_text())
    assert list(result["arms"]) == [
        "start",
        "global",
        "masked key, other view",
        "masked key, both views",
        "masked query, other view",
        "masked query, both views",
    ]
    assert (tmp_path / "studies" / "masked-side.png").stat().st_size > 10_000
    assert "run 1 of 10: global, seed 0" in messages and "min left" in messages
    assert result["findings"] in " ".join(out.split()) and "masked query, both views" in out
    assert max(map(len, out.splitlines()[1:18])) <= 80
    arm = result["arms"]["masked query, both views"]
    assert (
        arm["differences"]["map"]["low"]
        <= arm["differences"]["map"]["value"]
        <= arm["differences"]["map"]["high"]
    )
    assert not list((tmp_path / "studies").rglob("checkpoint")), "measured runs keep no checkpoints"
    assert result["arms"]["global"]["steps"] > arm["steps"], (
        "global only is cheaper, so it is trained for longer"
    )

    status, out, messages = run_command(*words, "--json", **settings)
    assert status == 0 and "run 1" not in messages, "nothing is trained twice"
    again = json.loads(out)
    assert again["arms"] == result["arms"]
    copies = len(list((photos / "test").rglob("*.jpg")))  # in other files, with the same pixels
    assert again["leaks"] == result["leaks"] and result["leaks"]["in_train"] == copies
    assert "are nearly the same as a training one" in again["findings"]


@pytest.mark.parametrize(
    ("objective", "varied"), [("local", "local"), ("both", "both"), ("global", "both")]
)
def test_studies_vary_one_thing_around_the_objective_of_their_base(
    objective: str, varied: str
) -> None:
    base = replace(BASE, objective=objective)  # type: ignore[arg-type]
    for name in ("masks", "keep-ratio", "attention", "masked-side"):
        assert {config.objective for config in STUDIES[name].arms(base).values()} == {varied}
    for name in ("focus", "start"):
        arms = STUDIES[name].arms(base)
        assert {config.objective for config in arms.values()} == {"global", varied}
        assert all(
            arms[against].objective == "global"
            for arm in arms
            if (against := STUDIES[name].against(arm)) not in (None, "global")
        )
        assert STUDIES[name].against(varied) == "global" and STUDIES[name].against("global") is None


def test_studies_share_their_runs(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodisc")
    study("masks", photos, out=tmp_path, base=BASE, seeds=[0], arms=["pivotal"])
    assert "run 2 of 2" in logged(caplog)
    study("masks", photos, out=tmp_path, base=BASE, seeds=[0])
    assert "run 4 of 4" in logged(caplog)
    study("keep-ratio", photos, out=tmp_path, base=BASE, seeds=[0])
    assert "run 4 of 4" in logged(caplog), (
        "the baseline and the arm with the base's own ratio are there"
    )
    study(
        "branches",
        photos,
        out=tmp_path,
        base=replace(BASE, local_weight=2.0),
        seeds=[0],
        arms=["both"],
    )
    assert "run 1 of 1: both" in logged(caplog), (
        "global only does not depend on the weight of the local loss"
    )
    run = next((tmp_path / "runs").glob("global-*/seed-0"))
    (run / "recognition.safetensors").unlink()
    (run / "log.jsonl").unlink()
    study(
        "branches",
        photos,
        out=tmp_path,
        base=replace(BASE, local_weight=3.0),
        seeds=[0],
        arms=["both"],
    )
    assert "run 2 of 2: both" in logged(caplog), (
        "a run of global only that was begun by one study is finished by another"
    )


def test_masks_are_held_against_chance_too(photos: Path, tmp_path: Path, capfd) -> None:
    alone = study("masks", photos, out=tmp_path, base=BASE, seeds=[0], arms=["pivotal"])
    assert alone["rival"] is None and "Compared with random" not in alone["findings"]
    result: Any = study("masks", photos, out=tmp_path, base=BASE, seeds=[0], arms=["random"])
    pivotal, chance = (result["arms"][arm] for arm in ("pivotal", "random"))
    gain = pivotal["figures"]["map"]["mean"] - chance["figures"]["map"]["mean"]
    assert (
        pivotal["beyond_rival"]["map"]["value"] == pytest.approx(gain, abs=1e-2)
        and "beyond_rival" not in chance
    )
    capfd.readouterr()
    print_study(result)
    table = capfd.readouterr().out
    assert (
        "points above global only" in table
        and "points above random" in table
        and "Compared with random" in " ".join(table.split())
    )


def test_an_interrupted_study_goes_on(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodisc")
    whole = study("branches", photos, out=tmp_path / "whole", base=BASE, seeds=[0])
    study("branches", photos, out=tmp_path / "cut", base=BASE, seeds=[0])
    measured = {
        path.parts[-3].split("-")[0]: path
        for path in (tmp_path / "cut").rglob("seed-0/recognition.safetensors")
    }
    measured["local"].unlink()
    shutil.rmtree(measured["both"].parent)
    caplog.clear()
    again = study("branches", photos, out=tmp_path / "cut", base=BASE, seeds=[0])
    assert "run 1 of 2" in logged(caplog)
    first, second = (
        {arm: entry["figures"] for arm, entry in result["arms"].items()}
        for result in (whole, again)
    )
    assert first == second


def test_a_run_that_was_cut_off_as_it_saved_its_end_is_trained_to_it(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    whole = study("branches", photos, out=tmp_path / "whole", base=BASE, seeds=[0], arms=["both"])
    last, save = whole["arms"]["both"]["steps"], save_checkpoint

    def fail_at_the_end(checkpoints: Path, *, step: int, **content: Any) -> None:
        if step == last and "both" in str(checkpoints):
            raise KeyboardInterrupt
        save(checkpoints, step=step, **content)

    monkeypatch.setattr(loop, "save_checkpoint", fail_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        study(
            "branches",
            photos,
            out=tmp_path / "cut",
            base=replace(BASE, checkpoint_minutes=1e-9),
            seeds=[0],
            arms=["both"],
        )
    run = next((tmp_path / "cut" / "runs").glob("both-*/seed-0"))
    for name in ("encoder", "momentum"):  # as versions left them that wrote the checkpoint first
        shutil.copytree(run / "start", run / name, dirs_exist_ok=True)
    monkeypatch.undo()
    again = study("branches", photos, out=tmp_path / "cut", base=BASE, seeds=[0], arms=["both"])
    assert again["arms"]["both"]["figures"] == whole["arms"]["both"]["figures"]


def test_photographs_without_labels_tell_runs_apart_too(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodisc")
    data = tmp_path / "data"
    shutil.copytree(photos, data)
    study("branches", data, out=tmp_path / "out", base=BASE, seeds=[0], arms=["both"])
    for number in range(4):
        shutil.copy(photos / "train" / "wren" / f"{number}.jpg", data / "train" / f"{number}.jpg")
    caplog.clear()
    study("branches", data, out=tmp_path / "out", base=BASE, seeds=[0], arms=["both"])
    assert "run 2 of 2" in logged(caplog), "both learn from more photographs now"


def test_a_study_goes_on_after_the_weights_have_moved(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    weights = (
        lodisc.train(photos, out=tmp_path / "start", **{**TINY, "epochs": 1})
        / "encoder"
        / "model.safetensors"
    )
    base = replace(BASE, init=str(weights))
    learn = Learner.step

    def fail(self, views, *, step, steps):
        if step == 2:
            raise KeyboardInterrupt
        return learn(self, views, step=step, steps=steps)

    monkeypatch.setattr(Learner, "step", fail)
    with pytest.raises(KeyboardInterrupt):
        study("branches", photos, out=tmp_path / "out", base=base, seeds=[0], arms=["both"])
    monkeypatch.undo()
    weights.rename(tmp_path / "moved.safetensors")
    result = study(
        "branches",
        photos,
        out=tmp_path / "out",
        base=replace(base, init=str(tmp_path / "moved.safetensors")),
        seeds=[0],
        arms=["both"],
    )
    assert (
        set(result["arms"]) == {"start", "start, 224 pixels", "global", "both"}
        and len(list((tmp_path / "out" / "runs").glob("global-*"))) == 1
    )


@pytest.mark.parametrize("name", ["a$b_{c$", os.fsdecode(b"latin-\xe9")])
def test_a_folder_may_have_any_name(photos: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(photos, tmp_path / name)
    study("branches", tmp_path / name, out=tmp_path / "out", base=BASE, seeds=[0], arms=["both"])
    assert (tmp_path / "out" / "branches.png").stat().st_size > 10_000


def test_what_was_found_on_other_photographs_is_not_overwritten(
    photos: Path, tmp_path: Path
) -> None:
    first = study("branches", photos, out=tmp_path / "out", base=BASE, seeds=[0], arms=["both"])
    shutil.copytree(photos, tmp_path / "moved")
    assert (
        study(
            "branches",
            tmp_path / "moved",
            out=tmp_path / "out",
            base=BASE,
            seeds=[0],
            arms=["both"],
        )["arms"]
        == first["arms"]
    )
    (tmp_path / "moved" / "train" / "wren" / "0.jpg").unlink()
    (tmp_path / "moved").rename(tmp_path / "fewer")
    with pytest.raises(ValueError, match=r"is of other photographs, .*choose another --out"):
        study(
            "branches",
            tmp_path / "fewer",
            out=tmp_path / "out",
            base=BASE,
            seeds=[0],
            arms=["both"],
        )


def test_focus_needs_masks_and_measures_them(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no masks/"):
        study("focus", photos, out=tmp_path, base=BASE, seeds=[0])
    draw_finches(tmp_path / "finches", species=2, train=8, test=4, image_size=48)
    result = study(
        "focus",
        tmp_path / "finches",
        out=tmp_path / "out",
        base=replace(BASE, epochs=4.0),
        seeds=[0],
    )
    assert list(result["arms"]) == [
        "start",
        "global",
        "global, a quarter",
        "both, a quarter",
        "global, half",
        "both, half",
        "whole",
        "both",
    ]
    against = {arm: entry.get("against") for arm, entry in result["arms"].items()}
    assert (
        against["both"] == "global"
        and against["both, half"] == "global, half"
        and against["global, half"] is None
    )
    shares = result["arms"]["both"]["figures"]
    assert 0 < shares["part"]["mean"] < shares["object"]["mean"] < 100
    assert result["arms"]["both, half"]["steps"] < result["arms"]["both"]["steps"]


def test_a_start_that_is_unavailable_is_left_out_and_reported(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = study("start", photos, out=tmp_path, base=BASE, seeds=[0])
    assert set(result["left_out"]) == {"global, self-supervised", "both, self-supervised"}
    assert "left out" in result["findings"]
    assert {"start", "both", "global, random", "both, random"} <= result["arms"].keys()
    assert result["arms"]["both, random"]["against"] == "global, random"
    odd = STUDIES["start"].arms(replace(BASE, image_size=28))
    assert odd["both"].image_size == 28 and odd["global, self-supervised"].image_size == 32


def test_an_arm_is_left_out_with_the_global_only_of_its_start(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    class Hub(Runs):
        def scores(self, config: TrainConfig) -> Scores:
            if config.init == "timm" and config.objective == "global":
                raise WeightsUnavailable("the hub is away")
            return super().scores(replace(config, init="none") if config.init == "timm" else config)

    monkeypatch.setattr(
        sys.modules["lodisc.study.study"], "Runs", Hub
    )  # the package has a function of that name
    result = study(
        "start", photos, out=tmp_path, base=BASE, seeds=[0], arms=["both, self-supervised"]
    )
    left_out = {
        "global, self-supervised": "the hub is away",
        "both, self-supervised": "global, self-supervised was left out",
    }
    assert result["left_out"] == left_out and set(result["arms"]) == {"start", "global"}


def test_the_division_does_not_follow_the_seed(tmp_path: Path) -> None:
    collection(tmp_path / "photos", per_label=9)
    result = study(
        "branches",
        tmp_path / "photos",
        out=tmp_path / "out",
        base=replace(BASE, train_split=0.5),
        seeds=[0, 1],
        arms=["both"],
    )
    assert result["photographs"] == 10
    records = [
        json.loads(path.read_text())["data"]["fingerprint"]
        for path in (tmp_path / "out").rglob("seed-*/config.json")
    ]
    assert len(records) == 4 and len(set(records)) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nonsense", "{photos}"], "no study 'nonsense'; there are branches"),
        (["masks", "{photos}", "--seeds", "0,x"], "whole numbers"),
        (["masks", "{photos}", "--seeds", "0,0"], "each once"),
        (["masks", "{photos}", "--seeds", "0,-1"], "--seed -1 is out of range"),
        (["masks", "{photos}", "--minutes", "1"], "equal operations"),
        (["masks", "{photos}", "--recipe", "map"], "a study trains encoders"),
        (["masks", "{photos}", "--seed", "3"], "--seeds, not --seed"),
        (["masks", "{photos}", "--arms", "chance"], "there are 'pivotal', 'random'"),
        (["masks", "{photos}/nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(photos: Path, tmp_path: Path, words: list[str], reason: str) -> None:
    status, out, messages = run_command(
        "study", *[word.format(photos=photos) for word in words], "--out", tmp_path / "out"
    )
    assert status == 1 and out == ""
    assert reason in messages and messages.count("\n") == 1


def test_compute_is_counted() -> None:
    """Weights times tokens, and the attention matrices; pixels need no gradient.

    A bank has no heads, and the momentum encoder runs only for its attention.
    """
    base = replace(BASE, keep_ratio=0.25, keys="batch")
    encoder = build_encoder(base.encoder, image_size=32, args=base.encoder_args)
    block = sum(p.numel() for p in encoder.trunk.blocks.parameters() if p.ndim == 2)
    patches = encoder.patches * encoder.trunk.patch_embed.proj.weight.numel()
    heads = {"projector": 32 * 32 + 32 * 32 + 32 * 16, "predictor": 16 * 32 + 32 * 16}

    def passes(tokens: int, *, learns: bool, keys: str = "batch") -> float:
        layers = tokens * block + 2 * 2 * tokens**2 * 32
        if keys == "batch":
            layers += heads["projector"] + (heads["predictor"] if learns else 0)
        return patches * (2 if learns else 1) + (3 if learns else 1) * layers

    whole, part = encoder.patches + 1, 4 + 1  # a quarter of 16 patches
    for changes, expected in (
        ({"objective": "global"}, passes(whole, learns=True) + passes(whole, learns=False)),
        (
            {"masked_side": "query"},
            passes(whole, learns=True) + passes(whole, learns=False) + passes(part, learns=True),
        ),
        (
            {"masked_side": "key"},
            passes(whole, learns=True) + passes(whole, learns=False) + passes(part, learns=False),
        ),
        (
            {"objective": "local", "masked_side": "query"},
            passes(whole, learns=False) + passes(part, learns=True),
        ),
        (
            {"keys": "bank"},
            passes(whole, learns=True, keys="bank")
            + passes(whole, learns=False, keys="bank")
            + passes(part, learns=True, keys="bank"),
        ),
        (
            {"keys": "bank", "objective": "local", "mask": "random"},
            passes(part, learns=True, keys="bank"),
        ),
        ({"keys": "bank", "objective": "global"}, passes(whole, learns=True, keys="bank")),
    ):
        config = replace(base, **changes)  # type: ignore[arg-type]
        views_and_sums = 4 * 2  # two photographs, two views; a multiplication and an addition
        assert operations(config) == pytest.approx(views_and_sums * expected, rel=0.02)
        epochs = of_equal_compute({"arm": config}, base)["arm"].epochs
        assert epochs is not None and epochs * operations(config) == pytest.approx(
            2 * operations(base)
        )


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0, 1, (3, 400))
    better = baseline + 0.02
    better[:, 7] = np.nan
    gain = difference(better, baseline)
    assert (gain.value, gain.low, gain.high) == pytest.approx((2, 2, 2))
    entry = mean_metric(better)
    assert entry["mean"] == pytest.approx(100 * np.nanmean(better), abs=1e-3)
    assert entry["deviation"] == pytest.approx(
        100 * np.nanmean(better, axis=1).std(ddof=1), abs=1e-3
    )
    assert mean_metric(better[:1])["deviation"] is None
    with pytest.raises(ValueError, match="same trainings"):
        difference(better[:2], baseline)


@pytest.mark.parametrize(
    ("photo_noise", "seed_noise"), [(0.4, 0.0), (0.4, 0.02), (0.05, 0.05), (0.0, 0.05)]
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    photo_noise: float, seed_noise: float
) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        means = rng.normal(0, seed_noise, (3, 1))
        gain = difference(means + rng.normal(0, photo_noise + 1e-9, (3, 200)), np.zeros((3, 200)))
        held += gain.low <= 0 <= gain.high
    assert held / 300 > 0.92


def test_findings_say_what_the_intervals_say() -> None:
    def entry(value: float, low: float, high: float) -> dict:
        means = {metric: {"mean": 50 + value} for metric in ("rank1", "map")}
        gain = {metric: {"value": value, "low": low, "high": high} for metric in means}
        return {"steps": 3, "figures": means, "differences": gain, "start": "start"}

    baseline = entry(0, 0, 0)
    del baseline["differences"]
    arms = {
        "start": {"figures": {"rank1": {"mean": 41.0}}},
        "global": baseline,
        "a": entry(2, 1, 3),
        "b": entry(-2, -3, -1),
        "c": entry(0.5, -1, 1),
    }
    result: Any = {
        "seeds": [0, 1],
        "titles": {"rank1": "Rank-1", "map": "mAP"},
        "arms": arms,
        "left_out": {"d": "no weights"},
        "photographs": 400,
        "data": "birds",
        "leaks": {"in_train": 0, "in_test": 0, "labelled_apart": 0},
    }
    text = findings(result)
    assert "Compared with global only at equal operations, 2 trainings of each arm: " in text
    gains = "higher for a (+2.0); lower for b (-2.0); not clearly different for c (+0.5)"
    assert f" Rank-1 is {gains}. mAP is {gains}." in text
    assert "The highest Rank-1 is 52.0 %, of a; its untouched start has 41.0 %." in text
    assert "One in twenty of these 6 comparisons" in text
    assert text.endswith("d was left out: no weights.")
    alone: Any = {
        "seeds": [0],
        "titles": {"rank1": "Rank-1"},
        "arms": {"start": arms["start"], "global": baseline},
        "left_out": {},
        "leaks": None,
    }
    assert findings(alone) == (
        "The highest Rank-1 is 50.0 %, of global; its untouched start has 41.0 %. "
        "Another seed may change more than these intervals show: repeat the study with several."
    )


def test_every_study_asks_a_question() -> None:
    assert all(
        question.question.endswith("?") and question.arms(BASE) for question in STUDIES.values()
    )
