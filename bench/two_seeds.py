"""Do two trainings that differ in their seed alone agree the more, the better they are?

    python bench/two_seeds.py DATA ENCODERS short-0@30:short-1@30 long-0@30:long-1@30 …

ENCODERS holds timm directories, as `bench/encoders.py` writes them with `--seed 0` and `--seed 1`.
Agreement is the share of its ten nearest that a photograph has by both, of the training photographs
of `bench/without_labels.py`. A start has no seed: an encoder always agrees with itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from scipy.stats import spearmanr
from starts import scores_of
from torch.nn import functional as F
from without_labels import Views, features_of, shared_share

from lodisc.console import table, track
from lodisc.encoders import load_encoder
from lodisc.vectors.neighbours import nearest_others


@dataclass
class Settings:
    data: tyro.conf.Positional[Path]
    encoders: tyro.conf.Positional[Path]
    pairs: tyro.conf.Positional[tuple[str, ...]]


def main(settings: Settings) -> None:
    pairs = [pair.split(":") for pair in settings.pairs]
    first = load_encoder(settings.encoders / pairs[0][0])
    views = Views(settings.data, image_size=first.image_size)
    rows, values = [], []
    for names in track(pairs, description=settings.data.name, total=len(pairs)):
        encoders = [load_encoder(settings.encoders / name).eval() for name in names]
        lists = [
            nearest_others(F.normalize(features_of(encoder, views.train), dim=1), 10)[0]
            for encoder in encoders
        ]
        agreement = shared_share(*lists)
        scores = [scores_of(encoder, views) for encoder in encoders]
        rows.append([" · ".join(names), *map(str, scores), f"{agreement:.3f}"])
        values.append(
            [agreement, *np.mean([each.retrieval_2DN.mean(axis=(1, 2)) for each in scores], 0)]
        )
    title = f"{settings.data}: Rank-1 / mAP · separation of two seeds, and their agreement"
    table(title, ["", "one", "other", "agreement"], rows)
    agreements, *metrics = np.transpose(values)
    ranks = " / ".join(f"{spearmanr(agreements, metric)[0]:.2f}" for metric in metrics)
    print(f"Spearman's ρ of agreement with Rank-1 / mAP: {ranks}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
