"""How far a collection is filled, as the process that fills it tells."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

from lodisc.collection.filling_terms import Choice, Event, Phase
from lodisc.console import log_as_notes
from lodisc.data.photo import Photo
from lodisc.embedding.embedding import PROGRESS_KINDS, Embedding
from lodisc.errors import UserError
from lodisc.files import read_json
from lodisc.web import models
from lodisc.web.text import duration, one_line, sentence

PATIENCE = 1.5  # seconds in which the process may end by itself


class Filling:
    """A process that fills a collection, and what it told last."""

    def __init__(self, data: Path, collection: Path, choice: Choice) -> None:
        self.data = data
        self.phase: Phase = "looking"
        self.first: list[Photo] = []
        self.vectors: Path | None = None
        self.note: str | None = None
        self.failure: str | None = None
        self._on_failure: Callable[[str], None] = lambda words: None
        self._is_stopped, self._began = False, time.time()
        spawning = multiprocessing.get_context("spawn")  # torch and LanceDB do not survive a fork
        self._events, events = spawning.Pipe(duplex=False)
        self._process = spawning.Process(target=_work, args=(data, collection, choice, events))
        with _environment():
            self._process.start()
        events.close()
        Thread(target=self._listen, name="filling", daemon=True).start()

    def on_failure(self, act: Callable[[str], None]) -> None:
        """Call `act` with one line if the process fails, or has failed."""
        self._on_failure = act
        if self.failure is not None:
            act(self.failure)

    @property
    def is_over(self) -> bool:
        return self.phase in ("finished", "failed")

    def progress(self) -> tuple[int, int, float | None]:
        """Photographs that are embedded, how many there are, and seconds left if that is known."""
        if self.vectors is None:
            return 0, 0, None
        try:
            progress = read_json(Embedding(self.vectors).progress_file, kinds=PROGRESS_KINDS)
        except (OSError, UserError):
            return 0, 0, None
        if progress["started"] < self._began:  # it is of an earlier time
            return 0, 0, None
        done, total = progress["done"], progress["total"]
        seconds = progress["updated"] - progress["started"]
        return done, total, seconds * (total - done) / done if 0 < done < total else None

    def stop(self) -> None:
        """End the process; what it has written stays whole."""
        self._is_stopped = True
        self._process.terminate()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._take(self._events.recv())
        self._process.join()
        if not self.is_over and not self._is_stopped:
            self._fail(f"the process that reads them ended ({self._process.exitcode})")

    def _take(self, event: Any) -> None:
        if isinstance(event, str):
            self._fail(event)
            return
        for name in ("phase", "first", "vectors", "note"):
            if (value := getattr(event, name)) is not None:
                setattr(self, name, value)

    def _fail(self, words: str) -> None:
        self.phase, self.failure = "failed", words
        self._on_failure(words)


@contextmanager
def _environment() -> Iterator[None]:
    """That of a process that is started now.

    It imports nothing from the folder in which it is started. And nothing is said of semaphores
    that it leaves where it is ended: they are cleaned up.
    """
    changes = {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore:resource_tracker"}
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def describe_filling(filling: Filling, *, photographs: int) -> models.FillingOut:
    """How far it is; the collection holds so many `photographs` by now."""
    done, total, seconds_left = filling.progress()
    return models.FillingOut(
        phase=filling.phase,
        done=done,
        total=total,
        seconds_left=seconds_left,
        photographs=photographs,
        words=_in_words(filling, done=done, total=total, seconds_left=seconds_left),
    )


def _in_words(filling: Filling, *, done: int, total: int, seconds_left: float | None) -> str:
    if filling.failure is not None:
        return sentence(f"The photographs could not be read to the end: {filling.failure}")
    if filling.phase == "grouping":
        return "All photographs are read; they are being grouped."
    if filling.phase == "finished":
        return "All photographs are read."
    if not total:
        return "Looking for photographs, and loading the encoder."
    left = "" if seconds_left is None else f", {duration(seconds_left).lower()} left"
    words = f"{done:,} of {total:,} photographs are read{left}."
    return f"{words} {sentence(filling.note)}" if filling.note else words


def _work(data: Path, collection: Path, choice: Choice, events: Connection) -> None:
    """Fill, and send events; a text is the reason of a failure.

    Ends if the server has ended, as nobody takes the next event then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends this process
    from lodisc.collection.filling import fill

    def tell(event: Event) -> None:
        events.send(event)

    with log_as_notes():
        try:
            fill(data, collection, choice=choice, tell=tell)
        except BrokenPipeError:
            return
        except (UserError, OSError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "out of memory" not in str(error):
                raise
            with suppress(OSError):
                events.send(one_line(str(error)) or type(error).__name__)
