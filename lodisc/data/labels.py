"""Labels as people write them, and as they are stored."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from lodisc.data.photo import printable
from lodisc.errors import UserError

MOST_LETTERS = 200  # of a label
LONGEST_USER = 60  # letters of the name of a person
_MISSING = {"na", "n/a", "#n/a", "nan", "none", "null", "#ref!", "#value!", "#name?", "#div/0!"}


def label_in(cell: str) -> str | None:
    """The label in a cell of a table, None in an empty one; raises as `plain_label` does."""
    return plain_label(cell) if _stripped(cell) else None


def plain_label(label: str) -> str:
    """A label without what is invisible at its ends, and composed (NFC).

    Raises `UserError` if it is empty, too long, or not plain text.
    """
    plain = unicodedata.normalize("NFC", _stripped(label))
    if not plain:
        raise UserError("a label is empty; type a name, or remove the label")
    if len(plain) > MOST_LETTERS:
        raise UserError(
            f"a label has {len(plain)} characters ({plain[:20]}…); {MOST_LETTERS} are the most"
        )
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in plain):
        raise UserError(
            f"the label {printable(plain)} has line breaks, control characters or stray bytes; "
            "leave them out"
        )
    return plain


def plain_user(name: str) -> str:
    """The name of a person who labels, as it is stored; raises `UserError` as `plain_label`."""
    try:
        plain = plain_label(name)
    except UserError:
        plain = ""
    if not 0 < len(plain) <= LONGEST_USER:
        raise UserError(
            f"{printable(name[:LONGEST_USER])!r} can't be the name of a person; "
            f"give up to {LONGEST_USER} letters in one line"
        )
    return plain


def _stripped(label: str) -> str:
    """A label without blanks and invisible marks, such as that of byte order, at its ends."""
    seen = [
        place
        for place, letter in enumerate(label)
        if not letter.isspace() and unicodedata.category(letter) != "Cf"
    ]
    return label[seen[0] : seen[-1] + 1] if seen else ""


def odd_labels(labels: Iterable[str | None]) -> list[str]:
    """A note for each set of labels that look the same, and for labels that may mean none."""
    names = {label for label in labels if label is not None}
    notes = [
        f"labels that differ in case or blanks alone are different: {_list(same)}"
        for same in twins(names)
    ]
    if missing := sorted(name for name in names if name.strip().casefold() in _MISSING):
        notes.append(f"{_list(missing)} is taken for a label; leave the cell empty for none")
    return notes


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))


def twins(labels: Iterable[str | None]) -> list[list[str]]:
    """Sets of labels that differ in nothing but case, blanks, and marks that are not seen."""
    same: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        if label is not None:
            seen = "".join(letter for letter in label if unicodedata.category(letter) != "Cf")
            same[" ".join(seen.casefold().split())].add(label)
    return [sorted(names) for _, names in sorted(same.items()) if len(names) > 1]
