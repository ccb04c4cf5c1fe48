"""Whether learning helped, told without labels, and what is kept of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from photos import collection
from runs import TINY, run_command
from safetensors.torch import load_file
from torch.nn import functional as F

import lodisc
from lodisc.data.sample import LEAST, MOST, read_sample, sample_of
from lodisc.data.sources import find_photos
from lodisc.encoders import load_encoder
from lodisc.errors import UserError
from lodisc.files import read_json, write_json
from lodisc.outcome import CLEAR, in_words
from lodisc.report.page import write_report
from lodisc.run import Run
from lodisc.training.watch import Watch, is_due
from lodisc.vectors.separation import mean_gain, separation

COUNT = 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), labels=[""], per_label=COUNT)


def train(photos: Path, out: Path, **settings: Any) -> Run:
    settings = {**TINY, "batch_size": 16, "epochs": 3, **settings}
    return Run(lodisc.train(photos, out=out, **settings))


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
    kinds = torch.randn(20, 32, generator=generator).repeat_interleave(15, 0)
    noise = torch.randn(300, 32, generator=generator)
    scores = [separation(kinds + size * noise).mean() for size in (4.0, 1.0, 0.5, 0.1)]
    assert scores == sorted(scores) and scores[-1] > 1.5 * scores[0]
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


def test_a_sample_is_the_same_ones_in_every_run(tmp_path: Path) -> None:
    listing = find_photos(collection(tmp_path, labels=[""], per_label=MOST + 5)).photos
    sample = sample_of(listing)
    assert len(sample) == MOST and sample == sample_of(listing)
    assert {photo.key for photo in sample} < {photo.key for photo in listing}
    read = read_sample(listing[:70], image_size=32, fit="crop", workers=0)
    assert len(read) == 70 and read.views_V3SS.shape == (70, 3, 32, 32)
    features = read.features(lambda views: views.float().mean((2, 3)))
    assert features.shape == (70, 3) and len(features.unique(dim=0)) == 70


def test_a_sample_of_large_views_is_smaller(tmp_path: Path, monkeypatch) -> None:
    listing = find_photos(collection(tmp_path, labels=[""], per_label=200)).photos
    monkeypatch.setattr("lodisc.data.sample.MOST_BYTES", 130 * 3 * 32**2)
    assert len(read_sample(listing, image_size=32, fit="crop", workers=0)) == 128


@pytest.mark.parametrize("recipe", ["adapt", "map"])
def test_the_outcome_is_what_evaluate_measures_without_labels(
    photos: Path, tmp_path: Path, recipe: str
) -> None:
    settings = {name: value for name, value in TINY.items() if name not in ("init",)}
    run = Run(
        lodisc.train(
            photos,
            out=tmp_path / "run",
            recipe=recipe,
            init="none",
            **{**settings, "batch_size": 16, **({"epochs": 3} if recipe == "adapt" else {})},
        )
    )
    outcome = run.config["outcome"]
    result = lodisc.evaluate(run.path, photos)
    scores = {
        arm: metrics["separation"]["separation"]["value"] for arm, metrics in result["arms"].items()
    }
    assert result["test"] == outcome["photographs"] == COUNT
    # 32 pixels are not the size that the model was made for, so there is a third arm
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
    outcome = best.config["outcome"]
    assert outcome["verdict"] == "helped" and outcome["kept"] == {"step": 8, "share": 1.0}
    assert (outcome["run"], outcome["kept_score"]) == pytest.approx((3.0, 3.0))
    monkeypatch.undo()
    scripted(monkeypatch, [2.0, 2.5, 3.0, 2.9, 3.0, 2.8, 2.9])
    last = train(photos, tmp_path / "last", keep="last")
    assert last.config["outcome"]["kept"] == {"step": 12, "share": 1.0}
    assert last.config["outcome"]["run"] == pytest.approx(2.9)
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
    outcome = run.config["outcome"]
    assert outcome["verdict"] == "made worse" and outcome["gain"] == pytest.approx(-0.3)
    assert outcome["kept"] == {"step": 12, "share": share}
    assert outcome["kept_score"] == pytest.approx(kept_score)
    if share == 0:
        assert same(run.start, run.encoder) and "untouched start" in in_words(outcome)
    else:
        assert not same(run.start, run.encoder) and "a mixture of 50%" in in_words(outcome)
        load_encoder(run.encoder)


def test_a_small_gain_is_no_clear_change(photos: Path, tmp_path: Path, monkeypatch) -> None:
    scripted(monkeypatch, [2.0] + 6 * [2.0 + CLEAR / 2] + [2.0, 2.0, 2.0])
    run = train(photos, tmp_path / "run")
    assert run.config["outcome"]["verdict"] == "no clear change"
    assert same(run.start, run.encoder)


def test_a_training_that_falls_for_good_ends_early_and_stays_ended(
    photos: Path, tmp_path: Path, monkeypatch, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    monkeypatch.setattr("lodisc.training.watch.PATIENCE", 3)
    scripted(monkeypatch, [2.0, 3.0, 2.5, 2.4, 2.3])
    run = train(photos, tmp_path / "run")
    outcome = run.config["outcome"]
    assert run.config["steps"] == 8 and outcome["planned"] == 12
    assert outcome["kept"] == {"step": 2, "share": 1.0} and outcome["verdict"] == "helped"
    assert "ended at step 8 of 12" in in_words(outcome)
    assert "best after step 2," in in_words(outcome)
    before = weights(run.encoder)
    train(photos, run.path)
    assert "finished: 8 steps. Nothing to do" in caplog.text
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(run.encoder).items())
    scripted(monkeypatch, [2.0, 3.0, 2.5, 2.4, 2.3, 2.2, 2.1])
    assert train(photos, tmp_path / "last", keep="last").config["steps"] == 12


def test_an_outcome_that_was_not_written_down_comes_from_the_checkpoint(
    photos: Path, tmp_path: Path
) -> None:
    run = train(photos, tmp_path / "run")
    outcome = run.config["outcome"]
    config = read_json(run.config_file)
    del config["outcome"]
    write_json(run.config_file, config)
    train(photos, run.path)
    assert Run(run.path).config["outcome"] == outcome


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
    assert cut.config["outcome"] == whole.config["outcome"]
    assert same(cut.encoder, whole.encoder)


def test_few_photographs_tell_nothing_and_keep_the_last_student(tmp_path: Path) -> None:
    few = collection(tmp_path / "few", labels=[""], per_label=LEAST - 1)
    run = train(few, tmp_path / "run")
    outcome = run.config["outcome"]
    assert outcome["verdict"] == "not measured" and outcome["kept"]["share"] == 1.0
    assert f"{LEAST - 1} photographs" in in_words(outcome)
    with pytest.raises(UserError, match=f"at least {LEAST}"):
        lodisc.evaluate(run.path, few)


def test_the_command_tells_what_it_came_to_and_evaluate_needs_no_labels(
    photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {"batch_size": 16, "epochs": 1}
    status, out, _ = run_command("train", photos, "--out", run, **settings)
    assert status == 0 and "without labels" in out
    status, out, _ = run_command("train", photos, "--out", run, "--json", **settings)
    assert json.loads(out)["outcome"] == Run(run).config["outcome"]
    status, out, _ = run_command("evaluate", run, photos)
    assert status == 0 and "Separation" in out and "without labels" in out
    status, out, _ = run_command("evaluate", run, photos, "--json")
    assert set(json.loads(out)["arms"]["run"]) == {"separation"}
    status, _, err = run_command("evaluate", run, photos, "--protocols", "knn")
    assert status == 1 and "--protocols separation" in err
    page = write_report(run).read_text()
    assert "without labels" in page and "Separation" in page


@pytest.mark.parametrize(
    ("steps", "expected"), [(3, [1, 2, 3]), (180, [30, 60, 90, 120, 150, 180]), (250, None)]
)
def test_looks_are_at_most_a_hundred_steps_apart(steps: int, expected: list[int] | None) -> None:
    looks = [step for step in range(1, steps + 1) if is_due(step, steps=steps)]
    assert looks == (expected or [42, 84, 126, 168, 210, 250])
    long = [step for step in range(1, 4601) if is_due(step, steps=4600)]
    assert long == list(range(100, 4601, 100))
