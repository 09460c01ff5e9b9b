"""Runs and their steps: who runs what, how it ended, and which runs died without a word."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from headgate.spec.clock import now_iso
from headgate.spec.events import StepResult
from headgate.state.database import Area, StateFailed
from headgate.state.process import Process, this_process
from headgate.state.tables import run_plans, runs, steps
from headgate.state.times import iso_of, seconds_of

RUNNING, INTERRUPTED = "running", "interrupted"
HEARTBEAT_SECONDS = 15.0
SILENT_SECONDS = 120.0  # eight missed heartbeats: a process of another host is taken for dead
_SLICE = 2_000


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as recorded; see the dictionary of table `runs`."""

    run_id: str
    project: str
    environment: str
    command: str
    args: Any
    status: str
    reason: str
    host: str
    pid: int
    process_started: str
    started_at: str
    heartbeat_at: str
    finished_at: str | None
    seconds: float | None
    snapshot: int | None
    nothing_to_do: bool

    @property
    def resumable(self) -> bool:
        """Whether `run --resume` has something to go on with."""
        return self.status in (INTERRUPTED, "failed", "blocked")


@dataclass(frozen=True, slots=True)
class StepRow:
    """The state of one step of a run; see the dictionary of table `steps`."""

    run_id: str
    unique_id: str
    dataset: str
    action: str
    attempt: int
    status: str
    reason: str
    rows: int
    seconds: float
    version: str | None
    started_at: str
    finished_at: str | None


class RunTables(Area):
    """Start, finish and list runs and steps. Safe to use from several threads."""

    def start_run(
        self,
        run_id: str,
        *,
        project: str,
        environment: str,
        command: str,
        args: Sequence[str] | Mapping[str, Any] = (),
        started_at: str | None = None,
        process: Process | None = None,
    ) -> None:
        """Record that a run begins in `process` (this one by default). A run that is resumed keeps its id and start."""
        me = process or this_process()
        call = self._redact(json.dumps(args if isinstance(args, Mapping) else list(args), default=str))
        with self._database.write() as connection:
            now = iso_of(self._database.now(connection))
            mine = {"status": RUNNING, "reason": "", "host": me.host, "pid": me.pid, "process_started": me.started}
            again = update(runs).where(runs.c.run_id == run_id).values(**mine, heartbeat_at=now, finished_at=None)
            if connection.execute(again).rowcount:
                return
            row = {"run_id": run_id, "project": project, "environment": environment, "command": command, "args": call}
            times = {"started_at": started_at or now_iso(), "heartbeat_at": now, "nothing_to_do": 0}
            connection.execute(insert(runs).values(**row, **mine, **times))

    def finish_run(
        self,
        run_id: str,
        status: str,
        reason: str = "",
        *,
        seconds: float | None = None,
        snapshot: int | None = None,
        nothing_to_do: bool = False,
    ) -> None:
        """Record how a run ended: "done", "blocked", "failed" or "interrupted"."""
        values = {"status": status, "reason": self._redact(reason), "finished_at": now_iso(), "seconds": seconds}
        with self._database.write() as connection:
            change = update(runs).where(runs.c.run_id == run_id)
            connection.execute(change.values(**values, snapshot=snapshot, nothing_to_do=int(nothing_to_do)))

    def beat_run(self, run_id: str) -> None:
        """A sign of life, by the database's clock."""
        with self._database.write() as connection:
            now = iso_of(self._database.now(connection))
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(heartbeat_at=now))

    def run_alive(self, run_id: str) -> Heartbeat:
        """A context in which a thread gives the run's signs of life."""
        return Heartbeat(self, run_id)

    def run(self, run_id: str) -> RunRow | None:
        """The run called `run_id`, or None."""
        found = self._read_runs(select(runs).where(runs.c.run_id == run_id))
        return found[0] if found else None

    def runs(
        self, *, environment: str | None = None, status: str | None = None, before: str | None = None, limit: int = 50
    ) -> tuple[RunRow, ...]:
        """Runs, newest first; `before` is the run id from which to page on (exclusive)."""
        query = select(runs)
        if environment is not None:
            query = query.where(runs.c.environment == environment)
        if status is not None:
            query = query.where(runs.c.status == status)
        if before is not None:
            query = query.where(runs.c.run_id < before)
        return self._read_runs(query.order_by(runs.c.run_id.desc()).limit(limit))

    def last_unfinished_run(self, environment: str) -> RunRow | None:
        """The newest run of `environment`, if it can be resumed: it was interrupted, blocked or failed, and is not running still.

        Runs with nothing to do and those that only looked do not stand in the way of one that is to be resumed.
        """
        self.close_dead_runs()
        resumable = (INTERRUPTED, "failed", "blocked")
        query = select(runs).where(runs.c.environment == environment, runs.c.nothing_to_do == 0)
        newest = self._read_runs(query.order_by(runs.c.run_id.desc()).limit(1))
        return newest[0] if newest and newest[0].status in resumable else None

    def close_dead_runs(self) -> tuple[RunRow, ...]:
        """Close runs whose process is gone (same host) or silent for long (other hosts) as interrupted. Returns them."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            rows = connection.execute(select(runs).where(runs.c.status == RUNNING)).mappings().all()
            dead = [row for row in map(_run, rows) if _is_dead(row, now)]
            for row in dead:
                reason = (
                    f"process {row.pid} on {row.host.partition('/')[0]} ended without a word; last heard of at {row.heartbeat_at}"
                )
                change = update(runs).where(runs.c.run_id == row.run_id, runs.c.status == RUNNING)
                connection.execute(change.values(status=INTERRUPTED, reason=reason, finished_at=iso_of(now)))
        return tuple(dead)

    def save_plan(self, run_id: str, plan: str) -> None:
        """Keep the plan (JSON) that the run walks."""
        with self._database.write() as connection:
            connection.execute(delete(run_plans).where(run_plans.c.run_id == run_id))
            connection.execute(insert(run_plans).values(run_id=run_id, plan=plan))

    def step_finished(self, run_id: str, result: StepResult, *, action: str = "build", attempt: int | None = None) -> None:
        """Record how a step ended, begun or not (a skipped step never begins)."""
        values: dict[str, Any] = {
            "dataset": result.dataset,
            "status": result.status,
            "reason": self._redact(result.reason),
            "rows": result.rows,
            "seconds": result.seconds,
            "version": result.version,
            "finished_at": now_iso(),
        }
        if attempt is not None:
            values["attempt"] = attempt
        self._put_step(run_id, result.unique_id, values, action=action)

    def steps_finished(self, run_id: str, results: Iterable[StepResult], *, action: str = "build") -> None:
        """Record how many steps ended, in one transaction."""
        now = now_iso()
        rows = [
            {
                "run_id": run_id, "unique_id": r.unique_id, "dataset": r.dataset, "action": action, "attempt": 1, "status": r.status,
                "reason": self._redact(r.reason), "rows": r.rows, "seconds": r.seconds, "version": r.version, "started_at": now, "finished_at": now,
            }
            for r in results
        ]  # fmt: skip
        if rows:
            with self._database.write() as connection:
                known = [row["unique_id"] for row in rows]
                connection.execute(delete(steps).where(steps.c.run_id == run_id, steps.c.unique_id.in_(known)))
                connection.execute(insert(steps), rows)

    def steps(self, run_id: str) -> tuple[StepRow, ...]:
        """The steps of a run, in the order in which they began."""
        query = select(steps).where(steps.c.run_id == run_id).order_by(steps.c.started_at, steps.c.unique_id)
        with self._database.read() as connection:
            return tuple(StepRow(**row) for row in connection.execute(query).mappings())

    def prune_runs(self, before: str) -> dict[str, int]:
        """Delete finished runs (with steps and plans) that began before `before` (ISO). Returns how many runs and steps went."""
        gone = {"runs": 0, "steps": 0}
        while True:
            with self._database.write() as connection:
                old = select(runs.c.run_id).where(runs.c.started_at < before, runs.c.status != RUNNING)
                ids = list(connection.execute(old.order_by(runs.c.run_id).limit(_SLICE)).scalars())
                gone["steps"] += connection.execute(delete(steps).where(steps.c.run_id.in_(ids))).rowcount
                connection.execute(delete(run_plans).where(run_plans.c.run_id.in_(ids)))
                gone["runs"] += connection.execute(delete(runs).where(runs.c.run_id.in_(ids))).rowcount
            if len(ids) < _SLICE:
                return gone

    def _read_runs(self, query: Select[Any]) -> tuple[RunRow, ...]:
        with self._database.read() as connection:
            return tuple(_run(row) for row in connection.execute(query).mappings())

    def _put_step(self, run_id: str, unique_id: str, values: Mapping[str, Any], *, action: str = "build") -> None:
        with self._database.write() as connection:
            change = update(steps).where(steps.c.run_id == run_id, steps.c.unique_id == unique_id)
            if connection.execute(change.values(**values)).rowcount:
                return
            row = {"action": action, "attempt": 1, "rows": 0, "seconds": 0.0, "started_at": now_iso(), **values}
            connection.execute(insert(steps).values(run_id=run_id, unique_id=unique_id, **row))


class Heartbeat:
    """Signs of life of a run, from a thread, while the context lasts. A database that does not answer is tried again."""

    def __init__(self, of: RunTables, run_id: str) -> None:
        self._runs, self._run_id, self._end = of, run_id, threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="headgate-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _beat_on(self) -> None:
        while not self._end.wait(HEARTBEAT_SECONDS):
            try:
                self._runs.beat_run(self._run_id)
            except StateFailed:
                continue  # the run itself meets the database soon, and says so


def _is_dead(row: RunRow, now: float) -> bool:
    process = Process(row.host, row.pid, row.process_started)
    if process.host == this_process().host:
        return process.dead
    return now - seconds_of(row.heartbeat_at) > SILENT_SECONDS


_RUN_FIELDS = tuple(field.name for field in fields(RunRow))


def _run(row: Any) -> RunRow:
    values = {name: row[name] for name in _RUN_FIELDS}
    values["args"] = json.loads(values["args"])
    values["nothing_to_do"] = bool(values["nothing_to_do"])
    return RunRow(**values)
