"""Trainings and embeddings of the photographs of the collection."""

from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.parameters import Opened
from lodisc.web.state.progress import describe_progress

router = APIRouter(tags=["progress"])


@router.get("/progress")
def progress(opened: Opened) -> models.ProgressOut:
    """Trainings and embeddings of these photographs, running and finished, newest first."""
    return describe_progress(opened)
