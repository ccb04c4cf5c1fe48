"""How many photographs are among those of a sketch, held to a list of all."""

from pathlib import Path

import pytest

from lodisc.data.photo import Photo
from lodisc.data.sketch import SIZE, share_among, sketch_of


def drawn(names: range, *, folder: str = "a") -> list[Photo]:
    return [
        Photo(f"{folder}/{number}.jpg", Path("t.tar"), size=number % 97 + 1) for number in names
    ]


@pytest.mark.parametrize(("count", "tolerance"), [(SIZE, 0.0), (20_000, 0.1)])
def test_the_share_is_that_of_a_list(count: int, tolerance: float) -> None:
    sketch = sketch_of(drawn(range(count)))
    assert len(sketch) == SIZE
    for new in (0, count // 4, count // 2, count):
        photos = drawn(range(new, new + count), folder="renamed")
        assert share_among(photos, sketch) == pytest.approx(1 - new / count, abs=tolerance)


def test_a_sketch_of_two_sets_is_of_both() -> None:
    first, second = drawn(range(1000)), drawn(range(1000, 3000))
    both = sketch_of(second, of_earlier=sketch_of(first))
    assert both == sketch_of([*first, *second])
    assert share_among(first, both) == share_among(second, both) == 1.0


def test_nothing_is_among_nothing() -> None:
    assert share_among(drawn(range(3)), ()) == share_among([], sketch_of(drawn(range(3)))) == 0.0
    resized = [Photo("a/1.jpg", Path("t.tar"), size=5)]
    assert share_among(resized, sketch_of(drawn(range(3)))) == 0.0
