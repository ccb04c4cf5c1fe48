"""Tensors on disk: the same bytes for the same tensors, and damage is noticed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lodisc.tensors import DamagedTensors, load_tensors, save_tensors

TENSORS = {'a "b" ä': torch.arange(5.0), "c": torch.ones(3, 2).bfloat16(), "d": torch.zeros(0)}


def test_the_same_tensors_are_the_same_bytes(tmp_path: Path) -> None:
    written = set()
    for number in range(16):
        path = tmp_path / f"{number}.safetensors"
        save_tensors(TENSORS, path)
        written.add(path.read_bytes())
        read = load_tensors(path)
        assert read.keys() == TENSORS.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())
    assert len(written) == 1
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "pt"


@pytest.mark.parametrize("place", [-1, -10, -20])
def test_a_changed_byte_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "tensors.safetensors"
    save_tensors(TENSORS, path)
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(DamagedTensors, match="changed since it was written"):
        load_tensors(path)


def test_another_shape_or_name_of_the_same_bytes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "tensors.safetensors"
    save_tensors({"a": torch.arange(6.0)}, path)
    data = path.read_bytes()
    for before, after in ((b'"shape":[6]', b'"shape":[6,1]'), (b'"a":', b'"b":')):
        size = int.from_bytes(data[:8], "little")
        header = data[8 : 8 + size].replace(before, after).rstrip()
        json.loads(header)
        path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
        with pytest.raises(DamagedTensors, match="changed since it was written"):
            load_tensors(path)


def test_tensors_of_other_programs_have_no_digest_and_are_read(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(TENSORS, path)
    assert load_tensors(path).keys() == TENSORS.keys()
