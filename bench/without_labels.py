"""Which score of an encoder, without labels, ranks encoders as Rank-1 and mAP do?

    python bench/without_labels.py DATA=ENCODERS [DATA=ENCODERS …] [--start start@0]

ENCODERS holds timm directories, as `bench/encoders.py` and `bench/supervised.py` write them. Scores
are of training photographs, Rank-1 and mAP of test photographs. What was measured of an encoder
stays in ENCODERS/scores.json. Then: every encoder, Spearman's ρ of every score on every set, how
often it names the better of start and run, and the verdicts of `lodisc train`.

Axes: N photographs, D features, K neighbours, P patches.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor
from torch.nn import functional as F

from lodisc.console import table, track
from lodisc.data.loader import batches_of, evaluation_batches, training_batches
from lodisc.data.photo import Photo
from lodisc.data.sample import Sample
from lodisc.data.sources import find_photos
from lodisc.device import autocast
from lodisc.encoders import load_encoder
from lodisc.evaluation.retrieval import METRICS, retrieval_scores
from lodisc.files import read_json, write_json
from lodisc.method.encoder import Encoder
from lodisc.outcome import verdict_of
from lodisc.vectors.neighbours import agreement, nearest_others, overlap
from lodisc.vectors.separation import mean_gain, separation

TRAIN, TEST, PAIRS = 640, 1000, 512
BATCH = 64
CLEAR = 1.0
"""Points of the mean of Rank-1 and mAP from which on an encoder is truly better or worse."""
SCORES = "scores.json"


@dataclass
class Settings:
    sets: tyro.conf.Positional[tuple[str, ...]]
    start: str = "start@0"


def main(settings: Settings) -> None:
    measured = {}
    for pair in settings.sets:
        data, encoders = map(Path, pair.split("="))
        measured[data.name] = measure(data, encoders, start=settings.start)
        rows = [
            [name, *(f"{entry[key]:.2f}" for key in ("rank1", "map", "separation", "agreement"))]
            for name, entry in sorted(measured[data.name].items(), key=lambda item: item[1]["map"])
        ]
        table(f"\n{data.name}", ["", "Rank-1", "mAP", "separation", "agreement"], rows)
    _print_ranks(measured, start=settings.start)
    _print_verdicts(measured, start=settings.start)


def measure(data: Path, folder: Path, *, start: str) -> dict[str, dict[str, Any]]:
    """Every score of every encoder in the folder."""
    path = folder / SCORES
    scores: dict[str, dict[str, Any]] = read_json(path) if path.exists() else {}
    names = sorted(path.parent.name for path in folder.glob("*@*/config.json"))
    missing = [name for name in names if name not in scores]
    if missing:
        views = Views(data, image_size=load_encoder(folder / missing[0]).image_size)
        missing.sort(key=lambda name: name != start)
        for name in track(missing, description=data.name, total=len(missing)):
            vectors = views.vectors(load_encoder(folder / name).eval())
            rank1, mean_precision = _retrieval(vectors["test"], views.labels)
            scores[name] = {
                **without_labels(vectors),
                **beside_start(vectors["train"], scores.get(start)),
                "rank1": rank1,
                "map": mean_precision,
            }
            write_json(path, scores)
    return scores


def beside_start(train_ND: Tensor, before: dict[str, Any] | None) -> dict[str, Any]:
    """What compares an encoder with the start, whose entry is `before`; None for the start."""
    rows_NK, _ = nearest_others(F.normalize(train_ND, dim=1), 10)
    separations_N = separation(train_ND)
    own = {"separations": separations_N.tolist(), "nearest": rows_NK.tolist()}
    before = before or own
    return {
        "lists of the start kept": shared_share(torch.tensor(before["nearest"]), rows_NK),
        "gain": list(mean_gain(torch.tensor(before["separations"]), separations_N)),
        **(own if before is own else {}),
    }


class Views:
    """The photographs of a set as every encoder sees them."""

    def __init__(self, data: Path, *, image_size: int, validation: Set[str] | None = None) -> None:
        """With `validation`, training photographs of these classes stand for the test ones."""
        photos = find_photos(data).photos
        generator = torch.Generator().manual_seed(11)
        train = _drawn([photo for photo in photos if photo.split == "train"], generator)
        if validation is None:
            test = [photo for photo in photos if photo.split == "test"]
        else:
            test = [photo for photo in train if photo.label in validation]
        test = _drawn(test, generator)[:TEST]
        self.train = _whole(train[:TRAIN], image_size)
        self.test = _whole(test, image_size)
        self.labels = [photo.label or "" for photo in test]
        self._paired, self._image_size = train[:PAIRS], image_size

    @cached_property
    def pairs_2N3SS(self) -> Tensor:
        """Two random views of photographs."""
        pairs = training_batches(
            self._paired,
            seed=99,
            image_size=self._image_size,
            min_crop=0.2,
            batch_size=BATCH,
            steps=range(len(self._paired) // BATCH),
        )
        return torch.cat(list(pairs), dim=1)

    @torch.no_grad()
    def vectors(self, encoder: Encoder) -> dict[str, Tensor]:
        """Features of whole photographs, of two random views, and of two disjoint halves."""

        vectors = {name: features_of(encoder, getattr(self, name)) for name in ("train", "test")}
        for name, views_N3SS in zip(("view_a", "view_b"), self.pairs_2N3SS, strict=True):
            vectors[name] = features_of(encoder, Sample(views_N3SS, [1] * len(views_N3SS)))
        firsts = np.concatenate([[0], np.cumsum(self.train.counts)])[:-1][:PAIRS]
        whole_N3SS = self.train.views_V3SS[torch.as_tensor(firsts)]
        generator = torch.Generator().manual_seed(3)
        order_NP = torch.rand(len(whole_N3SS), encoder.patches, generator=generator).argsort(1)
        half = encoder.patches // 2
        for name, keep_NK in (
            ("half_a", order_NP[:, :half]),
            ("half_b", order_NP[:, half : 2 * half]),
        ):
            parts = zip(whole_N3SS.split(BATCH), keep_NK.split(BATCH), strict=True)
            with autocast("auto", encoder.mean.device):
                vectors[name] = torch.cat(
                    [
                        encoder.forward_with_attention(views, keep_BK=keep)[0].float()
                        for views, keep in parts
                    ]
                )
        return vectors


@torch.no_grad()
def features_of(encoder: Encoder, sample: Sample) -> Tensor:
    """The features [N, D] of the photographs of a sample."""

    def features(views_B3SS: Tensor) -> Tensor:
        with autocast("auto", encoder.mean.device):
            return encoder(views_B3SS).float()

    return sample.features(features)


def _drawn(photos: list[Photo], generator: torch.Generator) -> list[Photo]:
    return [photos[index] for index in torch.randperm(len(photos), generator=generator).tolist()]


def _whole(photos: list[Photo], image_size: int) -> Sample:
    batches = list(
        evaluation_batches(batches_of(photos, BATCH), image_size=image_size, fit="tiles")
    )
    counts = [count for batch in batches for count in batch.counts]
    return Sample(torch.cat([batch.views for batch in batches]), counts)


def without_labels(vectors: dict[str, Tensor]) -> dict[str, float]:
    """Every score, so that higher is better."""
    train_ND = vectors["train"]
    units_ND = F.normalize(train_ND, dim=1)
    scores = {
        "separation": float(separation(train_ND).mean()),
        "agreement": agreement(train_ND),
        "overlap of lists": float(overlap(units_ND).mean()),
        "reciprocity": _reciprocity(units_ND),
        "− hubness": -_hubness(units_ND),
        "clusters, 10": _cluster_stability(units_ND, 10),
        "clusters, 100": _cluster_stability(units_ND, 100),
        "RankMe": _effective_rank(torch.linalg.svdvals(train_ND.double())),
        "α-ReQ": -abs(_decay(train_ND) - 1),
        "LiDAR": _lidar(vectors["view_a"], vectors["view_b"]),
        "uniformity": -float(torch.pdist(units_ND).square().mul(-2).exp().mean().log()),
    }
    for words, name in (("views", "view"), ("halves", "half")):
        a_ND, b_ND = (F.normalize(vectors[f"{name}_{side}"], dim=1) for side in "ab")
        lists = [nearest_others(units, 10)[0] for units in (a_ND, b_ND)]
        scores[f"lists kept between {words}"] = shared_share(*lists)
        own_N = (a_ND @ b_ND.T).argmax(1) == torch.arange(len(a_ND))
        scores[f"own {name} found"] = float(own_N.float().mean())
        scores[f"alignment of {words}"] = -float((a_ND - b_ND).square().sum(1).mean())
    return scores


def shared_share(first_NK: Tensor, second_NK: Tensor) -> float:
    """The share of the rows of each first list that its second list has."""
    return float((first_NK[:, :, None] == second_NK[:, None, :]).any(2).float().mean())


def _reciprocity(units_ND: Tensor) -> float:
    rows_NK, _ = nearest_others(units_ND, 10)
    own_N11 = torch.arange(len(rows_NK))[:, None, None]
    return float((rows_NK[rows_NK] == own_N11).any(2).float().mean())


def _hubness(units_ND: Tensor) -> float:
    """Skewness of how often a photograph is among the ten nearest of others."""
    rows_NK, _ = nearest_others(units_ND, 10)
    times_N = torch.bincount(rows_NK.flatten(), minlength=len(units_ND)).float()
    return float(((times_N - times_N.mean()) ** 3).mean() / times_N.std() ** 3)


def _cluster_stability(units_ND: Tensor, count: int) -> float:
    """Adjusted mutual information of the groups that k-means of two thirds give the last third."""
    centred_ND = F.normalize(units_ND - units_ND.mean(0), dim=1)
    values = []
    for seed in range(2):
        order_N = torch.randperm(
            len(centred_ND), generator=torch.Generator().manual_seed(100 + seed)
        )
        third = len(order_N) // 3
        a_ND, b_ND, rest_ND = (
            centred_ND[rows]
            for rows in (order_N[:third], order_N[third : 2 * third], order_N[2 * third :])
        )
        groups = [
            (rest_ND @ _centroids(points, count, seed=other).T).argmax(1).numpy()
            for points, other in ((a_ND, seed), (b_ND, seed + 50))
        ]
        values.append(adjusted_mutual_info_score(*groups))
    return float(np.mean(values))


def _centroids(units_ND: Tensor, count: int, *, seed: int) -> Tensor:
    """Spherical k-means from photographs drawn at random, 15 rounds."""
    generator = torch.Generator().manual_seed(seed)
    centroids_GD = units_ND[torch.randperm(len(units_ND), generator=generator)[:count]]
    for _ in range(15):
        group_N = (units_ND @ centroids_GD.T).argmax(1)
        sums_GD = torch.zeros_like(centroids_GD).index_add_(0, group_N, units_ND)
        is_used_G1 = sums_GD.norm(dim=1, keepdim=True) > 0
        centroids_GD = torch.where(is_used_G1, F.normalize(sums_GD, dim=1), centroids_GD)
    return centroids_GD


def _effective_rank(values: Tensor) -> float:
    """exp(entropy of the shares): RankMe (arXiv 2210.02885) of singular values."""
    share = values / values.sum()
    return float(torch.special.entr(share).sum().exp())


def _decay(features_ND: Tensor) -> float:
    """α of the spectrum λ_i ~ i^(−α) of the covariance, i from 4 to 100 (α-ReQ, NeurIPS 2022)."""
    centred_ND = features_ND.double() - features_ND.double().mean(0)
    values = torch.linalg.svdvals(centred_ND) ** 2
    values = values[values > values[0] * 1e-9]
    place = np.arange(3, min(len(values), 100))
    return float(-np.polyfit(np.log(place + 1), np.log(values[3:100].numpy()), 1)[0])


def _lidar(first_ND: Tensor, second_ND: Tensor) -> float:
    """Effective rank of linear discriminants, two views a class (LiDAR, arXiv 2312.04000)."""
    a_ND, b_ND = F.normalize(first_ND, dim=1), F.normalize(second_ND, dim=1)
    mean_ND = (a_ND + b_ND) / 2
    centred_ND = mean_ND - mean_ND.mean(0)
    between_DD = centred_ND.T @ centred_ND / (len(mean_ND) - 1)
    rest_MD = torch.cat([a_ND - mean_ND, b_ND - mean_ND])
    within_DD = rest_MD.T @ rest_MD / len(mean_ND) + 1e-4 * torch.eye(a_ND.shape[1])
    values, axes_DD = torch.linalg.eigh(within_DD.double())
    whitening_DD = axes_DD @ torch.diag(values.clamp_min(1e-12) ** -0.5) @ axes_DD.T
    return _effective_rank(
        torch.linalg.eigvalsh(whitening_DD @ between_DD.double() @ whitening_DD).clamp_min(0)
    )


def _retrieval(test_ND: Tensor, labels: list[str]) -> tuple[float, float]:
    """Rank-1 and mAP in percent."""
    _, class_N = np.unique(labels, return_inverse=True)
    scores_NM = 100 * retrieval_scores(test_ND, torch.from_numpy(class_N)).nanmean(0)
    return tuple(float(scores_NM[METRICS.index(name)]) for name in ("rank1", "map"))  # type: ignore[return-value]


Measured = dict[str, dict[str, dict[str, Any]]]


def _runs(
    scores: dict[str, dict[str, Any]], *, start: str
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Every encoder but the start, and how many points of Rank-1 and mAP it is above it."""
    before = scores[start]
    for name, entry in scores.items():
        if name != start:
            gains = [entry[key] - before[key] for key in ("rank1", "map")]
            yield sum(gains) / 2, entry


def _print_ranks(measured: Measured, *, start: str) -> None:
    first = next(iter(measured.values()))[start]
    names = [key for key, value in first.items() if isinstance(value, float)]
    names = [name for name in names if name not in ("rank1", "map")]
    rows = []
    for name in names:
        cells = [name]
        for scores in measured.values():
            values = [entry[name] for entry in scores.values()]
            ranks = [
                spearmanr(values, [entry[key] for entry in scores.values()])[0]
                for key in ("rank1", "map")
            ]
            named = [
                (entry[name] > scores[start][name]) == (truth > 0)
                for truth, entry in _runs(scores, start=start)
            ]
            cells.append(f"{ranks[0]:.2f} / {ranks[1]:.2f} · {np.mean(named):.0%}")
        rows.append(cells)
    counts = [f"{name} ({len(scores)})" for name, scores in measured.items()]
    table("\nSpearman's ρ with Rank-1 / mAP · better of start and run named", ["", *counts], rows)


def _print_verdicts(measured: Measured, *, start: str) -> None:
    truths = ("truly better", "within a point", "truly worse")
    for data, scores in measured.items():
        counts = {verdict: [0, 0, 0] for verdict in ("helped", "no clear change", "made worse")}
        for truth, entry in _runs(scores, start=start):
            _, low, high = entry["gain"]
            place = 0 if truth > CLEAR else 2 if truth < -CLEAR else 1
            counts[verdict_of(low, high)][place] += 1
        rows = [[verdict, *map(str, row)] for verdict, row in counts.items()]
        table(f"\nVerdicts on {data}", ["said", *truths], rows)


if __name__ == "__main__":
    main(tyro.cli(Settings))
