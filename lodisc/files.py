"""Files that are read and replaced safely, folders that are locked, JSON and JSON lines."""

import errno
import fcntl
import json
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Any,
    BinaryIO,
    Literal,
    TextIO,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from lodisc.errors import UserError

logger = logging.getLogger("lodisc")

_OLD = 24 * 3600  # seconds
LACKING = {
    errno.EACCES,
    errno.EBADF,
    errno.EINVAL,
    errno.ENOLCK,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
}
"""How file systems of networks and memory cards say that they can't flush, lock or link."""


@contextmanager
def replacing(path: Path, *, alone: bool = False, durable: bool = True) -> Iterator[Path]:
    """A temporary path that replaces `path` atomically when the block ends without an exception.

    After an exception the temporary file is removed and `path` stays as it was. `alone` says that
    no other process writes this file: the temporary name is then the same each time, so that the
    next call overwrites what a killed process left. A `durable` file survives a power cut; what
    killed processes left of it is deleted after a day.
    """
    owner = "" if alone else f".{os.getpid()}-{threading.get_ident()}"
    draft = path.with_name(f".{path.name}{owner}.tmp")
    draft.unlink(missing_ok=True)
    if durable and not alone:
        _delete_old_drafts(path)
    try:
        yield draft
        if durable and not draft.is_symlink():
            flush(draft)
        draft.replace(path)
        if durable:
            flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _delete_old_drafts(path: Path) -> None:
    own = re.compile(rf"\.{re.escape(path.name)}\.\d+-\d+\.tmp")
    for draft in _old_drafts(path.parent.absolute()):
        if own.fullmatch(draft.name):
            draft.unlink(missing_ok=True)


@cache
def _old_drafts(folder: Path) -> list[Path]:
    """What killed processes left in a folder; it is listed once, as it may hold very many files."""
    drafts = []
    for draft in folder.glob(".*-*.tmp"):
        with suppress(OSError):  # another process may have deleted it
            if time.time() - draft.stat().st_mtime > _OLD:
                drafts.append(draft)
    return drafts


def read_bytes(path: Path) -> bytes:
    """The content of a file; raises `OSError`, also for a pipe or device, which would never end."""
    with open_file(path) as file:
        return file.read()


def open_file(path: Path) -> BinaryIO:
    """A file to be read; raises `OSError`, also for a pipe or device, and waits for neither."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - for the caller to close
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise not_a_file(path)
    return file


def not_a_file(path: str | Path) -> OSError:
    """The error for what is read or written like a file and is something else."""
    return OSError(errno.EINVAL, "not a file", str(path))


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk, as far as its file system can tell."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in LACKING:
            raise


@contextmanager
def locked(folder: Path, *, busy: str = "", name: str = ".lock") -> Iterator[None]:
    """Keep other processes that lock this folder under this name out.

    Where another process holds the lock, raises a `UserError` with the text `busy`, or waits if
    `busy` is empty. Raises a `UserError` for a file system without locks.
    """
    with open(folder / name, "w", opener=_own_file) as file:
        try:
            _lock(file, folder, busy=busy)
        except OSError as error:
            if error.errno not in LACKING:
                raise
            raise UserError(
                f"the file system of {folder} can't lock it for one process ({error.strerror}); "
                "use a folder on a local disk"
            ) from None
        yield


def _lock(file: TextIO, folder: Path, *, busy: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if busy:
            raise UserError(busy) from None
        logger.info(f"Waiting for another process that writes to {folder}.")
        fcntl.flock(file, fcntl.LOCK_EX)


def _own_file(path: str, flags: int) -> int:
    """Open a file for writing as it is, unless a link, a pipe or a device is in its place."""
    try:
        handle = os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path} is a link; delete it") from None
        if error.errno == errno.ENXIO:
            raise UserError(f"{path} is not a file; delete it") from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path} is not a file; delete it")
    return handle


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    with replacing(path) as draft, draft.open("w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """An object for JSON, with a digest of the rest of it, by which damage is noticed."""
    return {**content, "digest": _digest(content)}


def has_changed(content: Mapping[str, Any]) -> bool:
    """Whether an object from JSON is not as `with_digest` made it; others have no digest."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return content.get("digest") not in (None, _digest(rest))


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


Kinds = Mapping[str, Any]
"""The type of what an object must have by each of these keys.

JSON's own types, `dict[str, …]`, `list[…]`, `Literal`, a `TypedDict`, and unions of them. A key
whose type includes None may be missing. A float may be written as a whole number.
"""


def read_json(path: Path, *, kinds: Kinds = MappingProxyType({})) -> Any:
    """Read a JSON file; a `UserError` names it when it is damaged.

    With `kinds` the file must hold an object with such values.
    """
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error})") from None
    if problem := problem_of(content, kinds):
        raise UserError(f"{path} is damaged ({problem})")
    return content


def problem_of(content: Any, kinds: Kinds) -> str | None:
    """What is not as it must be in a value from JSON; None if all is."""
    if not kinds:
        return None
    if not isinstance(content, dict):
        return "it is not an object"
    for key, kind in kinds.items():
        if not is_of_kind(content.get(key), kind):
            return f"its {key} is of another kind" if key in content else f"it has no {key}"
    return None


def is_of_kind(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of a type, as `Kinds` has them."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(is_of_kind(value, option) for option in inner)
    if origin is Literal:
        return value in inner
    if origin is dict:
        return isinstance(value, dict) and all(is_of_kind(x, inner[1]) for x in value.values())
    if origin is list:
        return isinstance(value, list) and all(is_of_kind(x, inner[0]) for x in value)
    if is_typeddict(kind):
        return isinstance(value, dict) and all(
            is_of_kind(value.get(key), hint)
            for key, hint in get_type_hints(kind).items()
            if key in value or key in kind.__required_keys__
        )
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, NoneType if kind is None else kind)


def write_json_lines(path: Path, objects: Iterable[Any]) -> None:
    """Write one JSON object a line, in ASCII, atomically."""
    with replacing(path) as draft, draft.open("w", encoding="ascii") as file:
        file.writelines(f"{json.dumps(content)}\n" for content in objects)


def read_json_lines(
    path: Path, *, kinds: Kinds = MappingProxyType({}), tolerant: bool = False
) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, one a line; an empty list where there is no file.

    A last line without a line break is still being written and is left out. Raises a `UserError`
    that names the file and the line that is damaged; a `tolerant` reader passes over such lines.
    """
    if not path.exists():
        return []
    objects = []
    for number, line in enumerate(read_bytes(path).split(b"\n")[:-1], start=1):
        try:
            content = json.loads(line)
            problem = problem_of(content, kinds)
        except (ValueError, RecursionError) as error:
            content, problem = None, str(error)
        if problem is None and not isinstance(content, dict):
            problem = "it is not an object"
        if problem is None:
            objects.append(content)
        elif not tolerant:
            raise UserError(f"{path}, line {number}, is damaged ({problem})")
    return objects
