"""Processes that read photographs: without shared memory, and without their main process."""

import errno
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from photos import collection
from runs import until

from lodisc.data.check import check_photos, describe
from lodisc.data.loader import evaluation_batches, training_batches
from lodisc.data.sources import find_photos
from lodisc.errors import UserError

TASKS: dict[str, Callable[[Path], Any]] = {
    "check": lambda folder: check_photos(find_photos(folder), workers=2, max_skipped=0),
    "describe": lambda folder: describe(folder, workers=2),
    "embed": lambda folder: list(
        evaluation_batches([find_photos(folder).photos], image_size=32, workers=2)
    ),
    "train": lambda folder: list(
        training_batches(
            find_photos(folder).photos,
            seed=0,
            image_size=32,
            min_crop=0.2,
            batch_size=4,
            steps=range(2),
            workers=2,
        )
    ),
}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("task", TASKS)
def test_shared_memory_without_room_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, number: int
) -> None:
    def refuse() -> None:
        raise OSError(number, os.strerror(number))

    collection(tmp_path, per_label=35)
    monkeypatch.setattr(multiprocessing, "Semaphore", refuse)
    with pytest.raises(UserError, match=rf"/dev/shm.*{os.strerror(number)}.*--workers 0"):
        TASKS[task](tmp_path)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_workers_of_a_check_end_with_their_main_process(tmp_path: Path) -> None:
    collection(tmp_path, per_label=35)
    code = (
        "import sys, time; from lodisc.data import check; "
        "check.examine = lambda *_, **__: time.sleep(600); "
        "check.describe(sys.argv[1], workers=2)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) == 2)
        workers = children.read_text().split()
        process.kill()
    until(lambda: not any(is_alive(worker) for worker in workers))


def is_alive(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
