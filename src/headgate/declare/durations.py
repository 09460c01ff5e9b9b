"""Durations as people write them: `1 hour`, `30 minutes`, `90s`, dbt's `{count: 1, period: hour}`."""

from __future__ import annotations

import re

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0}
_SHORT = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour", "d": "day", "w": "week"}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)")


def seconds_of(value: object) -> float | None:
    """The seconds of a duration; a bare number is seconds; None when `value` is no duration."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value >= 0 else None
    if isinstance(value, dict):
        count, period = value.get("count"), value.get("period")
        if isinstance(count, bool) or not isinstance(count, int | float) or not isinstance(period, str) or count < 0:
            return None
        unit = unit_of(period)
        return None if unit is None else float(count) * _SECONDS[unit]
    return _of_text(value) if isinstance(value, str) else None


def unit_of(word: str) -> str | None:
    """The period that a word names ("hours", "h" → "hour"), or None."""
    word = word.lower()
    word = _SHORT.get(word, word)
    single = word[:-1] if word.endswith("s") and word not in _SECONDS else word
    single = _SHORT.get(single, single)
    return single if single in _SECONDS else None


def _of_text(text: str) -> float | None:
    text = text.strip()
    total, end = 0.0, 0
    for match in _PART.finditer(text):
        unit = unit_of(match[2])
        if unit is None or text[end : match.start()].strip(" ,"):
            return None
        total += float(match[1]) * _SECONDS[unit]
        end = match.end()
    return total if end and end == len(text) else None
