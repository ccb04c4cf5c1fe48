"""Runs against a bank of all photographs: what is mined, and when; a resumed run is the same."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photos import collection
from runs import TINY, last_state, logged_steps, run_command
from safetensors.torch import load_file

import lodisc
from lodisc.config import RECIPES, adapt, batch, settled
from lodisc.data.loader import decode_for
from lodisc.data.views import two_views
from lodisc.errors import UserError
from lodisc.files import read_json_lines
from lodisc.method.bank import BankLoDisc
from lodisc.method.neighbours import mine
from lodisc.photo_encoder import load_start
from lodisc.run import Run
from lodisc.tensors import save_tensors
from lodisc.training import learner, loop, neighbours, prepare
from lodisc.training.learner import Learner


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=6)


def train(photos: Path, out: Path, **settings: Any) -> Path:
    return lodisc.train(photos, out=out, **{**TINY, "epochs": 2, "neighbours": 3, **settings})


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_neighbours_are_mined_from_the_untouched_start(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", precision="auto")
    mined = load_file(Run(run).neighbours_file)
    paths = [photo.path for photo in lodisc.find_photos(photos).photos]
    expected = mine(load_start(run, device="cpu").embed(paths), neighbours=3, spared=0.1)
    assert mined.keys() == vars(expected).keys()
    for name, tensor in vars(expected).items():
        torch.testing.assert_close(mined[name], tensor, rtol=1e-4, atol=1e-4, msg=name)
    state = last_state(run)
    assert state["model.bank_ND"].shape == (12, 32)
    assert not torch.equal(state["model.bank_ND"], mined["vectors_ND"])


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def shorten(path: Path) -> None:
    """Leave the neighbours of fewer photographs."""
    fewer = {name: tensor[:3].clone() for name, tensor in load_file(path).items()}
    save_tensors(fewer, path)


@pytest.mark.parametrize(
    ("harm", "spared"), [(Path.stat, 0.1), (Path.unlink, None), (damage, 0.1), (shorten, 0.1)]
)
def test_a_run_goes_on_to_the_same_end_whatever_became_of_its_neighbours(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path], object],
    spared: float | None,
) -> None:
    begin = partial(train, keys="bank", spared=spared)
    whole = begin(photos, tmp_path / "whole")
    learn = Learner.step

    def fail_at_4(self: Learner, views: torch.Tensor, *, step: int, steps: int) -> Any:
        if step == 4:
            raise RuntimeError("power cut")
        return learn(self, views, step=step, steps=steps)

    monkeypatch.setattr(Learner, "step", fail_at_4)
    with pytest.raises(RuntimeError, match="power cut"):
        begin(photos, tmp_path / "cut", checkpoint_minutes=1e-9)
    monkeypatch.undo()
    harm(Run(tmp_path / "cut").neighbours_file)
    cut = begin(photos, tmp_path / "cut")
    assert same(last_state(whole), last_state(cut))
    assert logged_steps(cut) == logged_steps(whole)
    assert Run(cut).neighbours_file.read_bytes() == Run(whole).neighbours_file.read_bytes()


def test_a_refused_call_leaves_the_neighbours_of_a_run_alone(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", epochs=1)
    path = Run(run).neighbours_file
    before = path.read_bytes()
    more = collection(tmp_path / "more", per_label=7)
    for harm in (Path.stat, Path.unlink):
        harm(path)
        with pytest.raises(UserError, match="begun with --neighbours 3, not --neighbours 5"):
            train(photos, run, epochs=1, neighbours=5)
        with pytest.raises(UserError, match=r"not those that .* was begun with"):
            train(more, run, epochs=1)
        assert path.read_bytes() == before if harm is Path.stat else not path.exists()


def test_a_photograph_that_goes_away_before_it_is_mined_stops_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = collection(tmp_path / "photos", per_label=6)
    lost, begin = photos / "wren" / "3.jpg", prepare.starting_encoder
    content = lost.read_bytes()

    def lose_one(*args: Any) -> Any:
        lost.unlink()
        return begin(*args)

    monkeypatch.setattr(loop, "starting_encoder", lose_one)
    with pytest.raises(UserError, match=r"wren/3\.jpg: .*; put the photograph back") as refusal:
        train(photos, tmp_path / "run")
    assert "\n" not in str(refusal.value)
    assert not Run(tmp_path / "run").has_begun
    monkeypatch.undo()
    lost.write_bytes(content)
    train(photos, tmp_path / "run")


def test_weights_that_are_damaged_are_one_line(photos: Path, tmp_path: Path) -> None:
    weights = load_file(Run(train(photos, tmp_path / "run", epochs=1)).start / "model.safetensors")
    weights["norm.weight"][0] = torch.nan
    save_tensors(weights, tmp_path / "damaged.safetensors")
    with pytest.raises(UserError, match="not finite") as refusal:
        train(photos, tmp_path / "other", init=tmp_path / "damaged.safetensors", spared=None)
    assert "\n" not in str(refusal.value) and not Run(tmp_path / "other").has_begun


@pytest.mark.parametrize("count", [2, 3])
def test_two_or_three_photographs_are_enough(tmp_path: Path, count: int) -> None:
    photos = collection(tmp_path / "photos", labels=["wren"], per_label=count)
    run = train(photos, tmp_path / "run", batch_size=2, keys="bank", spared=None, neighbours=10)
    losses = [entry["loss"] for entry in read_json_lines(run / "log.jsonl")]
    assert len(losses) == 2 and None not in losses


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """What every step of a run with a bank is given, from now on."""
    forward, given = BankLoDisc.forward, list[dict[str, torch.Tensor]]()

    def record(self: BankLoDisc, views: torch.Tensor, **places: torch.Tensor) -> Any:
        given.append({"views": views, **places})
        return forward(self, views, **places)

    monkeypatch.setattr(BankLoDisc, "forward", record)
    return given


def test_the_places_in_the_bank_are_those_of_the_photographs_in_the_views(
    photos: Path, tmp_path: Path, steps: list[dict[str, torch.Tensor]]
) -> None:
    train(photos, tmp_path / "run", seed=5)
    listed = lodisc.find_photos(photos).photos
    assert len(steps) == 6
    for number, step in enumerate(steps):
        for place, index in enumerate(step["photos_B"].tolist()):
            image = decode_for(listed[index], image_size=32, min_crop=0.2)
            rng = np.random.default_rng([5, number // 3, index])
            expected = two_views(image, rng, image_size=32, min_crop=0.2)
            assert torch.equal(step["views"][:, place], expected)
        assert step["others_M"].tolist() == list(range(12))


def test_a_large_bank_gives_each_step_other_negatives(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[dict[str, torch.Tensor]],
) -> None:
    monkeypatch.setattr(learner, "MOST_OTHERS", 5)
    first = last_state(train(photos, tmp_path / "a"))
    others = [step["others_M"].tolist() for step in steps]
    assert all(len(set(drawn)) == 5 and set(drawn) <= set(range(12)) for drawn in others)
    assert len({frozenset(drawn) for drawn in others}) > 1
    assert same(first, last_state(train(photos, tmp_path / "b")))
    monkeypatch.setattr(learner, "MOST_OTHERS", 12)
    assert not same(first, last_state(train(photos, tmp_path / "c")))


def test_the_settings_of_a_bank_are_written_down(photos: Path, tmp_path: Path) -> None:
    status, _, messages = run_command(
        "train", photos, "--out", tmp_path / "run", neighbours=4, spared=0.25, epochs=1
    )
    assert status == 0 and "the 25.0% most alike are spared" in messages
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    expected = {"keys": "bank", "neighbours": 4, "spared": 0.25, "temperature": 0.1}
    assert expected.items() <= settings.items()


def test_what_is_left_open_becomes_what_the_recipe_of_a_batch_has() -> None:
    for recipe in RECIPES.values():
        decided = recipe()
        if decided.keys != "auto":
            assert settled(decided, keys="batch") == settled(decided, keys="bank") == decided
    assert settled(adapt(), keys="bank") == replace(adapt(), keys="bank")
    assert settled(adapt(), keys="batch") == replace(batch(), recipe="adapt")
    chosen = {"mask": "grid", "keep_ratio": 0.5, "temperature": 0.3, "lr": 1e-4, "epochs": 1.0}
    assert settled(adapt(**chosen), keys="batch") == replace(batch(**chosen), recipe="adapt")
    assert settled(RECIPES["map"](), keys="batch").keys == "bank"


def test_neighbours_that_do_not_agree_leave_the_contrast_of_a_batch(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    open_run = partial(train, photos, tmp_path / "run", spared=None)
    monkeypatch.setattr(neighbours, "TRUSTED", 1.1)
    run = Run(open_run(epochs=1))
    assert "less than 1.1, so few are of one kind: learning as by --recipe batch" in caplog.text
    assert "(--objective local --mask random --keep-ratio 0.75 --keys batch" in caplog.text
    asked = Run(train(photos, tmp_path / "asked", spared=None, epochs=1, recipe="batch"))
    assert run.config["settings"] == asked.config["settings"] | {"recipe": "adapt"}
    assert same(last_state(run.path), last_state(asked.path))
    assert not run.neighbours_file.exists()
    monkeypatch.undo()  # a run goes on as it was begun
    open_run(epochs=1)
    with pytest.raises(UserError, match=r"begun with .*--keys batch"):
        open_run(epochs=1, keys="bank")
    monkeypatch.setattr(neighbours, "TRUSTED", 0.0)
    trusting = Run(train(photos, tmp_path / "trusting", spared=None, epochs=1))
    assert trusting.config["settings"]["keys"] == "bank" and trusting.neighbours_file.exists()


def test_the_same_photographs_are_not_learnt_twice_against_a_batch(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    learn = partial(train, spared=None, epochs=1)
    monkeypatch.setattr(neighbours, "TRUSTED", 1.1)
    first = Run(learn(photos, tmp_path / "first"))
    for encoder in (first.encoder, first.momentum):
        with pytest.raises(UserError, match=r"has learnt from 100% of these photographs already"):
            learn(photos, tmp_path / encoder.name, init=encoder / "model.safetensors")
    weights = first.encoder / "model.safetensors"
    assert caplog.text.count("learning as by --recipe batch") == 1
    learn(photos, tmp_path / "insisted", init=weights, keys="batch")
    others = collection(tmp_path / "others", labels=["crow"], per_label=12)
    for path in others.rglob("*.jpg"):
        path.rename(path.with_stem(f"crow-{path.stem}"))
    both = Run(learn(others, tmp_path / "both", init=weights))
    for folder in (photos, others):  # the encoder has learnt from either
        with pytest.raises(UserError, match="100%"):
            learn(folder, tmp_path / "third", init=both.encoder / "model.safetensors")
    shutil.copytree(photos, tmp_path / "more" / "renamed")
    shutil.copytree(others, tmp_path / "more" / "new")
    with pytest.raises(UserError, match="has learnt from 50% of"):
        learn(tmp_path / "more", tmp_path / "fourth", init=weights)
    monkeypatch.setattr(neighbours, "TRUSTED", 0.0)
    learn(photos, tmp_path / "trusted", init=weights)


def test_who_insists_on_a_bank_gets_one_without_neighbours(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    monkeypatch.setattr(neighbours, "TRUSTED", 1.1)
    run = Run(train(photos, tmp_path / "run", spared=None, keys="bank"))
    assert "each photograph matches itself alone" in caplog.text
    assert load_file(run.neighbours_file)["mutual_NK"].numel() == 0
