"""What it costs to see where the paths of a list lead."""

import os
from pathlib import Path
from typing import Any

import pytest
from photos import encoded, texture, write

from lodisc.data.sources import find_photos

JPEG = encoded(texture(0))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths at which this process looks on the disk, as it goes on."""
    paths: list[str] = []
    for name in ("stat", "listdir"):
        original = getattr(os, name)

        def look(path: str = ".", *rest: Any, original: Any = original, **more: Any) -> Any:
            paths.append(path)
            return original(path, *rest, **more)

        monkeypatch.setattr(os, name, look)
    return paths


@pytest.mark.parametrize(
    "row", ["{}", "{} 12", "{} Grünfink", "{}\tBlå mes", '{} "Blå mes"', "{};", "{},Grünfink"]
)
def test_a_row_costs_one_look_at_the_disk(tmp_path: Path, looks: list[str], row: str) -> None:
    names = [f"données/c{number}/1.jpg" for number in range(50)]
    for name in names:
        write(tmp_path / name, JPEG)
    text = ["path,label"] * ("," in row) + [row.format(name) for name in names]
    source = write(tmp_path / ("list.csv" if "," in row else "list.txt"), "\n".join(text).encode())
    looks.clear()
    assert len(find_photos(source).photos) == 50
    assert len(looks) < 50 + 20


@pytest.mark.parametrize("row", ["{}.jpg", "{} b.jpg", "{} b.jpg 7", "{}é.jpg", "{} b é.jpg é"])
def test_a_row_that_is_missing_costs_few(tmp_path: Path, looks: list[str], row: str) -> None:
    rows = [row.format(f"My Disk/2021 05 03 site {n % 9}/IMG {n}") for n in range(500)]
    source = write(tmp_path / "list.txt", "\n".join([*rows, "0.jpg"]).encode())
    write(tmp_path / "0.jpg", JPEG)
    looks.clear()
    assert len(find_photos(source).skipped) == 500
    assert len(looks) < (3 if row.isascii() else 6) * 500 + 300
