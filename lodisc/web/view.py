"""`View`: what the address of the browse page asks for, and its words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlencode

from lodisc.web import models
from lodisc.web.rendering import percent
from lodisc.web.state.listing import ListingQuery

T = TypeVar("T")
MOST_TEXT = 1000  # characters that are searched for
ViewState = models.StateFilter | Literal["skipped"]

STATES: dict[ViewState, str] = {
    "all": "All photographs",
    "unlabelled": "Unlabelled",
    "labelled": "Labelled",
    "named": "Suggested names",
    "accepted": "Accepted names",
    "doubtful": "Doubtful",
    "new": "Likely new kinds",
    "outliers": "Outliers",
    "duplicates": "Near-duplicates",
    "hidden": "Hidden",
    "skipped": "Skipped",
}
ORDERS = {
    "key": "By name",
    "doubt": "Most doubtful first",
    "typical": "Most typical first",
    "confidence": "Surest name first",
    "labelled": "Lately labelled first",
    "date": "Newest first",
}
MOST_LIKE = "Most similar first"
FIRST_ORDER: dict[ViewState, str] = {
    "named": "By suggested name, surest first",
    "accepted": ORDERS["doubt"],
    "doubtful": "Most doubtful first",
    "new": "Likeliest first",
    "outliers": "Oddest first",
}
NOTHING: dict[ViewState, tuple[str, str]] = {
    "all": (
        "No photographs yet",
        "Embed a folder of photographs and index it; then they are here.",
    ),
    "unlabelled": ("Every photograph has a label", "There is nothing left to do in this view."),
    "labelled": (
        "No labels yet",
        "Select photographs and label them, or go to Label and use the keys.",
    ),
    "named": (
        "No suggested names",
        "Photographs without a label have names once two kinds have labels.",
    ),
    "accepted": (
        "No accepted names",
        "Accept names that are sure enough on the Label page; then they are here, to look through.",
    ),
    "doubtful": (
        "Nothing is doubtful",
        "Doubt shows once there are groups, or labels of two kinds.",
    ),
    "new": (
        "No photograph is likely of a new kind",
        "They show once three kinds have two labels each, if there are any.",
    ),
    "outliers": ("No outliers", "Outliers show in a collection of two photographs or more."),
    "duplicates": ("No near-duplicates", "No two photographs are nearly the same."),
    "hidden": (
        "No photograph is hidden",
        "Select photographs and hide them, or keep one of each set of near-duplicates.",
    ),
    "skipped": ("Nothing was skipped", "Every photograph could be read."),
}


@dataclass(frozen=True)
class View:
    """What the address of the browse page asks for; values that make no sense are ignored."""

    state: ViewState = "all"
    group: int | None = None
    label: str | None = None
    folder: str | None = None
    name: str | None = None
    above: float | None = None
    q: str | None = None
    like: str | None = None
    sort: models.SortOrder | None = None
    size: int = 3
    at: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """The view with this query string."""
        return cls(
            state=_choice(query.get("state"), STATES) or "all",
            sort=_choice(query.get("sort"), get_args(models.SortOrder)),
            group=_whole(query.get("group"), most=2**31),
            label=query.get("label"),
            folder=query.get("folder"),
            name=query.get("name"),
            above=_share(query.get("above")),
            q=(query.get("q") or "").strip()[:MOST_TEXT] or None,
            like=None if query.get("sort") else _id(query.get("like")),
            size=_whole(query.get("size"), most=6) or cls.size,
            at=_whole(query.get("at"), most=2**31) or cls.at,
        )

    @property
    def is_grid(self) -> bool:
        """Whether it is a grid, which filters apply to."""
        return self.state not in ("duplicates", "skipped")

    @property
    def query(self) -> ListingQuery:
        """What the grid lists."""
        state: Any = self.state if self.is_grid else "all"
        return ListingQuery(
            state,
            self.group,
            self.label,
            self.folder,
            self.name,
            self.above,
            text=self.q,
            like=self.like,
            sort=self.sort,
        )

    @property
    def filters(self) -> dict[str, tuple[Any, str]]:
        """The filters that are set, and each in words."""
        words = {
            "label": f"Label {self.label}",
            "group": f"Group {self.group}",
            "folder": f"Folder {self.folder}",
            "name": f"Name {self.name}",
            "above": f"Confidence from {percent(self.above or 0)}",
            "q": f"“{self.q}”",
            "like": "By likeness",
        }
        values = {name: (getattr(self, name), text) for name, text in words.items()}
        return {name: pair for name, pair in values.items() if pair[0] is not None}

    def link(self, **changes: Any) -> str:
        """The address of this view with some changes, from its first photograph."""
        query = replace(self, **{"at": 0, **changes}).parameters
        return "/" + (f"?{urlencode(query, errors='replace')}" if query else "")

    @property
    def parameters(self) -> dict[str, Any]:
        """The query string of its address, by name."""
        return {name: value for name, value in asdict(self).items() if value != getattr(View, name)}


def _choice(text: str | None, choices: Iterable[T]) -> T | None:
    """The choice with this text; None if there is none."""
    return next((choice for choice in choices if choice == text), None)


def _id(text: str | None) -> str | None:
    """The id of a photograph from an address; None for anything else."""
    return text if text is not None and re.fullmatch(r"[0-9a-f]{16}", text) else None


def _share(text: str | None) -> float | None:
    """A share of 0..1 from an address, such as 0.9; None for anything else."""
    return float(text) if text is not None and re.fullmatch(r"0(\.\d{1,4})?|1", text) else None


def _whole(text: str | None, *, most: int) -> int | None:
    """A whole number from an address, at most `most`; None for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 11:
        return None
    return min(most, int(text))
