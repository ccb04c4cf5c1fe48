"""`Opening`: the application of a collection that is being made; until it is there, one page."""

import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from lodisc.collection.collection import distinct_titles
from lodisc.collection.files import CollectionFiles
from lodisc.data.decode import Unreadable
from lodisc.errors import UserError
from lodisc.web.app import STATIC, create_app
from lodisc.web.rendering import render
from lodisc.web.security import Guard
from lodisc.web.state.filling import Filling, describe_filling
from lodisc.web.state.state import MOST_DECODED, State
from lodisc.web.state.thumbnails import thumbnail

SIDE = 160  # pixels of a thumbnail
NOT_YET = "The photographs are being read; try again in a moment"


class Opening:
    """ASGI: the pages of a collection once it is there, and before that how far it is.

    `token`, `hosts` and `user` are as for `create_app`.
    """

    def __init__(
        self,
        collection: Path,
        filling: Filling,
        *,
        token: str | None,
        hosts: Sequence[str],
        user: str | None = None,
    ) -> None:
        self.collection, self.filling = collection, filling
        self.token, self.hosts, self.user = token, hosts, user
        self._before: ASGIApp = Guard(_page_before(filling, collection), hosts=hosts, token=token)
        self._app: ASGIApp | None = None  # of the collection
        self._state: State | None = None
        self._making = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        app = self._app
        if app is None and scope["type"] == "http":
            app = await run_in_threadpool(self._make)
        await (app or self._before)(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """When the server ends, end what reads the photographs."""
        while True:
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                await run_in_threadpool((self._state or self).close)
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    def close(self) -> None:
        """End what reads the photographs."""
        self.filling.stop()

    def _make(self) -> ASGIApp | None:
        """The application of the collection, if there is one by now."""
        with self._making:
            if self._app is None and CollectionFiles(self.collection).photos.is_dir():
                try:
                    app = create_app(
                        self.collection, token=self.token, hosts=self.hosts, user=self.user
                    )
                except UserError:  # it is half written; a damaged one makes the filling fail
                    return None
                self._state = app.state.opened
                self._state.filling = self.filling
                self._state.warm_up()
                self._app = app
            return self._app


def _page_before(filling: Filling, collection: Path) -> ASGIApp:
    """The application before the collection is there: names, thumbnails, how far it is."""

    def progress(request: Request) -> Response:
        return JSONResponse(describe_filling(filling, photographs=0).model_dump())

    decoding_slots = threading.Semaphore(MOST_DECODED)

    def small(request: Request) -> Response:
        number = request.path_params["number"]
        if number >= len(filling.first):
            return JSONResponse({"detail": NOT_YET}, HTTPStatus.NOT_FOUND)
        try:
            with decoding_slots:
                webp = thumbnail(filling.first[number].read(), size=SIDE)
        except Unreadable as error:
            return JSONResponse({"detail": str(error)}, HTTPStatus.NOT_FOUND)
        return Response(webp, media_type="image/webp")

    def not_yet(request: Request) -> Response:
        return JSONResponse({"detail": NOT_YET}, HTTPStatus.SERVICE_UNAVAILABLE)

    def page(request: Request) -> Response:
        return render(
            "opening.html",
            name=collection.resolve().name,
            filling=describe_filling(filling, photographs=0),
            titles=distinct_titles([photo.key for photo in filling.first]),
        )

    routes = [
        Route("/api/filling", progress),
        Route("/opening/{number:int}.webp", small),
        Route("/api/{path:path}", not_yet, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/{path:path}", page),
    ]
    return Starlette(routes=routes)
