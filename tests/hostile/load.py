"""Many clients, slow ones and uploads at one server, whose memory and descriptors must stay flat.

    python tests/hostile/load.py [--clients 64] [--slow 200] [--uploads 5000]

Slow clients stop in the middle of a request and come again when they are let go. One upload in ten
is no photograph. Linux only, as it reads /proc.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import cycle
from pathlib import Path

import httpx2 as httpx
import numpy as np
from kills import collection
from PIL import Image

from lodisc.web.connections import PIECE_SECONDS

SIDES = (600, 400)  # of an upload, in pixels
MORE = 10  # descriptors at the end, such as of labels and of threads' pipes
GROWTH = 1.1  # of memory, from a fifth of the uploads to the end
STOPS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: ",
    b"POST /api/similar HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n\r\n",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--uploads", type=int, default=5000)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        collection(folder)
        command = (sys.executable, "-m", "lodisc", "serve", str(folder / "birds"), "--port", "0")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = server.stdout.readline().split("   ")[0].strip()
            try:
                sys.exit(0 if _load(server.pid, address, settings) else 1)
            finally:
                server.terminate()


def _load(pid: int, address: str, settings: argparse.Namespace) -> bool:
    uploads, calm = _uploads(32), _descriptors(pid)
    statuses: Counter[int] = Counter()
    over = threading.Event()
    slow = [
        threading.Thread(target=_stop_again_and_again, args=(address, stop, over), daemon=True)
        for _, stop in zip(range(settings.slow), cycle(STOPS), strict=False)
    ]
    for thread in slow:
        thread.start()

    def upload(number: int) -> int:
        data = b"no photograph" if number % 10 == 9 else uploads[number % len(uploads)]
        with httpx.Client(base_url=address, timeout=300) as client:
            answer = client.post("/api/similar", files={"file": (f"{number}.jpg", data)})
        return answer.status_code

    rounds, measured = 10, []
    share = settings.uploads // rounds
    with ThreadPoolExecutor(settings.clients) as pool:
        for first in range(0, share * rounds, share):
            statuses.update(pool.map(upload, range(first, first + share)))
            measured.append(_resident(pid))
            print(
                f"{first + share:,} uploads: {measured[-1] / 1e6:.0f} MB, "
                f"{_descriptors(pid)} descriptors",
                flush=True,
            )
    over.set()
    time.sleep(PIECE_SECONDS + 10)  # what stopped last is let go
    left = _descriptors(pid)
    result = {
        "statuses": dict(statuses),
        "megabytes": [round(size / 1e6) for size in measured],
        "descriptors": left,
        "health": httpx.get(f"{address}api/labels").status_code,
    }
    print(json.dumps(result))
    return (
        set(statuses) == {200, 422}
        and statuses[422] == share * rounds // 10
        and measured[-1] < GROWTH * measured[rounds // 5]
        and left <= calm + MORE
        and result["health"] == 200
    )


def _uploads(count: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    files = []
    for _ in range(count):
        small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        stream = BytesIO()
        small.resize(SIDES, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def _stop_again_and_again(address: str, stop: bytes, over: threading.Event) -> None:
    url = httpx.URL(address)
    while not over.is_set():
        try:
            with socket.create_connection((url.host, url.port or 80)) as client:
                client.sendall(stop)
                while client.recv(2**16):
                    pass
        except OSError:
            time.sleep(0.1)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


if __name__ == "__main__":
    main()
