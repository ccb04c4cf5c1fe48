"""The map of the collection."""

from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.parameters import Opened

router = APIRouter(tags=["map"])


@router.get("/map")
def map_(opened: Opened) -> models.MapOut:
    """Positions on a map that puts look-alikes close together; parallel lists, x and y in 0..1.

    The first answers hold a quick map; `making` names the better one that is being made.
    """
    snapshot = opened.snapshot()
    photos, groups, names = snapshot.photos, snapshot.groups, snapshot.names
    layout = opened.layouts.get(photos)
    places_N2 = layout.places_N2.round(4).astype(float).round(4)
    return models.MapOut(
        method=layout.method,
        making=layout.making,
        ids=photos.ids,
        x=places_N2[:, 0].tolist() if len(photos) else [],
        y=places_N2[:, 1].tolist() if len(photos) else [],
        group=[None] * len(photos) if groups is None else groups.group_N.tolist(),
        label=snapshot.labels,
        folder=snapshot.folder_N.tolist(),
        confidence=[None] * len(photos)
        if names is None
        else names.confidence.astype(float).round(4).tolist(),
    )


@router.get("/map/status")
def status(opened: Opened) -> models.MapStatusOut:
    """Whether a better map is being made, without the map."""
    return models.MapStatusOut(making=opened.layouts.making(opened.snapshot().photos))
