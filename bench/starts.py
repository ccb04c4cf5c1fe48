"""Is what was learnt above its start, whatever the start? And a mixture of both?

    python bench/starts.py DATA ENCODERS start@0:default@180 strong@120:strong-default@180 …

ENCODERS holds timm directories, as `bench/encoders.py` and `bench/supervised.py` write them. Each
pair is a start and what was learnt from it. Mixtures are of their weights, by the share of what was
learnt. Photographs and scores are those of `bench/without_labels.py`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import tyro
from without_labels import Views, retrieval

from lodisc.console import table, track
from lodisc.device import autocast
from lodisc.encoders import load_encoder
from lodisc.method.encoder import Encoder
from lodisc.method.mixture import mixed
from lodisc.training.watch import SHARES
from lodisc.vectors.separation import separation


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    encoders: tyro.conf.Positional[Path]
    pairs: tyro.conf.Positional[tuple[str, ...]]


def main(settings: Settings) -> None:
    pairs = [pair.split(":") for pair in settings.pairs]
    encoders = {
        name: load_encoder(settings.encoders / name).eval() for pair in pairs for name in pair
    }
    size = encoders[pairs[0][0]].image_size
    views = Views(settings.data, image_size=size)
    measure = cache(lambda name: scores_of(encoders[name], views))
    rows = []
    for start, run in track(pairs, description=settings.data.name, total=len(pairs)):
        mixtures = [mixed(encoders[start], encoders[run], share) for share in SHARES]
        scores = [measure(start), *(scores_of(each, views) for each in mixtures), measure(run)]
        rows.append([f"{start} → {run}", *scores])
    shares = [f"{share:.0%}" for share in SHARES]
    title = f"{settings.data}: Rank-1 / mAP of {len(views.labels):,} test photographs · separation"
    table(title, ["", "start", *shares, "learnt"], rows)


@torch.no_grad()
def scores_of(encoder: Encoder, views: Views) -> str:
    def features(views_B3SS: torch.Tensor) -> torch.Tensor:
        with autocast("auto", encoder.mean.device):
            return encoder(views_B3SS).float()

    rank1, mean_precision = retrieval(views.test.features(features), views.labels)
    clear = float(separation(views.train.features(features)).mean())
    return f"{rank1:.1f} / {mean_precision:.1f} · {clear:.2f}"


if __name__ == "__main__":
    main(tyro.cli(Settings))
