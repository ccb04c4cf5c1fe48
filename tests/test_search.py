"""Look-alikes: exact search against plain loops, conditions in SQL, the index of many vectors."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from lodisc.collection import lookalikes
from lodisc.collection.collection import Photos
from lodisc.collection.lookalikes import TOP, build_index, look_alikes, measured_recall
from lodisc.collection.where import LONGEST, rows_where
from lodisc.vectors import nearest as exact
from lodisc.vectors.nearest import nearest, unit_rows

pytest.importorskip("lancedb", reason="lancedb is not installed")

KEYS = ["beach/1.jpg", "beach/2.jpg", "it's.jpg", "wood/3.jpg", "wood/ü 🐦\n.jpg"]


def random_rows(count: int, dim: int = 16, *, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def photos_of(vectors_ND: NDArray[np.float32], keys: list[str] | None = None) -> Photos:
    """Photographs in memory, with these vectors."""
    keys = keys or [f"{row:05}.jpg" for row in range(len(vectors_ND))]
    texts = {
        "path": [f"/photos/{key}" for key in keys],
        "folder": [key.split("/")[0] if "/" in key else None for key in keys],
    }
    table = pa.table(
        {
            "key": keys,
            **texts,
            "split": pa.nulls(len(keys), pa.string()),
            "bytes": list(range(100, 100 + len(keys))),
        }
    )
    return Photos(version="1", fingerprint="f", table=table, vectors=vectors_ND)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_get_length_one(dtype: Any) -> None:
    rows_ND = (100 * random_rows(exact._BLOCK_ROWS + 3, 5)).astype(dtype)
    rows_ND[7] = 0
    units_ND = unit_rows(rows_ND)
    assert units_ND.dtype == np.float32 and rows_ND.dtype == dtype
    for row_D, unit_D in zip(rows_ND.astype(np.float64), units_ND, strict=True):
        np.testing.assert_allclose(
            unit_D, row_D / (math.sqrt(sum(value**2 for value in row_D)) or 1), atol=1e-6
        )
    assert unit_rows(rows_ND[:0]).shape == (0, 5)
    for bad in (np.nan, np.inf):
        rows_ND[exact._BLOCK_ROWS + 1, 2] = bad
        with pytest.raises(AssertionError, match="not finite"):
            unit_rows(rows_ND)


@pytest.mark.parametrize("block", [1, 200, exact._BLOCK_SIMILARITIES])
@pytest.mark.parametrize("allowed", [None, 0.5, 0.0])
@pytest.mark.parametrize("top", [1, 7, 1000])
def test_nearest_is_exact_and_ties_keep_the_order_of_rows(
    block: int, allowed: float | None, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "_BLOCK_SIMILARITIES", block)
    vectors_ND = unit_rows(
        np.repeat(random_rows(23), 4, axis=0)[np.random.default_rng(1).permutation(92)]
    )
    queries_QD = unit_rows(np.concatenate([vectors_ND[:3], random_rows(2, seed=5)]))
    allowed_N = None if allowed is None else np.random.default_rng(2).random(92) < allowed
    rows_QK, scores_QK = nearest(vectors_ND, queries_QD, top=top, allowed_N=allowed_N)
    candidates = [row for row in range(92) if allowed_N is None or allowed_N[row]]
    assert rows_QK.shape == scores_QK.shape == (5, min(top, len(candidates)))
    for query_D, rows, scores in zip(queries_QD, rows_QK, scores_QK, strict=True):
        cosine = {
            row: math.fsum(
                float(a) * float(b) for a, b in zip(vectors_ND[row], query_D, strict=True)
            )
            for row in candidates
        }
        assert (
            rows.tolist() == sorted(candidates, key=lambda row: (-round(cosine[row], 9), row))[:top]
        )
        np.testing.assert_allclose(scores, [cosine[row] for row in rows], atol=1e-6)


def test_equal_photographs_come_in_the_order_of_rows_wherever_they_lie() -> None:
    vectors_ND = unit_rows(np.ones((5_001, 37), np.float32))
    assert nearest(vectors_ND, vectors_ND[:2], top=5_001)[0].tolist() == [list(range(5_001))] * 2


def test_nothing_is_found_among_nothing() -> None:
    for vectors_ND, queries_QD in (
        (random_rows(0), random_rows(2)),
        (random_rows(3), random_rows(0)),
    ):
        rows_QK, scores_QK = nearest(vectors_ND, queries_QD, top=5)
        assert rows_QK.shape == scores_QK.shape == (len(queries_QD), min(5, len(vectors_ND)))


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("label = 'wren'", [1]),
        ("label is null", [2, 4]),
        ("label <> 'wren'", [0, 3]),
        ("label = 'it''s a \"finch\"'", [0]),
        ("key = 'it''s.jpg' or label = '🐦'", [2, 3]),
        ("key like 'beach/%' and bytes > 100", [1]),
        ("folder is null", [2]),
        ("split = 'test'", []),
        ("Folder IN ('wood', 'beach') AND NOT (bytes >= 103)", [0, 1]),
        ("group = 2", [1, 4]),
        ('"group" in (1, 2)', [0, 1, 3, 4]),
        ("`group` between 3 and 4", [2]),
        ("name = 'wren' and label is null", [4]),
        ("path like '/photos/%'", [0, 1, 2, 3, 4]),
        ("true", [0, 1, 2, 3, 4]),
    ],
)
def test_a_condition_in_sql_chooses_rows(where: str, rows: list[int]) -> None:
    labels = {KEYS[0]: 'it\'s a "finch"', KEYS[1]: "wren", KEYS[3]: "🐦", "gone.jpg": "wren"}
    met_N = rows_where(
        photos_of(random_rows(5), KEYS),
        labels,
        where,
        groups=np.array([1, 2, 3, 1, 2]),
        names=["finch", "wren", "finch", "wren", "wren"],
    )
    assert met_N.dtype == np.bool_ and np.flatnonzero(met_N).tolist() == rows


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("", "an expression"),
        ("label =", "an expression"),
        ("true; drop table photos", "Expected"),
        ("true order by key", "Expected"),
        (
            "nonsense = 'x'",
            "there is no column nonsense; there are key, path, folder, split, bytes, label",
        ),
        ('label = "wren"', "no column wren; .* 'single quotes'"),
        ("group = 1", "there are no groups yet; run {2}lodisc group"),
        ("name = 'x'", "names once some are labelled"),
        ("label = 3", "Utf8"),
        ("bytes", "boolean"),
        ("bytes / 0 = 1", "Divide by zero"),
        ("cast(key as int) = 1", "Cannot cast"),
        ("key in (select key from photos)", "not supported"),
        ("exists (select 1)", "not supported"),
        ("key = read_csv('/etc/passwd')", "Invalid function 'read_csv'"),
        ("read_text('/etc/passwd') is not null", "Invalid function 'read_text'"),
        ("count(*) > 1", "not implemented"),
        ("(" * 400 + "true" + ")" * 400, "recursion limit"),
        ("bytes = " + "1+" * LONGEST + "1", f"may have {LONGEST:,} characters"),
        ("la\x00\x1bbel\n= 'x'", r"\\x00"),
    ],
)
def test_what_is_no_condition_is_said_in_one_line(where: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        rows_where(photos_of(random_rows(5), KEYS), {}, where)
    message = str(caught.value)
    assert (
        message.startswith("--where")
        and message.isprintable()
        and len(message) < 400
        and "/root/" not in message
    )


def test_the_longest_condition_does_no_harm() -> None:
    where = "bytes = " + "1+" * ((LONGEST - 9) // 2) + "1"
    assert not rows_where(photos_of(random_rows(5), KEYS), {}, where).any()


def test_a_condition_on_no_photographs_meets_none() -> None:
    assert rows_where(photos_of(random_rows(0), []), {}, "label is null").tolist() == []


def test_a_large_collection_is_searched_by_an_index_whose_recall_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from stored import stored

    vectors_ND = unit_rows(np.repeat(random_rows(30), 20, axis=0) + 0.4 * random_rows(600, seed=1))
    collection = stored(tmp_path, vectors_ND)
    assert (
        build_index(collection) is None and measured_recall(collection, collection.photos()) is None
    )
    monkeypatch.setattr(lookalikes, "EXACT_UP_TO", 500)
    assert measured_recall(collection, collection.photos()) is None, (
        "before there is an index, search is exact"
    )
    recall = build_index(collection)
    photos = collection.photos()
    assert recall is not None and recall == measured_recall(collection, photos)
    assert 0.8 < recall.share <= 1 and (recall.queries, recall.photographs) == (200, 600)
    assert f"{100 * recall.share:.1f} %" in recall.words and str(TOP) in recall.words

    monkeypatch.setattr(lookalikes, "nearest", None)  # what follows is found by the index
    exact_QK, exact_scores_QK = nearest(photos.vectors, photos.vectors[:50], top=5)
    rows_QK, scores_QK = look_alikes(collection, photos, photos.vectors[:50], top=5)
    assert rows_QK[:, 0].tolist() == list(range(50)) and (rows_QK == exact_QK).mean() > 0.8
    np.testing.assert_allclose(
        scores_QK[rows_QK == exact_QK], exact_scores_QK[rows_QK == exact_QK], atol=1e-6
    )
    assert (
        look_alikes(collection, photos, photos.vectors[:1], top=600)[0].tolist()
        == nearest(photos.vectors, photos.vectors[:1], top=600)[0].tolist()
    )


def test_what_comes_after_the_index_is_found_and_what_goes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stored import stored

    vectors_ND = unit_rows(random_rows(400))
    monkeypatch.setattr(lookalikes, "EXACT_UP_TO", 100)
    assert build_index(stored(tmp_path, vectors_ND)) is not None
    for count in (450, 300):
        collection = stored(tmp_path, unit_rows(random_rows(450))[:count])
        photos = collection.photos()
        assert measured_recall(collection, photos) is not None
        rows_QK, scores_QK = look_alikes(collection, photos, photos.vectors, top=3)
        assert rows_QK[:, 0].tolist() == list(range(count)) and rows_QK.max() < count
        np.testing.assert_allclose(scores_QK[:, 0], 1, atol=1e-6)


def test_search_is_exact_where_the_recall_is_not_known_or_something_is_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stored import stored

    collection = stored(tmp_path, unit_rows(random_rows(300)))
    monkeypatch.setattr(lookalikes, "EXACT_UP_TO", 100)
    assert build_index(collection) is not None
    monkeypatch.setattr(lookalikes, "_by_index", None)  # what follows is exact
    photos, even_N = collection.photos(), np.arange(300) % 2 == 0
    found = look_alikes(collection, photos, photos.vectors[:9], top=4, allowed_N=even_N)
    np.testing.assert_array_equal(
        found[0], nearest(photos.vectors, photos.vectors[:9], top=4, allowed_N=even_N)[0]
    )
    whole = (collection.files.recall).read_text()
    for damage in ("", "[]", '{"share": 1}', "{"):
        (collection.files.recall).write_text(damage)
        assert look_alikes(collection, photos, photos.vectors[:9], top=4)[0].shape == (9, 4)
    (collection.files.recall).write_text(whole)
    assert measured_recall(collection, photos) is not None
    monkeypatch.undo()
    assert measured_recall(collection, photos) is None, (
        "a collection that has shrunk is searched exactly"
    )
