"""Structured log lines with the same ids as the events, on standard error, without a secret in them.

`configure` sets them up; `write_event`, as the listener of a run, writes them.

Lines are commentary, never an answer: nothing reads them back. What happened is in the `events` table.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

from headgate.spec.errors import UsageError
from headgate.spec.events import Event

LEVELS = ("debug", "info", "warning", "error")
_SERIOUS = {"failed": "error", "blocked": "warning"}
_QUIET = frozenset(("step.started", "gate.verdict"))


def configure(
    *,
    level: str = "warning",
    as_json: bool = False,
    redact: Callable[[str], str] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Set logging up for this process: from `level` on, as JSON or for people, every text through `redact`.

    Raises UsageError for a level that there is not.
    """
    if level not in LEVELS:
        raise UsageError(f"'{level}' is no log level", expected="one of " + ", ".join(LEVELS), code="HG-U030")
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else _plain
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _Redaction(redact or (lambda text: text)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def write_event(event: Event) -> None:
    """One log line for an event, as serious as its outcome: a listener of a run."""
    fields = {name: getattr(event, name) for name in _FIELDS}
    known = {name: value for name, value in fields.items() if value not in ("", None)}
    log = structlog.get_logger()
    level = _SERIOUS.get(event.status) or ("debug" if event.kind in _QUIET else "info")
    getattr(log, level)(event.kind, **known, **({"data": dict(event.data)} if event.data else {}))


_FIELDS = ("run_id", "step", "dataset", "status", "reason", "rows", "bytes", "seconds", "cpu_seconds", "snapshot")


class _Redaction:
    """Sends every text of a line, at any depth, through the redaction."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: self._clean(value) for key, value in line.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {key: self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        return value if isinstance(value, int | float | bool | None) else self._redact(str(value))


def _plain(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    """`2013-01-01T00:00:00Z warning  step.finished dataset=m.a status=blocked reason="…"`"""
    at, level, event = line.pop("at"), line.pop("level"), line.pop("event")
    trace = line.pop("exception", "")
    pairs = " ".join(f"{key}={_quoted(value)}" for key, value in line.items())
    return f"{at} {level:8} {event} {pairs}".rstrip() + (f"\n{trace}" if trace else "")


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
