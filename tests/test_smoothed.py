"""Groups and names are made by smoothed vectors, where neighbours agree."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lodisc.vectors.classifier import predict_labels
from lodisc.vectors.clusters import assign, find_groups
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.neighbours import smoothed

pytest.importorskip("lancedb", reason="lancedb is not installed")

from stored import stored

from lodisc.collection import collection as collections
from lodisc.collection.describe import describe_labels, group_and_describe
from lodisc.collection.groups_file import load_groups, save_groups
from lodisc.collection.search import allowed_rows
from lodisc.files import read_json, write_json


def kinds(count: int, each: int, *, width: float = 0.9) -> tuple[NDArray[np.float32], list[int]]:
    """Vectors of length 1 round as many centres, and the kind of each."""
    rng = np.random.default_rng(0)
    kind_N = np.arange(count).repeat(each)
    vectors_ND = rng.normal(size=(count, 16))[kind_N] + width * rng.normal(size=(len(kind_N), 16))
    return unit_rows(vectors_ND.astype(np.float32)), kind_N.tolist()


def plain_smoothed(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    return smoothed(torch.from_numpy(vectors_ND)).numpy()


def test_vectors_are_smoothed_where_neighbours_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors_ND, _ = kinds(6, 30)
    photos = stored(tmp_path / "kinds", vectors_ND).photos()
    np.testing.assert_allclose(photos.smoothed, plain_smoothed(photos.vectors), atol=1e-6)
    noise = np.random.default_rng(0).normal(size=(400, 48)).astype(np.float32)
    few = stored(tmp_path / "few", kinds(2, 24)[0]).photos()
    for plain in (stored(tmp_path / "noise", noise).photos(), few):
        assert plain.smoothed is plain.vectors
    monkeypatch.setattr(collections, "MOST", 179)
    many = stored(tmp_path / "many", vectors_ND).photos()
    assert many.smoothed is many.vectors


def test_smoothed_vectors_are_grouped_and_plain_ones_choose_the_number() -> None:
    vectors_ND, _ = kinds(6, 30)
    smoothed_ND = plain_smoothed(vectors_ND)
    grouping = find_groups(vectors_ND, smoothed_ND=smoothed_ND)
    assert grouping.likelihoods == find_groups(vectors_ND).likelihoods
    same = find_groups(smoothed_ND, k=len(grouping))
    np.testing.assert_array_equal(grouping.centroids, same.centroids)


def test_a_grouping_keeps_the_kind_of_its_vectors(tmp_path: Path) -> None:
    vectors_ND, _ = kinds(6, 30)
    collection = stored(tmp_path, vectors_ND)
    photos = collection.photos()
    save_groups(find_groups(photos.vectors, k=6, fingerprint=photos.fingerprint), collection)
    content = read_json(collection.files.groups)
    for name in ("smoothed", "photographs", "digest"):  # as versions wrote it that did not smooth
        del content[name]
    write_json(collection.files.groups, content)
    grouping = load_groups(collection)
    assert grouping is not None and not grouping.smoothed
    found = allowed_rows(collection, photos, '"group" = 1')
    np.testing.assert_array_equal(found, assign(photos.vectors, grouping)[0] == 1)
    assert group_and_describe(collection, k=6)["smoothed"]
    made = load_groups(collection)
    assert made is not None and made.smoothed


def test_groups_and_names_of_a_collection_are_those_of_its_smoothed_vectors(tmp_path: Path) -> None:
    vectors_ND, kind_N = kinds(6, 30)
    collection = stored(tmp_path, vectors_ND)
    photos = collection.photos()
    labels: list[str | None] = [None] * len(photos)
    for row in range(0, len(photos), 15):
        labels[row] = f"kind {kind_N[row]}"
    given = {photos.keys[row]: label for row, label in enumerate(labels) if label}
    collection.labels.set_each(given, how="by hand")
    group_and_describe(collection, k=6)
    grouping = load_groups(collection)
    assert grouping is not None
    expected = find_groups(photos.vectors, smoothed_ND=photos.smoothed, k=6)
    np.testing.assert_allclose(grouping.centroids, expected.centroids, atol=1e-6)
    group_N = assign(photos.smoothed, grouping)[0]
    found = allowed_rows(collection, photos, '"group" = 1')
    np.testing.assert_array_equal(found, group_N == 1)

    names = predict_labels(photos.smoothed, labels)
    assert names.labels != predict_labels(photos.vectors, labels).labels
    named = allowed_rows(collection, photos, "name = 'kind 2'")
    np.testing.assert_array_equal(named, [name == "kind 2" for name in names.labels])
    assert describe_labels(collection)["next"] == [photos.keys[row] for row in names.proposals]
