"""The map of the collection."""

import numpy as np
from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.parameters import Opened

router = APIRouter(tags=["map"])


@router.get("/map")
def map_(opened: Opened) -> models.MapOut:
    """Positions on a map that puts look-alikes close together; parallel lists, x and y in 0..1.

    The first answers hold a quick map; `making` names the better one that is being made. Hidden
    photographs are left out; the others stay where they were with them.
    """
    snapshot = opened.snapshot()
    photos, groups, names = snapshot.photos, snapshot.groups, snapshot.names
    layout = opened.layouts.get(photos)
    places_N2 = layout.places_N2.round(4).astype(float).round(4)
    rows = np.flatnonzero(~snapshot.is_hidden_N).tolist()
    return models.MapOut(
        method=layout.method,
        making=layout.making,
        ids=[photos.ids[row] for row in rows],
        x=places_N2[rows, 0].tolist() if rows else [],
        y=places_N2[rows, 1].tolist() if rows else [],
        group=[None] * len(rows) if groups is None else groups.group_N[rows].tolist(),
        label=[snapshot.labels[row] for row in rows],
        folder=snapshot.folder_N[rows].tolist(),
        confidence=[None] * len(rows)
        if names is None
        else names.confidence[rows].astype(float).round(4).tolist(),
    )


@router.get("/map/status")
def status(opened: Opened) -> models.MapStatusOut:
    """Whether a better map is being made, without the map."""
    return models.MapStatusOut(making=opened.layouts.making(opened.snapshot().photos))
