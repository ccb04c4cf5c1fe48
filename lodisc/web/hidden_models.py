"""What the JSON API takes and returns about hidden photographs."""

from pydantic import Field

from lodisc.web.label_models import Id, Ids
from lodisc.web.models import Model


class HiddenIn(Model):
    """Photographs to hide, or to show again."""

    ids: Ids = Field(description="As many as the body of a request holds: some 440,000")
    hidden: bool = Field(description="Whether to hide them; else they are shown again")


class HiddenOut(Model):
    """What was hidden, or shown again."""

    changed: int = Field(description="Number of photographs that were not so before")
    unknown: int = Field(description="Number of photographs not in the collection")


class HiddenDuplicatesOut(Model):
    """The near-duplicates that were hidden."""

    ids: list[Id] = Field(description="All but the best photograph of each set")
