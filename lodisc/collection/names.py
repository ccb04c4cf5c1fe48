"""Names of files and folders for any system, from labels and keys."""

import os
import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b

from lodisc.data.paths import folded_form

_MOST_BYTES = 180  # bytes of a name; leaves room for what distinguishes it from others
_MOST_SUFFIX = 20
_UNSAFE = re.compile(r'[/\\:*?"<>|]')
_TAKEN = re.compile(  # by Windows
    r"(con|conin\$|conout\$|clock\$|prn|aux|nul|(com|lpt)[\d¹²³]) *(\..*)?", re.IGNORECASE
)


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
    used = {folded_form(taken)}
    names: dict[str, str] = {}
    for key, wish in sorted(wishes.items()):
        name, (stem, suffix) = wish, os.path.splitext(wish)  # noqa: PTH122 - "." is a name here
        attempt = 0
        while folded_form(name) in used:
            digest = blake2b(f"{attempt}{key}".encode(), digest_size=4).hexdigest()
            name = f"{stem}~{digest}{suffix}"
            attempt += 1
        used.add(folded_form(name))
        names[key] = name
    return names
