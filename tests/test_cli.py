"""How a command ends: exit status, one line for what a person can mend, a traceback for a bug."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from photos import collection

from lodisc import cli
from lodisc.commands import COMMANDS
from lodisc.console import log_as_notes
from lodisc.errors import Stopped, UserError


def ending_with(error: BaseException) -> Any:
    """A command that ends with this exception."""

    def command() -> None:
        """Fail."""
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("give\n--seed 1"), 1, "lodisc data list: give --seed 1\n"),
        (
            FileNotFoundError(2, "No such file", "a\nb"),
            1,
            "lodisc data list: No such file: a\\nb\n",
        ),
        (
            Stopped("stopped at step 3", signal.SIGTERM),
            143,
            "lodisc data list: stopped at step 3\n",
        ),
        (KeyboardInterrupt(), 130, "lodisc: stopped\n"),
    ],
)
def test_what_a_person_can_mend_is_one_line(
    error: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(COMMANDS, "data list", ending_with(error))
    assert cli.main(["data", "list"]) == status
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried 2 GiB")])
def test_too_little_memory_comes_with_advice(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "data list", ending_with(error))
    assert cli.main(["data", "list"]) == 1
    printed = capsys.readouterr().err
    assert "not enough memory" in printed and "--batch-size" in printed and printed.count("\n") == 1


def test_a_refusal_shows_its_traceback_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LODISC_DEBUG", "1")
    monkeypatch.setitem(COMMANDS, "data list", ending_with(UserError("no")))
    with pytest.raises(UserError):
        cli.main(["data", "list"])


def test_a_bug_keeps_its_traceback() -> None:
    program = (
        "from lodisc import cli\n"
        "def bug() -> None: dict(zip('ab', 'c', strict=True))\n"
        "cli.COMMANDS['data list'] = bug\n"
        "raise SystemExit(cli.main(['data', 'list']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback") and "zip() argument 2 is shorter" in ended.stderr


def test_the_log_is_printed_while_a_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("lodisc")
    with log_as_notes():
        logger.info("Reading [a] file.")
        logging.getLogger("lodisc.web").warning("Slow.")
        logger.debug("Detail.")
    logger.info("Nobody reads this.")
    assert capsys.readouterr() == ("", "Reading [a] file.\nSlow.\n")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "ascii:backslashreplace"])
def test_signs_that_the_terminal_lacks_are_replaced(tmp_path: Path, encoding: str) -> None:
    def lodisc(*words: str | Path) -> tuple[int, str, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "lodisc", *words],
            capture_output=True,
            encoding=encoding.split(":")[0],
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        return ended.returncode, ended.stdout, ended.stderr

    photos = collection(tmp_path / "\N{BIRD}", labels=("tau", "ρ×…"))
    bird, rho, signs = {
        "utf-8": ("\N{BIRD}", "ρ", "ρ×…"),
        "cp1252": ("?", "rho", "rho×…"),
        "ascii": ("?", "rho", "rhox..."),
        "ascii:backslashreplace": ("\\U0001f426", "\\u03c1", "\\u03c1\\xd7\\u2026"),
    }[encoding]
    status, printed, _ = lodisc("data", "check", photos)
    assert status == 0 and printed.startswith(f"{tmp_path / bird}\n")
    assert "\ntau " in printed and f"\n{signs} " in printed
    status, printed, _ = lodisc("data", "check", photos, "--json")
    assert status == 0 and json.loads(printed)["classes"].keys() == {"tau", "ρ×…"}
    status, _, messages = lodisc("data", "check", photos / "none")
    assert status == 1 and messages.startswith(f"lodisc data check: {tmp_path / bird / 'none'}")
    status, printed, messages = lodisc("train", "--help")
    assert (status, messages) == (0, "") and f"Share {rho} of the patches" in printed
    status, printed, messages = lodisc("labels")
    assert (status, messages) == (0, "") and "usage: lodisc COMMAND" in printed
