"""`--head-warmup`: the heads learn alone at first, and the encoder as from step 0 after that."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from photos import collection
from runs import BATCH, TINY, last_state
from safetensors.torch import load_file

import lodisc
from lodisc.config import TrainConfig
from lodisc.encoders import build_encoder
from lodisc.errors import UserError
from lodisc.files import read_json_lines
from lodisc.training import optim
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner

STEPS = 6


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=6)


def learner(**settings: Any) -> Learner:
    torch.manual_seed(0)
    encoder = build_encoder(TINY["encoder"], image_size=32, args=TINY["encoder_args"])
    config = TrainConfig(**{**TINY, **BATCH, "weight_decay": 0.5, "lr": 0.1, **settings})
    return Learner(encoder, config, Processes(0, 1, torch.device("cpu")))


def views() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (2, 4, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("tune", ["all", "last:1", "lora:2"])
def test_only_the_heads_move_at_first(tune: str) -> None:
    subject = learner(head_warmup=0.5, tune=tune)
    model = subject.model
    for step in range(STEPS):
        before = deepcopy(model.state_dict())
        _, metrics = subject.step(views(), step=step, steps=STEPS)
        moved = {name for name, t in model.state_dict().items() if not torch.equal(before[name], t)}
        students = {name for name in moved if name.startswith("encoder.")}
        assert any(name.startswith("projector.") for name in moved)
        assert any(name.startswith("predictor.") for name in moved)
        assert bool(students) == (step >= 3), step
        assert (metrics["lr"] > 0) == (step >= 3)
        with_moments = {
            name
            for name, parameter in model.named_parameters()
            if name.startswith("encoder.") and parameter in subject.optimiser.state
        }
        assert bool(with_moments) == (step >= 3)
        if step < 3:
            assert all(parameter.grad is None for parameter in model.encoder.parameters())


def test_the_encoder_has_its_whole_schedule_after_that() -> None:
    subject, rates = learner(head_warmup=0.5, warmup=0.4), []
    heads = []
    for step in range(STEPS):
        rates.append(subject.step(views(), step=step, steps=STEPS)[1]["lr"])
        heads.append({g["lr"] for g in subject.optimiser.param_groups if not g["is_encoder"]})
    peak = {"peak": 0.1 * 4 / 256, "warmup": 0.4}
    expected = [0.0] * 3 + [optim.learning_rate(step, steps=3, **peak) for step in range(3)]
    assert rates == expected
    assert heads == [{optim.learning_rate(step, steps=STEPS, **peak)} for step in range(STEPS)]


def test_some_step_is_always_left_for_the_encoder() -> None:
    assert [optim.head_steps(steps, share=0.999) for steps in (1, 2, 10, 10_000)] == [0, 1, 9, 9990]
    assert [optim.head_steps(steps, share=0.0) for steps in (1, 10)] == [0, 0]
    assert optim.head_steps(60, share=0.1) == 6


def test_a_run_is_resumed_within_and_after_the_warm_up(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**TINY, **BATCH, "epochs": 2, "head_warmup": 0.5, "checkpoint_minutes": 1e-9}
    whole = last_state(lodisc.train(photos, out=tmp_path / "whole", **settings))
    learn = Learner.step
    for end in (2, 4):

        def stop(self, views, *, step, steps, end=end):
            if step == end:
                raise RuntimeError("power cut")
            return learn(self, views, step=step, steps=steps)

        monkeypatch.setattr(Learner, "step", stop)
        with pytest.raises(RuntimeError, match="power cut"):
            lodisc.train(photos, out=tmp_path / "cut", **settings)
    early = load_file(tmp_path / "cut" / "start" / "model.safetensors")
    monkeypatch.undo()
    cut = last_state(lodisc.train(photos, out=tmp_path / "cut", **settings))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    rates = [entry["lr"] for entry in read_json_lines(tmp_path / "cut" / "log.jsonl")]
    assert [rate > 0 for rate in rates] == [False] * 3 + [True] * 3
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(cut[f"model.encoder.trunk.{name}"], early[name])


def test_without_heads_it_is_told_that_there_are_none(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    run = lodisc.train(photos, out=tmp_path / "run", **TINY, epochs=1, head_warmup=0.5)
    assert "note: --head-warmup 0.5 is for heads, which a bank does without" in caplog.text
    other = lodisc.train(photos, out=tmp_path / "other", **TINY, epochs=1)
    ends = [load_file(path / "encoder" / "model.safetensors") for path in (run, other)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UserError, match=r"--head-warmup .* is out of range"):
        TrainConfig(head_warmup=share)
