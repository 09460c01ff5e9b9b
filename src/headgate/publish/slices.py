"""Upkeep in slices (LAKE.md 1): short transactions of the whole lake, between which writers that wait come first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from headgate.ports.engine import Cursor, Lake

SLICE_SECONDS = 0.15
"""A slice begins nothing further after so long; with what it has begun it ends below half a second."""
PAUSE_SECONDS = 0.06
"""After each slice: a little longer than a waiting writer's longest sleep between two looks at the lock."""
SLICE_BYTES = 32 << 20
"""What one piece of work may read and write: about a third of a second."""


def in_slices(
    lake: Lake,
    calls: Iterable[str],
    *,
    author: str,
    message: str,
    allowed: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
) -> bool:
    """Execute `calls` under the writer lock, as many in one transaction as a slice takes, each transaction in a context of `allowed`.

    False when that did not allow one: the rest is left then. Each call is whole by itself, and what is done when an error comes stays done.
    """
    left = deque(calls)
    while left:
        with allowed() as may:
            if not may:
                return False
            with lake.transaction(["*"], author=author, message=message) as cursor:
                _slice(cursor, left)
        give_way()
    return True


def _slice(cursor: Cursor, left: deque[str]) -> None:
    """Take calls from `left` until the slice is over; at least one."""
    began = time.monotonic()
    while left:
        cursor.execute(left.popleft()).fetchall()
        if time.monotonic() - began >= SLICE_SECONDS:
            return


def give_way() -> None:
    """Let writers that wait for the lock have it."""
    time.sleep(PAUSE_SECONDS)
