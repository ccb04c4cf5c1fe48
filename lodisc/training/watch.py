"""Watches without labels how good the student is, and decides in the end what is kept of it.

Axes: N photographs of the sample.
"""

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor

from lodisc.config import TrainConfig
from lodisc.data.photo import Photo
from lodisc.data.sample import read_sample, sample_of
from lodisc.device import autocast
from lodisc.method.encoder import Encoder
from lodisc.method.mixture import mixed
from lodisc.outcome import CLEAR, LEAST, Kept, Outcome, Verdict, verdict_of
from lodisc.vectors.separation import mean_gain, separation

LOOKS, MOST_STEPS = 6, 100
"""About so often a training looks at its student, but so many steps apart at most."""
MOST_WORK = 0.1
"""Share of the operations that looks may take; with small batches they are rarer."""
PATIENCE = 5
"""So many looks in a row that are clearly below the best one, and do not rise, end a training."""
SHARES = (0.25, 0.5, 0.75)
"""Shares of the student in the mixtures that are tried when it is not better than its start."""


def is_blind(photographs: int, config: TrainConfig) -> bool:
    """Whether a sample of so many photographs tells nothing of this training."""
    return photographs < LEAST or config.init == "none"


def steps_of_look(photographs: int, config: TrainConfig) -> float:
    """How many steps take as long as a look at so many photographs, in a single process.

    A step has two views of each photograph, and takes three times the work of looking at them.
    """
    return photographs / (6 * config.batch_size)


def interval(steps: int, photographs: int, config: TrainConfig) -> int:
    """How many steps lie between two looks of `--keep best`."""
    work = steps_of_look(photographs, config)
    return max(min(round(steps / LOOKS), MOST_STEPS), math.ceil(work / MOST_WORK), 1)


def steps_beside_looks(
    time: float, photographs: int, config: TrainConfig, *, processes: int = 1
) -> int:
    """How many steps there is time for, beside the looks; `time` is that of so many steps alone.

    One process looks while the others wait. `--keep best` may look at mixtures in the end.
    """
    if is_blind(photographs, config):
        return max(1, round(time))
    work = steps_of_look(photographs, config) * processes
    steps = max(1, math.floor(time - 2 * work))
    if config.keep == "last":
        return steps
    looks = time // interval(steps, photographs, config) + 1 + len(SHARES)
    return max(1, math.floor(time - looks * work))


class Watch:
    """The score of the student on a fixed sample, and the student where it was best.

    Fewer than `LEAST` photographs tell nothing, and random weights cannot be compared with: they
    stand out as far as weak features do. The last student is kept then.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        config: TrainConfig,
        *,
        start: Encoder,
        device: torch.device,
    ) -> None:
        """Score the untouched start. Raises `UserError` for a photograph that can't be read."""
        self.config, self.start, self.device = config, start, device
        self.photographs = len(sample_of(photos, image_size=config.image_size))
        self.is_blind = is_blind(self.photographs, config)
        self.best: dict[str, Tensor] = {}
        self.best_step = self.worse = 0
        self.start_N = self.best_N = self.last_N = torch.zeros(self.photographs)
        if not self.is_blind:
            self.sample = read_sample(
                photos, image_size=config.image_size, fit=config.fit, workers=config.workers
            )
            self.start_N = self._score(start)

    def is_due(self, step: int, *, steps: int) -> bool:
        """Whether to look at the student after a step; with `--keep last` after the last alone."""
        if self.is_blind or self.config.keep == "last":
            return step == steps and not self.is_blind
        return step == steps or step % interval(steps, self.photographs, self.config) == 0

    def look(self, student: Encoder, *, step: int, steps: int) -> float:
        """Score the student after a step; for `--keep best` keep a copy of the best so far."""
        before, self.last_N = self.last_N.mean(), self._score(student)
        if self.config.keep == "best":
            self._compare(student, before=float(before), step=step, steps=steps)
        return _mean(self.last_N)

    def _compare(self, student: Encoder, *, before: float, step: int, steps: int) -> None:
        """Keep a copy of the student if it is the best so far, or else count how long it falls."""
        if not self.best or self.last_N.mean() >= self.best_N.mean():
            self.best_step, self.best_N, self.worse = step, self.last_N, 0
            weights = student.trunk.state_dict()
            self.best = {name: tensor.cpu().clone() for name, tensor in weights.items()}
            return
        is_below = mean_gain(self.best_N, self.last_N).high < 0
        is_warm = step > (self.config.warmup + self.config.head_warmup) * steps
        falls = is_warm and is_below and float(self.last_N.mean()) <= before
        self.worse = self.worse + 1 if falls else 0

    @property
    def has_fallen(self) -> bool:
        """Whether the score has been clearly below its best for so long that training may end."""
        return self.worse >= PATIENCE

    def conclusion(self, student: Encoder, *, done: int, steps: int) -> tuple[Outcome, Encoder]:
        """What the training came to when so many of its steps are done, and the encoder to keep.

        `student` is as it was at the last look. With `--keep best` it goes back to where it was
        best. If it is not clearly better than its start there, the best mixture is kept.
        """
        kept_N, kept, encoder = self.last_N, Kept(step=done, share=1.0), student
        is_best = self.config.keep == "best" and not self.is_blind
        if is_best and self.best_step != done:
            kept_N, kept["step"] = self.best_N, self.best_step
            encoder = deepcopy(student)
            encoder.trunk.load_state_dict(self.best)
        run_N, gain = kept_N, mean_gain(self.start_N, kept_N)
        verdict: Verdict = "not measured" if self.is_blind else verdict_of(gain.low, gain.high)
        if is_best and verdict != "helped":
            kept_N, kept["share"], encoder = self._best_mixture(encoder)
            if not kept["share"]:
                kept["step"] = 0
        outcome = Outcome(
            verdict=verdict,
            photographs=self.photographs,
            start=_mean(self.start_N),
            run=_mean(run_N),
            gain=round(gain.value, 4),
            low=round(gain.low, 4),
            high=round(gain.high, 4),
            keep=self.config.keep,
            kept=kept,
            kept_score=_mean(kept_N),
            steps=done,
            planned=steps,
        )
        return outcome, encoder

    def _best_mixture(self, student: Encoder) -> tuple[Tensor, float, Encoder]:
        """Of the mixtures that are clearly better than the start the best, or else the start.

        Its scores [N], the share of the student, and the encoder.
        """
        best_N, best_share, best = self.start_N, 0.0, self.start
        for share in SHARES:
            mixture = mixed(self.start, student, share)
            score_N = self._score(mixture)
            is_clear = mean_gain(self.start_N, score_N).low > CLEAR
            if is_clear and score_N.mean() > best_N.mean():
                best_N, best_share, best = score_N, share, mixture
        return best_N, best_share, best

    def state(self) -> tuple[dict[str, int], dict[str, Tensor]]:
        """What a resumed training needs of the looks: numbers, and tensors by name."""
        numbers = {"best_step": self.best_step, "worse": self.worse}
        weights = {f"looks.best.{name}": tensor for name, tensor in self.best.items()}
        scores = {"looks.best_N": self.best_N, "looks.last_N": self.last_N.clone()}
        return numbers, scores | weights

    def restore(self, numbers: dict[str, int], tensors: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.best_step, self.worse = numbers["best_step"], numbers["worse"]
        self.best_N, self.last_N = tensors["looks.best_N"], tensors["looks.last_N"]
        prefix = "looks.best."
        self.best = {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }

    @torch.no_grad()
    def _score(self, encoder: Encoder) -> Tensor:
        """The separation of the photographs of the sample [N]; 0 if a feature is NaN."""
        was_training, device = encoder.training, encoder.mean.device
        encoder.to(self.device).eval()
        with autocast(self.config.precision, self.device):
            features_ND = self.sample.features(lambda views: encoder(views.to(self.device)))
        encoder.to(device).train(was_training)
        if not bool(features_ND.isfinite().all()):
            return torch.zeros(len(features_ND))
        return separation(features_ND)


def _mean(score_N: Tensor) -> float:
    return round(float(score_N.mean()), 4)
