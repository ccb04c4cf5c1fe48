"""Parameters that several routers share, and the state that they all work on."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Header, Query, Request
from starlette.exceptions import HTTPException

from lodisc.data.labels import plain_user
from lodisc.web.errors import refusing
from lodisc.web.state.state import State

Offset = Annotated[int, Query(ge=0, le=10**9)]
Limit = Annotated[int, Query(ge=0, le=500)]
ActionId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A request that is repeated with the same key acts only once",
    ),
]


def state_of(request: Request) -> State:
    """The state of the application that received a request."""
    state: State = request.app.state.opened
    return state


Opened = Annotated[State, Depends(state_of)]
UserName = Annotated[
    str | None,
    Header(
        alias="Lodisc-User",
        max_length=1000,
        description="Who labels, in UTF-8 with percent signs (as encodeURIComponent writes it); "
        "the history keeps it. By default that of lodisc serve --user",
    ),
]


def user_of(opened: Opened, name: UserName = None) -> str | None:
    """The name of the person who sends a request, if it is known; answers 422 if it is none."""
    if not name:
        return opened.user
    try:
        text = unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Lodisc-User: not UTF-8") from None
    with refusing():
        return plain_user(text)


User = Annotated[str | None, Depends(user_of)]
