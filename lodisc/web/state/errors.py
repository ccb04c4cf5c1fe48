"""Errors of the state; web/errors.py gives each a status code."""

from collections.abc import Iterator
from contextlib import contextmanager

from lodisc.errors import UserError


class NotFound(UserError):
    """No photograph or upload has this id."""


class UploadUnreadable(UserError):
    """An upload is not a photograph, or is too large."""


class IdUsed(UserError):
    """The id of a request is that of an earlier, different one."""


class CollectionUnreadable(UserError):
    """The collection or its labels can't be read or written; no request can mend that."""


@contextmanager
def reading() -> Iterator[None]:
    """Raise a `UserError` about the collection as `CollectionUnreadable`."""
    try:
        yield
    except UserError as error:
        raise CollectionUnreadable(str(error)) from None
