"""What goes wrong: `{"detail": "one line"}` for programs, a page for people."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lodisc.data.photo import printable
from lodisc.errors import UserError
from lodisc.web.rendering import error_page

MOST_LETTERS = 300


@contextmanager
def refusing(status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> Iterator[None]:
    """Answer a `ValueError`, which is a mistake of the person who asked, with its own words."""
    try:
        yield
    except UserError as error:
        raise HTTPException(status, one_line(str(error))) from None


def one_line(text: str) -> str:
    """A message without line breaks and control characters, not longer than a person reads."""
    plain = printable(" ".join(text.split()))
    return plain if len(plain) <= MOST_LETTERS else plain[: MOST_LETTERS - 1] + "…"


def answer_errors(app: FastAPI) -> None:
    """Let every refusal of the application, and every full disk, be one line of JSON."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(OSError, _system)


def refusal(
    path: str, status: int, detail: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request for `path` that can't be granted."""
    if path.startswith(("/api/", "/static/")):
        return JSONResponse({"detail": one_line(detail)}, status, headers)
    page = error_page(status, one_line(detail))
    page.headers.update(headers or {})
    return page


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(request.url.path, error.status_code, str(error.detail), headers=error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"][1:]] or [str(first["loc"][0])]
    return refusal(
        request.url.path, HTTPStatus.UNPROCESSABLE_ENTITY, f"{'.'.join(place)}: {first['msg']}"
    )


async def _system(request: Request, error: Exception) -> Response:
    """A full or failing disk is nobody's mistake; the words are those of the collection, or of the system."""
    assert isinstance(error, OSError)
    detail = error.strerror or str(error) or "reading or writing failed"
    return refusal(
        request.url.path, HTTPStatus.SERVICE_UNAVAILABLE, detail[:1].upper() + detail[1:]
    )
