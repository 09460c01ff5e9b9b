"""The record of what happened, written in batches off the hot path.

`emit` appends to a buffer and returns; a thread writes the buffer at most 100 ms later, `flush` at once. Events of one process
are stored in the order of their emission. What could not be written stays in the buffer and is tried again; `close`, which
also runs at interpreter exit, raises if something is left. A SIGKILL loses at most the last 100 ms.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from headgate.spec.events import Event
from headgate.state.database import Area, Database, StateFailed
from headgate.state.tables import events

FLUSH_SECONDS = 0.1  # longer batches better, but a page that follows a run should not lag visibly
SLICE_ROWS = 20_000  # a delete of this size holds the SQLite write lock for well under half a second


class EventTable(Area):
    """Emit and read events. Safe to use from several threads."""

    def __init__(self, database: Database, redact: Callable[[str], str] | None = None) -> None:
        super().__init__(database, redact)
        self._buffer: list[dict[str, Any]] = []
        self._buffer_lock = threading.Lock()
        self._write_lock = threading.Lock()  # keeps batches in order
        self._something = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, event: Event) -> None:
        """Record `event`: soon, and without waiting for the database."""
        row = _row(event, self._redact)
        with self._buffer_lock:
            self._buffer.append(row)
            if self._thread is None:
                self._start()
        self._something.set()

    def flush(self) -> None:
        """Write everything that was emitted so far. Raises StateFailed; nothing is lost then."""
        with self._write_lock:
            with self._buffer_lock:
                batch, self._buffer = self._buffer, []
            if not batch:
                return
            try:
                with self._database.write() as connection:
                    connection.execute(insert(events), batch)
            except BaseException:
                with self._buffer_lock:
                    self._buffer = batch + self._buffer
                raise

    def close_events(self) -> None:
        """Stop the thread and write the rest. Raises StateFailed when that fails."""
        atexit.unregister(self.close_events)
        self._closing.set()
        self._something.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def events(
        self,
        *,
        run_id: str | None = None,
        kind: str | None = None,
        dataset: str | None = None,
        step: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 1000,
    ) -> tuple[Event, ...]:
        """The newest `limit` events that match, oldest of them first. `since` and `until` bound `at`, half-open."""
        query = select(events)
        wanted = {"run_id": run_id, "kind": kind, "dataset": dataset, "step": step}
        for column, value in wanted.items():
            if value is not None:
                query = query.where(events.c[column] == value)
        if since is not None:
            query = query.where(events.c.at >= since)
        if until is not None:
            query = query.where(events.c.at < until)
        by_time = since is not None or until is not None
        narrow = any(value is not None for value in wanted.values())
        order = (events.c.at.desc(), events.c.id.desc()) if by_time and not narrow else (events.c.id.desc(),)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(*order).limit(limit)).mappings().all()
        return tuple(_event(row) for row in reversed(rows))

    def prune_events(self, before: str) -> int:
        """Delete events older than `before` (ISO), in slices that never hold the database for long. Returns how many."""
        return prune_slices(self._database, events, before)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._write_on, name="headgate-events", daemon=True)
        self._thread.start()
        atexit.register(self.close_events)

    def _write_on(self) -> None:
        while not self._closing.is_set():
            self._something.wait()
            self._closing.wait(FLUSH_SECONDS)
            self._something.clear()
            try:
                self.flush()
            except StateFailed:
                # Kept in the buffer. The next flush of a step, or `close`, raises it where somebody can act on it.
                self._closing.wait(10 * FLUSH_SECONDS)
                self._something.set()


def prune_slices(database: Database, table: Any, before: str) -> int:
    """Delete rows of `table` with `at` before the given time, a slice per transaction. Returns how many."""
    gone = 0
    while True:
        with database.write() as connection:
            old = select(table.c.id).where(table.c.at < before).limit(SLICE_ROWS)
            count = connection.execute(delete(table).where(table.c.id.in_(old))).rowcount
        gone += count
        if count < SLICE_ROWS:
            return gone


def _row(event: Event, redact: Callable[[str], str]) -> dict[str, Any]:
    return {
        "at": event.at,
        "kind": event.kind,
        "run_id": event.run_id,
        "step": event.step,
        "attempt": event.attempt,
        "dataset": event.dataset,
        "status": event.status,
        "reason": redact(event.reason),
        "rows": event.rows,
        "bytes": event.bytes,
        "cpu_seconds": event.cpu_seconds,
        "seconds": event.seconds,
        "snapshot": event.snapshot,
        "data": redact(json.dumps(dict(event.data), default=str, ensure_ascii=False)),
    }


def _event(row: Mapping[str, Any] | Any) -> Event:
    fields = {name: row[name] for name in _FIELDS}
    return Event(**fields, data=json.loads(row["data"]))


_FIELDS = tuple(c.name for c in events.columns if c.name not in ("id", "data"))
