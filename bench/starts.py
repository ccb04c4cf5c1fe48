"""Is what was learnt above its start, whatever the start? And a mixture of both?

    python bench/starts.py DATA ENCODERS start@0:default@180 default@180:twice-0@180,twice-1@180 …
    python bench/starts.py … --validation      # for choosing: training photographs

ENCODERS holds timm directories, as `bench/encoders.py` and `bench/supervised.py` write them. Each
pair is a start and what was learnt from it, with one seed or several. Mixtures are of their
weights, by the share of what was learnt. Photographs and scores are those of
`bench/without_labels.py`; for validation, training photographs of classes whose labels
`bench/supervised.py` has not read. ± is the standard deviation over seeds, and the interval of a
gain is that of `lodisc.evaluation.paired.difference`.

Axes: D trainings (seeds), N test photographs.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from supervised import labelled_classes
from without_labels import Views, features_of

from lodisc.console import table, track
from lodisc.data.sources import find_photos
from lodisc.encoders import load_encoder
from lodisc.evaluation.paired import difference, mean_metric
from lodisc.evaluation.retrieval import METRICS, retrieval_scores
from lodisc.method.encoder import Encoder
from lodisc.method.mixture import mixed
from lodisc.training.watch import SHARES
from lodisc.vectors.separation import separation


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    encoders: tyro.conf.Positional[Path]
    pairs: tyro.conf.Positional[tuple[str, ...]]
    shares: tuple[float, ...] = SHARES
    """Shares of what was learnt in the mixtures."""
    validation: bool = False


@dataclass(frozen=True)
class Scores:
    """Rank-1 and average precision [2, D, N] of D encoders that differ in their seed alone."""

    retrieval_2DN: NDArray[np.float64]
    separation_D: NDArray[np.float64]

    def __str__(self) -> str:
        metrics = " / ".join(map(_cell, self.retrieval_2DN))
        return f"{metrics} · {self.separation_D.mean():.2f}"

    def gains_on(self, start: "Scores") -> list[str]:
        """What Rank-1 and mAP gain on a single start, with their intervals."""
        cells = []
        for after_DN, before_1N in zip(self.retrieval_2DN, start.retrieval_2DN, strict=True):
            gain = difference(after_DN, np.broadcast_to(before_1N, after_DN.shape))
            cells.append(f"{gain.value:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})")
        return cells


def _cell(scores_DN: NDArray[np.float64]) -> str:
    metric = mean_metric(scores_DN)
    deviation = metric["deviation"]
    return f"{metric['mean']:.1f}" + ("" if deviation is None else f" ±{deviation:.1f}")


def together(seeds: list[Scores]) -> Scores:
    """The scores of all these encoders, which differ in their seed alone."""
    return Scores(
        np.concatenate([scores.retrieval_2DN for scores in seeds], axis=1),
        np.concatenate([scores.separation_D for scores in seeds]),
    )


def main(settings: Settings) -> None:
    pairs = [(start, runs.split(",")) for start, runs in (p.split(":") for p in settings.pairs)]
    encoders = {
        name: load_encoder(settings.encoders / name).eval()
        for start, runs in pairs
        for name in (start, *runs)
    }
    size = encoders[pairs[0][0]].image_size
    views = Views(settings.data, image_size=size, validation=_validation(settings))
    measure = cache(lambda name: scores_of(encoders[name], views))
    rows = []
    for start, runs in track(pairs, description=settings.data.name, total=len(pairs)):
        mixtures = [
            together(
                [scores_of(mixed(encoders[start], encoders[run], share), views) for run in runs]
            )
            for share in settings.shares
        ]
        before, after = measure(start), together([measure(run) for run in runs])
        scores = [before, *mixtures, after]
        rows.append([f"{start} → {', '.join(runs)}", *map(str, scores), *after.gains_on(before)])
    shares = [f"{share:.0%}" for share in settings.shares]
    kind = "training" if settings.validation else "test"
    title = (
        f"{settings.data}: Rank-1 / mAP of {len(views.labels):,} {kind} photographs · separation"
    )
    table(title, ["", "start", *shares, "learnt", "Rank-1 gain", "mAP gain"], rows)


def _validation(settings: Settings) -> set[str] | None:
    if not settings.validation:
        return None
    photos = [photo for photo in find_photos(settings.data).photos if photo.split == "train"]
    return {photo.label for photo in photos if photo.label} - {*labelled_classes(photos)}


def scores_of(encoder: Encoder, views: Views) -> Scores:
    _, class_N = np.unique(views.labels, return_inverse=True)
    scores_NM = retrieval_scores(features_of(encoder, views.test), torch.from_numpy(class_N))
    columns = [METRICS.index(name) for name in ("rank1", "map")]
    has_match_N = scores_NM[:, columns].isfinite().all(dim=1)
    retrieval_N2 = scores_NM[has_match_N][:, columns].double()
    return Scores(
        retrieval_N2.T[:, None].numpy(),
        separation(features_of(encoder, views.train)).mean(dim=0, keepdim=True).double().numpy(),
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
