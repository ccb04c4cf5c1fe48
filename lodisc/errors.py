"""What goes wrong as a person sees it."""


class UserError(ValueError):
    """A mistake that a person can mend; its text is one line: what is wrong, then what to do."""


class Stopped(Exception):
    """A signal ended the work after it was saved; `signal` is its number."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.signal = number
