"""Log lines: the ids of the run, no secret at any depth, levels by outcome."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from headgate.spec.errors import UsageError
from headgate.spec.events import Event
from headgate.state import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where the lines of a test go; the configuration is put back."""
    before = structlog.get_config()
    yield io.StringIO()
    structlog.configure(**before)


def test_lines_carry_ids_and_no_secret(lines: io.StringIO) -> None:
    logs.configure(level="info", as_json=True, redact=lambda text: text.replace("hunter2", "***"), stream=lines)
    logs.write_event(Event("source.retried", "2013-01-01", "r1", "s", reason="hunter2", data={"dsn": ["u:hunter2@h"], "n": 1}))
    structlog.get_logger().warning("hunter2 again", error=ValueError("hunter2"))
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["run_id"], first["event"], first["reason"], first["data"]) == (
        "r1",
        "source.retried",
        "***",
        {"dsn": ["u:***@h"], "n": 1},
    )
    assert (second["event"], second["error"], second["level"]) == ("*** again", "***", "warning")


def test_levels_follow_the_outcome(lines: io.StringIO) -> None:
    logs.configure(level="warning", stream=lines)
    for status in ("done", "blocked", "failed"):
        logs.write_event(Event("step.finished", "2013-01-01", dataset="m.a", status=status, reason="two words"))
    blocked, failed = lines.getvalue().splitlines()
    assert blocked.endswith('warning  step.finished dataset=m.a status=blocked reason="two words"')
    assert " error    step.finished " in failed


def test_a_level_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="'loud' is no log level"):
        logs.configure(level="loud")
