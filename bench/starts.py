"""Is what was learnt above its start, whatever the start? And a mixture of both?

    python bench/starts.py DATA ENCODERS start@0:default@180 strong@120:strong-default@180 …

ENCODERS holds timm directories, as `bench/encoders.py` and `bench/supervised.py` write them. Each
pair is a start and what was learnt from it. Mixtures are of their weights, by the share of what was
learnt. Photographs and scores are those of `bench/without_labels.py`. The interval of a gain is a
bootstrap over the test photographs.

Axes: N test photographs.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from without_labels import Views, features_of

from lodisc.console import table, track
from lodisc.encoders import load_encoder
from lodisc.evaluation.interval import mean_estimates
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


@dataclass(frozen=True)
class Scores:
    """Rank-1 and average precision [N, 2] of each test photograph, and the mean separation."""

    retrieval_N2: NDArray[np.float64]
    separation: float

    def __str__(self) -> str:
        rank1, mean_precision = 100 * self.retrieval_N2.mean(axis=0)
        return f"{rank1:.1f} / {mean_precision:.1f} · {self.separation:.2f}"


def main(settings: Settings) -> None:
    pairs = [pair.split(":") for pair in settings.pairs]
    encoders = {
        name: load_encoder(settings.encoders / name).eval() for pair in pairs for name in pair
    }
    views = Views(settings.data, image_size=encoders[pairs[0][0]].image_size)
    measure = cache(lambda name: scores_of(encoders[name], views))
    rows = []
    for start, run in track(pairs, description=settings.data.name, total=len(pairs)):
        mixtures = [mixed(encoders[start], encoders[run], share) for share in settings.shares]
        before, after = measure(start), measure(run)
        scores = [before, *(scores_of(mixture, views) for mixture in mixtures), after]
        gains = mean_estimates(after.retrieval_N2 - before.retrieval_N2, seed=0)
        cells = [f"{gain.value:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})" for gain in gains]
        rows.append([f"{start} → {run}", *map(str, scores), *cells])
    shares = [f"{share:.0%}" for share in settings.shares]
    title = f"{settings.data}: Rank-1 / mAP of {len(views.labels):,} test photographs · separation"
    table(title, ["", "start", *shares, "learnt", "Rank-1 gain", "mAP gain"], rows)


def scores_of(encoder: Encoder, views: Views) -> Scores:
    _, class_N = np.unique(views.labels, return_inverse=True)
    scores_NM = retrieval_scores(features_of(encoder, views.test), torch.from_numpy(class_N))
    columns = [METRICS.index(name) for name in ("rank1", "map")]
    has_match_N = scores_NM[:, columns].isfinite().all(dim=1)
    return Scores(
        scores_NM[has_match_N][:, columns].double().numpy(),
        float(separation(features_of(encoder, views.train)).mean()),
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
