"""Errors of the state; web/errors.py gives each a status code.

Any other `UserError` is about the collection, which no request can mend.
"""

from lodisc.errors import UserError


class NotFound(UserError):
    """No photograph or upload has this id."""


class UploadUnreadable(UserError):
    """An upload is not a photograph, or is too large."""


class IdUsed(UserError):
    """The id of a request is that of an earlier, different one."""
