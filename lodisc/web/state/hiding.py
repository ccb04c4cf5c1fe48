"""Near-duplicates: which photograph of a set is the best, and hiding the others."""

from collections.abc import Sequence

from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State


def hide_duplicates(state: State) -> list[str]:
    """Hide all but the best of each set of near-duplicates; returns the ids of what is hidden."""
    snapshot = state.snapshot()
    photos = snapshot.photos
    rows = [row for rows in state.duplicates(snapshot) for row in best_first(snapshot, rows)[1:]]
    state.collection.hidden.change(photos, rows, hidden=True)
    return [photos.ids[row] for row in rows]


def best_first(snapshot: Snapshot, rows: Sequence[int]) -> list[int]:
    """A set of near-duplicates with the best in front: labelled by a person, then most bytes."""
    is_accepted_N, bytes_N = snapshot.by_row.accepted_N, snapshot.bytes_N

    def rank(row: int) -> tuple[bool, int, int]:
        is_from_person = snapshot.labels[row] is not None and not is_accepted_N[row]
        return not is_from_person, -int(bytes_N[row]), row

    best = min(rows, key=rank)
    return [best, *(row for row in rows if row != best)]
