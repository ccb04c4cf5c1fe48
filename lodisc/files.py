"""Files that are replaced atomically, folders that are locked, JSON and JSON lines."""

import errno
import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lodisc.errors import UserError

logger = logging.getLogger("lodisc")


@contextmanager
def replacing(path: Path, *, alone: bool = False, durable: bool = True) -> Iterator[Path]:
    """A temporary path that replaces `path` atomically when the block ends without an exception.

    After an exception the temporary file is removed and `path` stays as it was. `alone` says that
    no other process writes this file: the temporary name is then the same each time, so that the
    next call overwrites what a killed process left. A `durable` file survives a power cut.
    """
    owner = "" if alone else f".{os.getpid()}-{threading.get_ident()}"
    draft = path.with_name(f".{path.name}{owner}.tmp")
    draft.unlink(missing_ok=True)
    try:
        yield draft
        if durable and not draft.is_symlink():
            flush(draft)
        draft.replace(path)
        if durable:
            flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk, as far as its file system can tell."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems can't flush folders
            raise
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path, *, busy: str = "") -> Iterator[None]:
    """Keep other processes that lock this folder out.

    Where another process holds the lock, raises a `UserError` with the text `busy`, or waits if
    `busy` is empty.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy:
                raise UserError(busy) from None
            logger.info(f"Waiting for another process that writes to {folder}.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    with replacing(path) as draft, draft.open("w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def read_json(path: Path, *, keys: Iterable[str] = ()) -> Any:
    """Read a JSON file; a `UserError` names it when it is damaged.

    With `keys` the file must hold an object that has them.
    """
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error})") from None
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise UserError(f"{path} is damaged (it has no {key})")
    return content


def write_json_lines(path: Path, objects: Iterable[Any]) -> None:
    """Write one JSON object a line, in ASCII, atomically."""
    with replacing(path) as draft, draft.open("w", encoding="ascii") as file:
        file.writelines(f"{json.dumps(content)}\n" for content in objects)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, one a line; an empty list where there is no file.

    A last line without a line break is still being written and is left out. Raises a `UserError`
    that names the file and the line that is damaged.
    """
    if not path.exists():
        return []
    objects = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            content = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}, line {number}, is damaged ({error})") from None
        if not isinstance(content, dict):
            raise UserError(f"{path}, line {number}, is damaged (it is not an object)")
        objects.append(content)
    return objects
