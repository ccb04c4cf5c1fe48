"""Labels as people write them, and as they are stored."""

import unicodedata

from lodisc.data.photo import printable
from lodisc.errors import UserError

MOST_LETTERS = 200  # of a label


def label_in(cell: str) -> str | None:
    """The label in a cell of a table, None in an empty one; raises as `plain_label` does."""
    return plain_label(cell) if _stripped(cell) else None


def plain_label(label: str) -> str:
    """A label without what is invisible at its ends, and composed (NFC).

    Raises `UserError` if it is empty, too long, or no plain text.
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


def _stripped(label: str) -> str:
    """A label without blanks and invisible marks, such as that of byte order, at its ends."""
    seen = [
        place
        for place, letter in enumerate(label)
        if not letter.isspace() and unicodedata.category(letter) != "Cf"
    ]
    return label[seen[0] : seen[-1] + 1] if seen else ""
