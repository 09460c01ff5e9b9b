"""The clock of a run: pinned once, so that every model and every retry of the run sees the same "now"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


def now_iso() -> str:
    """The present moment as ISO 8601 UTC text with microseconds and no zone, as all ledgers store it."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Clock:
    """`run_started_at` (ISO, UTC, no zone) is what `current_timestamp` means within the run."""

    run_started_at: str

    @staticmethod
    def start() -> Clock:
        """A clock pinned to the present moment."""
        return Clock(now_iso())
