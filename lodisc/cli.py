"""The command line: find the command, parse its words, call it, and choose the exit status."""

import os
import sys

import tyro

from lodisc import __version__
from lodisc.commands import COMMANDS
from lodisc.commands.learn import REGISTRY, with_recipe
from lodisc.commands.printing import print_line
from lodisc.console import log_as_notes, note, replace_what_cannot_be_shown, stdout
from lodisc.errors import Stopped, UserError

GROUPS = {command.split()[0] for command in COMMANDS if " " in command}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status.

    0 is success, 1 a refusal or too little memory, 2 a mistyped command, 128 + N signal N.
    A mistake that a person can mend is one line; LODISC_DEBUG=1 shows its traceback. Any other
    exception is a bug and keeps its traceback.
    """
    replace_what_cannot_be_shown()
    argv = sys.argv[1:] if argv is None else argv
    words = 2 if argv[:1] and argv[0] in GROUPS else 1
    name, rest = " ".join(argv[:words]), argv[words:]
    if name in {"--version", "version"}:
        stdout.print(f"lodisc {__version__}")
        return 0
    if name not in COMMANDS:
        return _overview(name)
    try:
        with log_as_notes():
            tyro.cli(
                with_recipe(COMMANDS[name], rest),
                args=rest,
                prog=f"lodisc {name}",
                config=(tyro.conf.FlagCreatePairsOff,),
                registry=REGISTRY,
            )
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


def _overview(name: str) -> int:
    """Print the commands, or those of one group, as help or beside the refusal of `name`."""
    group, _, rest = name.partition(" ")
    is_help = name in {"", "-h", "--help"} or (group in GROUPS and rest in {"", "-h", "--help"})
    lines = [
        f"  {command:<14} {(function.__doc__ or '').splitlines()[0]}"
        for command, function in COMMANDS.items()
        if group not in GROUPS or command.startswith(f"{group} ")
    ]
    usage = "\n".join(["usage: lodisc COMMAND …   (lodisc COMMAND --help says more)", "", *lines])
    if is_help:
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

        place = f": {printable(error.filename)}" if error.filename else ""
        return f"{error.strerror}{place}"
    return " ".join(str(error).split())
