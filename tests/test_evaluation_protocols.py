"""Every protocol equals plain loops or scikit-learn on small random data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from photos import collection
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor

from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos
from lodisc.evaluation.benchmark import DEFAULT_PROTOCOLS, PROTOCOLS
from lodisc.evaluation.clustering import (
    adjusted_rand_index,
    clustering,
    normalised_mutual_information,
)
from lodisc.evaluation.features import Arm, Features, Pixels, extract
from lodisc.evaluation.fewshot import draw, fewshot, nearest_centroid
from lodisc.evaluation.knn import knn, vote
from lodisc.evaluation.linear import accuracy_estimates, choose_strength, held_out, linear
from lodisc.evaluation.linear_paper import linear_paper
from lodisc.evaluation.retrieval import METRICS, retrieval, retrieval_scores
from lodisc.vectors.logistic import centred, fit_path, unit


def features(vectors: Tensor, labels: Sequence[int] | Tensor, *, classes: int) -> Features:
    photos = [Photo(f"{index}.jpg", Path(f"{index}.jpg")) for index in range(len(vectors))]
    return Features(
        vectors.float(), torch.as_tensor(labels), [str(name) for name in range(classes)], photos, []
    )


def blobs(
    *, classes: int = 5, each: int = 12, dim: int = 8, noise: float = 1.0, seed: int = 0
) -> Arm:
    """Normal clouds around random centres."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, dim, generator=generator)
    labels = torch.arange(classes).repeat_interleave(each)
    parts = [
        features(
            centres[labels] + noise * torch.randn(len(labels), dim, generator=generator),
            labels,
            classes=classes,
        )
        for _ in "ab"
    ]
    return Arm("run", Pixels(), *parts)


# Retrieval


def plain_retrieval(vectors: Tensor, labels: list[int]) -> list[list[float] | None]:
    units = unit(vectors)
    scores: list[list[float] | None] = []
    for query, label in enumerate(labels):
        gallery = [index for index in range(len(labels)) if index != query]
        gallery.sort(key=lambda index: (-float(units[query] @ units[index]), index))
        hits = [labels[index] == label for index in gallery]
        total = sum(hits)
        if total == 0:
            scores.append(None)
            continue
        precision = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
        within = [
            sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits[:total]) if hit
        ]
        scores.append(
            [
                float(hits[0]),
                float(any(hits[:5])),
                sum(precision) / total,
                sum(hits[:total]) / total,
                sum(within) / total,
            ]
        )
    return scores


@pytest.mark.parametrize("ties", [False, True])
def test_retrieval_equals_a_plain_loop(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodisc.evaluation.retrieval._BLOCK", 7 * 60)
    rng = np.random.default_rng(0)
    # One axis each makes equal cosines exactly equal: 1 on the same axis, 0 on all others.
    vectors = (
        torch.eye(4)[rng.integers(0, 4, 60)]
        if ties
        else torch.from_numpy(rng.standard_normal((60, 6)))
    )
    # A class of a single photograph, and a number that no photograph has.
    labels = [*rng.integers(0, 6, 57).tolist(), 6, 8, 8]
    scores = retrieval_scores(vectors, torch.tensor(labels))
    for got, expected in zip(scores, plain_retrieval(vectors, labels), strict=True):
        if expected is None:
            assert got.isnan().all()
        else:
            assert got.tolist() == pytest.approx(expected)


def test_a_photograph_alone_in_its_class_is_not_a_query_but_stays_in_the_gallery() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28]])
    arm = Arm(
        "run",
        Pixels(),
        features(vectors, [0, 0, 1], classes=2),
        features(vectors, [0, 0, 1], classes=2),
    )
    metrics = retrieval(arm, seed=0)
    assert tuple(metrics) == METRICS
    assert metrics["rank1"].value == 0.0  # the only photograph of class 1 is nearer to both
    assert metrics["map"].value == 50.0


def test_retrieval_with_nothing_to_find_is_refused() -> None:
    arm = Arm(
        "run",
        Pixels(),
        features(torch.eye(3), [0, 1, 2], classes=3),
        features(torch.eye(3), [0, 1, 2], classes=3),
    )
    with pytest.raises(ValueError, match="no class has two test photographs"):
        retrieval(arm, seed=0)


# Nearest neighbours


@pytest.mark.parametrize("neighbours", [3, 20, 1000])
def test_the_vote_equals_a_plain_loop(neighbours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodisc.evaluation.knn._BLOCK", 7 * 60)
    arm = blobs(noise=2.0)
    queries, keys, labels = unit(arm.test.vectors), unit(arm.train.vectors), arm.train.labels
    expected = []
    for query in queries:
        near = sorted(range(len(keys)), key=lambda index: -float(query @ keys[index]))[:neighbours]
        votes = [
            sum(
                float(torch.exp(query @ keys[index] / 0.07))
                for index in near
                if labels[index] == label
            )
            for label in range(5)
        ]
        expected.append(int(np.argmax(votes)))
    assert vote(queries, keys, labels, classes=5, neighbours=neighbours).tolist() == expected


def test_more_neighbours_than_photographs_are_all_of_them() -> None:
    arm = blobs(each=2, noise=0.1)
    assert knn(arm, seed=0)["top1"].value == 100.0


# Linear


def test_the_probe_reaches_the_minimum_that_scikit_learn_finds() -> None:
    arm = blobs(classes=4, each=30, dim=10, noise=1.5)
    vectors, labels = arm.train.vectors, arm.train.labels
    for strength, weights, bias in fit_path(
        vectors, labels, classes=4, strengths=[1e-1, 1e-2, 1e-3]
    ):
        reference = LogisticRegression(C=1 / (strength * len(labels)), tol=1e-8, max_iter=5000).fit(
            vectors.numpy(), labels.numpy()
        )
        expected = torch.from_numpy(reference.predict_proba(arm.test.vectors.numpy())).float()
        assert torch.allclose((arm.test.vectors @ weights + bias).softmax(1), expected, atol=5e-3)


def test_the_probe_is_the_same_with_more_features_than_photographs() -> None:
    arm = blobs(classes=3, each=5, dim=40)
    vectors, labels = arm.train.vectors, arm.train.labels
    ((_, weights, bias),) = fit_path(vectors, labels, classes=3, strengths=[1e-2])
    reference = LogisticRegression(C=1 / (1e-2 * len(labels)), tol=1e-8, max_iter=5000).fit(
        vectors.numpy(), labels.numpy()
    )
    expected = torch.from_numpy(reference.predict_proba(arm.test.vectors.numpy())).float()
    assert torch.allclose((arm.test.vectors @ weights + bias).softmax(1), expected, atol=2e-3)


def test_a_fifth_of_every_class_is_held_out() -> None:
    labels = torch.tensor([0] * 10 + [1] * 2 + [2])
    held = held_out(labels, seed=0)
    assert [int(held[labels == label].sum()) for label in range(3)] == [2, 1, 0]
    assert torch.equal(held, held_out(labels, seed=0))
    assert any(not torch.equal(held, held_out(labels, seed=seed)) for seed in range(1, 5))


def test_the_strength_follows_from_train_alone() -> None:
    arm = blobs(classes=3, each=40, noise=3.0)
    assert choose_strength(*_train(arm), classes=3, seed=0) == choose_strength(
        *_train(arm), classes=3, seed=0
    )
    single = features(torch.eye(3), [0, 1, 2], classes=3)
    assert choose_strength(single.vectors, single.labels, classes=3, seed=0) == 1e-4


def _train(arm: Arm) -> tuple[Tensor, Tensor]:
    return centred(arm.train.vectors, arm.test.vectors)[0], arm.train.labels


def test_accuracies_equal_plain_loops() -> None:
    rng = np.random.default_rng(0)
    scores, labels = (
        torch.from_numpy(rng.integers(0, 4, (50, 7))),
        torch.from_numpy(rng.integers(0, 7, 50)),
    )
    metrics = accuracy_estimates(scores, labels, seed=0)
    order = [
        [index for _, index in sorted((-score, index) for index, score in enumerate(row))]
        for row in scores.tolist()
    ]
    top1 = [first[0] == label for first, label in zip(order, labels.tolist(), strict=True)]
    assert metrics["top1"].value == pytest.approx(100 * np.mean(top1))
    assert metrics["top5"].value == pytest.approx(
        100 * np.mean([int(y) in first[:5] for first, y in zip(order, labels, strict=True)])
    )
    per_class = [np.mean(np.array(top1)[(labels == label).numpy()]) for label in labels.unique()]
    assert metrics["mean_class"].value == pytest.approx(100 * np.mean(per_class), abs=1e-4)


def test_with_fewer_than_five_classes_everything_is_in_the_top_five() -> None:
    assert linear(blobs(classes=3, noise=5.0), seed=0)["top5"].value == 100.0


# Clustering


def test_agreement_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for groups in (1, 2, 5):
        first, second = rng.integers(0, 5, 80), rng.integers(0, groups, 80)
        table = np.zeros((5, 5), dtype=np.int64)
        np.add.at(table, (first, second), 1)
        assert normalised_mutual_information(table) == pytest.approx(
            normalized_mutual_info_score(first, second)
        )
        assert adjusted_rand_index(table) == pytest.approx(adjusted_rand_score(first, second))


def test_clustering_equals_scikit_learn() -> None:
    arm = blobs(noise=1.0)
    groups = KMeans(5, n_init=10, random_state=3).fit_predict(unit(arm.test.vectors).numpy())  # pyright: ignore[reportArgumentType]
    metrics = clustering(arm, seed=3)
    assert metrics["nmi"].value == pytest.approx(
        100 * normalized_mutual_info_score(arm.test.labels.numpy(), groups)
    )
    assert metrics["ari"].value == pytest.approx(
        100 * adjusted_rand_score(arm.test.labels.numpy(), groups)
    )


def test_collapsed_features_can_be_measured() -> None:
    flat = features(torch.ones(12, 4), torch.arange(12) % 3, classes=3)
    arm = Arm("run", Pixels(), flat, flat)
    metrics = {name: PROTOCOLS[name](arm, seed=0) for name in DEFAULT_PROTOCOLS}
    assert metrics["clustering"]["ari"].value == pytest.approx(0.0)
    assert metrics["linear"]["top1"].value == pytest.approx(100 / 3)


# Few labels


def test_a_draw_takes_so_many_of_every_class_or_all_it_has() -> None:
    labels = torch.tensor([0] * 7 + [1] * 2 + [4] * 9)
    support = draw(labels, 5, seed=(0, 1))
    assert labels[support].bincount().tolist() == [5, 2, 0, 0, 5]
    assert len(support.unique()) == 12
    assert torch.equal(support, draw(labels, 5, seed=(0, 1))) and not torch.equal(
        support, draw(labels, 5, seed=(0, 2))
    )


def test_the_nearest_centroid_equals_a_plain_loop() -> None:
    arm = blobs(noise=2.0)
    support, labels = (
        arm.train.vectors[5:50],
        arm.train.labels[5:50] * 2,
    )  # classes with gaps between their numbers
    expected = []
    for query in arm.test.vectors:
        distances = {
            int(label): float((support[labels == label].mean(0) - query).norm())
            for label in labels.unique()
        }
        expected.append(min(distances, key=lambda label: distances[label]))
    assert nearest_centroid(support, labels, arm.test.vectors).tolist() == expected


def test_more_labels_help_and_all_labels_leave_no_deviation() -> None:
    metrics = fewshot(blobs(classes=8, each=10, noise=1.5), seed=0)
    assert metrics["shots1"].value < metrics["shots5"].value <= metrics["shots10"].value + 2
    assert metrics["shots1"].deviation and metrics["shots10"].deviation == pytest.approx(
        0.0, abs=1e-6
    )


# All of them


@pytest.mark.parametrize("name", DEFAULT_PROTOCOLS)
def test_a_protocol_is_the_same_for_the_same_seed_and_lies_in_its_interval(name: str) -> None:
    arm = blobs(noise=1.5)
    metrics = PROTOCOLS[name](arm, seed=1)
    assert metrics == PROTOCOLS[name](arm, seed=1)
    for estimate in metrics.values():
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 100


def test_the_published_probe_learns_from_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodisc.evaluation.linear_paper.EPOCHS", 40)
    photos = find_photos(collection(tmp_path, per_label=3)).photos
    encoder = Pixels(32)
    seen = extract(encoder, photos, classes=["finch", "wren"], description="", workers=0)
    arm = Arm("run", encoder, seen, seen)
    metrics = linear_paper(arm, seed=0)
    assert set(metrics) == {"top1", "top5", "mean_class"}
    assert metrics == linear_paper(arm, seed=0)
