"""Labels that people gave, with undo, history, export and import."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from lodisc.collection.label_actions import Action
from lodisc.collection.labels import NOBODY
from lodisc.collection.labels_csv import adopt_folders, export_csv, import_csv
from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.web import label_models
from lodisc.web.downloads import csv_file
from lodisc.web.errors import refusing
from lodisc.web.forms import Form, form_schema, read_form
from lodisc.web.parameters import ActionId, Opened, User
from lodisc.web.state.labels import describe_labels, undo_text, version_text
from lodisc.web.state.snapshot import Snapshot
from lodisc.web.state.state import State
from lodisc.web.text import one_line

router = APIRouter(prefix="/labels", tags=["labels"])
CSV_FILE = {
    "type": "string",
    "format": "binary",
    "description": "Columns key or path, and label; UTF-8 or UTF-16; commas, semicolons or tabs",
}


@router.get("")
def labels(opened: Opened, user: User) -> label_models.LabelsOut:
    """All labels in use, most frequent first, and what undo and redo would do."""
    return describe_labels(opened, user)


@router.post("")
def label(
    opened: Opened, user: User, label_in: label_models.LabelIn, id: ActionId = None
) -> label_models.ChangeOut:
    """Label photographs, or remove their labels, as one action that can be undone."""
    return opened.answers.once(
        id, label_in.model_dump_json(), lambda: _label(opened, user, label_in)
    )


@router.get("/version")
def version(opened: Opened) -> label_models.VersionOut:
    """Changes whenever labels do, or what is hidden, by whatever page or program."""
    stamps = opened.labelling().stamp, opened.collection.hidden.stamp
    return label_models.VersionOut(version=version_text(*stamps))


@router.post("/rename")
def rename(
    opened: Opened, user: User, rename_in: label_models.RenameIn, id: ActionId = None
) -> label_models.ChangeOut:
    """Rename labels, make them one, or remove them; can be undone.

    The new name may be in use. Accepted names that have one of them are an action of their own,
    undone with the other.
    """
    request = rename_in.model_dump_json()
    return opened.answers.once(id, request, lambda: _rename(opened, user, rename_in))


@router.post("/adopt")
def adopt(opened: Opened, user: User, id: ActionId = None) -> label_models.ChangeOut:
    """Give photographs without a label the name of their folder, as one action."""
    return opened.answers.once(id, "adopt", lambda: _adopt(opened, user))


@router.post("/undo")
def undo(opened: Opened, user: User, id: ActionId = None) -> label_models.UndoOut:
    """Undo the last action of this person, or of nobody known."""
    return _step(opened, user, id, "undo", opened.collection.labels.undo)


@router.post("/redo")
def redo(opened: Opened, user: User, id: ActionId = None) -> label_models.UndoOut:
    """Redo the action that was undone last, whose as for undo."""
    return _step(opened, user, id, "redo", opened.collection.labels.redo)


@router.get("/history")
def history(
    opened: Opened, limit: Annotated[int, Query(ge=0, le=1000)] = 100
) -> label_models.HistoryOut:
    """The last actions, newest first."""
    actions = opened.collection.labels.history(limit=limit)
    return label_models.HistoryOut(
        history=[label_models.ActionOut(**asdict(action), text=action.words) for action in actions]
    )


@router.get("/export", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def export(opened: Opened) -> Response:
    """All photographs as CSV, with their labels, groups and names."""
    return csv_file(
        "labels", lambda path: export_csv(opened.collection, path, predict_names=opened.predict)
    )


@router.post("/import", openapi_extra=form_schema({"file": CSV_FILE}))
async def import_(
    opened: Opened, user: User, request: Request, id: ActionId = None
) -> label_models.ImportOut:
    """Import labels from a CSV file, as one action that can be undone; names are another."""
    form = await read_form(request, fields=set())
    content = f"import {blake2b(form.data).hexdigest()}"
    return await run_in_threadpool(
        opened.answers.once, id, content, lambda: _import(opened, user, form)
    )


def _step(
    state: State, user: str | None, id: str | None, name: str, step: Callable[..., Action | None]
) -> label_models.UndoOut:
    """Undo or redo; answers what that did, and the labels as they are now."""
    action = state.answers.once(id, name, partial(step, user=user or NOBODY))
    return label_models.UndoOut(
        undone=action.words if action else None, **describe_labels(state, user).model_dump()
    )


def _label(
    state: State, user: str | None, label_in: label_models.LabelIn
) -> label_models.ChangeOut:
    keys = _keys(state.snapshot(), label_in)
    how = "typed" if label_in.ids is not None else "group"
    with refusing():
        changed = state.collection.labels.set(keys, label_in.label, how=how, user=user)
    unknown = len(label_in.ids or keys) - len(keys)
    return label_models.ChangeOut(changed=changed, undo=undo_text(state, user), unknown=unknown)


def _rename(
    state: State, user: str | None, rename_in: label_models.RenameIn
) -> label_models.ChangeOut:
    with refusing():
        changed = state.collection.labels.rename(rename_in.labels, rename_in.to, user=user)
    return label_models.ChangeOut(changed=changed, undo=undo_text(state, user), unknown=0)


def _adopt(state: State, user: str | None) -> label_models.ChangeOut:
    return label_models.ChangeOut(
        changed=adopt_folders(state.collection, user=user), undo=undo_text(state, user), unknown=0
    )


def _keys(snapshot: Snapshot, label_in: label_models.LabelIn) -> list[str]:
    """The keys of the photographs to label; answers 4xx if there are none."""
    if (label_in.ids is None) == (label_in.group is None):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Give either ids or a group")
    photos, groups = snapshot.photos, snapshot.groups
    if label_in.ids is not None:
        keys = [photos.keys[photos.by_id[id]] for id in label_in.ids if id in photos.by_id]
        if label_in.ids and not keys:
            raise HTTPException(
                HTTPStatus.NOT_FOUND,
                "None of these photographs is in the collection any more; load the page again",
            )
        return keys
    if groups is None or label_in.group not in [group.group for group in groups.groups]:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such group; load the page again")
    if label_in.membership_digest not in (None, groups.membership_digest):
        raise HTTPException(
            HTTPStatus.CONFLICT,
            "The groups have changed; load the page again and look at this one",
        )
    is_member_N = (groups.group_N == label_in.group) & ~snapshot.is_hidden_N
    return [photos.keys[row] for row in np.flatnonzero(is_member_N)]


def _import(state: State, user: str | None, form: Form) -> label_models.ImportOut:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_bytes(form.data)
        try:
            result = import_csv(state.collection, path, user=user)
        except UserError as error:
            detail = str(error).replace(printable(path), form.name)
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
    return label_models.ImportOut(
        changed=result["changed"],
        undo=undo_text(state, user),
        unknown=result["unknown"],
        unknown_keys=[one_line(key) for key in result["unknown_keys"]],
        notes=result["notes"],
    )
