"""Imports inside the package only go down, `method/` knows torch and timm only, and the command line starts without torch."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import lodisc

PACKAGE = Path(lodisc.__file__).parent

# From the top down. What stands in one set may import each other; two sets of one layer may not.
LAYERS: list[list[set[str]]] = [
    [{"__init__", "__main__", "cli"}],
    [{"commands"}],
    [{"demo"}, {"web"}],
    [{"report"}, {"study"}, {"collection"}],
    [{"embedding"}, {"evaluation"}, {"explain"}],
    [{"photo_encoder"}],
    [{"training"}],
    [{"encoders"}],
    [{"data"}, {"finches"}, {"method"}, {"run"}, {"vectors"}],
    [{"files"}],
    [{"config", "console", "device", "errors"}],
]
METHOD_MAY_IMPORT = {"torch", "timm"} | sys.stdlib_module_names


def unit_of(path: str) -> str:
    """The part of the package that a file belongs to: `data/views.py` is of `data`, `cli.py` is `cli`."""
    return path.split("/")[0].removesuffix(".py")


def place(unit: str) -> tuple[int, set[str]] | None:
    return next(
        ((depth, peers) for depth, layer in enumerate(LAYERS) for peers in layer if unit in peers),
        None,
    )


def resolve(node: ast.ImportFrom, *, path: str) -> str:
    """The absolute name of the module in `from … import`."""
    if node.level == 0:
        return node.module or ""
    folder = ["lodisc", *path.split("/")[:-1]]
    return ".".join(
        [*folder[: len(folder) - node.level + 1], *([node.module] if node.module else [])]
    )


def imports_of(source: str, *, path: str, units: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve(node, path=path)
            for alias in node.names:
                if module != "lodisc":
                    yield node.lineno, module
                elif alias.name in units:
                    yield node.lineno, f"lodisc.{alias.name}"
                elif alias.name != "__version__":
                    yield node.lineno, "lodisc"


def unit_violation(unit: str, *, name: str) -> str | None:
    """Why code of `unit` may not import `name`, if it may not."""
    root, _, rest = name.partition(".")
    if root != "lodisc":
        foreign = unit == "method" and root not in METHOD_MAY_IMPORT
        return "method/ imports torch, timm and the standard library only" if foreign else None
    target = rest.split(".")[0] or "__init__"
    if target == unit:
        return None
    if unit == "method":
        return "method/ imports nothing else of lodisc"
    here, there = place(unit), place(target)
    if here is None or there is None:
        return f"{target if here else unit} stands in no layer of tests/test_imports.py"
    return (
        None
        if there[0] > here[0] or target in here[1]
        else f"{unit} stands no higher than {target}"
    )


def violations(files: dict[str, str]) -> list[str]:
    """One line for each import that goes up; `files` are sources by their path inside the package."""
    units = {unit_of(path) for path in files}
    found = [
        f"{path}: stands in no layer of tests/test_imports.py"
        for path in files
        if place(unit_of(path)) is None
    ]
    for path, source in files.items():
        for line, name in imports_of(source, path=path, units=units):
            if why := unit_violation(unit_of(path), name=name):
                found.append(f"{path}:{line}: imports {name}: {why}")
    return found


def test_imports_only_go_down() -> None:
    files = {
        path.relative_to(PACKAGE).as_posix(): path.read_text()
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert {"__init__.py", "config.py"} <= files.keys()
    assert violations(files) == []


def flags_named_in(source: str) -> list[int]:
    """The lines of the string constants that hold the name of a flag, docstrings too."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"--\w", node.value)
    ]


def test_the_method_names_no_flag() -> None:
    assert flags_named_in('def go():\n    """See --lr."""\n    raise ValueError(f"--lr {1}")') == [
        2,
        3,
    ]
    sources = sorted((PACKAGE / "method").glob("*.py"))
    assert sources and {path.name: flags_named_in(path.read_text()) for path in sources} == {
        path.name: [] for path in sources
    }


ALLOWED = {
    "cli.py": "import tyro\nfrom lodisc import __version__\ndef go():\n    from lodisc.training.loop import train",
    "training/loop.py": "from lodisc.method import encoder\nfrom . import health\nfrom .health import Health\nfrom ..config import adapt",
    "training/health.py": "import numpy",
    "method/masking.py": "import math\nimport torch.nn.functional as F\nfrom lodisc.method.encoder import Encoder",
    "evaluation/knn.py": "from lodisc.photo_encoder import load",
    "device.py": "from lodisc.config import Precision",
}


@pytest.mark.parametrize(
    ("path", "source", "reason"),
    [
        ("config.py", "from lodisc.data.sources import Photo", "config stands no higher than data"),
        (
            "data/loader.py",
            "def go():\n    from lodisc.training import loop",
            "data stands no higher than training",
        ),
        ("data/views.py", "from ..method import masking", "data stands no higher than method"),
        (
            "evaluation/knn.py",
            "import lodisc.explain.attention",
            "evaluation stands no higher than explain",
        ),
        (
            "explain/maps.py",
            "from lodisc.evaluation.focus import share",
            "explain stands no higher than evaluation",
        ),
        ("training/loop.py", "from lodisc import cli", "training stands no higher than cli"),
        ("report/page.py", "from lodisc import evaluate", "report stands no higher than __init__"),
        (
            "method/masking.py",
            "import numpy",
            "method/ imports torch, timm and the standard library only",
        ),
        (
            "method/masking.py",
            "from lodisc.config import Mask",
            "method/ imports nothing else of lodisc",
        ),
        ("utils.py", "import math", "stands in no layer"),
        ("report/page.py", "import lodisc.utils", "utils stands in no layer"),
    ],
)
def test_an_import_that_goes_up_is_found(path: str, source: str, reason: str) -> None:
    assert violations(ALLOWED) == []
    found = violations(ALLOWED | {"cli.py": "", path: source})
    assert len(found) == 1 and reason in found[0]


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, lodisc, lodisc.cli, lodisc.config, lodisc.console; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in ran.stdout.split()}
    assert "lodisc" in loaded
    assert loaded.isdisjoint(
        {"torch", "torchvision", "timm", "sklearn", "matplotlib", "lancedb", "fastapi"}
    )
