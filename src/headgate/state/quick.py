"""The state database for a run that has nothing to do: stdlib only (and psycopg for PostgreSQL), so that the answer comes in milliseconds.

Whenever the database is not exactly as this version expects, the answer is None and the caller takes the ordinary way. Nothing here
creates or migrates a database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import unquote

from headgate.spec.clock import now_iso
from headgate.state.process import this_process
from headgate.state.quick_server import Server, connected

HEAD = "0001"
"""The revision of the tables that this code reads and writes."""
KNOWN = ("0001",)
"""All revisions, oldest first."""

_RUN = """
INSERT INTO runs (run_id, project, environment, command, args, status, reason, host, pid, process_started, started_at,
  heartbeat_at, finished_at, seconds, snapshot, nothing_to_do) VALUES (?, ?, ?, ?, ?, 'done', ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
"""
_EVENT = """
INSERT INTO events (at, kind, run_id, step, attempt, dataset, status, reason, seconds, snapshot, data)
VALUES (?, ?, ?, '', 1, '', ?, ?, ?, ?, ?)
"""


def record_noop_run(
    state_url: str,
    *,
    run_id: str,
    project: str,
    environment: str,
    command: str,
    args: Sequence[str] | Mapping[str, Any] = (),
    started_at: str,
    seconds: float,
    snapshot: int,
    reason: str = "nothing to do",
) -> bool:
    """Record a run that found everything up to date, with its two events. False when it could not be recorded here."""
    me, now = this_process(), now_iso()
    with _opened(state_url) as connection:
        if connection is None:
            return False
        call = json.dumps(args if isinstance(args, Mapping) else list(args))
        run = (run_id, project, environment, command, call, reason, me.host, me.pid, me.started)
        data = json.dumps({"command": command, "args": json.loads(call)})
        ended = (now, "run.finished", run_id, "done", reason, seconds, snapshot, '{"nothing_to_do": true}')
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_RUN, (*run, started_at, now, now, seconds, snapshot))
            connection.execute(_EVENT, (started_at, "run.started", run_id, "", "", None, None, data))
            connection.execute(_EVENT, ended)
            connection.execute("COMMIT")
        except sqlite3.Error:  # a full disk, a lock held for a minute: closing rolls back, the ordinary way says what is wrong
            return False
        return True


def sqlite_path(state_url: str) -> str | None:
    """The file of a `sqlite:///…` URL; None for any other."""
    scheme, found, rest = state_url.partition("://")
    if not found or scheme.partition("+")[0] != "sqlite" or not rest.startswith("/"):
        return None
    return unquote(rest[1:].partition("?")[0]) or None


@contextmanager
def _opened(state_url: str) -> Iterator[sqlite3.Connection | Server | None]:
    """A connection to a state database of exactly this version, or None."""
    path = sqlite_path(state_url)
    if path is None:
        with connected(state_url) as server:
            yield server if server is not None and _revision(server) == HEAD else None
        return
    try:
        found = sqlite3.connect(f"file:{path.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=rw", uri=True)
    except sqlite3.OperationalError:
        yield None
        return
    with closing(found) as connection:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=60000")
        if _revision(connection) != HEAD:
            yield None
            return
        connection.execute("PRAGMA synchronous=NORMAL")
        yield connection


def _revision(connection: sqlite3.Connection | Server) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:  # another tool's file, or one that is just being made
        return None
    return str(row[0]) if row else None
