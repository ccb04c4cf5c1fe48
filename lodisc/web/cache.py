"""Files that only save time: written in one go, and no loss where they can't be."""

import contextlib
import os
import threading
from pathlib import Path


def keep(content: bytes, path: Path) -> None:
    """Write a file whole or not at all; a disk that is full or read-only is no error."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
