"""`discovery`: known classes stay together, new ones are found, and one matching judges both."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from photos import collection
from torch import Tensor

from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos
from lodisc.evaluation.benchmark import measure
from lodisc.evaluation.discovery import discovery, divide, matched_hits
from lodisc.evaluation.features import Arm, Features, Pixels
from lodisc.vectors.logistic import unit
from lodisc.vectors.semi_supervised import semi_supervised_kmeans

NAMES = ["all", "known", "new"]


def arm_of(vectors: Tensor, labels: Sequence[int], keys: Sequence[str] | None = None) -> Arm:
    """An arm whose training photographs are these; there are no test photographs."""
    keys = keys or [f"{index:04}.jpg" for index in range(len(vectors))]
    classes = [str(name) for name in range(max(labels) + 1)]
    photos = [Photo(key, Path(key)) for key in keys]
    train = Features(vectors.float(), torch.tensor(labels), classes, photos, [])
    return Arm("run", Pixels(), train, train.select(torch.zeros(len(vectors), dtype=torch.bool)))


def clouds(
    classes: int, each: int, *, noise: float, dim: int = 8, seed: int = 0
) -> tuple[Tensor, list[int]]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat_interleave(each)
    spread = noise * torch.randn(len(labels), dim, generator=generator)
    return torch.randn(classes, dim, generator=generator)[labels] + spread, labels.tolist()


def values(arm: Arm, seed: int = 0) -> list[float]:
    metrics = discovery(arm, seed=seed)
    assert list(metrics) == NAMES
    return [estimate.value for estimate in metrics.values()]


# The division


def test_half_of_the_classes_are_known_and_half_of_their_photographs_labelled() -> None:
    labels = np.repeat(np.arange(7), [4, 5, 6, 1, 8, 2, 9])
    known_C, labelled_N = divide(labels, seed=3)
    assert known_C.sum() == 3
    for label in range(7):
        members = labelled_N[labels == label]
        assert members.sum() == (len(members) // 2 if known_C[label] else 0)


def test_the_seed_fixes_the_division() -> None:
    labels = np.repeat(np.arange(20), 10)
    first, again = divide(labels, seed=1), divide(labels, seed=1)
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[0], divide(labels, seed=2)[0])
    counts = sum(divide(labels, seed=seed)[0].astype(int) for seed in range(200))
    assert np.min(counts) > 60 and np.max(counts) < 140  # every class is known for half of them


def test_a_class_with_one_photograph_is_never_known() -> None:
    labels = np.array([0, 1, 1, 2, 3])
    for seed in range(20):
        known_C, labelled_N = divide(labels, seed=seed)
        assert known_C.tolist() == [False, True, False, False] and labelled_N.sum() == 1


# The groups


def plain_inertia(vectors: NDArray[np.float32], groups: NDArray[np.int64]) -> float:
    return float(
        sum(
            ((vectors[groups == group] - vectors[groups == group].mean(0)) ** 2).sum()
            for group in np.unique(groups)
        )
    )


def plain_groups(
    labelled: NDArray[np.float32],
    labels: NDArray[np.int64],
    free: NDArray[np.float32],
    *,
    groups: int,
    seed: int,
    starts: int,
) -> NDArray[np.int64]:
    """The same k-means, photograph by photograph, and its inertia from its definition."""
    classes = int(labels.max()) + 1
    best: tuple[float, NDArray[np.int64]] | None = None
    for start in range(starts):
        rng = np.random.default_rng((seed, start))
        centroids = [labelled[labels == label].mean(0) for label in range(classes)]
        while len(centroids) < groups:
            squares = [min(((x - c) ** 2).sum() for c in centroids) for x in free]
            place = rng.random() * sum(squares)
            row = 0
            while sum(squares[: row + 1]) <= place:
                row += 1
            centroids.append(free[row])
        assignment = np.full(len(free), -1)
        while True:
            nearest = np.array(
                [int(np.argmin([((x - c) ** 2).sum() for c in centroids])) for x in free]
            )
            if (nearest == assignment).all():
                break
            assignment = nearest
            for group in range(groups):
                members = [*labelled[labels == group], *free[assignment == group]]
                if members:
                    centroids[group] = np.mean(members, axis=0)
        inertia = plain_inertia(
            np.concatenate([labelled, free]), np.concatenate([labels, assignment])
        )
        if best is None or inertia < best[0] - 1e-4:
            best = inertia, assignment
    assert best
    return best[1]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("starts", [1, 5])
def test_the_groups_equal_a_plain_loop(
    seed: int, starts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodisc.vectors.semi_supervised._BLOCK_DISTANCES", 7 * 6)
    vectors, labels = clouds(6, 12, noise=0.8, seed=seed)
    vectors_ND, labels_N = unit(vectors).numpy(), np.array(labels)
    labelled = (labels_N < 3) & (np.arange(len(labels)) % 2 == 0)
    given = vectors_ND[labelled], labels_N[labelled], vectors_ND[~labelled]
    groups = semi_supervised_kmeans(*given, groups=6, seed=seed, starts=starts)
    assert np.array_equal(groups, plain_groups(*given, groups=6, seed=seed, starts=starts))


def test_labelled_photographs_stay_in_their_group_and_pull_it() -> None:
    """Class 0 is labelled at 0 and at 8; a photograph at 3 is nearer to 4 than to 1, where the
    nearest labelled photograph would have it the other way round."""
    labelled = np.array([[0.0], [8.0], [1.0]], np.float32)
    free = np.array([[3.0], [1.5]], np.float32)
    groups = semi_supervised_kmeans(labelled, np.array([0, 0, 1]), free, groups=2)
    assert groups.tolist() == [0, 1]


def test_every_start_advances_the_bar() -> None:
    vectors_ND, labels_N = np.eye(8, dtype="f4"), np.arange(8) % 4
    calls: list[int] = []
    semi_supervised_kmeans(
        vectors_ND[:4],
        labels_N[:4],
        vectors_ND,
        groups=5,
        starts=3,
        advance=lambda: calls.append(1),
    )
    assert len(calls) == 3


def test_more_starts_never_have_more_inertia() -> None:
    vectors, labels = clouds(12, 10, noise=1.0, seed=5)
    vectors_ND, labels_N = unit(vectors).numpy(), np.array(labels)
    labelled = (labels_N < 6) & (np.arange(len(labels)) % 2 == 0)
    inertias = []
    for starts in (1, 4, 40):
        groups = semi_supervised_kmeans(
            vectors_ND[labelled],
            labels_N[labelled],
            vectors_ND[~labelled],
            groups=12,
            starts=starts,
        )
        together = np.concatenate([vectors_ND[labelled], vectors_ND[~labelled]])
        inertias.append(plain_inertia(together, np.concatenate([labels_N[labelled], groups])))
    assert inertias[0] >= inertias[1] >= inertias[2] and inertias[0] > inertias[2]


# The matching


def test_one_matching_is_the_best_over_all_photographs() -> None:
    """Group 0 has most of class 0, and of class 1. Matched greedily, 0 with 0 and 1 with 1, three
    photographs are hits; 0 with 1 and 1 with 0 make five."""
    table = [[3, 3], [2, 0]]
    groups, labels = (
        np.array([pair[axis] for pair, count in np.ndenumerate(table) for _ in range(count)])
        for axis in (0, 1)
    )
    hits = matched_hits(groups, labels)
    assert hits.sum() == 5
    assert hits[labels == 1].all() and hits[labels == 0].tolist() == [False] * 3 + [True] * 2


def test_the_matching_equals_trying_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        groups, labels = rng.integers(0, 5, (2, 40))
        best = max(
            sum(order[group] == label for group, label in zip(groups, labels, strict=True))
            for order in itertools.permutations(range(5))
        )
        assert matched_hits(groups, labels).sum() == best


def test_a_class_without_a_group_has_no_hits() -> None:
    hits = matched_hits(np.array([0, 0, 0, 2]), np.array([0, 0, 1, 3]))
    assert hits.tolist() == [True, True, False, True]


# The protocol


def test_separable_classes_are_all_found() -> None:
    assert values(arm_of(*clouds(8, 10, noise=0.01))) == [100.0, 100.0, 100.0]


def test_without_any_structure_it_is_little_better_than_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(200, 8, generator=generator)
    assert values(arm_of(vectors, [index % 10 for index in range(200)]))[0] < 30


def test_known_and_new_together_are_all() -> None:
    labels = clouds(9, 11, noise=1.0)[1]
    known_C, labelled_N = divide(np.array(labels), seed=2)
    known_U = known_C[np.array(labels)[~labelled_N]]
    total, known, new = values(arm_of(*clouds(9, 11, noise=1.0)), seed=2)
    assert 0 < total < 100
    assert total == pytest.approx(known_U.mean() * known + (~known_U).mean() * new)


def test_intervals_hold_their_value_and_the_seed_fixes_everything() -> None:
    arm = arm_of(*clouds(8, 10, noise=1.0))
    metrics = discovery(arm, seed=1)
    assert metrics == discovery(arm, seed=1) != discovery(arm, seed=2)
    for estimate in metrics.values():
        assert 0 <= estimate.low < estimate.value < estimate.high <= 100


def test_the_order_of_the_photographs_makes_no_difference() -> None:
    vectors, labels = clouds(8, 10, noise=1.0)
    keys = [f"{index:04}.jpg" for index in range(len(labels))]
    order = np.random.default_rng(0).permutation(len(labels)).tolist()
    shuffled = arm_of(vectors[order], [labels[row] for row in order], [keys[row] for row in order])
    assert discovery(arm_of(vectors, labels, keys), seed=1) == discovery(shuffled, seed=1)


def test_arms_are_measured_on_the_same_division(monkeypatch: pytest.MonkeyPatch) -> None:
    divisions = []

    def recorded(labels_N: NDArray[np.int64], *, seed: int) -> tuple[NDArray[np.bool_], ...]:
        divisions.append(divide(labels_N, seed=seed))
        return divisions[-1]

    monkeypatch.setattr("lodisc.evaluation.discovery.divide", recorded)
    for seed in (0, 7):
        vectors, labels = clouds(6, 8, noise=1.0, seed=seed)
        discovery(arm_of(vectors, labels), seed=4)
    assert all(map(np.array_equal, *divisions))


@pytest.mark.parametrize(
    ("vectors", "labels"),
    [
        pytest.param(torch.eye(4), [0, 0, 1, 1], id="two classes"),
        pytest.param(torch.eye(3), [0, 0, 1], id="a new class of one photograph"),
        pytest.param(torch.eye(9), [0, 0, *range(1, 8)], id="as many classes as photographs"),
        pytest.param(torch.ones(40, 4), [index % 8 for index in range(40)], id="equal vectors"),
        pytest.param(torch.zeros(12, 4), [index % 3 for index in range(12)], id="zero vectors"),
        pytest.param(torch.randn(20, 1), [index % 4 for index in range(20)], id="one feature"),
    ],
)
def test_little_or_flat_data_can_be_measured(vectors: Tensor, labels: list[int]) -> None:
    for seed in range(3):
        assert all(0 <= value <= 100 for value in values(arm_of(vectors, labels), seed))


def test_equal_vectors_are_one_group() -> None:
    """All lie in group 0, which is matched with a class of four unlabelled photographs of 24."""
    arm = arm_of(torch.ones(32, 4), [index % 8 for index in range(32)])
    assert values(arm)[0] == pytest.approx(100 * 4 / 24)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]])
def test_what_cannot_be_divided_is_refused_in_one_line(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two classes in train, one of them with two"):
        discovery(arm_of(torch.eye(3), labels))


# Through `measure`


def test_train_alone_is_measured(tmp_path: Path) -> None:
    data = collection(tmp_path, splits=["train"], labels=["finch", "linnet", "wren"], per_label=9)
    collection(data / "test", labels=["finch", "linnet", "robin"], per_label=2)
    result = measure(
        {"pixels": Pixels(32)},
        find_photos(data).photos,
        data=data,
        protocols=["discovery"],
        workers=0,
    )
    metrics = result["arms"]["pixels"]["discovery"]
    assert list(metrics) == NAMES and (result["train"], result["classes"]) == (27, 4)
    # one of three classes is known: 5 unlabelled photographs of it and 18 others
    for name, photographs in zip(NAMES, (23, 5, 18), strict=True):
        hits = metrics[name]["value"] / 100 * photographs
        assert hits == pytest.approx(round(hits), abs=1e-3)


def test_data_with_one_class_to_learn_from_is_refused(tmp_path: Path) -> None:
    data = collection(tmp_path, splits=("train", "test"), labels=["finch"])
    collection(data / "test", labels=["wren"])
    with pytest.raises(ValueError, match="train has fewer than two classes, too few for discovery"):
        measure(
            {"pixels": Pixels(32)},
            find_photos(data).photos,
            data=data,
            protocols=["discovery"],
            workers=0,
        )
