"""JSON files and JSON lines, of which the damaged ones are named; file systems that lack much."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any, Literal

import pytest

from lodisc.errors import UserError
from lodisc.evaluation.interval import EstimateEntry
from lodisc.files import is_of_kind, locked, read_bytes, read_json, read_json_lines, write_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expecting"),
        ("\udcff", "'utf-8' codec"),
        ('{"step": true}', "its step is of another"),
        ("[]", "it is not an object"),
        ('{"steps": 1}', "it has no step"),
    ],
)
def test_a_damaged_json_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "state.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"state\.json is damaged \({message}"):
        read_json(tmp_path / "state.json", kinds={"step": int})


@pytest.mark.parametrize("line", ["x", "[]", "3", "\udcff"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    text = f'{{"step": 1}}\n{line}\n{{"step": 3}}\n'
    (tmp_path / "log.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"log\.jsonl, line 2, is damaged"):
        read_json_lines(tmp_path / "log.jsonl")


def test_a_last_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"ste')
    assert read_json_lines(tmp_path / "log.jsonl") == [{"step": 1}]
    assert read_json_lines(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (int, [0, -3, 10**30], [True, 1.0, "1", None]),
        (float, [0.5, 1], [False, "0.5", None]),
        (str, ["", "x"], [1, None, ["x"]]),
        (bool, [True], [1, 0, "yes"]),
        (float | None, [None, 2, 0.5], ["0.5", True]),
        (Literal["a", "b"], ["a"], ["c", ["a"], None]),
        (Literal["a", "b"] | None, ["a", None], ["c", 1]),
        (list[float], [[], [1, 0.5]], [[1, "2"], {}, None]),
        (dict[str, str], [{}, {"a": "b"}], [{"a": 1}, [], None]),
        (dict[str, list[int]], [{"a": [1]}], [{"a": 1}, {"a": [1.5]}]),
        (
            EstimateEntry,
            [{"value": 1, "low": 0.5, "high": 2}],
            [
                {"value": 1, "low": 0.5},
                {"value": "1", "low": 1, "high": 1},
                {"value": 1, "low": 1, "high": 1, "deviation": "x"},
                [],
                None,
            ],
        ),
    ],
)
def test_values_are_of_a_kind_or_not(kind: Any, good: list[Any], bad: list[Any]) -> None:
    assert [is_of_kind(value, kind) for value in good] == [True] * len(good)
    assert [is_of_kind(value, kind) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_not_a_file_is_not_waited_for(tmp_path: Path, make: Any) -> None:
    for read in (read_bytes, read_json, read_json_lines):
        path = tmp_path / f"{read.__name__}.json"
        make(path)
        with pytest.raises(OSError, match=r"not a file.*\.json"):
            read(path)
    make(tmp_path / ".lock")
    with (
        pytest.raises(UserError, match=r"\.lock is (not a file|a link); delete it"),
        locked(tmp_path),
    ):
        pass


def failing(number: int) -> Any:
    """A function of the system that a file system refuses with this error."""

    def call(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_folder_that_cannot_be_locked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with (
        pytest.raises(UserError, match=f"of {tmp_path} can't lock it .*use a folder on a local"),
        locked(tmp_path),
    ):
        pass
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path):
        pass


def test_what_fails_under_a_lock_is_not_taken_for_a_lack_of_locks(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), locked(tmp_path):
        raise PermissionError(errno.EACCES, "in the block")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EACCES])
def test_a_file_system_that_cannot_flush_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    write_json(tmp_path / "state.json", {"step": 1})
    assert read_json(tmp_path / "state.json") == {"step": 1}
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "state.json", {"step": 2})
    assert read_json(tmp_path / "state.json") == {"step": 1}


@pytest.mark.parametrize("name", ["state.json", "[a] *.json"])
def test_what_a_killed_process_left_is_deleted_when_it_is_old(tmp_path: Path, name: str) -> None:
    old, new, other = (
        tmp_path / f".{draft}.tmp" for draft in (f"{name}.12-34", f"{name}.56-78", "b.json.12-34")
    )
    for path in (old, new, other):
        path.write_text("{")
    for path in (old, other):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    write_json(tmp_path / name, {"step": 1})
    assert set(tmp_path.iterdir()) == {new, other, tmp_path / name}


def test_a_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists, glob = [], Path.glob

    def counting(folder: Path, pattern: str) -> Any:
        lists.append(folder)
        return glob(folder, pattern)

    monkeypatch.setattr(Path, "glob", counting)
    for number in range(3):
        write_json(tmp_path / f"{number}.json", {"step": 1})
    assert lists == [tmp_path]
