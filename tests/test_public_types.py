"""The public names of lodisc: what they are at run time, and to a type checker."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import public_api
import pytest
from photos import collection
from runs import TINY

import lodisc

PACKAGE = Path(lodisc.__file__).parent


def test_every_public_name_is_there_and_documented() -> None:
    assert set(lodisc.__all__) <= set(dir(lodisc))
    for name in set(lodisc.__all__) - {"__version__"}:
        public = getattr(lodisc, name)
        assert callable(public) and inspect.getdoc(public), name
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = lodisc.segment  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(set(lodisc.__all__) - {"__version__"}))
def test_a_public_name_stays_what_it_is_once_every_module_is_imported(name: str) -> None:
    """Python sets an imported submodule as an attribute of its package, over a function."""
    modules = {path.stem if path.suffix else path.name for path in PACKAGE.iterdir()}
    assert name not in modules


def test_the_public_names_work_together(tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    photos = collection(tmp_path / "photos", per_label=4, splits=["train", "test"])
    public_api.use_everything(photos, tmp_path, {**TINY, "epochs": 1})


@pytest.mark.slow
def test_a_type_checker_knows_the_public_names(tmp_path: Path) -> None:
    assert (PACKAGE / "py.typed").is_file()
    pytest.importorskip("mypy", reason="mypy is not installed")
    program = tmp_path / "program.py"
    program.write_text(Path(public_api.__file__).read_text())
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(program)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
