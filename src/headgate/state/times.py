"""ISO 8601 text in UTC without zone and with microseconds, from and to seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_of(seconds: float) -> str:
    """Seconds since 1970 as the ledgers write them."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def seconds_of(iso: str) -> float:
    """The inverse of `iso_of`. Raises ValueError for text that is no ISO time."""
    return datetime.fromisoformat(iso).replace(tzinfo=UTC).timestamp()
