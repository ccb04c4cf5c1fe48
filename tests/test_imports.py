"""Imports inside the package only go down, and the command line starts without torch.

`method/` and `vectors/` know little; in `web/` no router imports a router, and the state knows no
HTTP.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
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
    [{"embedding"}, {"evaluation"}, {"explanation"}],
    [{"photo_encoder"}, {"html"}],
    [{"training"}],
    [{"encoders"}],
    [{"data"}, {"finches"}, {"method"}, {"run"}],
    [{"outcome"}],
    [{"vectors"}],
    [{"weight_files"}, {"pickled"}],
    [{"files"}, {"tensors"}, {"weight_names"}],
    [{"config", "console", "device", "errors", "tuning"}],
]
# What these may import besides themselves: of other packages, and of lodisc.
MAY_IMPORT: dict[str, tuple[set[str], set[str]]] = {
    "method": ({"torch", "timm"}, {"vectors"}),
    "vectors": ({"numpy", "torch", "scipy", "sklearn", "threadpoolctl", "umap"}, {"errors"}),
}
HTTP = {"fastapi", "starlette", "uvicorn"}
BELOW_STATE = ("lodisc.web.models", "lodisc.web.label_models", "lodisc.web.text")


def unit_of(path: str) -> str:
    """The part of the package that a file is in: `data` for `data/views.py`, `cli` for `cli.py`."""
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


def module_of(path: str) -> str:
    """The dotted name of the module in a file: `lodisc.data.views` for `data/views.py`."""
    return "lodisc." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_of(
    source: str, *, path: str, units: Iterable[str], modules: Collection[str]
) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve(node, path=path)
            for alias in node.names:
                if module != "lodisc":
                    submodule = f"{module}.{alias.name}"
                    yield node.lineno, submodule if submodule in modules else module
                elif alias.name in units:
                    yield node.lineno, f"lodisc.{alias.name}"
                elif alias.name != "__version__":
                    yield node.lineno, "lodisc"


def unit_violation(unit: str, *, name: str) -> str | None:
    """Why code of `unit` may not import `name`, if it may not."""
    root, _, rest = name.partition(".")
    if root != "lodisc":
        packages, _ = MAY_IMPORT.get(unit, ({root}, set()))
        if root in packages or root in sys.stdlib_module_names:
            return None
        return f"{unit}/ imports {', '.join(sorted(packages))} and the standard library only"
    target = rest.split(".")[0] or "__init__"
    if target == unit:
        return None
    if unit in MAY_IMPORT and target not in MAY_IMPORT[unit][1]:
        names = ", ".join(["itself", *sorted(MAY_IMPORT[unit][1])])
        return f"{unit}/ imports of lodisc only {names}"
    here, there = place(unit), place(target)
    if here is None or there is None:
        return f"{target if here else unit} stands in no layer of tests/test_imports.py"
    return (
        None
        if there[0] > here[0] or target in here[1]
        else f"{unit} stands no higher than {target}"
    )


def web_violation(path: str, *, name: str) -> str | None:
    """Why the file at `path` in `web/` may not import `name`, if it may not."""
    if path.startswith("web/api/") or path == "web/pages.py":
        is_router = name == "lodisc.web.pages" or name.startswith("lodisc.web.api.")
        return "a router imports no router" if is_router else None
    if path.startswith("web/state/"):
        above = name.startswith("lodisc.web.") and not name.startswith("lodisc.web.state.")
        if name.split(".")[0] in HTTP or (above and name not in BELOW_STATE):
            return "the state knows no HTTP"
    return None


def violations(files: dict[str, str]) -> list[str]:
    """One line for each forbidden import; `files` are sources by path inside the package."""
    units, modules = {unit_of(path) for path in files}, {module_of(path) for path in files}
    messages = [
        f"{path}: stands in no layer of tests/test_imports.py"
        for path in files
        if place(unit_of(path)) is None
    ]
    for path, source in files.items():
        for line, name in imports_of(source, path=path, units=units, modules=modules):
            reason = unit_violation(unit_of(path), name=name) or web_violation(path, name=name)
            if reason:
                messages.append(f"{path}:{line}: imports {name}: {reason}")
    return messages


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
    example = 'def go():\n    """See --lr."""\n    raise ValueError(f"--lr {1}")'
    assert flags_named_in(example) == [2, 3]
    sources = sorted((PACKAGE / "method").glob("*.py"))
    assert sources and not any(flags_named_in(path.read_text()) for path in sources)


ALLOWED = {
    "cli.py": (
        "import tyro\nfrom lodisc import __version__\n"
        "def go():\n    from lodisc.training.loop import train"
    ),
    "training/loop.py": (
        "from lodisc.method import encoder\nfrom . import health\n"
        "from .health import Health\nfrom ..config import adapt"
    ),
    "training/health.py": "import numpy",
    "method/masking.py": (
        "import math\nimport torch.nn.functional as F\nfrom lodisc.method.encoder import Encoder"
    ),
    "vectors/nearest.py": "import numpy as np\nfrom lodisc.errors import UserError",
    "web/app.py": "from lodisc.web import pages\nfrom lodisc.web.api import labels",
    "web/pages.py": "import fastapi\nfrom lodisc.web.state import state",
    "web/api/labels.py": "from fastapi import APIRouter\nfrom lodisc.web import models",
    "web/models.py": "import pydantic",
    "web/state/state.py": "from lodisc.web import models\nfrom lodisc.web.state.labels import undo",
    "web/state/labels.py": "from lodisc.web.text import one_line",
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
            "import lodisc.explanation.attention",
            "evaluation stands no higher than explanation",
        ),
        (
            "explanation/overlay.py",
            "from lodisc.evaluation.focus import share",
            "explanation stands no higher than evaluation",
        ),
        ("training/loop.py", "from lodisc import cli", "training stands no higher than cli"),
        ("report/page.py", "from lodisc import evaluate", "report stands no higher than __init__"),
        (
            "method/masking.py",
            "import numpy",
            "method/ imports timm, torch and the standard library only",
        ),
        (
            "method/masking.py",
            "from lodisc.config import Mask",
            "method/ imports of lodisc only itself",
        ),
        (
            "vectors/nearest.py",
            "from lodisc.files import read_json",
            "vectors/ imports of lodisc only itself, errors",
        ),
        ("vectors/nearest.py", "import pyarrow", "vectors/ imports numpy, scipy, sklearn"),
        ("web/api/names.py", "from lodisc.web.api import labels", "a router imports no router"),
        ("web/api/names.py", "from .labels import undo", "a router imports no router"),
        ("web/pages.py", "import lodisc.web.api.labels", "a router imports no router"),
        ("web/state/names.py", "import starlette.responses", "the state knows no HTTP"),
        ("web/state/names.py", "from fastapi import Request", "the state knows no HTTP"),
        ("web/state/names.py", "from lodisc.web import app", "the state knows no HTTP"),
        ("web/state/names.py", "from ..api.labels import label", "the state knows no HTTP"),
        ("utils.py", "import math", "stands in no layer"),
        ("report/page.py", "import lodisc.utils", "utils stands in no layer"),
    ],
)
def test_an_import_that_goes_up_is_found(path: str, source: str, reason: str) -> None:
    assert violations(ALLOWED) == []
    messages = violations(ALLOWED | {"cli.py": "", path: source})
    assert len(messages) == 1 and reason in messages[0]


def test_the_command_line_starts_without_torch() -> None:
    modules = "lodisc, lodisc.cli, lodisc.config, lodisc.console, lodisc.run"
    code = f"import sys, {modules}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in ran.stdout.split()}
    assert "lodisc" in loaded
    assert loaded.isdisjoint(
        {"torch", "torchvision", "timm", "sklearn", "matplotlib", "lancedb", "fastapi"}
    )
