"""Answers to requests that may come twice: the second gets what the first got."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeVar, cast

from lodisc.web.state.errors import IdUsed
from lodisc.web.state.memo import LruCache

MOST_ACTIONS = 1000  # whose answers are remembered, in case a request is repeated
T = TypeVar("T")


@dataclass
class _Answered:
    """The answer to a request with an id; none while it has only been refused."""

    answering: threading.Lock = field(default_factory=threading.Lock)
    request: bytes | None = None
    """Its digest: a request may name all photographs."""
    answer: Any = None


class Answers:
    """The answers to the last requests with an id; safe from several threads."""

    def __init__(self) -> None:
        self._answers: LruCache[_Answered] = LruCache(MOST_ACTIONS)

    def once(self, id: str | None, request: str, act: Callable[[], T]) -> T:
        """The answer of `act`; for an id that was used before, the answer it got then.

        Raises `IdUsed` if that was for another request.
        """
        if id is None:
            return act()
        answered = self._answers.get(id, _Answered)
        digest = blake2b(request.encode(), digest_size=16).digest()
        with answered.answering:
            if answered.request is None:
                answered.answer, answered.request = act(), digest
            elif answered.request != digest:
                raise IdUsed("That Idempotency-Key was used for another request; send a new one")
            return cast(T, answered.answer)
