"""Error answers: `{"detail": "one line"}` for programs, a page for people."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lodisc.data.decode import Missing, Unreadable
from lodisc.errors import UserError
from lodisc.web.rendering import error_page
from lodisc.web.state.errors import IdUsed, NotFound, UploadUnreadable
from lodisc.web.text import one_line

STATUSES: dict[type[Exception], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    UploadUnreadable: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdUsed: HTTPStatus.UNPROCESSABLE_ENTITY,
    UserError: HTTPStatus.SERVICE_UNAVAILABLE,  # the collection is damaged or was moved away
}


@contextmanager
def refusing() -> Iterator[None]:
    """Answer 422 with the text of a `UserError` that the requested values caused."""
    try:
        yield
    except UserError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, one_line(str(error))) from None


def answer_errors(app: FastAPI) -> None:
    """Answer refusals, errors of the state and disk errors with one line."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Unreadable, _unreadable)
    for kind, status in STATUSES.items():
        app.add_exception_handler(kind, partial(_state_error, status))
    app.add_exception_handler(OSError, _disk_error)


def error_response(
    path: str, status: int, detail: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request for `path` that is refused or failed."""
    if path.startswith(("/api/", "/static/")):
        return JSONResponse({"detail": one_line(detail)}, status, headers)
    page = error_page(status, one_line(detail))
    page.headers.update(headers or {})
    return page


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(
        request.url.path, error.status_code, str(error.detail), headers=error.headers
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"][1:]] or [str(first["loc"][0])]
    detail = f"{'.'.join(place)}: {first['msg']}"
    return error_response(request.url.path, HTTPStatus.UNPROCESSABLE_ENTITY, detail)


async def _unreadable(request: Request, error: Exception) -> Response:
    status = HTTPStatus.GONE if isinstance(error, Missing) else HTTPStatus.NOT_FOUND
    return error_response(request.url.path, status, f"The photograph can't be read: {error}")


async def _state_error(status: HTTPStatus, request: Request, error: Exception) -> Response:
    return error_response(request.url.path, status, str(error))


async def _disk_error(request: Request, error: Exception) -> Response:
    """A full or failing disk; the text comes from the collection or from the system."""
    assert isinstance(error, OSError)
    detail = error.strerror or str(error) or "reading or writing failed"
    return error_response(
        request.url.path, HTTPStatus.SERVICE_UNAVAILABLE, detail[:1].upper() + detail[1:]
    )
