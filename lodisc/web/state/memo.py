"""Memoised results."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Remembers the last result and its key; concurrent callers share one computation."""

    def __init__(self) -> None:
        self._computing = Lock()
        self._last: tuple[Hashable, T] | None = None

    @property
    def last(self) -> T | None:
        """The last result, for whatever key."""
        last = self._last
        return None if last is None else last[1]

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The result for this key, computed unless it is the last one."""
        last = self._last
        if last is None or last[0] != key:
            with self._computing:
                last = self._last
                if last is None or last[0] != key:
                    last = self._last = (key, compute())
        return last[1]


class LruCache(Generic[T]):
    """The results used last, at most `most` of them; safe from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._results: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The result for this key, computed unless it is remembered.

        If two threads compute it at the same time, both get the result of the first.
        """
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        computed = compute()
        with self._lock:
            result = self._results.setdefault(key, computed)
            self._results.move_to_end(key)
            while len(self._results) > self._most:
                self._results.popitem(last=False)
        return result
