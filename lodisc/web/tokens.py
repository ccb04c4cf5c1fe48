"""Which tokens are hard to guess."""

import re
import secrets

from lodisc.errors import UserError

_SHORTEST = 16  # characters
_LEAST_OFF_ROWS = 7  # characters; random tokens of 16 in hexadecimal have twice as many
_WORDS = ("password", "qwerty", "12345678", "abcdefgh", "lodisc")
_KEYBOARD = "1234567890 qwertyuiop asdfghjkl zxcvbnm"


def require_strong(token: str) -> None:
    """Raise a `UserError` for a token that a person may have made up.

    Of random ones, fewer than 1 in 100,000 are refused.
    """
    if (
        not re.fullmatch(rf"[A-Za-z0-9_.~-]{{{_SHORTEST},}}", token)
        or (token.isalpha() and (token.islower() or token.isupper()))
        or re.search(rf"(.{{{len(token) // 3 + 1}}}).*\1", token)
        or _off_rows(token.lower()) < _LEAST_OFF_ROWS
        or any(word in token.lower() for word in _WORDS)
    ):
        raise UserError(
            f"a token has at least {_SHORTEST} letters, digits or - _ . ~ and nothing else, at "
            "random: no words, no rows of the keyboard or the alphabet, no repeats; take one such "
            f"as {secrets.token_hex(16)}, or leave it out to get a new one"
        )


def _off_rows(token: str) -> int:
    """How many characters do not go on with a row, or with one of two rows that alternate."""
    count = 0
    for place, letter in enumerate(token):
        before = token[max(0, place - 3) : place]
        is_row = place > 1 and _near(before[-2], before[-1]) and _near(before[-1], letter)
        are_two_rows = place > 2 and _near(before[-2], letter) and _near(before[-3], before[-1])
        count += not (is_row or are_two_rows)
    return count


def _near(a: str, b: str) -> bool:
    """Whether two characters are equal, or beside each other in the alphabet or on a keyboard."""
    keys = _KEYBOARD.find(a), _KEYBOARD.find(b)
    return abs(ord(a) - ord(b)) <= 1 or (min(keys) >= 0 and abs(keys[0] - keys[1]) <= 1)
