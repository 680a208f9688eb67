"""Forks: what a child process cannot use of its parent's memory is forgotten there.

A fork copies the memory and one thread. Model sessions keep threads of their own, which the child does not have, so a
call would wait for them for ever; and a lock that another thread held stays locked. So each object that has registered
is told, in the child, to begin anew (Python's `os.register_at_fork`; servers such as gunicorn fork after loading).
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["Forkable", "leave", "renew_after_fork"]


class Forkable(Protocol):
    """What can begin anew in a child process."""

    def renew(self) -> None:
        """Forget what belongs to the parent process; called in the child, which has one thread."""


_REGISTERED: WeakSet[Forkable] = WeakSet()
_LEFT: list[object] = []


def renew_after_fork(thing: Forkable) -> None:
    """Call `thing.renew()` in each process that is forked while `thing` lives."""
    _REGISTERED.add(thing)


def leave(thing: object) -> None:
    """Keep an object of the parent alive, since to free it would wait for threads that are not there."""
    _LEFT.append(thing)


def _renew() -> None:
    for thing in list(_REGISTERED):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
