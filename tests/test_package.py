"""The command line as it is installed, and the files around the package."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import lodisc

ROOT = Path(__file__).parent.parent
COMMANDS = [
    "demo",
    "train",
    "evaluate",
    "explain",
    "report",
    "data",
    "data list",
    "data check",
    "data prepare",
    "data finches",
]

PATH_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|opt|Users|tmp)/\w")


def lodisc_command(*arguments: str) -> str:
    """What the console script prints; called through Python where lodisc is not installed."""
    script = Path(sys.executable).parent / "lodisc"
    start = (
        [str(script)]
        if script.exists()
        else [sys.executable, "-c", "import lodisc.cli; lodisc.cli.main()"]
    )
    ran = subprocess.run([*start, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def repository_files() -> list[Path]:
    """Every file of the repository, and those that are not committed yet."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in ran.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def requirement_name(requirement: str) -> str:
    """The name in `Jinja2>=3.1`, as registries compare names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def test_version_is_the_packages() -> None:
    assert lodisc_command("--version").split()[-1] == lodisc.__version__


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    assert "usage: lodisc" in lodisc_command(*command.split(), "--help")


def test_no_file_names_a_path_of_a_machine() -> None:
    paths = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        paths += [
            f"{path.relative_to(ROOT)}: {match.group()}"
            for match in PATH_OF_A_MACHINE.finditer(text)
        ]
    assert paths == []


def test_citation_names_the_software_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == lodisc.__version__
    assert citation["license"] == "Apache-2.0"
    paper = citation["references"][0]
    assert paper["title"].startswith("Learning Global-Local Discriminative Features")
    assert [author["family-names"] for author in paper["authors"]] == ["Shi", "Wei", "Nie", "Huang"]


def test_constraints_fix_every_dependency_by_name_and_version_only() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = [
        *project["dependencies"],
        *extras["dev"],
        *extras["collection"],
        *extras["web"],
        *extras["ray"],
    ]
    names = {requirement_name(line) for line in requirements}
    names.remove("lodisc")  # an extra takes in another one
    assert names <= {requirement_name(line) for line in lines}
