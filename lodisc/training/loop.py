"""`train`: from a folder of photographs to a run, again and again from where it stopped."""

import logging
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from lodisc.config import RECIPES, TrainConfig
from lodisc.console import progress_bar, stderr
from lodisc.data.photo import Photo
from lodisc.encoders import save_encoder
from lodisc.errors import Stopped, UserError
from lodisc.files import locked
from lodisc.method.lodisc import Step
from lodisc.training import checkpoint, health, runlog
from lodisc.training.distributed import Processes, processes
from lodisc.training.learner import Learner
from lodisc.training.prepare import (
    batches_of,
    claim,
    image_size_of,
    plan,
    readable_photos,
    starting_encoder,
)

logger = logging.getLogger("lodisc")


def train(data: str | Path, *, out: str | Path, recipe: str = "adapt", **settings: Any) -> Path:
    """Learn from the photographs in `data` and keep the run in the folder `out`, which is returned.

    `settings` are fields of `TrainConfig`. Called again with the same settings it goes on from the last checkpoint. Raises
    `UserError` for settings, photographs or an `out` that can't be used, `Stopped` after SIGINT or SIGTERM.
    """
    if recipe not in RECIPES:
        raise UserError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    return run_training(Path(data), Path(out), RECIPES[recipe](**settings))


def run_training(data: Path, out: Path, config: TrainConfig) -> Path:
    """`train` with a complete config."""
    config.check()
    config = replace(config, image_size=image_size_of(out, config))
    if config.init not in {"timm", "none"}:
        config = replace(config, init=str(Path(config.init).resolve()))
    with processes(config.device) as world:
        if config.batch_size % world.size:
            raise UserError(
                f"--batch-size {config.batch_size} cannot be shared evenly by {world.size} processes"
            )
        if world.is_first:
            claim(out)
        world.wait()
        with (
            locked(
                out,
                busy=f"{out} is being trained by another process; wait for it or choose another --out",
            )
            if world.is_first
            else nullcontext()
        ):
            photos = readable_photos(data, out, config, world)
            encoder = starting_encoder(out, config, world)
            steps = plan(data, out, config, world, photos=photos, encoder=encoder)
            _Training(
                out,
                config,
                world,
                photos=photos,
                learner=Learner(encoder, config, world),
                steps=steps,
            ).run()
    return out


class _Training:
    """A run on its way, from the step that its last checkpoint reached."""

    def __init__(
        self,
        out: Path,
        config: TrainConfig,
        world: Processes,
        *,
        photos: list[Photo],
        learner: Learner,
        steps: int,
    ) -> None:
        self.out, self.config, self.world, self.photos, self.learner, self.steps = (
            out,
            config,
            world,
            photos,
            learner,
            steps,
        )
        self.step = 0
        self.first: dict[str, float] = {}
        self.smooth: dict[str, float] = {}
        found = checkpoint.last_checkpoint(out)
        if found:
            state, tensors = found
            self.step, self.learner.bad_steps = state["step"], state["bad_steps"]
            self.first, self.smooth = state["first"], state["smooth"]
            self.learner.restore(tensors)
        if world.is_first:
            runlog.forget_after(out, self.step)

    def run(self) -> None:
        """Train to the last step, with checkpoints on the way and at the end."""
        if self.step == self.steps:
            self._tell(f"{self.out} is finished: {self.steps} steps. Nothing to do.")
            return
        if self.step:
            self._tell(f"Going on from step {self.step} of {self.steps}.")
        saved = time.monotonic()
        with _signals() as received, progress_bar() as progress:
            bar = progress.add_task(
                "Training",
                total=self.steps,
                completed=self.step,
                note="",
                visible=self.world.is_first,
            )
            begun, reached = time.monotonic(), self.step
            for views in batches_of(
                self.photos, self.config, self.world, range(self.step, self.steps)
            ):
                result, figures = self.learner.step(views, step=self.step, steps=self.steps)
                self.step += 1
                if self.step % self.config.log_every == 0 or self.step in {1, self.steps}:
                    speed = (
                        (self.step - reached) * self.config.batch_size / (time.monotonic() - begun)
                    )
                    progress.update(
                        bar, note=self._log(result, {**figures, "images_per_second": speed})
                    )
                    begun, reached = time.monotonic(), self.step
                progress.advance(bar)
                if self.world.any(bool(received)):
                    break
                if (
                    time.monotonic() - saved > self.config.checkpoint_minutes * 60
                    and self.step < self.steps
                ):
                    self._save()
                    saved = time.monotonic()
            self._save()
            if self.world.any(bool(received)):
                number = received[0] if received else signal.SIGTERM
                raise Stopped(
                    f"stopped at step {self.step} of {self.steps}; run the same command to go on",
                    number,
                )

    def _log(self, result: Step, figures: dict[str, float]) -> str:
        """Measure health, write a line of the log, and say it in a few words."""
        measured = health.measure(result)
        self.first = self.first or measured
        self.smooth = {
            name: 0.7 * self.smooth.get(name, value) + 0.3 * value
            for name, value in measured.items()
        } or self.smooth
        batch = self.config.batch_size // self.world.size
        judged = health.judge(
            self.smooth, first=self.first, step=self.step, steps=self.steps, batch=batch
        )
        line = f"loss {figures['loss']:.3f} · {figures['images_per_second']:.0f} images/s · {judged.verdict}"
        if self.world.is_first:
            epoch = self.step / (len(self.photos) // self.config.batch_size)
            numbers = {
                name: value if math.isfinite(value) else None
                for name, value in {**figures, **measured}.items()
            }
            runlog.append(
                self.out,
                {
                    "step": self.step,
                    "epoch": epoch,
                    **numbers,
                    "health": judged.verdict,
                    "advice": judged.advice,
                },
            )
            twentieth = max(self.steps // 20, 1)
            if not stderr.is_terminal and (
                self.step % twentieth < self.config.log_every or self.step == self.steps
            ):
                logger.info(f"step {self.step} of {self.steps} · {line}")
        return line

    def _save(self) -> None:
        """Both encoders and then a checkpoint, by the first process: one of the last step says that everything is there.

        Raises `UserError` when the weights are not worth keeping.
        """
        self.learner.require_finite()
        if self.world.is_first:
            model = self.learner.model
            for encoder, folder in (
                (model.encoder, "encoder"),
                (model.momentum_encoder, "momentum"),
            ):
                save_encoder(encoder, self.out / folder)
            state = {
                "bad_steps": self.learner.bad_steps,
                "first": self.first,
                "smooth": self.smooth,
            }
            checkpoint.save_checkpoint(
                self.out, step=self.step, tensors=self.learner.tensors(), state=state
            )

    def _tell(self, message: str) -> None:
        if self.world.is_first:
            logger.info(message)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the first SIGINT or SIGTERM; a second one ends the process at once."""
    received: list[int] = []

    def receive(number: int, frame: Any) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if in_main_thread else ()
    before = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
