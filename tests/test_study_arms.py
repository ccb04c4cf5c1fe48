"""The arms of studies beside a bank, and the folders of their runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from photos import collection
from runs import TINY

from lodisc.config import TrainConfig
from lodisc.files import read_json
from lodisc.method import linear_map
from lodisc.study import STUDIES, study
from lodisc.study.compute import operations
from lodisc.study.design import RECOGNITION, global_only
from lodisc.study.runs import Runs
from lodisc.training import neighbours

BASE = TrainConfig(**{**TINY, "epochs": 2.0, "objective": "both", "keys": "bank"})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=6, splits=("train", "test"))


def test_the_contrast_of_a_batch_is_an_arm_beside_a_bank_and_stays_that_of_its_base() -> None:
    bank, batch = BASE, replace(BASE, keys="batch", temperature=0.3)
    branches, variants = STUDIES["branches"].arms, STUDIES["variants"].arms
    assert branches(bank).keys() - branches(batch).keys() == {"whole"}
    whole = branches(bank)["whole"]
    assert (whole.keys, whole.objective, whole.temperature) == ("bank", "global", 0.1)
    assert list(variants(bank)) == ["recipe", "against a batch", "paper"]
    assert list(variants(batch)) == ["recipe", "paper"]
    whole = replace(bank, objective="global")
    assert list(variants(whole)) == ["recipe", "both", "against a batch", "paper"]
    assert variants(whole)["both"] == bank
    assert variants(whole)["against a batch"] == variants(bank)["against a batch"]
    for config in (global_only(bank), variants(bank)["against a batch"]):
        assert (config.keys, config.temperature, config.recolour) == ("batch", 0.2, True)
    for config in STUDIES["neighbours"].arms(batch).values():
        assert (config.keys, config.temperature, config.recolour) == ("bank", 0.1, False)
    for config in (global_only(batch), *STUDIES["masked-side"].arms(batch).values()):
        assert (config.keys, config.temperature, config.recolour) == ("batch", 0.3, False)


def test_the_study_of_neighbours(photos: Path, tmp_path: Path) -> None:
    result = study("neighbours", photos, out=tmp_path, base=BASE, seeds=[0])
    settings = {}
    for arm, entry in result["arms"].items():
        if "run" in entry:
            config = read_json(Path(entry["run"]) / "config.json")["settings"]
            settings[arm] = (config["keys"], config["neighbours"], config["spared"])
    assert settings == {
        "global": ("batch", 10, None),
        "none": ("bank", 0, 0.1),
        "5 nearest": ("bank", 5, 0.1),
        "10 nearest": ("bank", 10, 0.1),
        "20 nearest": ("bank", 20, 0.1),
        "10, nothing spared": ("bank", 10, 0.0),
    }


def test_a_run_is_found_whatever_the_settings_that_it_does_not_use(
    photos: Path, tmp_path: Path
) -> None:
    runs = Runs(photos, tmp_path, BASE, metrics=RECOGNITION)

    def folders(changes: dict[str, Any], *unused: dict[str, Any]) -> set[Path]:
        config = replace(BASE, **changes)
        return {runs.folder(replace(config, **other)) for other in ({}, *unused)}

    heads, bank = {"hidden_dim": 8, "positives": "other"}, {"neighbours": 3, "spared": 0.3}
    regions = {"mask": "block", "keep_ratio": 0.5, "recolour": True}
    assert len(folders({"keys": "bank"}, heads)) == len(folders({"keys": "batch"}, bank)) == 1
    assert len(folders({"keys": "bank"}, bank)) == len(folders({"keys": "batch"}, heads)) == 2
    assert len(folders({"objective": "global"}, regions)) == 1
    assert len(folders({"objective": "both"}, regions, {"keys": "batch"})) == 3


@pytest.mark.parametrize(("trusted", "keys"), [(0.0, "bank"), (1.1, "batch")])
def test_a_study_looks_once_whether_neighbours_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: float, keys: str
) -> None:
    photos = collection(tmp_path / "photos", per_label=6, splits=("train", "test"))
    (photos / "train" / "wren" / "broken.jpg").write_bytes(b"no photograph")
    base = replace(BASE, keys="auto", spared=None, max_skipped=0.5)
    for limit in (trusted, 1.1 - trusted):
        monkeypatch.setattr(neighbours, "TRUSTED", limit)
        result = study(
            "branches", photos, out=tmp_path / "out", base=base, seeds=[0], arms=["local"]
        )
        assert result["settings"]["keys"] == keys
        assert result["settings"]["temperature"] == (0.1 if keys == "bank" else 0.2)
        assert list(result["arms"])[:2] == ["start", "global"] and "local" in result["arms"]


def test_how_much_learns_is_an_arm_each_and_a_map_needs_a_bank() -> None:
    arms = STUDIES["tune"].arms
    base = replace(BASE, tune="lora:4", encoder_args={**TINY["encoder_args"], "depth": 12})
    values = ["all", "last:4", "last:8", "lora:8"]
    assert [config.tune for config in arms(base).values()] == [*values, "map"]
    assert list(arms(replace(base, keys="batch"))) == values
    assert list(arms(BASE)) == ["all", "last:1", "lora:8", "map"]
    single = replace(BASE, encoder_args={**TINY["encoder_args"], "depth": 1})
    assert list(arms(single)) == ["all", "lora:8", "map"]


def test_what_is_frozen_before_all_that_learns_costs_no_backward_pass() -> None:
    base = replace(BASE, objective="global")
    costs = {
        tune: operations(replace(base, tune=tune)) for tune in ("all", "last:2", "last:1", "lora:2")
    }
    views, tokens, dim, pixels = 4, 17, 32, 8 * 8 * 3
    linear, attention = 2 * tokens * 12 * dim**2, 2 * 2 * tokens**2 * dim
    assert costs["all"] - costs["last:2"] == views * 2 * 16 * pixels * dim  # patch projection
    assert costs["last:2"] - costs["last:1"] == views * 2 * (linear + attention)
    assert costs["last:1"] < costs["lora:2"] < costs["last:2"]


def test_the_study_of_how_much_learns(photos: Path, tmp_path: Path) -> None:
    result = study("tune", photos, out=tmp_path, base=BASE, seeds=[0])
    runs = {arm: entry for arm, entry in result["arms"].items() if "run" in entry}
    assert list(runs) == ["global", "all", "last:1", "lora:8", "map"]
    tuned = {
        arm: read_json(Path(entry["run"]) / "config.json")["settings"]["tune"]
        for arm, entry in runs.items()
    }
    assert tuned == {"global": "all", **{arm: arm for arm in runs if arm != "global"}}
    assert runs["last:1"]["steps"] > runs["all"]["steps"]
    assert runs["map"]["steps"] == linear_map.STEPS and runs["map"]["seconds_per_step"] < 1
    assert "map (" in result["findings"] and "A map has its own number of" in result["findings"]
