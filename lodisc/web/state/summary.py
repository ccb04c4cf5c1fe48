"""The collection in numbers."""

from collections import Counter

from lodisc.web import models
from lodisc.web.state.filling import describe_filling
from lodisc.web.state.labels import count_labels, lock_note
from lodisc.web.state.state import State


def summarise(state: State) -> models.SummaryOut:
    """The number of photographs, labels, folders and groups, and the encoder of the vectors."""
    snapshot, settings = state.snapshot(), state.collection.settings
    folders = Counter(folder for folder in snapshot.folder_N if folder is not None)
    return models.SummaryOut(
        name=state.name,
        photographs=len(snapshot.photos),
        labelled=int(snapshot.is_labelled_N.sum()),
        labels=count_labels(snapshot.labels),
        folders=[
            models.FolderCountOut(folder=folder, count=count)
            for folder, count in sorted(folders.items())
        ],
        groups=None if snapshot.groups is None else len(snapshot.groups.groups),
        hidden=int(snapshot.is_hidden_N.sum()),
        skipped=len(state.collection.skipped()),
        encoder=models.EncoderOut(
            name=settings["encoder"], dim=settings["dim"], image_size=settings["image_size"]
        ),
        version=snapshot.version,
        note=lock_note(state),
        filling=_unfinished(state),
    )


def _unfinished(state: State) -> models.FillingOut | None:
    filling = state.filling
    if filling is None or filling.phase == "finished":
        return None
    return describe_filling(filling, photographs=len(state.collection.photos()))
