"""The command line: find the command, parse its words, call it, and turn what goes wrong into one line and an exit status."""

import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import tyro

from lodisc import __version__
from lodisc.commands import COMMANDS
from lodisc.commands.learn import REGISTRY, refuse_old_flags, study, train
from lodisc.commands.printing import print_line
from lodisc.config import RECIPES, TrainConfig, adapt
from lodisc.console import note, stdout
from lodisc.errors import Stopped, UserError

GROUPS = {command.split()[0] for command in COMMANDS if " " in command}


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status: 0, 1 for a refusal, 2 for a mistyped command, 128 + N after signal N."""
    argv = sys.argv[1:] if argv is None else argv
    words = 2 if argv[:1] and argv[0] in GROUPS else 1
    name, rest = " ".join(argv[:words]), argv[words:]
    if name in {"--version", "version"}:
        stdout.print(f"lodisc {__version__}")
        return 0
    if name not in COMMANDS:
        return _overview(name)
    try:
        _run(name, rest)
    except KeyboardInterrupt:
        note("lodisc: stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Stopped as stop:
        note(f"lodisc {name}: {stop}")
        return 128 + stop.signal
    except (UserError, OSError) as error:
        if "LODISC_DEBUG" in os.environ:
            raise
        note(f"lodisc {name}: {_one_line(error)}")
        return 1
    except Exception as error:
        if not _out_of_memory(error) or "LODISC_DEBUG" in os.environ:
            raise
        note(
            f"lodisc {name}: not enough memory: {_one_line(error)[:100]}; "
            "try a smaller --batch-size or model, or --device cpu"
        )
        return 1
    return 0


def _run(name: str, rest: list[str]) -> None:
    command = COMMANDS[name]
    if command in (train, study):
        refuse_old_flags(rest)
        command = partial(command, config=_recipe(rest)())
    words = {"args": rest, "prog": f"lodisc {name}"}
    tyro.cli(command, config=(tyro.conf.FlagCreatePairsOff,), registry=REGISTRY, **words)


def _recipe(arguments: list[str]) -> Callable[..., TrainConfig]:
    """The recipe that the arguments name, whose defaults the help shows and the flags change."""
    named = [value for flag, value in pairwise(arguments) if flag == "--recipe"]
    named += [flag.removeprefix("--recipe=") for flag in arguments if flag.startswith("--recipe=")]
    return RECIPES.get(named[-1] if named else "adapt", adapt)


def _overview(name: str) -> int:
    first, _, rest = name.partition(" ")
    known = name in {"", "-h", "--help"} or (first in GROUPS and rest in {"", "-h", "--help"})
    shown = {
        command: function
        for command, function in COMMANDS.items()
        if first not in GROUPS or command.startswith(f"{first} ")
    }
    lines = [
        f"  {command:<14} {(function.__doc__ or '').splitlines()[0]}"
        for command, function in shown.items()
    ]
    usage = "\n".join(["usage: lodisc COMMAND …   (lodisc COMMAND --help says more)", "", *lines])
    if known:
        print_line(usage)
        return 0
    note(f"lodisc: no command {name!r}\n{usage}")
    return 2


def _out_of_memory(error: Exception) -> bool:
    """Whether Python, torch on a GPU or torch on a CPU asked for more memory than there is."""
    return (
        isinstance(error, MemoryError)
        or "out of memory" in str(error)
        or "can't allocate memory" in str(error)
    )


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        from lodisc.data.photo import printable

        return (
            f"{error.strerror}: {printable(error.filename)}" if error.filename else error.strerror
        )
    return " ".join(str(error).split())
