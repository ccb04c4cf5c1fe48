"""`lodisc data …`: exit status, JSON on stdout, refusals in one line on stderr."""

import json
import os
from pathlib import Path

import pytest
from photos import collection, encoded, texture, write

from lodisc.cli import main
from lodisc.data.datasets import DATASETS

Printed = pytest.CaptureFixture[str]


def as_json(capsys: Printed, *words: str | Path) -> dict:
    """What a command prints with --json; it must end well and say nothing else."""
    assert main(["data", *map(str, words), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def refusal(capsys: Printed, *words: str | Path) -> str:
    """The one line of stderr with which a command refuses."""
    assert main(["data", *map(str, words)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err
    return err


def test_known_data_sets_are_listed_in_80_columns(capsys: Printed) -> None:
    about = as_json(capsys, "list")
    assert about.keys() == DATASETS.keys()
    assert all(
        dataset.keys() == {"title", "classes", "licence", "page", "download"}
        for dataset in about.values()
    )
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name, dataset in about.items():
        assert any(
            line.startswith(f"{name} ")
            and dataset["title"] in line
            and line.endswith(f" {dataset['classes']}")
            for line in lines
        ), name
        assert dataset["page"] in [line.strip() for line in lines]


def test_a_folder_is_checked(tmp_path: Path, capsys: Printed) -> None:
    collection(tmp_path, per_label=2, splits=["train", "test"])
    write(tmp_path / "train" / "wren" / "a\nb.jpg", b"")
    about = as_json(capsys, "check", tmp_path)
    assert (
        about["data"] == str(tmp_path)
        and about["photographs"] == 8
        and about["splits"] == {"train": 4, "test": 4}
    )
    assert about["skipped"] == [{"key": "train/wren/a\nb.jpg", "reason": "empty file"}]
    assert main(["data", "check", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "8, 4 train, 4 test" in out and "a\\nb.jpg" in out and err == ""


def test_a_split_is_tried_out(tmp_path: Path, capsys: Printed) -> None:
    collection(tmp_path)
    assert as_json(capsys, "check", tmp_path, "--train-split", "0.75", "--workers", "0")[
        "splits"
    ] == {"train": 6, "test": 2}
    for share, words in (
        ("1.5", "--train-split 1.5 is out of range"),
        ("-1", "--train-split -1.0 is out of range"),
    ):
        assert words in refusal(capsys, "check", tmp_path, "--train-split", share)
    assert "--workers -1 is out of range" in refusal(capsys, "check", tmp_path, "--workers", "-1")


def test_a_download_is_prepared(tmp_path: Path, capsys: Printed) -> None:
    source = collection(tmp_path / "from", splits=["train", "test"])
    prepare = ("prepare", "caltech101", "--from", source, "--out")
    assert as_json(capsys, *prepare, tmp_path / "out") == {
        "data": str(tmp_path / "out"),
        "photographs": 16,
    }
    assert as_json(capsys, "check", tmp_path / "out")["splits"] == {"train": 8, "test": 8}
    assert "out exists already" in refusal(capsys, *prepare, tmp_path / "out")
    stray = tmp_path / os.fsdecode(b"latin-\xe9")
    assert main(["data", *map(str, prepare), str(stray)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/latin-\\udce9\n" and (stray / "train").is_dir()


def test_finches_are_drawn(tmp_path: Path, capsys: Printed) -> None:
    drawn = as_json(
        capsys,
        "finches",
        "--out",
        tmp_path / "a",
        "--species",
        "2",
        "--train",
        "2",
        "--test",
        "1",
        "--image-size",
        "32",
    )
    assert drawn == {"data": str(tmp_path / "a"), "species": 2, "train": 4, "test": 2}
    assert main(["data", "check", str(tmp_path / "a"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["splits"] == {"train": 4, "test": 2}
    assert "masks/ (6): masks of other photographs" in err


def test_what_can_not_be_done_is_one_line(tmp_path: Path, capsys: Printed) -> None:
    write(tmp_path / "birds.tgz", b"")
    write(tmp_path / "file" / "a.jpg", encoded(texture(0)))
    (tmp_path / "empty").mkdir()
    for words, message in (
        (("check", tmp_path / "none"), "none does not exist; give a folder"),
        (("check", tmp_path / "line\nbreak"), "line\\nbreak does not exist"),
        (("check", tmp_path / "empty"), "no photographs in"),
        (("check", tmp_path / "birds.tgz"), "is neither a folder, a .txt or .csv list nor"),
        (
            ("prepare", "cub200", "--from", tmp_path / "X", "--out", tmp_path / "Y"),
            "X does not exist; get CUB_200_2011.tgz from https",
        ),
        (
            ("prepare", "cub200", "--from", tmp_path / "birds.tgz", "--out", tmp_path / "Y"),
            "birds.tgz is not a readable tar archive",
        ),
        (
            ("prepare", "cub", "--from", tmp_path, "--out", tmp_path / "Y"),
            "unknown data set cub; there are cub200, ",
        ),
        (("finches", "--out", tmp_path / "file" / "a.jpg" / "b"), "a.jpg"),
        (("finches", "--out", tmp_path / "Y", "--species", "0"), "--species 0 is out of range"),
    ):
        err = refusal(capsys, *words)
        assert err.startswith(f"lodisc data {words[0]}: ") and message in err, err
    assert not (tmp_path / "Y").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["list", "more"],
        ["prepare", "cub200", "--out", "Y"],
        ["check", "X", "--workers", "two"],
    ],
)
def test_a_mistyped_command_ends_with_2(words: list[str], capsys: Printed) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
