"""Things that take a while to make, kept for as long as what they were made from is the same."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The last thing made; threads that ask for the next one at the same time wait for one making."""

    def __init__(self) -> None:
        self._making = Lock()
        self._last: tuple[Hashable, T] | None = None

    def get(self, made_from: Hashable, make: Callable[[], T]) -> T:
        """The thing made from this, made now unless it was."""
        last = self._last
        if last is None or last[0] != made_from:
            with self._making:
                last = self._last
                if last is None or last[0] != made_from:
                    last = self._last = (made_from, make())
        return last[1]


class Latest(Generic[T]):
    """The things used last, at most `most` of them, by name; safe from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, name: Hashable, make: Callable[[], T]) -> T:
        """The thing of this name, made now unless it is kept; where two threads make it, both get that of the first."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        made = make()
        with self._lock:
            kept = self._kept.setdefault(name, made)
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return kept
