"""The collection in numbers, and in plain words."""

from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.parameters import Opened
from lodisc.web.state.health import describe_health
from lodisc.web.state.summary import summarise

router = APIRouter(tags=["collection"])


@router.get("/collection")
def collection(opened: Opened) -> models.SummaryOut:
    """The collection in numbers."""
    return summarise(opened)


@router.get("/health")
def health(opened: Opened) -> models.HealthOut:
    """The collection in plain words: what is in it, and what a person should check."""
    return describe_health(opened)
