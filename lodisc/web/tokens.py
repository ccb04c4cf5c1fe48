"""Which tokens are hard to guess."""

import re
import secrets

from lodisc.errors import UserError

SHORTEST = 16  # characters
SURPRISES = 10  # that a token needs; random ones in hexadecimal have 13 or more of 32
WORDS = ("password", "qwerty", "12345678", "abcdefgh", "lodisc")
_KEYBOARD = "1234567890 qwertyuiop asdfghjkl zxcvbnm"


def require_strong(token: str) -> None:
    """Raise a `UserError` for a token that a person may have made up."""
    if (
        not re.fullmatch(rf"[A-Za-z0-9_.~-]{{{SHORTEST},}}", token)
        or _surprises(token) < SURPRISES
        or any(word in token.lower() for word in WORDS)
    ):
        raise UserError(
            f"a token has at least {SHORTEST} letters, digits or - _ . ~ and nothing else, at "
            "random: no words, no rows of the keyboard or the alphabet, no repeats; take one such "
            f"as {secrets.token_hex(16)}, or leave it out to get a new one"
        )


def _surprises(token: str) -> int:
    """How many characters do not follow from those before."""
    plain, pairs, count = token.lower(), set[str](), 0
    for place, letter in enumerate(plain):
        pair, last = plain[place - 1 : place + 1], token[max(0, place - 2) : place + 1]
        is_word = len(last) == 3 and last.isalpha() and (last.islower() or last.isupper())
        is_row = place > 1 and _near(plain[place - 2], plain[place - 1]) and _near(*pair)
        are_two_rows = (
            place > 2
            and _near(plain[place - 2], letter)
            and _near(plain[place - 3], plain[place - 1])
        )
        count += not (pair in pairs or is_word or is_row or are_two_rows)
        pairs |= {pair} if place else set()
    return count


def _near(a: str, b: str) -> bool:
    """Whether two characters are equal, or beside each other in the alphabet or on a keyboard."""
    keys = _KEYBOARD.find(a), _KEYBOARD.find(b)
    return abs(ord(a) - ord(b)) <= 1 or (min(keys) >= 0 and abs(keys[0] - keys[1]) <= 1)
