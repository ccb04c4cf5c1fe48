"""Whether learning helped, told without labels, and what is kept of it."""

import json
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
from photos import collection
from runs import TINY, last_state, run_command
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

import lodisc
from lodisc.config import TrainConfig
from lodisc.data.sample import MOST, read_sample, sample_of
from lodisc.data.sources import find_photos
from lodisc.encoders import build_encoder, load_encoder
from lodisc.errors import UserError
from lodisc.files import read_json, write_json
from lodisc.outcome import CLEAR, LEAST, Outcome, in_words
from lodisc.report.page import write_report
from lodisc.run import Run
from lodisc.training.watch import Watch, steps_beside_looks
from lodisc.vectors.separation import mean_gain, separation

COUNT = 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = collection(tmp_path_factory.mktemp("data") / "photos", labels=[""], per_label=COUNT)
    torch.manual_seed(0)
    encoder = build_encoder(TINY["encoder"], image_size=32, args=TINY["encoder_args"])
    save_file(encoder.trunk.state_dict(), folder.with_name("tiny.safetensors"))
    return folder


def train(photos: Path, out: Path, **settings: Any) -> Run:
    """Twelve steps, with a look at every second one, from a file of weights."""
    weights = photos.with_name("tiny.safetensors")
    usual = {**TINY, "init": weights, "batch_size": COUNT, "epochs": 12, "keep": "best"}
    return Run(lodisc.train(photos, out=out, **{**usual, **settings}))


def outcome_of(run: Run) -> Outcome:
    outcome = run.config.get("outcome")
    assert outcome is not None
    return outcome


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Let the start, every look and every mixture score what is written here, a little unevenly."""
    left = iter(scores)
    uneven = torch.linspace(-0.1, 0.1, COUNT)
    monkeypatch.setattr(Watch, "_score", lambda self, encoder: next(left) + uneven)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_separation_is_a_plain_loop() -> None:
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) + 3
    centred = features - features.mean(0)
    expected = []
    for i in range(40):
        cosines = sorted(
            (
                float(F.cosine_similarity(centred[i], centred[j], dim=0))
                for j in range(40)
                if j != i
            ),
            reverse=True,
        )
        mean = sum(cosines) / 39
        deviation = (sum((c - mean) ** 2 for c in cosines) / 38) ** 0.5
        expected.append((sum(cosines[:7]) / 7 - mean) / deviation)
    assert separation(features, 7) == pytest.approx(expected, rel=1e-4)


def test_separation_rises_with_the_kinds_and_ignores_shift_scale_and_order() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randn(10, 32, generator=generator).repeat_interleave(30, 0)
    noise = torch.randn(300, 32, generator=generator)
    scores = [separation(kinds + size * noise).mean() for size in (4.0, 1.0, 0.5, 0.1)]
    assert scores == sorted(scores) and scores[-1] > 1.4 * scores[0]
    order = torch.randperm(300, generator=generator)
    moved = separation(5 * (kinds + noise)[order] + 7)
    torch.testing.assert_close(moved, separation(kinds + noise)[order], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "features", [torch.zeros(30, 4), torch.ones(30, 4), torch.zeros(3, 4), torch.zeros(0, 4)]
)
def test_what_is_all_alike_or_too_few_has_no_separation(features: torch.Tensor) -> None:
    assert separation(features).tolist() == [0.0] * len(features)


def test_a_gain_has_the_interval_of_its_mean() -> None:
    before, after = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([2.0, 2.0, 5.0, 4.0])
    gain = mean_gain(before, after)  # differences 1, 0, 2, 0: mean 0.75, variance 0.6875
    error = 1.959964 * (0.6875 / 4) ** 0.5
    assert gain == pytest.approx((0.75, 0.75 - error, 0.75 + error))


def test_by_default_the_last_student_is_kept(photos: Path, tmp_path: Path, monkeypatch) -> None:
    scripted(monkeypatch, [2.0, 1.5])  # the start and the end alone are looked at
    run = train(photos, tmp_path / "run", keep=TrainConfig().keep)
    outcome = outcome_of(run)
    assert outcome["verdict"] == "made worse" and outcome["kept"] == {"step": 12, "share": 1.0}
    assert "--keep best would hold the start" in in_words(outcome)
    assert not same(run.start, run.encoder)
    assert not [name for name in last_state(run.path) if name.startswith("looks.best.")]


def test_a_sample_is_the_same_ones_in_every_run(tmp_path: Path) -> None:
    listing = find_photos(collection(tmp_path, labels=[""], per_label=MOST + 5)).photos
    sample = sample_of(listing, image_size=32)
    assert len(sample) == MOST and sample == sample_of(listing, image_size=32)
    assert {photo.key for photo in sample} < {photo.key for photo in listing}
    read = read_sample(listing[:70], image_size=32, fit="crop", workers=0)
    assert len(read) == 70 and read.views_V3SS.shape == (70, 3, 32, 32)
    features = read.features(lambda views: views.float().mean((2, 3)))
    assert features.shape == (70, 3) and len(features.unique(dim=0)) == 70


def test_a_sample_of_large_views_is_smaller_and_of_all_kinds(tmp_path: Path, monkeypatch) -> None:
    listing = find_photos(collection(tmp_path, labels="abcdefgh", per_label=25)).photos
    monkeypatch.setattr("lodisc.data.sample.MOST_BYTES", 100 * 3 * 32**2)
    assert len(read_sample(listing, image_size=32, fit="crop", workers=0)) == 100
    assert {photo.label for photo in sample_of(listing, image_size=32)} == set("abcdefgh")


@pytest.mark.parametrize("recipe", ["adapt", "map"])
def test_the_outcome_is_what_evaluate_measures_without_labels(
    photos: Path, tmp_path: Path, recipe: str
) -> None:
    epochs = {"epochs": None} if recipe == "map" else {}
    run = train(photos, tmp_path / "run", recipe=recipe, **epochs)
    outcome = outcome_of(run)
    result = lodisc.evaluate(run.path, photos)
    scores = {
        arm: metrics["separation"]["separation"]["value"] for arm, metrics in result["arms"].items()
    }
    assert result["test"] == outcome["photographs"] == COUNT
    assert scores["start"] == pytest.approx(outcome["start"], abs=1e-3)
    assert scores["run"] == pytest.approx(outcome["kept_score"], abs=1e-3)
    logged = [entry["separation"] for entry in run.log() if "separation" in entry]
    if recipe == "adapt":
        assert len(logged) == 6 and outcome["run"] == pytest.approx(max(logged), abs=1e-4)


def test_a_run_that_helped_keeps_the_best_student(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    scripted(monkeypatch, [2.0, 2.5, 3.0, 2.9, 3.0, 2.8, 2.9])
    best = train(photos, tmp_path / "best")
    outcome = outcome_of(best)
    assert outcome["verdict"] == "helped" and outcome["kept"] == {"step": 8, "share": 1.0}
    assert (outcome["run"], outcome["kept_score"]) == pytest.approx((3.0, 3.0))
    monkeypatch.undo()
    scripted(monkeypatch, [2.0, 2.9])
    last = train(photos, tmp_path / "last", keep="last")
    assert outcome_of(last)["kept"] == {"step": 12, "share": 1.0}
    assert outcome_of(last)["run"] == pytest.approx(2.9)
    assert not same(best.encoder, last.encoder) and same(best.momentum, last.momentum)


@pytest.mark.parametrize(
    ("mixtures", "share", "kept_score"),
    [([2.0, 1.9, 1.8], 0.0, 2.0), ([2.02, 1.9, 1.8], 0.0, 2.0), ([2.1, 2.4, 2.2], 0.5, 2.4)],
)
def test_a_run_that_did_not_help_keeps_the_start_or_a_better_mixture(
    photos: Path, tmp_path: Path, monkeypatch, mixtures, share, kept_score
) -> None:
    scripted(monkeypatch, [2.0, 1.5, 1.6, 1.5, 1.6, 1.5, 1.7, *mixtures])
    run = train(photos, tmp_path / "run")
    outcome = outcome_of(run)
    assert outcome["verdict"] == "made worse" and outcome["gain"] == pytest.approx(-0.3)
    assert outcome["kept"] == {"step": 12 if share else 0, "share": share}
    assert outcome["kept_score"] == pytest.approx(kept_score)
    if share == 0:
        assert same(run.start, run.encoder) and "untouched start" in in_words(outcome)
    else:
        assert not same(run.start, run.encoder) and "a mixture of 50%" in in_words(outcome)
        load_encoder(run.encoder)


def test_a_small_gain_is_no_clear_change(photos: Path, tmp_path: Path, monkeypatch) -> None:
    scripted(monkeypatch, [2.0] + 6 * [2.0 + CLEAR / 2] + [2.0, 2.0, 2.0])
    run = train(photos, tmp_path / "run")
    assert outcome_of(run)["verdict"] == "no clear change"
    assert same(run.start, run.encoder)


def test_a_training_that_falls_for_good_ends_early_and_stays_ended(
    photos: Path, tmp_path: Path, monkeypatch, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    monkeypatch.setattr("lodisc.training.watch.PATIENCE", 3)
    scripted(monkeypatch, [2.0, 3.0, 2.5, 2.4, 2.3])
    run = train(photos, tmp_path / "run")
    outcome = outcome_of(run)
    assert run.config["steps"] == outcome["planned"] == 12 and outcome["steps"] == 8
    assert outcome["kept"] == {"step": 2, "share": 1.0} and outcome["verdict"] == "helped"
    assert "ended at step 8 of 12" in in_words(outcome)
    assert "best after step 2," in in_words(outcome)
    before = weights(run.encoder)
    train(photos, run.path)
    assert "finished: 8 steps. Nothing to do" in caplog.text
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(run.encoder).items())
    scripted(monkeypatch, [2.0, 2.1])
    last = train(photos, tmp_path / "last", keep="last")
    assert outcome_of(last)["steps"] == 12
    train(photos, last.path)
    assert "ended by --keep last; use another --out" in caplog.text


def test_a_training_that_rises_again_goes_on(photos: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("lodisc.training.watch.PATIENCE", 2)
    scripted(monkeypatch, [2.0, 3.0, 2.3, 2.4, 2.2, 2.5, 2.6])
    assert outcome_of(train(photos, tmp_path / "run"))["steps"] == 12
    scripted(monkeypatch, [2.0, 3.0, 2.3, 2.2, 2.1, 2.5, 2.6])
    warm = train(photos, tmp_path / "warm", warmup=0.6)  # no end in the warm-up
    assert outcome_of(warm)["steps"] == 12


def test_an_outcome_that_was_not_written_down_comes_from_the_checkpoint(
    photos: Path, tmp_path: Path
) -> None:
    run = train(photos, tmp_path / "run")
    outcome = outcome_of(run)
    config = read_json(run.config_file)
    del config["outcome"]
    write_json(run.config_file, config)
    train(photos, run.path)
    assert outcome_of(Run(run.path)) == outcome


def test_a_training_that_was_stopped_remembers_where_it_was_best(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    from lodisc.training.learner import Learner

    scores = [2.0, 3.0, 2.9, 2.95, 3.0, 2.8, 2.9]
    scripted(monkeypatch, scores)
    whole = train(photos, tmp_path / "whole", checkpoint_minutes=1e-9)
    learn = Learner.step

    def fail_at_7(self, views, *, step, steps):
        if step == 7:
            raise RuntimeError("power cut")
        return learn(self, views, step=step, steps=steps)

    scripted(monkeypatch, scores)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", fail_at_7)
        with pytest.raises(RuntimeError, match="power cut"):
            train(photos, tmp_path / "cut", checkpoint_minutes=1e-9)
    scripted(monkeypatch, [2.0, *scores[4:]])  # three looks were before the cut
    cut = train(photos, tmp_path / "cut")
    assert outcome_of(cut) == outcome_of(whole)
    assert same(cut.encoder, whole.encoder)


def test_few_photographs_tell_nothing_and_keep_the_last_student(tmp_path: Path) -> None:
    few = collection(tmp_path / "few", labels=[""], per_label=LEAST - 1)
    run = train(few, tmp_path / "run", init="none", batch_size=16)
    outcome = outcome_of(run)
    assert outcome["verdict"] == "not measured" and outcome["kept"]["share"] == 1.0
    assert f"{LEAST - 1} photographs" in in_words(outcome)
    with pytest.raises(UserError, match=f"at least {LEAST}"):
        lodisc.evaluate(run.path, few)


def test_the_command_tells_what_it_came_to_and_evaluate_needs_no_labels(
    photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings: dict[str, Any] = {
        "batch_size": 16,
        "epochs": 1,
        "init": photos.with_name("tiny.safetensors"),
    }
    status, out, _ = run_command("train", photos, "--out", run, **settings)
    outcome = outcome_of(Run(run))
    assert status == 0 and in_words(outcome).split(":")[0] in out
    status, out, _ = run_command("train", photos, "--out", run, "--json", **settings)
    assert json.loads(out)["outcome"] == outcome
    status, out, _ = run_command("evaluate", run, photos)
    assert status == 0 and "Separation" in out and "without labels" in out
    status, out, _ = run_command("evaluate", run, photos, "--json")
    assert set(json.loads(out)["arms"]["run"]) == {"separation"}
    status, _, err = run_command("evaluate", run, photos, "--protocols", "knn")
    assert status == 1 and "--protocols separation" in err
    page = write_report(run).read_text()
    assert in_words(outcome) in unescape(page) and "By their separation" in page


@pytest.mark.parametrize(
    ("steps", "batch_size", "looks"),
    [
        (12, 64, [12]),  # a look takes as much as 1.7 steps
        (180, 64, [30, 60, 90, 120, 150, 180]),
        (4600, 64, list(range(100, 4601, 100))),
        (180, 16, [67, 134, 180]),
        (180, 2, [180]),
    ],
)
def test_looks_are_regular_but_rare_with_small_batches(
    tmp_path: Path, monkeypatch, steps: int, batch_size: int, looks: list[int]
) -> None:
    listing = find_photos(collection(tmp_path, labels=[""], per_label=COUNT)).photos
    monkeypatch.setattr("lodisc.training.watch.sample_of", lambda *_, **__: [None] * 640)
    monkeypatch.setattr(Watch, "_score", lambda self, encoder: torch.zeros(640))
    config = TrainConfig(batch_size=batch_size, image_size=32, workers=0, keep="best")
    encoder = build_encoder(TINY["encoder"], image_size=32, args=TINY["encoder_args"])
    watch = Watch(listing, config, start=encoder, device=torch.device("cpu"))
    assert [s for s in range(1, steps + 1) if watch.is_due(s, steps=steps)] == looks


@pytest.mark.parametrize(
    ("settings", "photographs", "steps"),
    [
        ({}, 640, 96),  # two looks of 640 photographs take as long as 3.3 steps of 64
        ({"keep": "best"}, 640, 85),  # six or so on the way, and three mixtures
        ({"batch_size": 4}, 640, 46),
        ({}, 49, 100),  # too few to be looked at
        ({"init": "none"}, 640, 100),
    ],
)
def test_minutes_count_the_looks(settings: dict, photographs: int, steps: int) -> None:
    assert steps_beside_looks(100.0, photographs, TrainConfig(**settings)) == steps
    assert steps_beside_looks(0.2, photographs, TrainConfig(**settings)) == 1


def test_one_process_looks_for_all() -> None:
    assert steps_beside_looks(100.0, 640, TrainConfig(), processes=8) == 73
    assert steps_beside_looks(5000.0, 640, TrainConfig(keep="best")) == 4910


def test_features_that_are_no_numbers_score_nothing(photos: Path) -> None:
    config = TrainConfig(image_size=32, workers=0, precision="fp32", keep="best")
    encoder = build_encoder(TINY["encoder"], image_size=32, args=TINY["encoder_args"])
    watch = Watch(find_photos(photos).photos, config, start=encoder, device=torch.device("cpu"))
    assert watch.start_N.mean() > 0.5
    encoder.trunk.norm.bias.data.fill_(torch.nan)
    assert watch.look(encoder, step=1, steps=10) == 0.0


def test_a_random_start_is_no_measure(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", init="none")
    outcome = outcome_of(run)
    assert outcome["verdict"] == "not measured" and outcome["kept"] == {"step": 12, "share": 1.0}
    assert "random weights" in in_words(outcome)
    assert not [entry for entry in run.log() if "separation" in entry]


def test_a_run_that_begins_anew_forgets_its_outcome(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    scripted(monkeypatch, [2.0] + 6 * [3.0])
    run = train(photos, tmp_path / "run")
    assert outcome_of(run)["verdict"] == "helped"
    shutil.rmtree(run.checkpoints)
    scripted(monkeypatch, [2.0] + 6 * [1.0] + [1.5, 1.5, 1.5])
    run = train(photos, run.path)
    assert outcome_of(run)["verdict"] == "made worse" and same(run.start, run.encoder)
