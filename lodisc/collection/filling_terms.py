"""What is chosen before a collection is filled, and told meanwhile; loads no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lodisc.data.photo import Photo

Phase = Literal["looking", "embedding", "grouping", "finished", "failed"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The encoder of a collection. With nothing chosen, it is that of the collection.

    In a new collection it is then the default start.
    """

    run: Path | None = None
    vectors: Path | None = None
    """An embedding whose encoder to use again."""
    init: str | None = None
    """`timm`, or a .safetensors file, as `lodisc train` takes it."""
    encoder: str | None = None
    """The timm name."""
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Event:
    """What `fill` tells while it works; what is None stays as it was."""

    phase: Phase | None = None
    first: list[Photo] | None = None
    """The first photographs, before any of them is embedded."""
    vectors: Path | None = None
    """The folder of the embedding."""
    note: str | None = None
