"""Labels: what people typed, with undo, history, export and import."""

import tempfile
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from lodisc.collection.labels_csv import export_csv, import_csv
from lodisc.data.photo import printable
from lodisc.web import label_models, models
from lodisc.web.api.similar import form_of, read_form
from lodisc.web.errors import one_line, refusing
from lodisc.web.state.snapshot import Now
from lodisc.web.state.state import Opened, State

router = APIRouter(prefix="/labels", tags=["labels"])
ActionId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="What comes again with the same key is done once",
    ),
]


@router.get("")
def labels(opened: Opened) -> label_models.LabelText:
    """All labels in use, most frequent first, and what undo and redo would do."""
    return _texts(opened)


@router.post("")
def label(
    opened: Opened, labelling: label_models.Labelling, id: ActionId = None
) -> label_models.Changed:
    """Label photographs, or take their labels away, as one action that can be undone."""
    return opened.once(id, lambda: _label(opened, labelling))


@router.post("/undo")
def undo(opened: Opened) -> label_models.Undone:
    """Take the last action back."""
    with unreadable():
        action = opened.collection.labels.undo()
    return label_models.Undone(
        undone=action.words if action else None, **_texts(opened).model_dump()
    )


@router.post("/redo")
def redo(opened: Opened) -> label_models.Undone:
    """Do again what was undone last."""
    with unreadable():
        action = opened.collection.labels.redo()
    return label_models.Undone(
        undone=action.words if action else None, **_texts(opened).model_dump()
    )


@router.get("/history")
def history(
    opened: Opened, limit: Annotated[int, Query(ge=0, le=1000)] = 100
) -> label_models.History:
    """The last actions, newest first."""
    with unreadable():
        actions = opened.collection.labels.history(limit=limit)
    return label_models.History(
        history=[
            label_models.HistoryEntry(**asdict(action), text=action.words) for action in actions
        ]
    )


@router.get("/export", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def export(opened: Opened) -> Response:
    """All photographs as CSV, with their labels, groups and names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        with unreadable():
            export_csv(opened.collection, path, learn=opened.learn)
        content = path.read_bytes()
    headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "/import",
    openapi_extra=form_of(
        {"file": {"type": "string", "format": "binary", "description": "CSV as export gives it"}}
    ),
)
async def import_(opened: Opened, request: Request) -> label_models.Imported:
    """Take labels over from a CSV file, as one action that can be undone."""
    name, data, _ = await read_form(request, fields=set())
    return await run_in_threadpool(_import, opened, data, name=name)


def counted(now: Now) -> list[models.Count]:
    """How many photographs of the collection have each label, most frequent first."""
    counts = Counter(label for label in now.label_N if label is not None)
    return [
        models.Count(label=label, count=count)
        for label, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def undo_text(state: State) -> str | None:
    """What undo would take back, in words."""
    with unreadable():
        action = state.collection.labels.undoable()
    return action.words if action else None


def unreadable() -> AbstractContextManager[None]:
    """Labels that are damaged on the disk are nobody's mistake."""
    return refusing(HTTPStatus.SERVICE_UNAVAILABLE)


def _texts(state: State) -> label_models.LabelText:
    with unreadable():
        redoable = state.collection.labels.redoable()
    return label_models.LabelText(
        labels=counted(state.now()),
        undo=undo_text(state),
        redo=redoable.words if redoable else None,
    )


def _label(state: State, labelling: label_models.Labelling) -> label_models.Changed:
    keys = _keys(state.now(), labelling)
    with refusing():
        changed = state.collection.labels.set(
            keys, labelling.label, how="typed" if labelling.ids is not None else "group"
        )
    return label_models.Changed(
        changed=changed, undo=undo_text(state), unknown=len(labelling.ids or keys) - len(keys)
    )


def _keys(now: Now, labelling: label_models.Labelling) -> list[str]:
    """The keys of the photographs to label; answers 4xx where none is there or they are not named in one way."""
    if (labelling.ids is None) == (labelling.group is None):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Give either ids or a group")
    if labelling.ids is not None:
        keys = [
            now.photos.keys[now.photos.by_id[id]] for id in labelling.ids if id in now.photos.by_id
        ]
        if labelling.ids and not keys:
            raise HTTPException(
                HTTPStatus.NOT_FOUND,
                "None of these photographs is in the collection any more; load the page again",
            )
        return keys
    if now.groups is None or labelling.group not in [one.group for one in now.groups.described]:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such group; load the page again")
    if labelling.grouping is not None and labelling.grouping != now.groups.digest:
        raise HTTPException(
            HTTPStatus.CONFLICT,
            "The groups are others now; load the page again and look at this one",
        )
    return [now.photos.keys[row] for row in np.flatnonzero(now.groups.group_N == labelling.group)]


def _import(state: State, data: bytes, *, name: str) -> label_models.Imported:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_bytes(data)
        try:
            done = import_csv(state.collection, path)
        except ValueError as error:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY, str(error).replace(printable(path), name)
            ) from None
    keys = [one_line(key) for key in done["unknown_keys"]]
    return label_models.Imported(
        changed=done["changed"], undo=undo_text(state), unknown=done["unknown"], unknown_keys=keys
    )
