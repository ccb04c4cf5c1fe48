"""Runs, embeddings, collections and studies of an earlier version still open: `fixtures/`."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import old_files
import pytest
from old_files import FINCH, SETTINGS, STUDIES, answer, flags
from safetensors.numpy import load_file

import lodisc

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
MADE_IN = (
    "/var/tmp/lodisc-fixtures/out"  # where the files were made, which absolute paths in them say
)
WRITTEN = 1_700_000_000  # when the photographs were changed last; git does not keep it


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the fixtures, which lies elsewhere than they did when they were made."""
    folder = Path(shutil.copytree(FIXTURES, tmp_path / "old"))
    for path in (folder / "photos").rglob("*.jpg"):
        os.utime(path, (WRITTEN, WRITTEN))
    return folder


@pytest.fixture
def collection(old: Path) -> Path:
    """The same folder, for tests of the collection in it."""
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    return old


def close(value: Any, expected: Any, *, within: float = 2e-3) -> bool:
    """Whether two trees of answers are the same, with a tolerance for fractions."""
    if isinstance(expected, dict):
        return value.keys() == expected.keys() and all(
            close(value[name], expected[name], within=within) for name in expected
        )
    if isinstance(expected, list):
        return len(value) == len(expected) and all(
            close(*pair, within=within) for pair in zip(value, expected, strict=True)
        )
    return (
        bool(value == pytest.approx(expected, abs=within))
        if isinstance(expected, float)
        else bool(value == expected)
    )


def weights(run: Path, name: str = "encoder") -> np.ndarray[Any, Any]:
    """All weights of an encoder of a run as one vector."""
    tensors = load_file(run / name / "model.safetensors")
    return np.concatenate([tensors[key].ravel() for key in sorted(tensors)])


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder but locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("[!.]*")
        if path.is_file()
    }


def embed_again(folder: Path) -> Any:
    """What `lodisc embed` counts when it goes on in `vectors`."""
    photos, out = folder / "photos", folder / "vectors"
    return answer(
        "embed", folder / "finished", photos, "--out", out, "--workers", 0, "--device", "cpu"
    )


def require_same_log(run: Path, old: Path) -> None:
    """Require the steps and losses of the old version; arithmetic differs between machines."""
    entries, expected = old_files.log(run), old_files.log(old / "finished")
    assert [entry["step"] for entry in entries] == [entry["step"] for entry in expected]
    assert [entry["loss"] for entry in entries] == pytest.approx(
        [entry["loss"] for entry in expected], rel=0.01
    )


def require_same_end(run: Path, old: Path) -> None:
    """Require the end that the old version came to, within a twentieth of the way from the stop.

    Another processor strays by a hundredth of that way; a run without its optimiser by all of it.
    """
    require_same_log(run, old)
    for name in ("encoder", "momentum"):
        before, end = weights(old / "run", name), weights(old / "finished", name)
        assert np.linalg.norm(weights(run, name) - end) < 0.05 * np.linalg.norm(end - before), name


def test_a_stopped_run_goes_on_to_the_same_end(old: Path) -> None:
    run = Path(shutil.copytree(old / "run", old / "again"))
    answer("train", old / "photos", "--out", run, *flags(SETTINGS))
    require_same_end(run, old)


def test_a_stopped_run_goes_on_by_the_python_interface(old: Path) -> None:
    run = Path(shutil.copytree(old / "run", old / "again"))
    assert lodisc.train(old / "photos", out=run, **SETTINGS) == run
    require_same_end(run, old)
    before = files(run)
    lodisc.train(old / "photos", out=run, **SETTINGS)
    assert files(run) == before


def test_a_new_run_learns_as_before(old: Path) -> None:
    run = lodisc.train(old / "photos", out=old / "new", **SETTINGS)
    require_same_log(run, old)
    if not np.array_equal(weights(run), weights(old / "finished")):
        pytest.skip("this processor rounds otherwise than the one that wrote the files")
    lodisc.train(old / "photos", out=old / "run", **SETTINGS)
    assert np.array_equal(weights(old / "run"), weights(run))
    assert np.array_equal(weights(old / "run", "momentum"), weights(run, "momentum"))


def test_a_finished_run_is_left_alone(old: Path) -> None:
    before = files(old / "finished")
    answer("train", old / "photos", "--out", old / "finished", *flags(SETTINGS))
    assert files(old / "finished") == before


@pytest.mark.parametrize(
    "change",
    [
        {"masked_side": "query"},
        {"attention_from": "momentum"},
        {"positives": "both"},
        {"fusion": "mean"},
    ],
)
def test_a_run_refuses_other_settings_than_its_own(old: Path, change: dict[str, str]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} {SETTINGS[name]}"):
        lodisc.train(old / "photos", out=old / "run", **{**SETTINGS, **change})


def test_encoders_of_a_run_embed_as_before(old: Path) -> None:
    assert close(old_files.vectors(old), EXPECTED["vectors"])


def test_a_run_is_evaluated_as_before(old: Path) -> None:
    stored = old_files.evaluation(json.loads((old / "finished" / "evaluation.json").read_text()))
    assert close(stored, EXPECTED["evaluation"])
    result = lodisc.evaluate(
        old / "finished", old / "photos", protocols=["retrieval", "knn"], workers=0, device="cpu"
    )
    measured = old_files.evaluation(result)
    assert close(measured, {name: EXPECTED["evaluation"][name] for name in measured}, within=0.01)


def test_a_run_is_evaluated_as_before_by_every_protocol(old: Path) -> None:
    result = answer("evaluate", old / "finished", old / "photos", "--workers", 0, "--device", "cpu")
    assert close(old_files.evaluation(result), EXPECTED["evaluation"], within=0.01)


@pytest.mark.parametrize("run", ["run", "finished"])
def test_a_report_of_a_run_is_written(old: Path, run: str) -> None:
    page = Path(answer("report", old / run, old / "photos", "--device", "cpu")["report"]).read_text(
        encoding="utf-8"
    )
    step, steps = EXPECTED["steps"]
    assert (
        f"All {steps} steps are done" if run == "finished" else f"{step} of {steps} steps are done"
    ) in page
    assert page.count("data:image/") > 10
    for value in ("key", "student", "rollout"):
        assert f">{value}<" in page
    values = [EXPECTED["evaluation"][f"{arm} retrieval rank1"] for arm in ("start", "run")]
    assert (f"{values[0]:.1f} → {values[1]:.1f}%" in page) == (run == "finished")


def test_an_embedding_needs_nothing_again(old: Path) -> None:
    before = files(old / "vectors")
    result = embed_again(old)
    assert (result["photographs"], result["embedded"], result["skipped"]) == (24, 0, 0)
    assert files(old / "vectors").keys() == before.keys()


def test_an_embedding_goes_on_with_changed_and_new_photographs(old: Path) -> None:
    photo = old / "photos" / FINCH
    photo.with_name("new.jpg").write_bytes(photo.read_bytes() + b"new")
    os.utime(photo)
    result = embed_again(old)
    assert (result["photographs"], result["embedded"], result["skipped"]) == (25, 1, 0)
    photo.write_bytes(photo.read_bytes() + b"changed")
    assert embed_again(old)["embedded"] == 1


def test_look_alikes_in_a_collection_are_those_of_before(collection: Path) -> None:
    assert close(old_files.look_alikes(collection), EXPECTED["look_alikes"])


def test_labels_of_a_collection_are_those_of_before(collection: Path) -> None:
    assert old_files.labels(collection) == EXPECTED["labels"]


def test_a_collection_is_grouped_as_before(collection: Path) -> None:
    assert close(old_files.groups(collection), EXPECTED["groups"])


def test_labels_of_a_collection_name_the_others_as_before(collection: Path) -> None:
    names = old_files.names(collection)
    assert names.keys() == EXPECTED["names"].keys()
    assert sum(names[key] == name for key, name in EXPECTED["names"].items()) >= 0.9 * len(names)


def test_the_history_of_labels_goes_both_ways(collection: Path) -> None:
    before = old_files.labels(collection)
    answer("labels", "redo", collection / "birds")
    assert answer("labels", "show", collection / "birds")["labels"]["wrong"] == 2
    for _ in range(3):
        answer("labels", "undo", collection / "birds")
    assert answer("labels", "show", collection / "birds")["labels"] == {}
    for _ in range(2):
        answer("labels", "redo", collection / "birds")
    assert old_files.labels(collection) == before


def test_an_exported_table_is_taken_back(collection: Path) -> None:
    before = old_files.labels(collection)
    assert (
        answer("labels", "import", collection / "birds", collection / "labels.csv")["changed"] == 0
    )
    (collection / "birds" / "labels.sqlite").unlink()
    assert (
        answer("labels", "import", collection / "birds", collection / "labels.csv")["changed"] == 13
    )
    assert old_files.labels(collection)["photographs"] == before["photographs"]


def test_a_collection_follows_photographs_that_moved(collection: Path) -> None:
    embed_again(collection)
    assert (
        answer("index", collection / "vectors", "--collection", collection / "birds")["photographs"]
        == 24
    )
    assert old_files.labels(collection) == EXPECTED["labels"]
    assert close(old_files.look_alikes(collection), EXPECTED["look_alikes"])


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_trains_nothing_again(old: Path, name: str) -> None:
    before = files(old / "study" / "runs")
    assert close(old_files.study(old, STUDIES[name]), EXPECTED["studies"][name])
    assert files(old / "study" / "runs") == before


@pytest.fixture
def address(collection: Path) -> Iterator[str]:
    """The address of a server of the old collection, after its photographs moved."""
    for name in ("fastapi", "uvicorn"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    for run in ("run", "finished"):
        config = collection / run / "config.json"
        config.write_text(config.read_text().replace(MADE_IN, str(collection)))
    embed_again(collection)
    answer("index", collection / "vectors", "--collection", collection / "birds")
    command = [sys.executable, "-m", "lodisc", "serve", str(collection / "birds"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split("   ")[0].strip().rstrip("/")
        finally:
            process.kill()


@pytest.mark.slow
def test_the_page_serves_an_old_collection(address: str) -> None:
    def fetch(path: str) -> bytes:
        with urllib.request.urlopen(address + path, timeout=60) as response:
            assert response.status == 200
            return bytes(response.read())

    photos = {photo["key"]: photo for photo in json.loads(fetch("/api/photos?limit=100"))["photos"]}
    expected = {
        key: label or None for key, (_, label, _) in EXPECTED["labels"]["photographs"].items()
    }
    assert {key: photo["label"] for key, photo in photos.items()} == expected
    assert fetch(f"/api/photos/{photos[FINCH]['id']}/thumbnail")[8:12] == b"WEBP"
    similar = fetch(f"/api/photos/{photos[FINCH]['id']}/similar?top=5").decode()
    assert all(key in similar for key, _, _ in EXPECTED["look_alikes"]["key"])
    assert all(typical in fetch("/api/groups").decode() for _, _, typical, _ in EXPECTED["groups"])
    for words, _ in EXPECTED["labels"]["history"]:
        assert words in json.dumps(json.loads(fetch("/api/labels/history")), ensure_ascii=False)
    assert all(label in fetch("/api/labels").decode() for label in EXPECTED["labels"]["labels"])
    progress = json.loads(fetch("/api/progress"))
    assert len([*progress["running"], *progress["finished"]]) == 3, "two trainings and an embedding"
