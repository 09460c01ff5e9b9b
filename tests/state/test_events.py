"""Events: in order, in batches, never lost at a normal end; lists stay quick over many rows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, text

from headgate.spec.events import Event
from headgate.state import State, open_state
from headgate.state.database import StateFailed
from headgate.state.tables import events, runs


def event(n: int, **fields: Any) -> Event:
    return Event("step.finished", f"2013-01-01T00:00:{n % 60:02d}.000000", **{"run_id": "r", "rows": n, **fields})


def test_events_come_back_whole_and_in_order(state: State) -> None:
    one = Event(
        "load.accepted", "2013-01-01T00:00:00", "r", "source.p.s.t", 2, "raw_s.t", "done", "new", 1, 2, 0.5, 1.5, 9, {"é": [1]}
    )
    state.emit(one)
    for n in range(50):
        state.emit(event(n))
    state.flush()
    assert state.events(kind="load.accepted") == (one,)
    assert [e.rows for e in state.events(run_id="r", kind="step.finished", limit=3)] == [47, 48, 49]
    assert len(state.events(dataset="raw_s.t")) == 1
    assert len(state.events(step="source.p.s.t", since="2013-01-01T00:00:00", until="2013-01-01T00:00:01")) == 1
    assert [e.rows for e in state.events(since="2013-01-01T00:00:48", limit=5)] == [48, 49]


def test_they_are_written_soon_by_themselves(state: State) -> None:
    state.emit(event(1))
    deadline = time.monotonic() + 5
    while not state.events() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(state.events()) == 1


def test_threads_lose_nothing(sqlite_url: str) -> None:
    with open_state(sqlite_url) as state:
        threads = [threading.Thread(target=lambda: [state.emit(event(n)) for n in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with open_state(sqlite_url) as state:
        assert len(state.events(limit=5000)) == 2000


EMIT = """
import sys
from headgate.spec.events import Event
from headgate.state import open_state
state = open_state(sys.argv[1])
for n in range(300):
    state.emit(Event("step.finished", "2013-01-01", rows=n))
if sys.argv[2] == "raise":
    raise ValueError("on purpose")
"""


@pytest.mark.parametrize("end", ["plain", "raise"])
def test_a_process_that_forgets_to_close_loses_nothing(sqlite_url: str, end: str) -> None:
    subprocess.run([sys.executable, "-c", EMIT, sqlite_url, end], check=end == "plain", stderr=subprocess.DEVNULL)
    with open_state(sqlite_url) as state:
        assert [e.rows for e in state.events()] == list(range(300))


def test_what_could_not_be_written_is_kept(sqlite_url: str) -> None:
    state = open_state(sqlite_url)
    with state._database.write() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO away"))
    state.emit(event(1))
    with pytest.raises(StateFailed):
        state.flush()
    with state._database.write() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO events"))
    state.emit(event(2))
    state.flush()
    assert [e.rows for e in state.events()] == [1, 2]
    state.close()


def test_emitting_is_off_the_hot_path(sqlite_url: str) -> None:
    with open_state(sqlite_url) as state, state._database.write():  # another writer holds the database all the while
        began = time.perf_counter()
        for n in range(1000):
            state.emit(event(n))
        assert time.perf_counter() - began < 0.5


def test_redaction(sqlite_url: str) -> None:
    with open_state(sqlite_url, redact=lambda text: text.replace("hunter2", "***")) as state:
        state.emit(event(1, reason="hunter2", data={"dsn": "postgresql://u:hunter2@h"}))
        state.flush()
        assert "hunter2" not in repr(state.events())


def test_lists_are_quick_over_many_rows(sqlite_url: str) -> None:
    """200,000 rows of each; the same indices answer a million, because no question reads more than it returns."""
    with open_state(sqlite_url) as state:
        with state._database.write() as connection:
            for start in range(0, 200_000, 20_000):
                connection.execute(insert(events), [_event_row(n) for n in range(start, start + 20_000)])
                connection.execute(insert(runs), [_run_row(n) for n in range(start, start + 20_000)])
        questions: dict[str, Callable[[], Any]] = {
            "newest events": lambda: state.events(limit=100),
            "of a run": lambda: state.events(run_id="r000150"),
            "of a kind": lambda: state.events(kind="gate.verdict", limit=100),
            "of a dataset": lambda: state.events(dataset="m.d77", limit=100),
            "of a dataset and kind": lambda: state.events(dataset="m.d77", kind="gate.verdict", limit=100),
            "since": lambda: state.events(since="2013-01-01T18:00:00", limit=100),
            "runs": lambda: state.runs(limit=100),
            "failed runs": lambda: state.runs(status="failed", limit=100),
            "runs of an environment": lambda: state.runs(environment="prod", limit=100),
            "the last unfinished": lambda: state.last_unfinished_run("dev"),
        }
        for name, ask in questions.items():
            best = min(_timed(ask) for _ in range(3))
            assert best < 0.05, f"{name}: {best * 1000:.0f} ms"
        assert state.prune_events("2013-01-01T12:00:00") == 100_000


def _timed(ask: Callable[[], Any]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _event_row(n: int) -> dict[str, Any]:
    at = f"2013-01-01T{int(n * 24 / 200_000):02d}:00:{n % 60:02d}.000000"
    names = {"run_id": f"r{n // 100:06d}", "step": "model.p.x", "dataset": f"m.d{n % 500}", "status": "done", "reason": ""}
    kind = "gate.verdict" if n % 50 == 0 else "step.finished"
    numbers = dict.fromkeys(("bytes", "cpu_seconds", "seconds", "snapshot"))
    return {"at": at, "kind": kind, "attempt": 1, "rows": n, "data": "{}", **names, **numbers}


def _run_row(n: int) -> dict[str, Any]:
    times = dict.fromkeys(("started_at", "heartbeat_at", "finished_at"), "2013")
    call = {"project": "p", "environment": "prod" if n % 3 else "dev", "command": "run", "args": "[]", "reason": ""}
    process = {"host": "h", "pid": 1, "process_started": "", "seconds": 1.0, "snapshot": 1, "nothing_to_do": 0}
    return {"run_id": f"r{n:08d}", "status": "failed" if n % 1000 == 0 else "done", **times, **call, **process}
