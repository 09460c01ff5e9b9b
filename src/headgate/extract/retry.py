"""How long to wait before asking a source again: exponential backoff with full jitter, and what the source asked for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headgate.spec.errors import HeadgateError, SourceUnavailable


@dataclass(frozen=True, slots=True)
class Policy:
    """`base` and `cap` in seconds; attempt n waits a random time below min(cap, base·2ⁿ⁻¹), never less than Retry-After asks.

    `retry_after_max`: a source that asks for longer than this many seconds is given up for now. `sleep` and `draw` (a random
    number in [0, 1)) can be set for trials without waiting.
    """

    base: float = 0.5
    cap: float = 30.0
    retry_after_max: float = 300.0
    sleep: Callable[[float], None] = field(default=time.sleep, compare=False)
    draw: Callable[[], float] = field(default=random.random, compare=False)

    def delay(self, failures: int, error: HeadgateError) -> float | None:
        """Seconds to wait after failure number `failures` (from 1); None: waiting is not worth it."""
        if not error.retryable:
            return None
        asked = error.retry_after if isinstance(error, SourceUnavailable) else None
        if asked is not None and asked > self.retry_after_max:
            return None
        jittered = self.draw() * min(self.cap, self.base * 2.0 ** min(failures - 1, 16))
        return jittered if asked is None else asked + jittered
