"""Processes that read photographs: what they need, and how they end."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait

from lodisc.errors import UserError

_EACH, _SHARED = 3, 8  # semaphores of a worker's queue, and of what all share


def require_room(workers: int) -> None:
    """Raise a `UserError` where the queues of so many workers find no room in shared memory."""
    try:
        semaphores = [multiprocessing.Semaphore() for _ in range(_EACH * workers + _SHARED)]
    except OSError as error:
        raise UserError(
            f"shared memory, such as /dev/shm, can't be used ({error.strerror}); "
            "make room in it, or use --workers 0"
        ) from None
    del semaphores


def end_with_parent() -> None:
    """End this worker as soon as its main process has ended, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
