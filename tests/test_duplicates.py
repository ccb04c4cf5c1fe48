"""Near-duplicates and outliers, held to plain loops and to what was planted."""

import math

import numpy as np
import pytest

from lodisc.vectors import duplicates as module
from lodisc.vectors.duplicates import duplicates, has_twin_elsewhere, least_alike, outliers
from lodisc.vectors.nearest import unit_rows


def vectors(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, dim), np.float32))


def by_loops(vectors_ND: np.ndarray, digests: list[str], threshold: float) -> list[list[int]]:
    """Spread from photograph to photograph."""
    left, sets = set(range(len(vectors_ND))), []
    while left:
        reached, waiting = set(), [min(left)]
        while waiting:
            row = waiting.pop()
            reached.add(row)
            near = {
                other
                for other in left
                if digests[other] == digests[row]
                or float(vectors_ND[other] @ vectors_ND[row]) >= threshold
            }
            waiting += near - reached
        left -= reached
        if len(reached) > 1:
            sets.append(sorted(reached))
    return sorted(sets, key=lambda rows: (-len(rows), rows))


@pytest.mark.parametrize("block", [3, 4096])
def test_the_least_alike_of_a_set_are_those_of_plain_loops(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", block)
    every, rows = vectors(20), [1, 2, 5, 7, 11, 13, 17]
    expected = min(float(every[a] @ every[b]) for a in rows for b in rows)
    assert least_alike(every, rows) == pytest.approx(expected, abs=1e-6)
    degrees = np.radians([0, 10, 20])  # a chain, whose ends are 20 degrees apart
    chain = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    assert least_alike(chain, [0, 1]) == pytest.approx(math.cos(math.radians(10)), abs=1e-6)
    assert least_alike(chain, [0, 1, 2]) == pytest.approx(math.cos(math.radians(20)), abs=1e-6)


@pytest.mark.parametrize("block", [7, 4096])
def test_twins_in_other_parts_are_those_of_plain_loops(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", block)
    rng = np.random.default_rng(1)
    originals = vectors(20)
    near = unit_rows(originals + 0.03 * rng.standard_normal(originals.shape).astype(np.float32))
    every, part_N = np.concatenate([originals, near]), rng.integers(0, 3, 40)
    class_N = rng.integers(0, 2, 40)
    expected = [
        any(
            part_N[a] != part_N[b] and class_N[a] == class_N[b] and every[a] @ every[b] >= 0.95
            for b in range(40)
        )
        for a in range(40)
    ]
    assert has_twin_elsewhere(every, part_N, class_N).tolist() == expected
    assert 0 < sum(expected) < 40


@pytest.mark.parametrize("block", [7, 4096])
def test_duplicates_are_those_of_plain_loops(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", block)
    rng = np.random.default_rng(1)
    originals = vectors(40)
    copies = unit_rows(
        originals[rng.integers(0, 40, 30)] + 0.08 * rng.standard_normal((30, 16), np.float32)
    )
    both = np.concatenate([originals, copies])
    digests = [f"{number}" for number in range(69)] + ["5"]
    found = duplicates(both, digests)
    assert found == by_loops(both, digests, module.ALIKE) and len(found) > 5
    counted: list[int] = []
    duplicates(both, digests, advance=counted.append)
    assert sum(counted) == 70


def test_equal_files_are_duplicates_whatever_their_vectors() -> None:
    assert duplicates(vectors(4), ["a", "b", "a", "c"]) == [[0, 2]]
    assert duplicates(vectors(3), ["a", "b", "c"]) == []
    assert duplicates(vectors(0), []) == [] and duplicates(vectors(1), ["a"]) == []
    assert duplicates(np.ones((3, 1), np.float32), ["a", "b", "c"]) == [[0, 1, 2]]


@pytest.mark.parametrize("block", [7, 4096])
def test_outliers_are_those_of_plain_loops(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", block)
    some = vectors(30)
    expected = [
        1 - np.sort([some[row] @ some[other] for other in range(30) if other != row])[-5:].mean()
        for row in range(30)
    ]
    np.testing.assert_allclose(outliers(some), expected, atol=1e-5)


def test_what_was_planted_comes_first_in_a_sample_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    crowds = unit_rows(
        np.repeat(vectors(4), 50, axis=0) + 0.1 * rng.standard_normal((200, 16), np.float32)
    )
    planted = np.concatenate([crowds, vectors(3, seed=9)])
    for sample in (1000, 60):
        monkeypatch.setattr(module, "SAMPLE", sample)
        assert set(np.argsort(-outliers(planted))[:3].tolist()) == {200, 201, 202}
    assert outliers(vectors(1)).tolist() == [0] and len(outliers(vectors(0))) == 0
    assert np.isfinite(outliers(vectors(2))).all()
