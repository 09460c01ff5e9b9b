"""The circuit breaker that extraction asks before it asks a source; the state database has the one that lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

THRESHOLD = 5
PAUSE_SECONDS = 60.0


class Standing(Protocol):
    """How a source's breaker stands: `state` closed | open | half_open; `may_try` says whether this caller may ask the source."""

    @property
    def state(self) -> str: ...
    @property
    def failures(self) -> int: ...
    @property
    def next_try_at(self) -> str | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def may_try(self) -> bool: ...


class Breaker(Protocol):
    """Breakers by source name, shared by processes. An open one lets a single caller through when its pause is over."""

    def ask_source(self, source: str) -> Standing: ...
    def source_failed(self, source: str, reason: str) -> Standing: ...
    def source_succeeded(self, source: str) -> Standing: ...


@dataclass(frozen=True, slots=True)
class Stand:
    """A standing, as a value."""

    state: str = "closed"
    failures: int = 0
    next_try_at: str | None = None
    reason: str = ""
    may_try: bool = True


class MemoryBreaker:
    """Breakers that last as long as the process: for `headgate check` on a file, and for trials. `clock` gives seconds."""

    def __init__(
        self, threshold: int = THRESHOLD, pause_seconds: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.threshold, self.pause_seconds, self.clock = threshold, pause_seconds, clock
        self._failures: dict[str, tuple[int, float, str]] = {}
        self._lock = threading.Lock()

    def ask_source(self, source: str) -> Standing:
        """Whether the source may be asked now."""
        with self._lock:
            failures, due, reason = self._failures.get(source, (0, 0.0, ""))
            if failures < self.threshold:
                return Stand("closed", failures, None, reason)
            if self.clock() < due:
                return Stand("open", failures, f"in {due - self.clock():.0f} s", reason, may_try=False)
            self._failures[source] = (failures, self.clock() + self.pause_seconds, reason)  # one caller only
            return Stand("half_open", failures, None, reason)

    def source_failed(self, source: str, reason: str) -> Standing:
        """Count a failure."""
        with self._lock:
            failures = self._failures.get(source, (0, 0.0, ""))[0] + 1
            self._failures[source] = (failures, self.clock() + self.pause_seconds, reason)
            opened = failures >= self.threshold
            return Stand("open" if opened else "closed", failures, None, reason, may_try=not opened)

    def source_succeeded(self, source: str) -> Standing:
        """Forget the failures."""
        with self._lock:
            self._failures.pop(source, None)
            return Stand()
