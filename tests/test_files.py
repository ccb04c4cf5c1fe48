"""JSON files and JSON lines: what is damaged is named."""

from pathlib import Path

import pytest

from lodisc.errors import UserError
from lodisc.files import read_json, read_json_lines


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "Expecting"), ("[]", "it has no step"), ('{"steps": 1}', "it has no step")],
)
def test_a_damaged_json_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(UserError, match=rf"state\.json is damaged \({message}"):
        read_json(tmp_path / "state.json", keys=("step",))


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
