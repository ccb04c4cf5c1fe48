"""The map of the collection."""

from fastapi import APIRouter

from lodisc.web import models
from lodisc.web.state.state import Opened, State

router = APIRouter(tags=["map"])


@router.get("/map")
def map_(opened: Opened) -> models.Map:
    """Where every photograph lies on a map on which look-alikes are near, as parallel lists; x and y are in 0..1."""
    return describe_map(opened)


@router.get("/map/status")
def status(opened: Opened) -> models.MapStatus:
    """Whether a better map is being made, without the map."""
    return models.MapStatus(making=opened.layouts.making(opened.now().photos))


def describe_map(state: State) -> models.Map:
    """The best map that there is by now."""
    now = state.now()
    layout = state.layouts.get(now.photos)
    x, y = (
        layout.places_N2.round(4).T.astype(float).round(4).tolist() if len(now.photos) else ([], [])
    )
    group = [None] * len(now.photos) if now.groups is None else now.groups.group_N.tolist()
    return models.Map(
        method=layout.method,
        making=layout.making,
        ids=now.photos.ids,
        x=x,
        y=y,
        group=group,
        label=now.label_N,
    )
