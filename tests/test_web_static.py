"""The files of the page: pages import parts and the library, never upwards; no file is unused."""

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[1] / "lodisc" / "web"
STATIC, TEMPLATES = WEB / "static", WEB / "templates"
ROOMS = ["pages", "parts", "lib"]  # a file imports from its own room and from those after it
SCRIPTS = sorted(STATIC.rglob("*.js"))
IMPORT = re.compile(r"""^(?:import|\}|/\*\* @import)[^;\n]*["'](\.[^"']+)["']""", re.MULTILINE)
REFERENCE = re.compile(r'"/static/([^"]+)"')


def imports(script: Path) -> list[Path]:
    """The files that a script imports, types included."""
    return [(script.parent / name).resolve() for name in IMPORT.findall(script.read_text())]


def room(path: Path) -> int:
    """The place of a file's room in the list."""
    return ROOMS.index(path.relative_to(STATIC).parts[0])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_imports_only_go_down(script: Path) -> None:
    for target in imports(script):
        assert target in SCRIPTS, f"there is no {target}"
        assert room(target) >= room(script), f"{target.name} is above"
        assert ROOMS[room(target)] != "pages", "a page is not imported"


def test_nothing_lies_unused() -> None:
    html = "\n".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    names = [name for name in REFERENCE.findall(html) if "{{" not in name]
    pages = [f"pages/{path.stem}" for path in TEMPLATES.glob("*.html")]
    names += [page + suffix for page in pages for suffix in (".js", ".css")]
    used = {STATIC / name for name in names if (STATIC / name).exists()}
    while more := {target for path in used & {*SCRIPTS} for target in imports(path)} - used:
        used |= more
    assert used == {path for path in STATIC.rglob("*") if path.is_file()}
    assert all((STATIC / name).exists() for name in REFERENCE.findall(html) if "{{" not in name)
