"""The probability of the same kind: facts by plain loops, calibration, odd labels and vectors.

Then what `lodisc search`, the API and the page say of it.
"""

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lodisc import cli
from lodisc.vectors import same_kind as module
from lodisc.vectors.nearest import unit_rows
from lodisc.vectors.same_kind import COMPARISONS, FEWEST, SameKind, learn_same_kind

Vectors = NDArray[np.float32]
Kinds = NDArray[np.int64]


def kinds_in_clouds(*, kinds: int = 40, each: int = 50, seed: int = 0) -> tuple[Vectors, Kinds]:
    """Clouds that overlap, some tighter than others."""
    rng = np.random.default_rng(seed)
    kind_N = np.repeat(np.arange(kinds), each)
    spread = rng.uniform(0.5, 1.2, kinds)[kind_N, None]
    cloud_ND = rng.standard_normal((kinds, 16))[kind_N]
    return unit_rows(
        (cloud_ND + spread * rng.standard_normal(cloud_ND.shape)).astype(np.float32)
    ), kind_N


def some_labels(
    kind_N: Kinds, *, each: int, kinds: int | None = None, seed: int = 0
) -> list[str | None]:
    """`each` labels of every kind, or of the first `kinds`."""
    rng = np.random.default_rng(seed)
    labels: list[str | None] = [None] * len(kind_N)
    for kind in np.unique(kind_N)[:kinds]:
        for row in rng.permutation(np.flatnonzero(kind_N == kind))[:each]:
            labels[row] = f"kind {kind}"
    return labels


def others(vectors_ND: Vectors, query_D: Vectors, own: int | None) -> list[tuple[float, int]]:
    """Cosine and row of all photographs but the query, best first."""
    pairs = [
        (math.fsum(float(a) * float(b) for a, b in zip(row_D, query_D, strict=True)), row)
        for row, row_D in enumerate(vectors_ND)
        if row != own
    ]
    return sorted(pairs, reverse=True)


def plain_probability(
    same_kind: SameKind, vectors_ND: Vectors, query_D: Vectors, row: int, *, own: int | None
) -> float:
    """The formula of the module's docstring."""
    mine, theirs = others(vectors_ND, query_D, own), others(vectors_ND, vectors_ND[row], row)
    (cosine,) = [cosine for cosine, other in mine if other == row]
    facts = [cosine - sum(cosine for cosine, _ in mine[:10]) / 10]
    for count in (10, 30):
        shared = {other for _, other in mine[:count]} & {other for _, other in theirs[:count]}
        facts.append(len(shared) / count)
    logit = same_kind.bias + sum(
        float(weight) * fact for weight, fact in zip(same_kind.weights_F, facts, strict=True)
    )
    low, high = same_kind.bounds
    return min(max(1 / (1 + math.exp(-logit)), low), high)


def shown_pairs(
    same_kind: SameKind, vectors_ND: Vectors, kind_N: Kinds, labels: list[str | None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability and truth of the ten look-alikes of 200 photographs without a label."""
    probabilities, truths = [], []
    unlabelled = [row for row, label in enumerate(labels) if label is None]
    for query in np.random.default_rng(0).permutation(unlabelled)[:200].tolist():
        cosine_N = vectors_ND @ vectors_ND[query]
        cosine_N[query] = -2
        rows = np.argsort(-cosine_N)[:10]
        shares = same_kind.probabilities(vectors_ND, vectors_ND[query], rows, own=query)
        assert shares is not None
        probabilities.append(shares)
        truths.append(kind_N[rows] == kind_N[query])
    return np.concatenate(probabilities), np.concatenate(truths)


def test_a_probability_is_the_formula_in_plain_loops() -> None:
    vectors_ND, kind_N = kinds_in_clouds(kinds=12, each=15)
    same_kind = learn_same_kind(vectors_ND, some_labels(kind_N, each=8))
    assert same_kind.reason is None and (same_kind.weights_F >= 0).all()
    rows = np.array([1, 7, 80, 179])
    upload_D = unit_rows(vectors_ND[:2].sum(axis=0, keepdims=True))[0]
    for query_D, own in ((vectors_ND[0], 0), (vectors_ND[99], 99), (upload_D, None)):
        shares = same_kind.probabilities(vectors_ND, query_D, rows, own=own)
        assert shares is not None
        expected: list[float] = [
            plain_probability(same_kind, vectors_ND, query_D, row, own=own) for row in rows.tolist()
        ]
        assert shares.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("each", "kinds"), [(2, None), (5, None), (10, None), (5, 20), (10, 20)])
def test_probabilities_are_right_beside_what_is_shown(each: int, kinds: int | None) -> None:
    """Also where each kind has few labels, and where half of the kinds have none."""
    vectors_ND, kind_N = kinds_in_clouds()
    labels = some_labels(kind_N, each=each, kinds=kinds)
    same_kind = learn_same_kind(vectors_ND, labels)
    probability_P, truth_P = shown_pairs(same_kind, vectors_ND, kind_N, labels)
    assert 0.3 < truth_P.mean() < 0.8
    assert abs(probability_P.mean() - truth_P.mean()) < 0.06
    for low in np.arange(0, 1, 0.25):
        in_bin = (probability_P >= low) & (probability_P < low + 0.25)
        if in_bin.sum() > 200:
            assert abs(probability_P[in_bin].mean() - truth_P[in_bin].mean()) < 0.12
    share = truth_P.mean()
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    loss = -np.log(np.where(truth_P, probability_P, 1 - probability_P)).mean()
    assert loss < 0.9 * entropy, "it tells more than the share of all"


@pytest.mark.parametrize(("each", "kinds", "among_labels"), [(2, 60, 1 / 3), (10, 30, 2 / 3)])
def test_labels_that_are_no_fair_sample_of_pairs_are_set_right(
    each: int, kinds: int, among_labels: float
) -> None:
    """Two kinds look the same in each of 30 heaps, so that every probability is about 1/2."""
    rng = np.random.default_rng(0)
    heap_N, kind_N = np.repeat(np.arange(30), 40), rng.permutation(60).repeat(20)
    centre_HD = rng.standard_normal((30, 32))
    noise_ND = rng.standard_normal((1200, 32))
    vectors_ND = unit_rows((centre_HD[heap_N] + 0.3 * noise_ND).astype(np.float32))
    labels = some_labels(kind_N, each=each, kinds=kinds)
    labelled = [row for row, label in enumerate(labels) if label is not None]
    is_same = [
        kind_N[a] == kind_N[b]
        for a in labelled
        for b in labelled
        if a != b and heap_N[a] == heap_N[b]
    ]
    assert np.mean(is_same) == pytest.approx(among_labels, abs=0.06)
    same_kind = learn_same_kind(vectors_ND, labels)
    probability_P, truth_P = shown_pairs(same_kind, vectors_ND, kind_N, labels)
    assert truth_P.mean() == pytest.approx(0.49, abs=0.03)
    assert probability_P.mean() == pytest.approx(truth_P.mean(), abs=0.08)


@pytest.mark.parametrize(
    ("labels", "counts"),
    [
        ([None] * 60, "so far 0 are and 0 are not"),
        (["finch"] + [None] * 59, "so far 0 are and 0 are not"),
        (["finch", "wren"] + [None] * 58, "so far 0 are and 2 are not"),
        (["finch"] * 60, "and 0 are not"),
        ([str(row) for row in range(60)], "so far 0 are and 3,540 are not"),
    ],
)
def test_too_few_labels_are_said_in_one_line(labels: list[str | None], counts: str) -> None:
    vectors_ND = unit_rows(np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32))
    same_kind = learn_same_kind(vectors_ND, labels)
    assert same_kind.reason is not None and same_kind.reason.endswith(counts)
    assert str(FEWEST) in same_kind.reason and "\n" not in same_kind.reason
    assert same_kind.probabilities(vectors_ND, vectors_ND[0], np.array([1]), own=0) is None


@pytest.mark.parametrize("count", [0, 1])
def test_a_collection_of_one_has_no_pairs(count: int) -> None:
    assert learn_same_kind(np.ones((count, 4), np.float32), ["finch"] * count).reason is not None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_vectors_that_tell_nothing_give_no_certainty(value: float) -> None:
    vectors_ND = unit_rows(np.full((90, 8), value, np.float32))
    labels = ["finch" if row % 2 else "wren" for row in range(90)]
    same_kind = learn_same_kind(vectors_ND, labels)
    shares = same_kind.probabilities(vectors_ND, vectors_ND[3], np.arange(10, 20), own=3)
    assert shares is not None and np.isfinite(shares).all()
    assert ((shares > 0.2) & (shares < 0.8)).all()


def test_kinds_without_an_error_give_no_certainty() -> None:
    vectors_ND = unit_rows(np.repeat(np.eye(2, 8, dtype=np.float32), 20, axis=0))
    vectors_ND = unit_rows(
        vectors_ND + 0.01 * np.random.default_rng(0).random((40, 8)).astype(np.float32)
    )
    labels = ["finch"] * 20 + ["wren"] * 20
    same_kind = learn_same_kind(vectors_ND, labels)
    shares = same_kind.probabilities(vectors_ND, vectors_ND[0], np.array([1, 30]), own=0)
    assert shares is not None and 0.9 < shares[0] < 1 and 0 < shares[1] < 0.1


def test_ten_thousand_labels_need_little_memory() -> None:
    vectors_ND, kind_N = kinds_in_clouds(kinds=100, each=100)
    labels = some_labels(kind_N, each=100)
    tracemalloc.start()
    same_kind = learn_same_kind(vectors_ND, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert same_kind.reason is None and peak < 200e6
    assert len(labels) * len(vectors_ND) == 0.5 * COMPARISONS


def test_the_same_labels_give_the_same_probabilities() -> None:
    vectors_ND, kind_N = kinds_in_clouds()
    labels = some_labels(kind_N, each=10)
    first, second = (learn_same_kind(vectors_ND, labels) for _ in range(2))
    assert first.bias == second.bias and (first.weights_F == second.weights_F).all()


LABELLED, UNLABELLED = "000000.jpg", "000009.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of twelve kinds of twenty photographs, with eight labels each."""
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    from stored import stored

    vectors_ND, kind_N = kinds_in_clouds(kinds=12, each=20)
    collection = stored(tmp_path, vectors_ND)
    keys = collection.photos().keys
    labels = {key: f"kind {kind}" for key, kind in zip(keys, kind_N, strict=True)}
    labels = {key: labels[key] for row, key in enumerate(keys) if row % 20 < 8}
    collection.labels.set_each(labels, how="test")
    return collection.path


def searched(capsys: pytest.CaptureFixture[str], *words: Any) -> Any:
    """What `lodisc search` prints as JSON."""
    assert cli.main(["search", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_search_says_how_likely_each_look_alike_is_of_the_same_kind(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lodisc.collection.collection import Collection

    collection = Collection(folder)
    photos, labels = collection.photos(), collection.labels.current()
    same_kind = learn_same_kind(photos.vectors, [labels.get(key) for key in photos.keys])
    result = searched(capsys, folder, UNLABELLED, LABELLED)
    assert result["reason"] is None
    for answer in result["answers"]:
        own = photos.position[answer["query"]]
        rows = np.array([photos.position[photo["key"]] for photo in answer["found"]])
        shares = same_kind.probabilities(photos.vectors, photos.vectors[own], rows, own=own)
        assert shares is not None
        for photo, share in zip(answer["found"], shares.tolist(), strict=True):
            if answer["query"] == LABELLED and photo["label"]:
                assert photo["same_kind"] == (photo["label"] == "kind 0")
            else:
                assert photo["same_kind"] == pytest.approx(share, abs=1e-4)
    assert cli.main(["search", str(folder), UNLABELLED]) == 0
    out = capsys.readouterr().out
    first = result["answers"][0]["found"][0]
    assert "same kind" in out and f"{int(100 * first['same_kind'])} %" in out
    limited = searched(capsys, folder, UNLABELLED, "--where", "label is null")
    assert limited["reason"].endswith("not told with --where")
    assert all(photo["same_kind"] is None for photo in limited["answers"][0]["found"])


def test_search_says_why_nothing_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "labels.sqlite").unlink()
    result = searched(capsys, folder, UNLABELLED)
    assert "so far 0 are and 0 are not" in result["reason"]
    assert all(photo["same_kind"] is None for photo in result["answers"][0]["found"])
    assert cli.main(["search", str(folder), UNLABELLED]) == 0
    assert f"{result['reason']}." in capsys.readouterr().out


def test_the_page_and_the_api_say_the_same_and_learn_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    expected = searched(capsys, folder, UNLABELLED, "--top", 24)["answers"][0]["found"]
    learnings = []

    def counted(*words: Any, **settings: Any) -> SameKind:
        learnings.append(words)
        return learn_same_kind(*words, **settings)

    monkeypatch.setattr(module, "learn_same_kind", counted)
    client = client_of(folder)
    id = by_key(client)[UNLABELLED].id
    answer = client.get(f"/api/photos/{id}/similar").json()
    assert answer["reason"] is None
    assert [like["same_kind"] for like in answer["similar"]] == [
        photo["same_kind"] for photo in expected
    ]
    page = client.get(f"/similar/{id}").text
    assert page.count("% same kind</span>") == len(expected) and len(learnings) == 1
    client.post("/api/labels", json={"ids": [id], "label": "kind 0"})
    decided = client.get(f"/api/photos/{id}/similar").json()["similar"]
    labelled = [like for like in decided if like["photo"]["label"] is not None]
    assert len(learnings) == 2 and labelled
    assert all(like["same_kind"] == (like["photo"]["label"] == "kind 0") for like in labelled)


def test_an_upload_has_probabilities_too(folder: Path) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import client_of

    from lodisc.web.state.uploads import Upload

    client = client_of(folder)
    state = client.app.state.opened  # type: ignore[attr-defined]
    photos, id = state.collection.photos(), "upload-0123456789abcdef"
    upload_D = unit_rows(photos.vectors[:9].sum(axis=0, keepdims=True))[0]
    state.uploads.put(Upload(id, "bird.jpg", b"", upload_D, photos.fingerprint))
    answer = client.get(f"/api/photos/{id}/similar", params={"top": 200}).json()
    assert answer["reason"] is None and len(answer["similar"]) == 200
    shares = [like["same_kind"] for like in answer["similar"]]
    assert all(0 < share < 1 for share in shares) and shares[0] > 0.5 > shares[-1]


def test_the_page_says_why_nothing_is_known(folder: Path) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from web import by_key, client_of

    (folder / "labels.sqlite").unlink()
    client = client_of(folder)
    id = by_key(client)[UNLABELLED].id
    answer = client.get(f"/api/photos/{id}/similar").json()
    assert {like["same_kind"] for like in answer["similar"]} == {None}
    page = client.get(f"/similar/{id}").text
    assert answer["reason"] in page and "same kind</span>" not in page


def test_of_very_many_photographs_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PHOTOGRAPHS", 9)
    vectors_ND = np.eye(10, dtype=np.float32)
    learnt = learn_same_kind(vectors_ND, ["a", "b"] * 5)
    assert "more than 9 photographs" in (learnt.reason or "")
    assert learnt.probabilities(vectors_ND, vectors_ND[0], np.arange(1, 4), own=0) is None
