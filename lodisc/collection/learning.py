"""A training on the photographs of a collection, in a process that outlives who started it.

C/learning.json names its run and process; C/learning.log is what it printed. While it runs, it
holds the lock of C/.learning, which it inherits.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any, BinaryIO, Literal, TypedDict, cast

from lodisc.collection.collection import Collection
from lodisc.collection.files import CollectionFiles
from lodisc.config import TrainConfig
from lodisc.embedding.embedding import Embedding
from lodisc.errors import UserError
from lodisc.files import Kinds, read_json, write_json
from lodisc.run import Run

State = Literal["none", "running", "stopped", "failed", "finished"]

LARGEST = 224  # pixels: larger starts learn at this size, as `lodisc train` does by itself
TRIAL = 16  # photographs by which the time is estimated
FORWARDS = 8
"""Forward passes that a training photograph costs: two views by the student, of which each has a
backward pass twice as long, and two by the momentum encoder."""
_KINDS: Kinds = {"run": str, "pid": int, "embeddings": list[str]}


class _Note(TypedDict):
    """What `learning.json` holds."""

    run: str
    pid: int
    embeddings: list[str]
    """Folders of vectors that lie elsewhere and were used before."""


@dataclass(frozen=True)
class UsableEncoder:
    """Vectors that the collection can use: of an embedding, or of a run that is not embedded."""

    name: str
    """The name of the encoder."""
    run: Path | None
    embedding: Path | None
    is_current: bool
    is_learnt: bool


class Busy(UserError):
    """A training runs already."""


class Learning:
    """The training of a collection; several threads and processes may ask."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.files = CollectionFiles(collection.path.resolve())
        self._starting = Lock()
        self._seconds: float | None = None

    @property
    def data(self) -> Path:
        """Where the photographs are."""
        return Path(self.collection.settings["data"])

    @property
    def run(self) -> Run | None:
        """The run that was begun last."""
        note = self._note()
        return Run(self.files.runs / note["run"]) if note["run"] else None

    def state(self) -> State:
        """How the last training stands."""
        if self.is_running:
            return "running"
        run = self.run
        if run is None:
            return "none"
        if _is_finished(run):
            return "finished"
        return "stopped" if run.checkpoints.is_dir() else "failed"

    @property
    def is_running(self) -> bool:
        with self._starting:
            try:
                with self._lock("rb"):
                    return False
            except Busy:
                return True
            except OSError:  # there never was one, or the file system has no locks
                return False

    def last_words(self) -> str:
        """The last line that the training printed."""
        try:
            lines = self.files.learning_log.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        words = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return re.sub(r"^lodisc train: ", "", words)

    def start(self, *, anew: bool = False) -> Run:
        """Train, from the untouched start, or go on with what was stopped unless `anew`.

        Raises `Busy`, and `UserError` if the photographs are not there.
        """
        if not self.data.exists():
            raise UserError(f"{self.data} is not there; put the photographs back")
        with self._starting, self._lock("wb") as lock:
            note = self._note()
            last = Run(self.files.runs / note["run"]) if note["run"] else None
            goes_on = last is not None and not anew and last.has_begun and not _is_finished(last)
            run = last if goes_on and last is not None else self._new_run()
            words = self._command(run)
            self.files.runs.mkdir(exist_ok=True)
            note = cast(_Note, {**note, "run": run.path.name, "pid": 0})
            write_json(self.files.learning, note)  # before there is a process: the disk may be full
            with self.files.learning_log.open("wb") as log:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(lock.fileno(),),
                    start_new_session=True,
                )
            Thread(target=process.wait, daemon=True).start()  # else it stays as a zombie
            write_json(self.files.learning, {**note, "run": run.path.name, "pid": process.pid})
        return run

    def stop(self) -> None:
        """Ask the training to stop; it writes a checkpoint first."""
        pid = self._note()["pid"]
        if self.is_running and pid > 0:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def measure(self) -> None:
        """Take the time of a few forward passes, for `minutes`.

        Raises `UserError` if the encoder is damaged.
        """
        import torch

        encoder = self.collection.encoder()
        views = torch.zeros(TRIAL, 3, encoder.image_size, encoder.image_size, dtype=torch.uint8)
        encoder.features(views)  # the first time is slower
        began = time.perf_counter()
        encoder.features(views)
        self._seconds = (time.perf_counter() - began) / TRIAL

    def minutes(self) -> float | None:
        """About how long a training takes here; None if that was not measured."""
        if self._seconds is None:
            return None
        from lodisc.training.prepare import steps_of_epochs

        photographs = self._photographs()
        config = TrainConfig(batch_size=_batch_size(photographs))
        images = steps_of_epochs(config, photographs) * config.batch_size
        return images * FORWARDS * self._seconds / 60

    def encoders(self) -> list[UsableEncoder]:
        """All vectors that the collection can use, its own first."""
        settings = self.collection.settings
        current = Path(settings["parts"]).resolve()
        earlier = [Path(folder).resolve() for folder in self._note()["embeddings"]]
        folders = {current, *earlier, *(self.files.vectors.glob("*"))}
        entries = []
        for folder in sorted(folders):
            embedding = Embedding(folder)
            if folder != current and not (embedding.has_begun and embedding.is_finished):
                continue
            try:
                made_by: Any = settings if folder == current else embedding.settings()
            except UserError:  # it is damaged
                continue
            run = Path(made_by["run"]).resolve() if made_by.get("run") else None
            entries.append(
                UsableEncoder(made_by["encoder"], run, folder, folder == current, run is not None)
            )
        runs = {entry.run for entry in entries}
        for folder in sorted(self.files.runs.glob("*")):
            if _is_finished(Run(folder)) and folder not in runs:
                entries.append(UsableEncoder(folder.name, folder, None, False, True))
        return sorted(entries, key=lambda entry: not entry.is_current)

    def remember_embedding(self) -> None:
        """Write down where the vectors lie that are about to be replaced."""
        with self._starting:
            note, parts = self._note(), self.collection.settings["parts"]
            if parts not in note["embeddings"]:
                embeddings = [*note["embeddings"], parts]
                write_json(self.files.learning, {**note, "embeddings": embeddings})

    def _photographs(self) -> int:
        """The number of photographs to learn from: those in test/ are not."""
        return sum(split != "test" for split in self.collection.photos().table["split"].to_pylist())

    def _note(self) -> _Note:
        try:
            return cast(_Note, read_json(self.files.learning, kinds=_KINDS))
        except (OSError, UserError):
            return _Note(run="", pid=0, embeddings=[])

    def _new_run(self) -> Run:
        names = (path.name.removeprefix("run-") for path in self.files.runs.glob("run-*"))
        numbers = [int(name) for name in names if name.isdecimal()]
        return Run(self.files.runs / f"run-{max(numbers, default=0) + 1}")

    def _command(self, run: Run) -> list[str]:
        """The command line; a run that was begun goes on with its own settings."""
        count = self._photographs()
        start = self._start()
        config = read_json(start / "config.json", kinds={"architecture": str, "model_args": dict})
        args = {name: n for name, n in config["model_args"].items() if name != "img_size"}
        words = [
            sys.executable,
            "-P",
            "-m",
            "lodisc",
            "train",
            str(self.data),
            "--out",
            str(run.path),
        ]
        words += ["--init", str(start / "model.safetensors"), "--encoder", config["architecture"]]
        words += ["--batch-size", str(_batch_size(count))]
        if (size := config["model_args"]["img_size"]) < LARGEST:
            words += ["--image-size", str(size)]
        if args:
            words += ["--encoder-args", *(str(word) for pair in args.items() for word in pair)]
        return words

    def _start(self) -> Path:
        """The folder of an encoder that lodisc has not trained, if one is there.

        It is that of an embedding, or else what a run began with.
        """
        entries = self.encoders()
        for entry in entries:
            if entry.embedding is not None and not entry.is_learnt:
                folder = Embedding(entry.embedding).encoder
                if folder.is_dir():
                    return folder
        for entry in entries:
            if entry.run is not None and Run(entry.run).exists:
                return Run(entry.run).start
        return self.files.encoder(self.collection.settings["fingerprint"])

    @contextmanager
    def _lock(self, mode: Literal["rb", "wb"]) -> Iterator[BinaryIO]:
        """Hold the lock that a training holds; raises `Busy`."""
        with (self.files.path / ".learning").open(mode) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy("A training runs already; wait for it, or stop it") from None
            yield file


def _batch_size(photographs: int) -> int:
    return max(2, min(TrainConfig().batch_size, photographs))


def _is_finished(run: Run) -> bool:
    """Whether its training has come to its end; that is written down last."""
    try:
        return run.exists and run.config.get("outcome") is not None
    except UserError:  # it is damaged
        return False
