"""Every kind of bad input through the command line: skipped and counted, or refused in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from photos import collection, encoded, odd, texture, unreadable, write
from runs import flags

from lodisc.cli import main
from lodisc.files import read_json_lines


def lodisc(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_folder_of_every_kind_of_bad_photograph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = collection(tmp_path / "data", per_label=40)
    bad = unreadable(data / "bad")
    odd(data / "odd")
    status, _, messages = lodisc(
        capsys, "train", data, "--out", tmp_path / "run", *flags(epochs=1, max_skipped=0.5)
    )
    assert status == 0, messages
    skipped = read_json_lines(tmp_path / "run" / "skipped.jsonl")
    assert {Path(entry["key"]).name for entry in skipped} >= set(bad)
    assert all(entry["reason"] for entry in skipped)
    assert f"Skipped {len(skipped)} of " in messages

    status, result, messages = lodisc(
        capsys,
        "evaluate",
        tmp_path / "run",
        data,
        "--train-split",
        0.7,
        "--max-skipped",
        0.5,
        "--protocols",
        "retrieval",
        "knn",
        "--json",
    )
    assert status == 0, messages
    assert json.loads(result)["skipped"] >= len(bad)


def test_too_many_bad_photographs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = collection(tmp_path / "data", per_label=4)
    unreadable(data / "bad")
    status, _, messages = lodisc(capsys, "train", data, "--out", tmp_path / "run", *flags())
    assert status == 1 and "--max-skipped" in messages and "lodisc data check" in messages
    assert len(messages.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("photographs", "settings", "reason"),
    [
        (0, {}, "photographs"),
        (1, {}, "add more photographs"),
        (3, {}, "use --batch-size 3 or less"),
        (8, {"keep_ratio": 0.0}, "--keep-ratio 0.0 is out of range"),
        (8, {"image_size": 33}, "not a multiple of"),
        (8, {"train_split": 1.5}, "--train-split 1.5 is out of range"),
        (8, {"masked_side": "key"}, "--masked-side key needs --keys batch"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    photographs: int,
    settings: dict[str, float | str],
    reason: str,
) -> None:
    (tmp_path / "data").mkdir()
    for number in range(photographs):
        write(tmp_path / "data" / f"{number}.png", encoded(texture(number), "PNG"))
    status, out, messages = lodisc(
        capsys, "train", tmp_path / "data", "--out", tmp_path / "run", *flags(**settings)
    )
    assert status == 1 and out == "" and reason in messages
    assert len(messages.strip().splitlines()) == 1 and messages.startswith("lodisc train: ")


def test_an_unknown_command_or_flag_is_a_mistake_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, _, messages = lodisc(capsys, "trian")
    assert status == 2 and "no command 'trian'" in messages
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--no-such-flag"])
    assert exit_.value.code == 2


def test_too_little_memory_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = collection(tmp_path / "data", per_label=6)
    status, out, messages = lodisc(
        capsys, "train", data, "--out", tmp_path / "run", *flags(keys="batch", hidden_dim=10**6)
    )
    assert (
        status == 1
        and out == ""
        and "not enough memory: " in messages
        and messages.count("\n") == 1
    )


@pytest.mark.parametrize("json", [False, True])
def test_a_reader_that_goes_away_is_not_an_error(tmp_path: Path, json: bool) -> None:
    words = [sys.executable, "-m", "lodisc", "data", "list", *(["--json"] if json else [])]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert (
            subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, check=False).returncode
            == 141
        )
    finally:
        os.close(writer)


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / ":cat:" / "a.jpg", encoded(texture(0)))
    assert ":cat:" in lodisc(capsys, "data", "check", tmp_path)[1]


def test_flat_folders_learn_and_say_what_measuring_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(8):
        write(tmp_path / "data" / f"{number}.jpg", encoded(texture(number)))
    status, out, messages = lodisc(
        capsys, "train", tmp_path / "data", "--out", tmp_path / "run", *flags(epochs=1), "--json"
    )
    assert status == 0 and json.loads(out)["run"] == str(tmp_path / "run"), messages
    status, _, messages = lodisc(
        capsys, "evaluate", tmp_path / "run", tmp_path / "data", "--train-split", 0.5
    )
    assert status == 1 and "separation of 8 photographs" in messages.strip().splitlines()[-1]
