"""Decode every file of a folder, each in a process of its own with little time and memory.

    python tests/hostile/decode_all.py FOLDER

Prints a JSON object: for each file its 8 x 6 pixels, or its reason, or {"died": status}.
"""

import json
import os
import resource
import sys
from pathlib import Path

from corpus import small

from lodisc.data.decode import Unreadable, decode

SECONDS, BYTES = 5, 1_000_000_000


def main(folder: Path) -> None:
    outcomes = {
        path.name: _outcome(path) for path in sorted(folder.iterdir()) if path.suffix != ".json"
    }
    print(json.dumps(outcomes))


def _outcome(path: Path) -> object:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_size() + BYTES,) * 2)
        try:
            answer: object = small(decode(path.read_bytes()))
        except Unreadable as reason:
            answer = str(reason)
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    return json.loads(data) if data and status == 0 else {"died": status}


def _size() -> int:
    """Bytes of address space that this process has already."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
