"""Groups: planted ones are found and counted, formulas equal plain loops, odd input is harmless."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lodisc.collection.describe import describe_grouping
from lodisc.collection.groups_file import load_groups, save_groups
from lodisc.errors import UserError
from lodisc.vectors import clusters
from lodisc.vectors.clusters import (
    Step,
    assign,
    choose_k,
    find_groups,
    held_out_likelihoods,
    list_groups,
    with_numbers_of,
)
from lodisc.vectors.components import principal_components
from lodisc.vectors.nearest import unit_rows

Vectors = NDArray[np.float32]


def clouds(
    count: int, *, each: int = 30, dim: int = 16, noise: float = 0.3, seed: int = 0
) -> tuple[Vectors, NDArray[np.int64]]:
    """Round clouds about random directions, each two smaller than the one before.

    Returns the vectors and the cloud of each.
    """
    rng = np.random.default_rng(seed)
    cloud_N = np.repeat(np.arange(count), [each + 2 * (count - cloud) for cloud in range(count)])
    centres = rng.standard_normal((count, dim))
    return unit_rows(
        (centres[cloud_N] + noise * rng.standard_normal((len(cloud_N), dim))).astype(np.float32)
    ), cloud_N


@pytest.mark.parametrize("count", [1, 2, 7])
def test_planted_groups_are_counted_and_found(count: int) -> None:
    vectors_ND, cloud_N = clouds(count)
    grouping = find_groups(vectors_ND)
    group_N, _ = assign(vectors_ND, grouping)
    assert len(grouping) == count == choose_k(grouping.likelihoods)
    np.testing.assert_array_equal(group_N, cloud_N + 1)  # numbered from 1, largest first
    steps: list[Step] = []
    again = find_groups(vectors_ND, advance=steps.append)
    np.testing.assert_array_equal(again.centroids, grouping.centroids)
    *trials, last = list(dict.fromkeys(steps))
    assert [step.k for step in trials] == list(grouping.likelihoods)
    assert [step.number for step in trials] == list(range(1, len(trials) + 1))
    assert last.k == count and last.is_last and len(trials) < last.most
    assert {step.most for step in steps} == {last.most}


def test_what_advance_raises_ends_the_grouping() -> None:
    vectors_ND, _ = clouds(3)

    def stop(step: Step) -> None:
        if step.k == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_groups(vectors_ND, advance=stop)
    steps: list[Step] = []
    find_groups(vectors_ND, k=2, advance=steps.append)
    assert set(steps) == {Step(2, 1, 1)}, "a number that is given is only made"


def test_few_photographs_of_different_kinds_are_several_groups() -> None:
    """Of seventy a fifth says little, so that each fifth is held out; two would find 2.8 groups."""
    found = []
    for seed in range(6):
        vectors_ND, _ = clouds(5, each=8, dim=48, noise=1.7, seed=seed)
        found.append(len(find_groups(vectors_ND)))
    assert len(vectors_ND) == 70 and max(found) <= 5 and np.mean(found) > 3.3


def test_the_number_of_groups_can_be_given() -> None:
    vectors_ND, _ = clouds(4)
    grouping = find_groups(vectors_ND, k=9, fingerprint="f")
    assert len(grouping) == 9 and grouping.likelihoods == {} and grouping.fingerprint == "f"
    sizes = np.bincount(assign(vectors_ND, grouping)[0])[1:].tolist()
    assert sizes == sorted(sizes, reverse=True) and min(sizes) > 0


def test_a_centroid_is_the_mean_direction_of_its_group() -> None:
    vectors_ND, _ = clouds(5, noise=0.8)
    grouping = find_groups(vectors_ND, k=5)
    group_N, _ = assign(vectors_ND, grouping)
    for group, centroid_D in enumerate(grouping.centroids, start=1):
        mean_D = sum(
            vector_D.astype(np.float64)
            for vector_D, number in zip(vectors_ND, group_N, strict=True)
            if number == group
        )
        np.testing.assert_allclose(
            centroid_D, mean_D / math.sqrt(float(mean_D @ mean_D)), atol=1e-5
        )


def test_the_fewest_groups_that_are_as_good_as_the_best_are_chosen() -> None:
    assert (
        choose_k({1: (0.0, 0.3), 2: (0.79, 0.1), 3: (0.81, 0.1), 4: (1.0, 0.0), 5: (0.97, 0.1)})
        == 3
    ), "within two standard errors"
    assert choose_k({1: (2.0, 0.3), 2: (2.94, 0.01), 3: (2.96, 0.01), 4: (3.0, 0.0)}) == 3, (
        "95 % of the gain"
    )
    assert choose_k({1: (0.0, 0.0)}) == 1 and choose_k({1: (0.0, 0.0), 2: (-1.0, 0.1)}) == 1


def test_the_criterion_is_that_of_plain_loops() -> None:
    vectors_ND, _ = clouds(2, each=40)
    tried = held_out_likelihoods(vectors_ND, seed=3)
    order = np.random.default_rng(3).permutation(len(vectors_ND))
    points_NP = principal_components(vectors_ND[order], clusters.COMPONENTS).astype(np.float64)
    side_N = points_NP[:, 0] > 0  # two clouds far apart
    dim = points_NP.shape[1]
    scores: dict[int, list[float]] = {1: [], 2: []}
    for fold in np.array_split(np.arange(len(order)), 5):
        known = [row for row in range(len(order)) if row not in fold]
        for k in (1, 2):
            members = [[row for row in known if k == 1 or side_N[row] == side] for side in range(k)]
            centres = [points_NP[rows].mean(0) for rows in members]
            spread = sum(
                float(((points_NP[row] - centres[group]) ** 2).sum())
                for group, rows in enumerate(members)
                for row in rows
            )
            variance = spread / (dim * (len(known) - k))
            for row in fold:
                density = 0.0
                for centre, rows in zip(centres, members, strict=True):
                    square = float(((points_NP[row] - centre) ** 2).sum())
                    density += (
                        len(rows)
                        / len(known)
                        * math.exp(-square / (2 * variance))
                        / (2 * math.pi * variance) ** (dim / 2)
                    )
                scores[k].append(math.log(density) / dim)
    differences = np.array(scores[2]) - np.array(scores[1])
    assert tried[1][0] == pytest.approx(np.mean(scores[1]), rel=1e-4) and tried[2][
        0
    ] == pytest.approx(np.mean(scores[2]), rel=1e-4)
    assert tried[2][1] == 0 and tried[1][1] == pytest.approx(
        differences.std() / math.sqrt(len(differences)), rel=1e-3
    )


def test_doubt_is_the_distance_to_the_own_centroid_over_that_to_the_next() -> None:
    vectors_ND, _ = clouds(4, noise=0.9)
    grouping = find_groups(vectors_ND, k=4)
    group_N, doubt_N = assign(vectors_ND, grouping)
    for vector_D, group, doubt in zip(vectors_ND, group_N, doubt_N, strict=True):
        distances = [math.dist(vector_D, centroid_D) for centroid_D in grouping.centroids]
        nearest, second = sorted(distances)[:2]
        assert distances[group - 1] == nearest and doubt == pytest.approx(
            nearest / second, abs=1e-3
        )
    assert assign(vectors_ND, find_groups(vectors_ND, k=1))[1].tolist() == [0] * len(vectors_ND)


def test_the_typical_are_nearest_and_the_doubtful_come_in_order() -> None:
    vectors_ND, _ = clouds(3, noise=0.9)
    grouping = find_groups(vectors_ND, k=3)
    group_N, doubt_N = assign(vectors_ND, grouping)
    for one in list_groups(vectors_ND, grouping, typical=3, doubtful=4):
        rows = [row for row in range(len(vectors_ND)) if group_N[row] == one.group]
        assert one.size == len(rows)
        centroid_D = grouping.centroids[one.group - 1]
        rows.sort(key=lambda row: -float(vectors_ND[row] @ centroid_D))
        assert one.typical == rows[:3]
        assert one.doubtful == sorted(rows[3:], key=lambda row: -doubt_N[row])[:4]
    few = vectors_ND[group_N == 2][:1]
    assert [tuple(one) for one in list_groups(few, grouping)] == [(2, 1, [0], [])], (
        "groups that hold nothing now are left out"
    )
    one_group = find_groups(vectors_ND, k=1)
    centroid_D = one_group.centroids[0]
    order = sorted(range(len(vectors_ND)), key=lambda row: float(vectors_ND[row] @ centroid_D))
    assert list_groups(vectors_ND, one_group)[0].doubtful == order[:5], "one group has no doubt"


@pytest.mark.parametrize("k", [None, 1, 3, 50])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 40])
def test_equal_and_few_photographs_are_one_group_or_few(count: int, k: int | None) -> None:
    for value in (0.5, 0.0):
        same_ND = np.full((count, 4), value, np.float32)
        grouping = find_groups(same_ND, k=k)
        assert len(grouping) == 1 and np.isfinite(grouping.centroids).all()
        assert assign(same_ND, grouping)[0].tolist() == [1] * count
        assert [one.size for one in list_groups(same_ND, grouping)] == [count]
    different_ND = unit_rows(
        np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32)
    )
    assert len(find_groups(different_ND, k=k)) <= min(count, k or count)


@pytest.mark.parametrize("k", [None, 30])
def test_there_are_no_more_groups_than_different_photographs(k: int | None) -> None:
    three_ND = np.repeat(
        unit_rows(np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)), 20, axis=0
    )
    grouping = find_groups(three_ND, k=k)
    assert sorted(one.size for one in list_groups(three_ND, grouping)) == [20, 20, 20]


def test_any_seed_of_32_bits_groups() -> None:
    vectors_ND = unit_rows(np.random.default_rng(0).standard_normal((30, 8)))
    assert len(find_groups(vectors_ND, k=3, seed=2**32 - 1)) == 3


def test_what_can_not_be_grouped_is_said() -> None:
    with pytest.raises(ValueError, match="no photographs to group"):
        find_groups(np.zeros((0, 8), np.float32))
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        find_groups(np.ones((3, 8), np.float32), k=0)


def test_a_grouping_is_kept_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    from stored import stored

    vectors_ND, _ = clouds(3, dim=8)
    collection = stored(tmp_path, vectors_ND)
    assert load_groups(collection) is None
    photos = collection.photos()
    made = find_groups(photos.vectors, seed=5, fingerprint=photos.fingerprint)
    save_groups(made, collection)
    read = load_groups(collection)
    assert read is not None and (read.seed, read.fingerprint, read.likelihoods) == (
        5,
        photos.fingerprint,
        made.likelihoods,
    )
    np.testing.assert_array_equal(read.centroids, made.centroids)

    path = collection.files.groups
    whole = json.loads(path.read_text())
    damaged = [
        path.read_text()[:-40],
        "[]",
        "null",
        json.dumps({**whole, "groups": 4}),
        json.dumps({**whole, "centroids": "?"}),
        json.dumps({**whole, "tried": [1]}),
        json.dumps({name: value for name, value in whole.items() if name != "seed"}),
        json.dumps({**whole, "tried": {"1": 2}}),
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ]
    for text in damaged:
        path.write_text(text)
        with pytest.raises(
            ValueError, match=r"groups\.json is damaged .* run {2}lodisc group {2}again"
        ):
            load_groups(collection)
    save_groups(made, collection)
    assert load_groups(stored(tmp_path, vectors_ND, fingerprint="e" * 64)) is None, (
        "groups of another encoder's vectors are none"
    )


def test_a_folder_in_place_of_the_file_is_to_be_deleted(tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    from stored import stored

    from lodisc.collection.describe import group_and_describe

    vectors_ND, _ = clouds(3, dim=8)
    collection = stored(tmp_path, vectors_ND)
    photos = collection.photos()
    collection.files.groups.mkdir()
    made = find_groups(photos.vectors, k=3, fingerprint=photos.fingerprint)
    for act in (
        lambda: load_groups(collection),
        lambda: group_and_describe(collection, k=3, seed=0),
        lambda: save_groups(made, collection),
    ):
        with pytest.raises(UserError, match=r"groups\.json is a folder; delete it, and run"):
            act()
    collection.files.groups.rmdir()
    group_and_describe(collection, k=3, seed=0)
    assert load_groups(collection) is not None


def changed(content: dict[str, Any], **values: Any) -> str:
    """The file of groups as an older version would have written it, with other values."""
    older = {name: value for name, value in content.items() if name != "digest"}
    return json.dumps({**older, **values})


def floats(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


def test_what_cannot_be_believed_is_damaged_and_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    from stored import stored

    from lodisc.collection.describe import group_and_describe

    caplog.set_level("INFO", "lodisc")
    vectors_ND, _ = clouds(3, dim=8)
    collection = stored(tmp_path, vectors_ND)
    group_and_describe(collection, k=3, seed=0)
    path = collection.files.groups
    whole = json.loads(path.read_text())
    path.write_text(changed(whole))
    assert load_groups(collection) is not None, "older files have no digest"
    nan, one = float("nan"), [1.0] + [0.0] * 7
    for text in (
        json.dumps({**whole, "seed": 9}),
        json.dumps({**whole, "smoothed": not whole["smoothed"]}),
        json.dumps({**whole, "numbers": [1, 2, 4]}),
        changed(whole, features=4, groups=6, numbers=[1, 2, 3, 4, 5, 6]),
        changed(whole, features=12, groups=2, numbers=[1, 2]),
        changed(whole, groups=0, numbers=[], centroids=""),
        changed(whole, groups=-3, features=-8),
        changed(whole, groups=3.0),
        changed(whole, groups=True),
        changed(whole, groups=1, numbers=[1], centroids=floats(nan, *one[1:])),
        changed(whole, groups=1, numbers=[1], centroids=floats(1e30, *one[1:])),
        changed(whole, groups=1, numbers=[1], centroids=floats(math.inf, *one[1:])),
        changed(whole, numbers=[1.5, 2, 3]),
        changed(whole, numbers=[-1, 2, 3]),
        changed(whole, numbers=[0, 2, 3]),
        changed(whole, numbers=[1, 2, 2]),
        changed(whole, numbers=[1, 2, 10**30]),
        changed(whole, numbers=[1, 2]),
        changed(whole, numbers="123"),
        changed(whole, smoothed="no"),
        changed(whole, tried={"x": [1.0, 2.0]}),
        changed(whole, tried={"1": [1.0, "2"]}),
        changed(whole, fingerprint=7),
        changed(whole, photographs="?"),
        changed(whole, photographs=[1]),
    ):
        path.write_text(text)
        with pytest.raises(
            UserError, match=r"groups\.json is damaged \(.*\); run {2}lodisc group {2}again"
        ):
            load_groups(collection)
        caplog.clear()
        assert [one["group"] for one in group_and_describe(collection, k=3, seed=0)["groups"]]
        assert "groups.json is damaged" in caplog.text, text
        assert "the numbers of groups begin afresh" in caplog.text
        assert json.loads(path.read_text()) == whole


@pytest.mark.parametrize("keeps_photographs", [True, False])
def test_newcomers_take_no_number_from_a_group_that_stays(
    tmp_path: Path, keeps_photographs: bool
) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    from stored import stored

    axes = np.eye(8, dtype=np.float32)

    def near(axis: int, count: int, other: int, share: float) -> Vectors:
        noise = 0.02 * np.random.default_rng(axis).standard_normal((count, 8))
        return unit_rows(axes[axis] + share * axes[other] + noise)

    old_ND = np.concatenate([near(0, 30, 7, 0.0), near(1, 20, 7, 0.0)])
    collection = stored(tmp_path, old_ND)
    photos = collection.photos()
    save_groups(find_groups(photos.vectors, k=2, fingerprint=photos.fingerprint), collection)
    path = collection.files.groups
    if not keeps_photographs:
        path.write_text(changed(json.loads(path.read_text()), photographs=None))
    # A new kind, nearer to the second one than to the first, and larger than both
    collection = stored(tmp_path, np.concatenate([old_ND, near(2, 100, 1, 0.6)]))
    photos = collection.photos()
    made = find_groups(photos.vectors, k=3, fingerprint=photos.fingerprint)
    saved = save_groups(made, collection)
    numbers_N = assign(photos.vectors, saved)[0]
    assert len(saved) == 3 and set(numbers_N[:30]) == {1}
    assert set(numbers_N[30:50]) == ({2} if keeps_photographs else {3})
    assert set(numbers_N[50:]) == ({3} if keeps_photographs else {2})
    # All are others
    collection = stored(tmp_path, -old_ND[:40])
    table = collection.photos()
    assert set(assign(table.vectors, save_groups(made, collection))[0]) <= {1, 2, 3}


def test_a_group_has_its_most_frequent_label_and_a_title_once_most_have_it() -> None:
    vectors_ND, cloud_N = clouds(2)
    grouping = find_groups(vectors_ND, k=2)
    labels: list[str | None] = [None] * len(vectors_ND)
    first, second = (np.flatnonzero(cloud_N == cloud).tolist() for cloud in (0, 1))
    for row, label in zip(first, ["wren", "owl", "owl"], strict=False):
        labels[row] = label
    for row, label in zip(second, ["tit", "jay"], strict=False):
        labels[row] = label
    description = describe_grouping(
        grouping, list_groups(vectors_ND, grouping), assign(vectors_ND, grouping)[0], labels
    )
    one, two = description.groups
    assert (one.label, one.label_count, one.labelled) == ("owl", 2, 3)
    assert (two.label, two.label_count, two.labelled) == ("tit", 1, 2), "ties go to the first"
    assert one.title is None, "two of many photographs do not name a group"
    for row in first[: len(first) // 2 + 1]:
        labels[row] = "owl"
    again = describe_grouping(
        grouping, list_groups(vectors_ND, grouping), assign(vectors_ND, grouping)[0], labels
    )
    assert [group.title for group in again.groups] == ["owl", None]
    assert description.k == 2 and description.criterion is None and description.tried == []
    labels = [None] * len(vectors_ND)
    description = describe_grouping(
        grouping, list_groups(vectors_ND, grouping), cloud_N + 1, labels
    )
    assert {(one.label, one.label_count) for one in description.groups} == {(None, 0)}


def test_groups_keep_their_numbers_as_long_as_most_members_stay() -> None:
    vectors_ND, cloud_N = clouds(6, noise=0.2)
    before = find_groups(vectors_ND, k=6)
    # The fifth kind grows, the second goes, and a seventh comes.
    rng = np.random.default_rng(1)
    grown = vectors_ND[cloud_N == 4][rng.integers(0, 30, 80)]
    new = unit_rows(rng.standard_normal((1, 16)) + 0.1 * rng.standard_normal((25, 16)))
    later_ND = np.concatenate([vectors_ND[cloud_N != 1], grown, new]).astype(np.float32)
    after = find_groups(later_ND, k=6)
    group_N = assign(later_ND, after)[0]
    before_N = assign(later_ND, before)[0]
    named = with_numbers_of(before, after, before_N=before_N, group_N=group_N)
    kept_N = assign(later_ND, named)[0]
    old = (cloud_N != 1).sum()
    np.testing.assert_array_equal(kept_N[:old], before_N[:old])
    assert set(kept_N[-25:]) == {2}, "the lowest number that is free"
    assert [group.group for group in list_groups(later_ND, named)] == [1, 2, 3, 4, 5, 6]
    fewer = find_groups(later_ND[kept_N > 3], k=3)
    left_ND = later_ND[kept_N > 3]
    again = with_numbers_of(
        named, fewer, before_N=kept_N[kept_N > 3], group_N=assign(left_ND, fewer)[0]
    )
    assert again.numbers_G.tolist() == [4, 5, 6]
    np.testing.assert_array_equal(assign(left_ND, again)[0], kept_N[kept_N > 3])
