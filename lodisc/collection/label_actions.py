"""`Action`, something that was done to labels, and `Origin`, where a label comes from."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to labels, as a whole.

    `label` is "" if labels were removed, and None if there were several; `user` is the name of the
    person who did it, if that is known.
    """

    number: int
    time: str
    how: str
    label: str | None
    count: int
    user: str | None
    undone: bool

    @property
    def words(self) -> str:
        """What was done, in plain words."""
        photographs = f"{self.count:,} photograph{'' if self.count == 1 else 's'}"
        if self.label:
            label = f"“{self.label}”"
        else:
            label = "Several labels" if self.label is None else "No label"
        by = f", by {self.user}" if self.user else ""
        if not self.count:
            return f"{label} ({self.how}{by}): nothing changed, as others have labelled since"
        return f"{label} on {photographs} ({self.how}{by})"


class Acceptance(NamedTuple):
    """How sure a name was when it was accepted."""

    confidence: float | None
    """0 to 1."""
    encoder: str | None
    """The encoder whose features it was learnt from."""


NO_ACCEPTANCE = Acceptance(None, None)
"""Of a person's own label."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The action that gave a photograph its label."""

    time: str
    """ISO 8601 in UTC."""
    how: str
    user: str | None
    """Who did it, if that is known."""
    acceptance: Acceptance

    @property
    def words(self) -> str:
        """The same in plain words: "typed by Anna on 2026-11-28"."""
        by = f" by {self.user}" if self.user else ""
        confidence, encoder = self.acceptance
        sure = "" if confidence is None else f", {int(100 * confidence + 1e-6)} % sure"
        learnt = "" if encoder is None else f", learnt with {encoder}"
        return f"{self.how}{by} on {self.time[:10]}{sure}{learnt}"
