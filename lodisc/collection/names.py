"""Names that people give: a label as it is stored, and as a folder on any system."""

import os
import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b

from lodisc.data.photo import printable
from lodisc.errors import UserError

MOST_LETTERS = 200  # of a label
_MOST_BYTES = 180  # bytes of a name; leaves room for what distinguishes it from others
_MOST_SUFFIX = 20
_UNSAFE = re.compile(r'[/\\:*?"<>|]')
_TAKEN = re.compile(  # by Windows
    r"(con|conin\$|conout\$|clock\$|prn|aux|nul|(com|lpt)[\d¹²³]) *(\..*)?", re.IGNORECASE
)


def plain_label(label: str) -> str:
    """A label as it is stored: without what is invisible at its ends, and composed.

    Raises `UserError` as `Labels.set` does.
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


def safe_name(text: str) -> str:
    """A name for a file or folder on any system.

    It has no separators or control characters, and is not reserved, hidden or too long.
    """
    name = "".join(
        "_" if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter
        for letter in _UNSAFE.sub("_", text)
    )
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - "." is a name here
    stem, suffix = (stem, suffix) if len(suffix.encode()) <= _MOST_SUFFIX else (name, "")
    name = (
        stem.encode()[: _MOST_BYTES - len(suffix.encode())].decode(errors="ignore") + suffix
    ).rstrip(" .")
    return f"_{name}" if not name or name.startswith((".", " ")) or _TAKEN.fullmatch(name) else name


def unlike_names(wishes: Mapping[str, str], *, taken: str = "") -> dict[str, str]:
    """The wish of each key, with a suffix if another one has the same name.

    Names that differ only in case or in how accents are encoded count as the same.
    """
    folded = {_folded(taken)}
    names: dict[str, str] = {}
    for key, wish in sorted(wishes.items()):
        name, (stem, suffix) = wish, os.path.splitext(wish)  # noqa: PTH122 - "." is a name here
        attempt = 0
        while _folded(name) in folded:
            digest = blake2b(f"{attempt}{key}".encode(), digest_size=4).hexdigest()
            name = f"{stem}~{digest}{suffix}"
            attempt += 1
        folded.add(_folded(name))
        names[key] = name
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
