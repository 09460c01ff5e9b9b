"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> str:
    """A new UUIDv7 as text. Two made by one process in one millisecond are not ordered among themselves."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | int.from_bytes(os.urandom(10), "big") & ~(0xF << 76)
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
