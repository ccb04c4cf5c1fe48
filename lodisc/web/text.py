"""Text for people: one line, without control characters, not too long; sentences, durations."""

from lodisc.data.photo import printable

MOST_LETTERS = 300


def one_line(text: str) -> str:
    """A message without line breaks and control characters, cut after 300 letters."""
    plain = printable(" ".join(text.split()))
    return plain if len(plain) <= MOST_LETTERS else plain[: MOST_LETTERS - 1] + "…"


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def duration(seconds: float) -> str:
    """About how long, in two words."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return f"About {seconds / length:.0f} {unit}s"
    return "About a minute" if seconds > 40 else "Less than a minute"
