"""Text for people: one line, without control characters, not too long."""

from lodisc.data.photo import printable

MOST_LETTERS = 300


def one_line(text: str) -> str:
    """A message without line breaks and control characters, cut after 300 letters."""
    plain = printable(" ".join(text.split()))
    return plain if len(plain) <= MOST_LETTERS else plain[: MOST_LETTERS - 1] + "…"
