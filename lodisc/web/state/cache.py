"""Cache files: losing one costs only time."""

import contextlib
from pathlib import Path

from lodisc.files import replacing


def write_cache(content: bytes, path: Path) -> None:
    """Write a file atomically; a full or read-only disk is ignored."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=False) as draft:
            draft.write_bytes(content)
