"""Training through the public API: resuming, refusals, guards."""

import json
import math
import os
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from photos import collection, encoded, put_pipe, texture, write
from runs import BATCH, TINY, last_state, logged_steps, run_command
from safetensors.torch import load_file

import lodisc
from lodisc.config import OLD_NAMES, RECIPES, TrainConfig
from lodisc.data import loader
from lodisc.errors import Stopped, UserError
from lodisc.files import locked, read_json, read_json_lines, write_json
from lodisc.report.page import write_report
from lodisc.run import NEWER, Run
from lodisc.tensors import save_tensors
from lodisc.training import checkpoint, loop
from lodisc.training.learner import Learner
from lodisc.training.prepare import steps_of_epochs


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=6)


def train(photos: Path, out: Path, **settings) -> Path:
    return lodisc.train(photos, out=out, **{**TINY, "epochs": 2, **settings})


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_explains_itself(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", objective="both", local_weight=2.0)
    config = json.loads((run / "config.json").read_text())
    assert (
        config["settings"]["encoder"] == TINY["encoder"]
        and config["steps"] == 6
        and config["data"]["photos"] == 12
    )
    assert {"torch", "timm", "lodisc", "python"} <= config["versions"].keys()
    assert logged_steps(run) == [1, 2, 3, 4, 5, 6]
    entry = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert (
        entry["loss"] == pytest.approx(entry["loss_global"] + 2 * entry["loss_local"], rel=1e-5)
        and entry["loss_global"] > 0
    )
    assert {
        "images_per_second",
        "spread",
        "effective_rank",
        "agreement",
        "attention_entropy",
        "health",
        "advice",
    } <= entry.keys()
    assert sorted(path.name for path in (run / "checkpoint").iterdir()) == ["step-00000006"]
    assert not list(run.rglob("*.tmp"))


def test_encoders_are_timm_directories(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run")
    tensors = {}
    for folder in ("start", "encoder", "momentum"):
        model = timm.create_model(f"local-dir:{run / folder}", pretrained=True)
        tensors[folder] = model.state_dict()
        state = last_state(run)
        if folder == "encoder":
            assert all(
                torch.equal(t, state[f"model.encoder.trunk.{name}"])
                for name, t in tensors[folder].items()
            )
        if folder == "momentum":
            assert all(
                torch.equal(t, state[f"model.momentum_encoder.trunk.{name}"])
                for name, t in tensors[folder].items()
            )
    assert not same(tensors["start"], tensors["encoder"]) and not same(
        tensors["encoder"], tensors["momentum"]
    )


def test_the_same_seed_gives_the_same_run_with_any_number_of_workers(
    photos: Path, tmp_path: Path
) -> None:
    first = last_state(train(photos, tmp_path / "a"))
    assert same(first, last_state(train(photos, tmp_path / "b", workers=2)))
    assert not same(first, last_state(train(photos, tmp_path / "c", seed=1)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"objective": "both", "mask": "pivotal", "recolour": False},
        {"objective": "global"},
        BATCH,
        {**BATCH, "objective": "both", "masked_side": "key", "mask_mode": "zero"},
        {"tune": "last:1"},
        {**BATCH, "tune": "lora:2", "head_warmup": 0.5},
    ],
)
def test_a_run_stopped_by_an_error_goes_on_to_the_same_end(
    photos: Path, tmp_path: Path, monkeypatch, settings
) -> None:
    whole = train(photos, tmp_path / "whole", **settings)
    learn = Learner.step

    def fail_at_4(self, views, *, step, steps):
        if step == 4:
            raise RuntimeError("power cut")
        return learn(self, views, step=step, steps=steps)

    monkeypatch.setattr(Learner, "step", fail_at_4)
    with pytest.raises(RuntimeError, match="power cut"):
        train(photos, tmp_path / "cut", checkpoint_minutes=1e-9, **settings)
    monkeypatch.undo()
    assert len(list((tmp_path / "cut" / "checkpoint").iterdir())) == checkpoint.KEEP_LAST
    cut = train(photos, tmp_path / "cut", **settings)
    assert same(last_state(whole), last_state(cut))
    assert logged_steps(cut) == logged_steps(whole)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(photos: Path, tmp_path: Path) -> None:
    whole = train(photos, tmp_path / "run", checkpoint_minutes=1e-9)
    expected = last_state(whole)
    older, newest = sorted((whole / "checkpoint").iterdir())
    before = (older / "state.safetensors").read_bytes()
    tensors, state = newest / "state.safetensors", newest / "state.json"
    good = tensors.read_bytes(), state.read_bytes()
    torn, words = bytearray(good[0]), json.loads(good[1])
    torn[len(torn) // 2 : len(torn) // 2 + 512] = bytes(512)
    for harm in (
        lambda: tensors.write_bytes(b"half"),
        lambda: tensors.write_bytes(torn),
        lambda: state.write_text("{}"),
        lambda: state.write_text(json.dumps({**words, "step": 700})),
        lambda: state.write_text(json.dumps({**words, "step": "6"})),
        lambda: state.write_text(json.dumps({**words, "step": words["step"] - 1})),
        lambda: state.write_text(json.dumps({**words, "smooth": {"spread": "x"}})),
        lambda: state.write_text(json.dumps({**words, "first": {"spread": None}})),
        lambda: state.write_text(json.dumps({**words, "bad_steps": 0.5})),
        lambda: tensors.write_bytes(before),
        lambda: put_pipe(tensors),
        lambda: put_pipe(state),
        lambda: save_tensors({"model.other": torch.zeros(2)}, tensors),
    ):
        harm()
        assert same(expected, last_state(train(photos, whole)))
        for path in (tensors, state):
            path.unlink()
        tensors.write_bytes(good[0])
        state.write_bytes(good[1])
    del words["tensors"]
    state.write_text(json.dumps(words))
    states = [state["step"] for state, _ in checkpoint.whole_checkpoints(newest.parent)]
    assert states == [6, 5], "those of older versions do not name their tensors"


def test_a_file_with_the_name_of_a_checkpoint_is_none(tmp_path: Path) -> None:
    state: dict[str, Any] = {"bad_steps": 0, "first": {}, "smooth": {}}
    tmp_path.joinpath("step-00000009").write_text("mine")
    tmp_path.joinpath("step-00000001").symlink_to(tmp_path)
    for step in (3, 4, 5):
        tensors = {"x": torch.tensor([float(step)])}
        checkpoint.save_checkpoint(tmp_path, step=step, tensors=tensors, state=state)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"step-0000000{step}" for step in (1, 4, 5, 9)]
    assert [state["step"] for state, _ in checkpoint.whole_checkpoints(tmp_path)] == [5, 4]


def test_a_checkpoint_that_cannot_be_of_use_takes_no_place(tmp_path: Path) -> None:
    state: dict[str, Any] = {"bad_steps": 0, "first": {}, "smooth": {}}
    for step in (10, 20):
        tensors = {"x": torch.tensor([float(step)])}
        checkpoint.save_checkpoint(tmp_path, step=step, tensors=tensors, state=state)
    (tmp_path / "step-00000020" / "state.json").write_text("{}")
    checkpoint.save_checkpoint(tmp_path, step=15, tensors=tensors, state=state)
    assert [state["step"] for state, _ in checkpoint.whole_checkpoints(tmp_path)] == [15, 10]


@pytest.mark.parametrize("unwritten", ["save_checkpoint", "save_encoder"])
def test_a_run_that_could_not_save_its_end_is_not_finished(
    photos: Path, tmp_path: Path, monkeypatch, unwritten: str
) -> None:
    whole = train(photos, tmp_path / "whole")
    learn, save, stepped = Learner.step, getattr(loop, unwritten), []

    def count(self, views, *, step, steps):
        stepped.append(step)
        return learn(self, views, step=step, steps=steps)

    def fill_the_disk_at_the_end(*args, **kwargs):
        if len(stepped) == 6:
            raise OSError("no space left")
        return save(*args, **kwargs)

    monkeypatch.setattr(Learner, "step", count)
    monkeypatch.setattr(loop, unwritten, fill_the_disk_at_the_end)
    with pytest.raises(OSError, match="no space left"):
        train(photos, tmp_path / "cut", checkpoint_minutes=1e-9)
    monkeypatch.undo()
    run = train(photos, tmp_path / "cut")
    for folder in ("encoder", "momentum"):
        assert same(*(load_file(one / folder / "model.safetensors") for one in (whole, run)))
    assert same(last_state(whole), last_state(run))


def test_a_signal_while_the_last_checkpoint_is_written_is_heard(
    photos: Path, tmp_path: Path, monkeypatch, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    save = checkpoint.save_checkpoint

    def interrupt(*args, step: int, **kwargs) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        save(*args, step=step, **kwargs)

    monkeypatch.setattr(loop, "save_checkpoint", interrupt)
    with pytest.raises(Stopped, match="step 6 of 6") as stop:
        train(photos, tmp_path / "run")
    assert stop.value.signal == signal.SIGTERM
    monkeypatch.undo()
    train(photos, tmp_path / "run")
    assert "Nothing to do" in caplog.text


def test_a_finished_run_has_nothing_to_do(photos: Path, tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO", "lodisc")
    before = last_state(train(photos, tmp_path / "run"))
    assert same(before, last_state(train(photos, tmp_path / "run")))
    assert "Nothing to do" in caplog.text


@pytest.mark.slow
def test_a_run_learns_at_the_size_of_its_encoder_and_an_older_one_at_its_own(
    photos: Path, tmp_path: Path, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    path = (
        train(photos, tmp_path / "run", epochs=1, image_size=0, encoder_args={"depth": 1})
        / "config.json"
    )
    assert read_json(path)["settings"]["image_size"] == 224
    train(photos, tmp_path / "older", epochs=1, image_size=64)
    train(photos, tmp_path / "older", epochs=1, image_size=0)
    assert (
        read_json(tmp_path / "older/config.json")["settings"]["image_size"] == 64
        and "Nothing to do" in caplog.text
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.01),
        ("keep_ratio", 0.5),
        ("seed", 3),
        ("epochs", 7),
        ("batch_size", 6),
        ("image_size", 64),
    ],
)
def test_other_settings_are_refused_by_name(
    photos: Path, tmp_path: Path, name: str, value: float
) -> None:
    train(photos, tmp_path / "run", epochs=1)
    with pytest.raises(
        ValueError, match=rf"begun with --{name.replace('_', '-')} .*, not --.* {value};"
    ):
        train(photos, tmp_path / "run", **{"epochs": 1, name: value})


def test_a_run_of_an_older_version_goes_on_without_the_settings_that_it_did_not_know(
    photos: Path, tmp_path: Path, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    settings: dict[str, Any] = {
        **BATCH,
        "epochs": 1,
        "spared": None,
        "objective": "both",
        "fit": "crop",
    }
    before = {**settings, "positives": "other", "recolour": False}
    path = train(photos, tmp_path / "run", **before) / "config.json"
    config = read_json(path)
    for name in [*NEWER, "split_seed"]:
        del config["settings"][name]
    config["settings"]["recipe"] = "parts"
    write_json(path, config)
    train(photos, tmp_path / "run", **before)
    assert "Nothing to do" in caplog.text
    with pytest.raises(
        ValueError,
        match="begun with --positives other --no-recolour, "
        "not --positives both --recolour; use that",
    ):
        train(photos, tmp_path / "run", **settings)
    with pytest.raises(ValueError, match=r"begun with --objective both .*, not --objective local "):
        train(photos, tmp_path / "run", epochs=1)
    assert not (tmp_path / "run" / "neighbours.safetensors").exists()


def test_a_run_with_the_old_names_of_settings_goes_on_and_loads(
    photos: Path, tmp_path: Path, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    settings: dict[str, Any] = {**BATCH, "epochs": 1, "masked_side": "key"}
    path = train(photos, tmp_path / "run", **settings) / "config.json"
    config = read_json(path)
    for old, name in OLD_NAMES.items():
        config["settings"][old] = config["settings"].pop(name)
    assert config["settings"].items() >= {"direction": "key", "attention": "momentum"}.items()
    write_json(path, config)
    train(photos, tmp_path / "run", **settings)
    assert "Nothing to do" in caplog.text
    assert Run.open(tmp_path / "run").config["settings"]["masked_side"] == "key"
    assert lodisc.load(tmp_path / "run").dim == 32
    with pytest.raises(UserError, match="begun with --masked-side key, not --masked-side query"):
        train(photos, tmp_path / "run", **BATCH, epochs=1)


@pytest.mark.parametrize(
    ("old", "new"), [("direction", "--masked-side"), ("attention", "--attention-from")]
)
def test_an_old_name_of_a_setting_is_refused_with_the_new_one(
    tmp_path: Path, old: str, new: str
) -> None:
    with pytest.raises(UserError, match=f"--{old} is now {new}"):
        lodisc.train(tmp_path, out=tmp_path / "run", **{old: "key"})
    status, _, messages = run_command("train", tmp_path, "--out", tmp_path / "run", f"--{old}=key")
    assert (status, messages.strip()) == (1, f"lodisc train: --{old} is now {new}")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"train_split": "0.7"}, "its train_split is of another kind"),
        ({"encoder_args": None}, "its encoder_args is of another kind"),
        ({"batch_size": 4.5}, "its batch_size is of another kind"),
        ({"objective": ["both"]}, "its objective is of another kind"),
        ({"objective": "x"}, "its objective is of another kind"),
        ({"fusion": "sum"}, "its fusion is of another kind"),
        ({"batch_size": 1}, "its batch_size is out of range"),
        ({"keep_ratio": -1}, "its keep_ratio is out of range"),
        ({"recolour": 1}, "its recolour is of another kind"),
    ],
)
def test_a_setting_of_another_kind_is_named(
    run: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    config = read_json(run / "config.json")
    config["settings"] |= changes
    (tmp_path / "start").mkdir()
    write_json(tmp_path / "config.json", config)
    with pytest.raises(UserError, match=rf"config\.json is damaged \({reason}\)"):
        _ = Run.open(tmp_path).config


@pytest.mark.parametrize(
    "changes", [{"workers": 2000}, {"workers": 10**30, "log_every": 0}, {"max_skipped": 2.0}]
)
def test_a_run_with_settings_of_another_machine_is_read(
    run: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    other = Path(shutil.copytree(run, tmp_path / "run"))
    config = read_json(other / "config.json")
    config["settings"] |= changes
    write_json(other / "config.json", config)
    photos = collection(tmp_path / "photos")
    lodisc.evaluate(other, photos, protocols=("knn",), train_split=0.5, workers=0)
    assert write_report(other, data=photos).is_file()


@pytest.mark.parametrize(
    "changes",
    [{"hardware": math.nan}, {"versions": ["torch"]}, {"versions": {"torch": 2}}, {"steps": "15"}],
)
def test_the_rest_of_a_config_of_another_kind_is_named(
    run: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    (tmp_path / "start").mkdir()
    write_json(tmp_path / "config.json", {**read_json(run / "config.json"), **changes})
    with pytest.raises(UserError, match=rf"damaged \(its {min(changes)} is of another kind\)"):
        _ = Run.open(tmp_path).config


def test_a_config_out_of_range_is_refused_as_it_is_made() -> None:
    with pytest.raises(UserError, match="--lr -1 is out of range; use a number above 0"):
        TrainConfig(lr=-1)
    with pytest.raises(UserError, match="--image-size 8 is out of range"):
        TrainConfig(image_size=8)
    assert TrainConfig(image_size=0).image_size == 0


@pytest.mark.parametrize(("value", "goes_on"), [(1, True), (4, False)])
def test_a_run_by_a_setting_that_is_gone_is_refused_where_it_had_an_effect(
    photos: Path, tmp_path: Path, value: int, goes_on: bool
) -> None:
    path = train(photos, tmp_path / "run", epochs=1) / "config.json"
    config = read_json(path)
    config["settings"]["whole_every"] = value
    write_json(path, config)
    with (
        nullcontext()
        if goes_on
        else pytest.raises(
            ValueError, match="begun with --whole-every 4, which this version does not have"
        )
    ):
        train(photos, tmp_path / "run", epochs=1)


def test_other_photographs_are_refused(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "run")
    with pytest.raises(ValueError, match=r"not those that .* was begun with"):
        train(collection(tmp_path / "other", per_label=7), tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"batch_size": 13},
            r"--batch-size 13 is more than the 12 photographs .*use --batch-size 12 or less",
        ),
        ({"keep_ratio": 0.0}, "--keep-ratio 0.0 is out of range"),
        ({"batch_size": 1}, "--batch-size 1 is out of range"),
        ({"lr": -1.0}, "--lr -1.0 is out of range"),
        ({"epochs": math.inf}, "--epochs inf is out of range"),
        ({"minutes": math.inf}, "--minutes inf is out of range"),
        ({"device": "meta"}, "--device meta: lodisc computes on cpu and cuda alone"),
        ({"encoder_args": {"depth": 0}}, "has no layers"),
        ({"encoder_args": {"embed_dim": -8}}, "--encoder-args embed_dim -8 is out of range"),
        ({"encoder_args": {"num_heads": 0}}, "--encoder-args num_heads 0 cannot be built"),
        ({"device": "cuda:99"}, "--device cuda:99"),
        ({"init": "gone.safetensors"}, "no such weights file"),
        ({"encoder": "resnet18", "encoder_args": {}}, "--encoder resnet18"),
        ({"recipe": "magic"}, "no recipe 'magic'"),
        ({"masked_side": "key"}, "--masked-side key needs --keys batch"),
        ({"spared": 1.0}, "--spared 1.0 is out of range"),
        ({"neighbours": -1}, "--neighbours -1 is out of range"),
        (
            {"init": "timm", "encoder_args": {}},
            "give a file of weights with --init PATH.safetensors, "
            "or start from random weights with --recipe scratch",
        ),
    ],
)
def test_mistakes_are_refused_in_one_line(
    photos: Path, tmp_path: Path, settings, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        train(photos, tmp_path / "run", **settings)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run" / "config.json").exists()
    train(
        photos, tmp_path / "run", epochs=1
    )  # the refused call left nothing that stands in the way


def test_an_out_that_holds_something_else_is_refused(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "thesis" / "chapter.txt", b"precious")
    with pytest.raises(ValueError, match="holds no run"):
        train(photos, tmp_path / "thesis")
    with pytest.raises(ValueError, match="is a file"):
        train(photos, tmp_path / "thesis" / "chapter.txt")
    assert (tmp_path / "thesis" / "chapter.txt").read_bytes() == b"precious"
    with pytest.raises(ValueError, match="is not text"):
        train(photos, tmp_path / os.fsdecode(b"run-\xe9"))


def test_unreadable_photographs_are_skipped_counted_and_named(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", per_label=10)
    write(photos / "wren" / "torn \n one.jpg", encoded(texture(1))[:200])
    run = train(photos, tmp_path / "run")
    assert [entry["key"] for entry in read_json_lines(run / "skipped.jsonl")] == [
        "wren/torn \n one.jpg"
    ]
    assert json.loads((run / "config.json").read_text())["data"] | {
        "path": "",
        "fingerprint": "",
    } == {
        "path": "",
        "photos": 20,
        "skipped": 1,
        "fingerprint": "",
    }
    with pytest.raises(ValueError, match="max-skipped"):
        train(photos, tmp_path / "strict", max_skipped=0.01)


def test_a_photograph_that_goes_away_while_training_stops_with_its_name(
    tmp_path: Path, monkeypatch
) -> None:
    photos = collection(tmp_path / "photos", per_label=6)
    order = loader.epoch_order

    def lose_one(count: int, *, seed: int, epoch: int) -> list[int]:
        (photos / "wren" / "3.jpg").unlink(missing_ok=True)
        return order(count, seed=seed, epoch=epoch)

    monkeypatch.setattr(loader, "epoch_order", lose_one)
    with pytest.raises(ValueError, match=r"wren/3\.jpg: .*put the photograph back"):
        train(photos, tmp_path / "run")


def test_a_loss_that_is_no_number_skips_the_step_and_stops_after_a_few(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    learn, poisoned = Learner.step, {1}

    def poison(self, views, *, step, steps):
        if step in poisoned:
            temperature, self.model.temperature = self.model.temperature, float("nan")
            before = {name: t.clone() for name, t in self.model.encoder.state_dict().items()}
            try:
                result = learn(self, views, step=step, steps=steps)
            finally:
                self.model.temperature = temperature
            assert same(before, self.model.encoder.state_dict())
            return result
        return learn(self, views, step=step, steps=steps)

    monkeypatch.setattr(Learner, "step", poison)
    run = train(photos, tmp_path / "once")
    entries = read_json_lines(run / "log.jsonl")
    assert entries[1]["loss"] is None and math.isfinite(entries[2]["loss"])
    poisoned |= set(range(100))
    with pytest.raises(ValueError, match=r"5 steps in a row.*lower --lr"):
        train(photos, tmp_path / "always", epochs=10)


def test_an_encoder_that_a_step_has_spoilt_is_not_kept(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the features are not finite any more .*; lower --lr"):
        train(photos, tmp_path / "run", lr=1e30, epochs=1)
    assert (
        not (tmp_path / "run" / "encoder").exists()
        and not (tmp_path / "run" / "checkpoint").exists()
    )


def test_two_trainings_do_not_share_a_folder(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run")
    with locked(run), pytest.raises(ValueError, match="another process"):
        train(photos, run)


@pytest.mark.parametrize("keys", ["bank", "batch"])
def test_minutes_become_steps_that_a_second_call_keeps(
    photos: Path, tmp_path: Path, keys: str
) -> None:
    run = train(photos, tmp_path / "run", keys=keys, minutes=0.02)
    steps = json.loads((run / "config.json").read_text())["steps"]
    assert logged_steps(run)[-1] == steps
    train(photos, run, keys=keys, minutes=0.05)
    assert logged_steps(run)[-1] == steps


def test_a_split_leaves_photographs_out(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", train_split=0.7, batch_size=2)
    assert json.loads((run / "config.json").read_text())["data"]["photos"] == 8
    split = collection(tmp_path / "split", splits=("train", "test"))
    run = train(split, tmp_path / "run2")
    assert json.loads((run / "config.json").read_text())["data"]["photos"] == 8


def test_the_loss_falls(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", epochs=200, lr=0.03, batch_size=12, min_crop=0.5)
    losses = [entry["loss"] for entry in read_json_lines(run / "log.jsonl")]
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])


def test_load_embeds_what_people_have(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run")
    encoder = lodisc.load(run)
    path = photos / "wren" / "0.jpg"
    from PIL import Image

    image = Image.open(path)
    vectors = encoder.embed([path, str(path), image])
    assert (
        vectors.shape == (3, 32)
        and torch.equal(vectors[0], vectors[1])
        and torch.allclose(vectors[0], vectors[2], atol=1e-4)
    )
    maps = encoder.attention([path, image.convert("CMYK").convert("L")])
    assert maps.shape == (2, 4, 4) and torch.allclose(maps.sum((1, 2)), torch.ones(2))
    assert not torch.equal(vectors[0], lodisc.load(run, momentum=True).embed([path])[0])
    module: torch.nn.Module = encoder
    assert module(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape == (1, 32)
    with pytest.raises(ValueError, match="is neither a run"):
        lodisc.load(tmp_path)
    with pytest.raises(ValueError, match=r"gone\.jpg"):
        encoder.embed([photos / "gone.jpg"])


def test_a_size_far_below_the_pretrained_one_is_warned_of(
    photos: Path, tmp_path: Path, caplog
) -> None:
    caplog.set_level("INFO", "lodisc")
    start = train(photos, tmp_path / "start", epochs=1) / "encoder" / "model.safetensors"
    train(photos, tmp_path / "run", epochs=1, init=str(start))
    assert "was made for 224 pixels" in caplog.text
    caplog.clear()
    train(photos, tmp_path / "none", epochs=1)
    assert "was made for" not in caplog.text


def test_settings_of_regions_without_regions_are_told(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    train(photos, tmp_path / "whole", epochs=1, mask="grid", keep_ratio=0.5, keys="bank")
    assert "note: --keep-ratio 0.5 --mask grid is for regions" in caplog.text
    caplog.clear()
    train(photos, tmp_path / "both", epochs=1, mask="grid", keys="bank", objective="both")
    train(photos, tmp_path / "default", epochs=1, keys="bank")
    train(photos, tmp_path / "batch", epochs=1, recipe="batch", objective="global")
    assert "is for regions" not in caplog.text


def test_a_choice_that_there_is_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--objective globl is none of global, local, both"):
        lodisc.train(tmp_path / "nowhere", out=tmp_path / "run", objective="globl")


def test_a_small_set_is_seen_more_often() -> None:
    assert [steps_of_epochs(RECIPES["adapt"](), photos) for photos in (64, 6400)] == [180, 300]
    assert [steps_of_epochs(RECIPES["batch"](), photos) for photos in (64, 6400)] == [224, 400]
    assert steps_of_epochs(RECIPES["adapt"](epochs=2), 640) == 20


def test_the_paper_recipe_is_as_published() -> None:
    """ViT-B at 224 pixels, 100 epochs, batch 32, both branches, the key masked to the 0.3 highest
    patches, the other view to find, λ 1.
    """
    published = {
        "encoder": "vit_base_patch16_224.augreg_in1k",
        "image_size": 224,
        "epochs": 100,
        "batch_size": 32,
        "lr": 1e-3,
        "weight_decay": 0.5,
        "objective": "both",
        "keys": "batch",
        "local_weight": 1.0,
        "masked_side": "key",
        "positives": "other",
        "attention_from": "momentum",
        "mask": "pivotal",
        "recolour": False,
        "keep_ratio": 0.3,
        "mask_mode": "zero",
        "fusion": "product",
        "temperature": 0.2,
        "momentum": 0.99,
    }
    assert published.items() <= RECIPES["paper"]().to_dict().items()
