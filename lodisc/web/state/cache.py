"""Files that only save time: written in one go, and no loss where they can't be."""

import contextlib
from pathlib import Path

from lodisc.files import replacing


def keep(content: bytes, path: Path) -> None:
    """Write a file whole or not at all; a disk that is full or read-only is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            draft.write_bytes(content)
