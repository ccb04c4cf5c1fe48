"""`train`: from a folder of photographs to a run; called again, it resumes."""

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

from torch import Tensor

from lodisc.config import LOCAL_SETTINGS, RECIPES, TrainConfig, as_flag, settled
from lodisc.console import progress_bar, stderr
from lodisc.data.photo import Photo
from lodisc.data.sketch import sketch_of
from lodisc.encoders import load_encoder, save_encoder
from lodisc.errors import Stopped, UserError
from lodisc.files import locked
from lodisc.method.lodisc import Step
from lodisc.method.lora import merged
from lodisc.outcome import Outcome
from lodisc.run import Run
from lodisc.training import health
from lodisc.training.checkpoint import save_checkpoint, whole_checkpoints
from lodisc.training.distributed import Processes, processes
from lodisc.training.learner import Learner
from lodisc.training.linear_map import learn_run_map
from lodisc.training.neighbours import run_neighbourhood
from lodisc.training.prepare import (
    as_begun,
    begin_run,
    make_run_folder,
    readable_photos,
    require_same_run,
    run_batches,
    starting_encoder,
)
from lodisc.training.watch import Watch

logger = logging.getLogger("lodisc")


def train(data: str | Path, *, out: str | Path, recipe: str = "adapt", **settings: Any) -> Path:
    """Learn from the photographs in `data` and keep the run in the folder `out`, which is returned.

    `settings` are fields of `TrainConfig`. Called again with the same settings, it resumes from the
    last checkpoint. Raises `UserError` for settings, photographs or an `out` that can't be used,
    and `Stopped` after SIGINT or SIGTERM.
    """
    if recipe not in RECIPES:
        raise UserError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    return run_training(Path(data), Path(out), RECIPES[recipe](**settings))


def run_training(data: Path, out: Path, config: TrainConfig) -> Path:
    """`train` with a complete config."""
    config.check()
    run = Run(out)
    config = as_begun(run, config)
    if config.init not in {"timm", "none"}:
        config = replace(config, init=str(Path(config.init).resolve()))
    busy = f"{out} is being trained by another process; wait for it or choose another --out"
    with processes(config.device) as world:
        if config.batch_size % world.size:
            raise UserError(
                f"--batch-size {config.batch_size} is not a multiple of {world.size} processes"
            )
        if world.is_first:
            make_run_folder(run)
        world.wait()
        with locked(out, busy=busy) if world.is_first else nullcontext():
            photos = readable_photos(data, run, config, world)
            require_same_run(data, run, config, photos)
            encoder = starting_encoder(run, config, world)
            neighbourhood = run_neighbourhood(run, config, world, photos=photos, encoder=encoder)
            config = settled(config, keys="bank" if neighbourhood is not None else "batch")
            if world.is_first:
                _note_unused(config)
            steps = begin_run(
                data,
                run,
                config,
                world,
                photos=photos,
                encoder=encoder,
                neighbourhood=neighbourhood,
            )
            if config.tune == "map":
                if world.is_first and neighbourhood is not None:
                    learn_run_map(
                        run,
                        config,
                        photos=photos,
                        encoder=encoder,
                        neighbourhood=neighbourhood,
                        device=world.device,
                    )
                world.wait()
                return out
            encoder.learnt_from = sketch_of(photos, of_earlier=encoder.learnt_from)
            learner = Learner(encoder, config, world, neighbourhood=neighbourhood)
            _Training(run, config, world, photos=photos, learner=learner, steps=steps).train()
    return out


def _note_unused(config: TrainConfig) -> None:
    """Say which changed settings have no effect, as they are those of regions or heads."""
    usual = RECIPES[config.recipe]()
    changed = [name for name in LOCAL_SETTINGS if getattr(config, name) != getattr(usual, name)]
    if config.objective == "global" and changed:
        flags = " ".join(as_flag(name, getattr(config, name)) for name in sorted(changed))
        logger.info(f"note: {flags} is for regions, which whole views lack; add --objective both")
    if config.keys == "bank" and config.head_warmup:
        flag = as_flag("head_warmup", config.head_warmup)
        logger.info(f"note: {flag} is for heads, which a bank does without; add --keys batch")


class _Training:
    """A run in progress, from the step that its last checkpoint reached."""

    def __init__(
        self,
        run: Run,
        config: TrainConfig,
        world: Processes,
        *,
        photos: list[Photo],
        learner: Learner,
        steps: int,
    ) -> None:
        self.run, self.config, self.world = run, config, world
        self.photos, self.learner, self.steps = photos, learner, steps
        self.step = 0
        self.first: dict[str, float] = {}
        self.smooth: dict[str, float] = {}
        self.outcome: Outcome | None = None
        self.watch: Watch | None = None
        self.looks: tuple[dict[str, int], dict[str, Tensor]] | None = None
        self._restore()
        if world.is_first:
            run.cut_log(self.step)

    def _restore(self) -> None:
        """Go on from the newest checkpoint that is whole and fits, if there is one."""
        has_some = any(self.run.checkpoints.glob("step-*[0-9]"))
        for state, tensors in whole_checkpoints(self.run.checkpoints):
            if not 0 < state["step"] <= self.steps or not self.learner.fits(tensors):
                self._note(f"note: the checkpoint of step {state['step']} is of another run.")
                continue
            self.step, self.learner.bad_steps = state["step"], state["bad_steps"]
            self.first, self.smooth = state["first"], state["smooth"]
            self.outcome = state.get("outcome")
            if state.get("looks"):
                looks = {name: t for name, t in tensors.items() if name.startswith("looks.")}
                self.looks = state["looks"], looks
            self.learner.restore(tensors)
            return
        if has_some:
            self._note(f"No checkpoint of {self.run.path} is whole: training begins anew.")

    def train(self) -> None:
        """Train to the last step, with checkpoints on the way and at the end."""
        if self.step == self.steps or self.outcome:
            self._write_outcome()
            self._note(f"{self.run.path} is finished: {self.step} steps. Nothing to do.")
            if self.outcome and self.outcome["keep"] != self.config.keep:
                self._note(f"It was ended by --keep {self.outcome['keep']}; use another --out.")
            return
        self._write_outcome()
        if self.step:
            self._note(f"Going on from step {self.step} of {self.steps}.")
        if self.world.is_first:
            self.watch = self._watch()
        with _signals() as received, progress_bar() as progress:
            bar = progress.add_task(
                "Training",
                total=self.steps,
                completed=self.step,
                note="",
                visible=self.world.is_first,
            )
            saved_at = logged_at = time.monotonic()
            logged_step = self.step
            steps = range(self.step, self.steps)
            for views in run_batches(self.photos, self.config, self.world, steps):
                result, metrics = self.learner.step(views, step=self.step, steps=self.steps)
                self.step += 1
                is_logged = self.step % self.config.log_every == 0 or self.step in {1, self.steps}
                if is_logged or self._is_due:
                    images = (self.step - logged_step) * self.config.batch_size
                    speed = images / (time.monotonic() - logged_at)
                    line = self._log(result, {**metrics, "images_per_second": speed})
                    progress.update(bar, note=line)
                    logged_at, logged_step = time.monotonic(), self.step
                progress.advance(bar)
                if self.world.any(bool(received) or self._has_fallen):
                    break
                is_late = time.monotonic() - saved_at > self.config.checkpoint_minutes * 60
                if is_late and self.step < self.steps:
                    self._save()
                    saved_at = time.monotonic()
            self._save()
            if self.world.any(bool(received)):
                words = (
                    f"stopped at step {self.step} of {self.steps}; run the same command to go on"
                )
                self._write_outcome()
                raise Stopped(words, received[0] if received else signal.SIGTERM)
        self._write_outcome()

    def _log(self, result: Step, metrics: dict[str, float]) -> str:
        """Measure health and append a line to the log; returns it in a few words."""
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
        speed = f"{metrics['images_per_second']:.0f} images/s"
        line = f"loss {metrics['loss']:.3f} · {speed} · {judged.verdict}"
        if self.world.is_first:
            epoch = self.step / (len(self.photos) // self.config.batch_size)
            numbers = {
                name: value if math.isfinite(value) else None
                for name, value in {**metrics, **measured}.items()
            }
            verdict = {"health": judged.verdict, "advice": judged.advice}
            score = self._look()
            if score is not None:
                numbers["separation"] = score
                line += f" · separation {score:.2f}"
            self.run.append_to_log({"step": self.step, "epoch": epoch, **numbers, **verdict})
            twentieth = max(self.steps // 20, 1)
            is_told = self.step % twentieth < self.config.log_every or self.step == self.steps
            if (is_told or score is not None) and not stderr.is_terminal:
                logger.info(f"step {self.step} of {self.steps} · {line}")
        return line

    def _watch(self) -> Watch:
        """The watch over this training, as the checkpoint has left it."""
        watch = Watch(
            self.photos,
            self.config,
            start=load_encoder(self.run.start),
            device=self.world.device,
        )
        if self.looks:
            watch.restore(*self.looks)
        return watch

    def _look(self) -> float | None:
        """The score of the student, if it is to be looked at after this step."""
        if self.watch is None or not self._is_due:
            return None
        student = merged(self.learner.model.encoder)
        return self.watch.look(student, step=self.step, steps=self.steps)

    @property
    def _is_due(self) -> bool:
        return self.watch is not None and self.watch.is_due(self.step, steps=self.steps)

    @property
    def _has_fallen(self) -> bool:
        return self.watch is not None and self.watch.has_fallen

    def _save(self) -> None:
        """Write both encoders and then a checkpoint, by the first process.

        At the end `encoder/` is what the watch keeps, before it the student. A checkpoint with an
        outcome thus tells that everything is there. Raises `UserError` when the weights are not
        worth keeping.
        """
        self.learner.require_finite()
        if self.watch is None:
            return
        encoder = merged(self.learner.model.encoder)
        if self.step == self.steps or self._has_fallen:
            self.outcome, encoder = self.watch.conclusion(encoder, done=self.step, steps=self.steps)
        save_encoder(encoder, self.run.encoder)
        save_encoder(self.learner.model.momentum_encoder, self.run.momentum)
        looks, tensors = self.watch.state()
        state = {
            "bad_steps": self.learner.bad_steps,
            "first": self.first,
            "smooth": self.smooth,
            "looks": looks,
            "outcome": self.outcome,
        }
        self.run.flush_log()
        save_checkpoint(
            self.run.checkpoints,
            step=self.step,
            tensors=self.learner.tensors() | tensors,
            state=state,
        )

    def _write_outcome(self) -> None:
        """Write down what the training came to, or that it goes on, where that is not written."""
        if self.world.is_first and self.run.config.get("outcome") != self.outcome:
            self.run.write_outcome(self.outcome)

    def _note(self, message: str) -> None:
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
