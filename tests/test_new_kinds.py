"""Kinds without a label: told with a calibrated probability, and shown wherever names are."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from stored import stored

from lodisc import cli
from lodisc.collection.collection import Collection
from lodisc.collection.describe import describe_labels
from lodisc.collection.labels_csv import export_csv
from lodisc.vectors import new_kinds
from lodisc.vectors.classifier import Predictions, predict_labels
from lodisc.vectors.new_kinds import new_kind_odds, probability, share_of_new

EACH = 60


def kinds(*, spread: float = 1.2, count: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [N, D] of kinds that overlap a little, far from the origin; their kinds."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(count), EACH)
    middle = rng.normal(size=(count, 24)) * spread
    vectors = 3 + middle[truth] + rng.normal(size=(len(truth), 24))
    return vectors.astype(np.float32), truth


def labels_of(truth: np.ndarray, *, known: int, each: int = 6) -> list[str | None]:
    """The first photographs of the first kinds have a label."""
    place = np.arange(len(truth)) % EACH
    return [
        f"kind {kind}" if kind < known and index < each else None
        for kind, index in zip(truth, place, strict=True)
    ]


def probability_of(names: Predictions) -> np.ndarray:
    assert names.new_kinds.probability is not None and names.new_kinds.reason is None
    return names.new_kinds.probability


@pytest.mark.parametrize("known", [4, 6, 9])
def test_photographs_of_kinds_without_a_label_are_told(known: int) -> None:
    vectors, truth = kinds()
    labels = labels_of(truth, known=known)
    names = predict_labels(vectors, labels)
    rest = np.array([label is None for label in labels])
    probability, is_new = probability_of(names), truth >= known
    assert not probability[~rest].any(), "the kind of a labelled photograph has a label"
    error = 0.0
    for low in np.arange(0, 1, 0.1):
        members = rest & (probability >= low) & (probability < low + 0.1)
        if members.any():
            distance = abs(probability[members].mean() - is_new[members].mean())
            error += distance * members.sum() / rest.sum()
    assert error < 0.12
    assert abs(probability[rest].mean() - is_new[rest].mean()) < 0.12
    assert probability[is_new].mean() > probability[rest & ~is_new].mean() + 0.5
    assert (names.confidence[is_new] >= 0.9).mean() < 0.02
    right = [name == f"kind {kind}" for name, kind in zip(names.labels, truth, strict=True)]
    sure = rest & (names.confidence >= 0.9)
    assert sure.any() and np.mean(np.array(right)[sure]) > 0.9
    assert names.new_kinds.expected == pytest.approx(probability.sum(), rel=1e-5)
    likely = names.new_kinds.likely
    assert set(likely) == set(np.flatnonzero(probability >= 0.5))
    assert (np.diff(probability[likely]) <= 0).all()


def test_accepted_names_teach_nothing() -> None:
    """They are the classifier's own words: numbers that rest on them would praise themselves."""
    vectors, truth = kinds()
    labels = labels_of(truth, known=6)
    before = predict_labels(vectors, labels)
    is_accepted = (before.confidence >= 0.9) & [label is None for label in labels]
    assert is_accepted.sum() > 100
    accepted = [
        name if is_one else label
        for name, is_one, label in zip(before.labels, is_accepted, labels, strict=True)
    ]
    after = predict_labels(vectors, accepted, accepted_N=is_accepted)
    assert after.labels == before.labels and after.accuracy == before.accuracy
    assert not probability_of(after)[is_accepted].any(), "what has a label is of no new kind"
    rest = np.array([label is None for label in accepted])
    assert (after.confidence[rest] == before.confidence[rest]).all()
    assert (probability_of(after)[rest] == probability_of(before)[rest]).all()
    assert not set(after.proposals) & set(np.flatnonzero(~rest))


def test_what_is_likely_of_a_new_kind_is_doubtful_however_clear_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, truth = kinds()
    labels = labels_of(truth, known=6)
    doubts = []

    def note(*_, doubt_N: np.ndarray, **__) -> list[int]:
        doubts.append(doubt_N)
        return []

    monkeypatch.setattr("lodisc.vectors.classifier.propose", note)
    names = predict_labels(vectors, labels)
    monkeypatch.setattr(new_kinds, "FEWEST_KINDS", 99)
    predict_labels(vectors, labels)
    rest = np.array([label is None for label in labels])
    certain, margin = 1 - doubts[0][rest], 1 - doubts[1][rest]
    assert certain == pytest.approx(margin * (1 - probability_of(names)[rest]), abs=1e-6)
    assert margin.max() > 0.9 > certain[truth[rest] >= 6].max()


def test_confidence_stays_where_every_kind_has_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, truth = kinds()
    labels = labels_of(truth, known=12)
    names = predict_labels(vectors, labels)
    assert not probability_of(names).any()
    monkeypatch.setattr(new_kinds, "FEWEST_KINDS", 99)
    assert np.array_equal(predict_labels(vectors, labels).confidence, names.confidence)


def test_confidence_is_that_of_the_name_times_that_of_a_labelled_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, truth = kinds()
    labels = labels_of(truth, known=6)
    names = predict_labels(vectors, labels)
    monkeypatch.setattr(new_kinds, "FEWEST_KINDS", 99)
    among_known = predict_labels(vectors, labels)
    expected = among_known.confidence * (1 - probability_of(names))
    np.testing.assert_allclose(names.confidence, expected, rtol=1e-6)
    assert names.labels == among_known.labels and names.accuracy == among_known.accuracy


def scores_by_loops(
    vectors: np.ndarray, labels: list[str | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three scores of all, of the labelled as of a known kind, and as of a new one."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = units - units.mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    shrunk = (1 - new_kinds.SHRINKAGE) * variance + new_kinds.SHRINKAGE * variance.mean()

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.linalg.norm(vector)

    def score(row: int, *, without: list[int]) -> list[float]:
        result = []
        for points in (centred, centred @ axes / np.sqrt(shrunk)):
            cosines = []
            for label in {label for label in labels if label is not None}:
                members = [r for r, other in enumerate(labels) if other == label]
                members = [r for r in members if r not in without]
                if members:
                    mean = np.sum([unit(points[r]) for r in members], axis=0)
                    cosines.append(unit(points[row]) @ unit(mean))
            result.append(max(cosines))
        others = [unit(centred[row]) @ unit(centred[r]) for r in range(len(centred)) if r != row]
        return [*result, float(np.mean(sorted(others)[-new_kinds.CROWD :]))]

    labelled = [row for row, label in enumerate(labels) if label is not None]
    of_kind = {row: [r for r in labelled if labels[r] == labels[row]] for row in labelled}
    return (
        np.array([score(row, without=[]) for row in range(len(vectors))]),
        np.array([score(row, without=[row]) for row in labelled if len(of_kind[row]) > 1]),
        np.array([score(row, without=of_kind[row]) for row in labelled]),
    )


def test_odds_are_those_of_plain_loops() -> None:
    """They are linear in the scores, and minimise the cross-entropy of the examples."""
    vectors, truth = kinds(count=6)
    vectors, truth = vectors[::3], truth[::3]
    labels = labels_of(truth, known=4, each=0)
    for kind, count in enumerate((4, 3, 2, 1)):
        for row in np.flatnonzero(truth == kind)[:count]:
            labels[row] = f"kind {kind}"
    rows = np.array([row for row, label in enumerate(labels) if label is not None])
    odds = new_kind_odds(
        torch.from_numpy(vectors), torch.from_numpy(rows), torch.from_numpy(truth[rows]), kinds=4
    )
    assert odds is not None
    every, known, new = scores_by_loops(vectors, labels)
    assert (len(known), len(new)) == (9, 10), "the only one of its kind is an example of a new kind"
    design = np.pad(every, ((0, 0), (0, 1)), constant_values=1)
    weights, *_ = np.linalg.lstsq(design, odds, rcond=None)
    np.testing.assert_allclose(design @ weights, odds, atol=2e-3)

    def loss(weights: np.ndarray) -> float:
        total = 0.0
        for examples, target in ((known, 1 / (9 + 2)), (new, (10 + 1) / (10 + 2))):
            for scores in examples:
                share = 1 / (1 + np.exp(-(scores @ weights[:3] + weights[3])))
                entropy = -target * np.log(share) - (1 - target) * np.log(1 - share)
                total += entropy / 2 / len(examples)
        return total

    for axis in range(4):
        step = np.eye(4)[axis] * 0.5
        assert loss(weights) < min(loss(weights + step), loss(weights - step)) + 1e-6


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_the_share_of_new_kinds_needs_no_label(share: float) -> None:
    """Saerens's iterations, written as a loop, come to it; and it is near the truth."""
    rng = np.random.default_rng(0)
    is_new = rng.random(4000) < share
    scores = rng.normal(size=4000) + np.where(is_new, 1.0, -1.0)
    odds = 2 * scores  # log N(1, 1) - log N(-1, 1)
    estimate = share_of_new(odds)
    assert estimate == pytest.approx(share, abs=0.03)
    iterated = 0.5
    for _ in range(3000):
        ratios = [iterated * np.exp(o) / (iterated * np.exp(o) + 1 - iterated) for o in odds[:400]]
        iterated = float(np.mean(ratios))
    assert share_of_new(odds[:400]) == pytest.approx(iterated, abs=2e-3)


def test_shares_at_the_ends() -> None:
    assert share_of_new(np.zeros(0)) == 0 and share_of_new(np.zeros(9)) == 0
    assert share_of_new(np.full(9, -3.0)) == 0 and 0.8 < share_of_new(np.full(9, 300.0)) < 1


def test_too_few_labels_say_so_and_change_nothing() -> None:
    vectors, truth = kinds()
    for labels in (
        labels_of(truth, known=2),
        labels_of(truth, known=12, each=1),
        labels_of(truth, known=1),
        [None] * len(truth),
    ):
        told = predict_labels(vectors, labels).new_kinds
        assert told.probability is None and told.expected is None and not len(told.likely)
        assert told.reason is not None and "give 3 kinds two labels each" in told.reason


def test_degenerate_vectors_give_finite_probabilities() -> None:
    labels = [label for label in "abcd" for _ in range(3)] + [None] * 8
    for vectors in (np.ones((20, 4)), np.zeros((20, 4)), np.eye(20, 4), np.eye(20, 64)):
        names = predict_labels(vectors.astype(np.float32), labels)
        assert np.isfinite(probability_of(names)).all() and np.isfinite(names.confidence).all()
    names = predict_labels(np.eye(12, 4, dtype=np.float32), labels[:12])
    assert not probability_of(names).any(), "every photograph has a label"


def test_a_sample_of_a_large_collection_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, truth = kinds()
    labels = labels_of(truth, known=6)
    rest = np.array([label is None for label in labels])
    whole = probability_of(predict_labels(vectors, labels))
    monkeypatch.setattr(new_kinds, "SAMPLE", 240)
    monkeypatch.setattr(new_kinds, "_BLOCK", 1000)
    sampled = probability_of(predict_labels(vectors, labels))
    assert np.corrcoef(whole[rest], sampled[rest])[0, 1] > 0.9


@pytest.fixture
def birds(tmp_path: Path) -> Collection:
    """A collection in which four of eight kinds have six labels each."""
    vectors, truth = kinds(count=8, spread=2)
    collection = stored(tmp_path, vectors)
    keys = collection.photos().keys
    labels = zip(keys, labels_of(truth, known=4), strict=True)
    collection.labels.set_each({key: label for key, label in labels if label}, how="typed")
    return collection


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_the_command_line_says_how_many_names_were_accepted(
    birds: Collection, capsys: pytest.CaptureFixture[str]
) -> None:
    before = describe_labels(birds)
    photos, current = birds.photos(), birds.labels.current()
    names = predict_labels(photos.smoothed, [current.get(key) for key in photos.keys])
    sure = {
        key: name
        for key, name, confidence in zip(photos.keys, names.labels, names.confidence, strict=True)
        if name is not None and confidence >= 0.9
    }
    count = birds.labels.accept(sure, where="from 90%")
    after = describe_labels(birds)
    assert after["accepted"] == count > 0 and after["labelled"] == before["labelled"] + count
    assert after["accuracy"] == before["accuracy"]
    cli.main(["labels", "show", str(birds.path)])
    words = " ".join(capsys.readouterr().out.split())
    assert f"{count} of these are accepted names, from which nothing is learnt." in words


def test_a_table_and_the_command_line_tell_new_kinds(
    birds: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_csv(birds, tmp_path / "out.csv")
    values = np.array([float(row["new_kind"]) for row in table(tmp_path / "out.csv")])
    assert values[4 * EACH :].mean() > 0.8 and values[: 4 * EACH].mean() < 0.2
    described = describe_labels(birds)["new_kinds"]
    assert described["expected"] == pytest.approx(values.sum(), abs=0.1)
    assert described["likely"] == (values >= 0.5).sum() and described["reason"] is None
    assert len(described["first"]) == 24 and all(int(key[:6]) >= 240 for key in described["first"])
    assert cli.main(["labels", "show", str(birds.path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"about {described['expected']:.0f} are of none of these kinds" in printed


def test_too_few_labels_are_said_on_the_command_line(
    birds: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    birds.labels.undo()
    birds.labels.set([birds.photos().keys[0]], "wren")
    export_csv(birds, tmp_path / "out.csv")
    assert {row["new_kind"] for row in table(tmp_path / "out.csv")} == {""}
    assert cli.main(["labels", "show", str(birds.path)]) == 0
    assert "give 3 kinds two labels each" in " ".join(capsys.readouterr().out.split())


def test_the_page_and_the_api_list_new_kinds(birds: Collection) -> None:
    testclient = pytest.importorskip("fastapi.testclient", reason="fastapi is not installed")
    from lodisc.web.app import create_app

    with testclient.TestClient(create_app(birds.path), base_url="http://127.0.0.1") as client:
        told = client.get("/api/names").json()["new_kinds"]
        listing = client.get("/api/photos?state=new&limit=500").json()
        assert told["likely"] == listing["total"] > 100 and told["reason"] is None
        shares = [photo["new_kind"] for photo in listing["photos"]]
        assert shares == sorted(shares, reverse=True) and min(shares) >= 0.5
        first = listing["photos"][0]
        assert first["confidence"] <= 1 - first["new_kind"] + 1e-3
        labelled = client.get("/api/photos?state=labelled").json()["photos"]
        assert {photo["new_kind"] for photo in labelled} == {0}
        assert all(photo["likely_new"] for photo in listing["photos"])
        assert not any(photo["likely_new"] for photo in labelled)
        browsed = client.get("/?state=new").text
        assert (
            "Likely new kinds" in browsed
            and '<span class="guess">None of these kinds</span>' in browsed
        )
        own = client.get(f"/similar/{first['id']}").text
        assert "None of these kinds: " in own and "Looks like kind" not in own
        label = {"ids": [first["id"]], "label": "a new one"}
        client.post("/api/labels", json=label).raise_for_status()
        after = client.get("/api/photos?state=new&limit=500").json()["photos"]
        assert first["id"] not in [photo["id"] for photo in after]


def test_no_new_kinds_are_a_plain_zero() -> None:
    """A negative zero would be written as -0.0000, which spreadsheets take for a formula."""
    zeros_N = probability(np.array([1.0, -2.0]), 0.0)
    assert zeros_N.tolist() == [0.0, 0.0] and not np.signbit(zeros_N).any()
