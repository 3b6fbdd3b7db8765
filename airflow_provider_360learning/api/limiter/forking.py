"""
Locks that a fork leaves usable.

A child process has only the thread that forked. A lock that another thread held at that time would stay locked in the
child forever.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from types import TracebackType

#: Seconds that a fork waits for a lock whose holder must finish first. The thread that forks may itself be the holder.
FORK_TIMEOUT = 2.0

_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_held_by_fork: list[ForkSafeLock] = []


class ForkSafeLock:
    """
    A lock that is free in a forked child.

    :param finish_before_fork: Whether a fork waits until the lock is free: what it protects would be unusable in the
        child if another thread was in the middle of it.
    """

    def __init__(self, *, finish_before_fork: bool = False) -> None:
        self.finish_before_fork = finish_before_fork
        self._lock = threading.Lock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, timeout: float) -> bool:
        """
        Lock it, and return whether that succeeded.

        :param timeout: Seconds to wait at most; 0 for none.
        """
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Unlock it."""
        with suppress(RuntimeError):  # renewed: the thread that holds it has forked
            self._lock.release()

    def renew(self) -> None:
        """Replace it by a lock that is free."""
        self._lock = threading.Lock()


def _before_fork() -> None:
    _held_by_fork.extend(lock for lock in list(_locks) if lock.finish_before_fork and lock.acquire(FORK_TIMEOUT))


def _after_fork_in_parent() -> None:
    while _held_by_fork:
        _held_by_fork.pop().release()


def _after_fork_in_child() -> None:
    _held_by_fork.clear()
    for lock in list(_locks):
        lock.renew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
