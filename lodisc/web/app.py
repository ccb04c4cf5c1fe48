"""`create_app`: the pages and the JSON API of one collection."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from lodisc import __version__
from lodisc.web import models, pages
from lodisc.web.api import (
    attention,
    collection,
    filling,
    groups,
    hidden,
    labels,
    learning,
    map,
    names,
    naming,
    photos,
    progress,
    reference,
    review,
    similar,
)
from lodisc.web.errors import answer_errors
from lodisc.web.security import LOOPBACK, Guard
from lodisc.web.state.state import State

ROUTERS = (
    collection,
    filling,
    photos,
    similar,
    attention,
    labels,
    names,
    naming,
    groups,
    map,
    review,
    hidden,
    progress,
    learning,
)
STATIC = Path(__file__).parent / "static"
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": models.ErrorOut}
    for status in (400, 401, 403, 404, 409, 410, 413, 415, 421, 422)
}
DESCRIPTION = 'Everything that the pages do, for programs. Errors return {"detail": one line}.'


def create_app(
    collection: str | Path,
    *,
    token: str | None = None,
    hosts: Sequence[str] = LOOPBACK,
    user: str | None = None,
) -> FastAPI:
    """The application for one collection.

    Every request must carry `token`, if there is one, and a Host header among `hosts`. `user`
    labels where a request names nobody. Raises `UserError` for a folder that does not hold a
    collection.
    """
    state = State(Path(collection), user=user, is_shared=token is not None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.warm_up()
        yield
        state.close()

    app = FastAPI(
        title="lodisc",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.opened = state
    app.state.collection = state.collection
    api = APIRouter(prefix="/api", responses=REFUSALS)
    for module in ROUTERS:
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(reference.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    answer_errors(app)
    app.add_middleware(Guard, hosts=hosts, token=token)
    return app
