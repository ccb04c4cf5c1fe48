"""The collection in figures, and in plain words."""

from collections import Counter

from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.api.labels import counted
from lodisc.web.state.health import describe_health
from lodisc.web.state.state import Opened, State

router = APIRouter(tags=["collection"])


@router.get("/collection")
def collection(opened: Opened) -> models.Summary:
    """The collection in figures."""
    return summarise(opened)


@router.get("/health")
def health(opened: Opened) -> models.Health:
    """The collection in plain words: what is there, and what should be looked at."""
    return describe_health(opened)


def summarise(state: State) -> models.Summary:
    """How many photographs, labels, folders and groups there are, and which encoder made the vectors."""
    now, settings = state.now(), state.collection.settings
    folders = Counter(folder for folder in now.folder_N if folder is not None)
    return models.Summary(
        name=state.name,
        photographs=len(now.photos),
        labelled=int(now.is_labelled_N.sum()),
        labels=counted(now),
        folders=[
            models.FolderCount(folder=folder, count=count)
            for folder, count in sorted(folders.items())
        ],
        groups=None if now.groups is None else len(now.groups.described),
        skipped=len(state.collection.skipped()),
        encoder=models.EncoderInfo(
            name=settings["encoder"], dim=settings["dim"], image_size=settings["image_size"]
        ),
        version=now.version,
    )
