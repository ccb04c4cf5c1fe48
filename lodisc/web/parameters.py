"""Parameters that several routers share, and the state that they all work on."""

from typing import Annotated

from fastapi import Depends, Header, Query, Request

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
