"""The control tables, each with its meaning; the reference page and the `TABLES` dictionary come from here.

All times are ISO 8601 text in UTC without zone and with microseconds, so that they sort, compare and read the same on every
database. All ids are UUIDv7 text, except `events.id` and `verdicts.id`, which number the rows in order of writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only when the type is INTEGER

runs = Table(
    "runs",
    METADATA,
    Column("run_id", Text, primary_key=True, comment="UUIDv7; sorts by start"),
    Column("project", Text, nullable=False, comment="the project's name"),
    Column("environment", Text, nullable=False, comment="the environment written to"),
    Column("command", Text, nullable=False, comment="the command: run, land, backfill, restore …"),
    Column("args", Text, nullable=False, comment="the command's arguments as JSON, secrets redacted"),
    Column("status", Text, nullable=False, comment="running | done | blocked | failed | interrupted"),
    Column("reason", Text, nullable=False, comment="why it ended as it did; empty when all is well"),
    Column("host", Text, nullable=False, comment="machine and process namespace of the process"),
    Column("pid", Integer, nullable=False, comment="process id on that host"),
    Column("process_started", Text, nullable=False, comment="start mark of the process: tells a reused pid"),
    Column("started_at", Text, nullable=False, comment="when the run began"),
    Column("heartbeat_at", Text, nullable=False, comment="last sign of life, by the database's clock"),
    Column("finished_at", Text, comment="when it ended; null while it runs"),
    Column("seconds", Double, comment="wall-clock duration"),
    Column("snapshot", BigInteger, comment="the lake's snapshot after the run"),
    Column("nothing_to_do", Integer, nullable=False, comment="1 when the run found everything up to date"),
    comment="One row per call that may write: who ran what, where, and how it ended.",
)
Index("runs_by_status", runs.c.status, runs.c.run_id)
Index("runs_by_environment", runs.c.environment, runs.c.run_id)

run_plans = Table(
    "run_plans",
    METADATA,
    Column("run_id", Text, primary_key=True, comment="the run"),
    Column("plan", Text, nullable=False, comment="the frozen plan as JSON; `run --resume` walks it on"),
    comment="The plan that a run walks, kept so that an interrupted run resumes the same steps.",
)

steps = Table(
    "steps",
    METADATA,
    Column("run_id", Text, primary_key=True, comment="the run"),
    Column("unique_id", Text, primary_key=True, comment="the node or source table"),
    Column("dataset", Text, nullable=False, comment="schema.table"),
    Column("action", Text, nullable=False, comment="land | build"),
    Column("attempt", Integer, nullable=False, comment="number of the last attempt, from 1"),
    Column("status", Text, nullable=False, comment="running | done | blocked | skipped | failed | up_to_date"),
    Column("reason", Text, nullable=False, comment="why, in one sentence"),
    Column("rows", BigInteger, nullable=False, comment="rows published or landed"),
    Column("seconds", Double, nullable=False, comment="wall-clock duration of the last attempt"),
    Column("version", Text, comment="the version that it published"),
    Column("started_at", Text, nullable=False, comment="when the last attempt began"),
    Column("finished_at", Text, comment="when it ended; null while it runs"),
    comment="The state of each step of a run; earlier attempts are in `events`.",
)
Index("steps_by_node", steps.c.unique_id, steps.c.run_id)

events = Table(
    "events",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True, comment="number in order of writing"),
    Column("at", Text, nullable=False, comment="when it happened"),
    Column("kind", Text, nullable=False, comment="one of the event kinds (reference: events)"),
    Column("run_id", Text, nullable=False, comment="the run; empty when it belongs to none"),
    Column("step", Text, nullable=False, comment="unique id of node or source table; may be empty"),
    Column("attempt", Integer, nullable=False, comment="attempt of the step"),
    Column("dataset", Text, nullable=False, comment="schema.table; may be empty"),
    Column("status", Text, nullable=False, comment="how it ended, for events that end something"),
    Column("reason", Text, nullable=False, comment="why, in one sentence"),
    Column("rows", BigInteger, comment="rows concerned"),
    Column("bytes", BigInteger, comment="bytes written"),
    Column("cpu_seconds", Double, comment="CPU seconds used"),
    Column("seconds", Double, comment="wall-clock seconds used"),
    Column("snapshot", BigInteger, comment="the lake's snapshot, where one was made"),
    Column("data", Text, nullable=False, comment="what else belongs to the kind, as JSON"),
    comment="Everything that happened, as typed facts; all later views are computed from these.",
)
Index("events_by_run", events.c.run_id, events.c.id)
Index("events_by_kind", events.c.kind, events.c.id)
Index("events_by_dataset", events.c.dataset, events.c.id)
Index("events_by_time", events.c.at)

verdicts = Table(
    "verdicts",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True, comment="number in order of writing"),
    Column("run_id", Text, nullable=False, comment="the run"),
    Column("at", Text, nullable=False, comment="when the gate weighed"),
    Column("dataset", Text, nullable=False, comment="schema.table"),
    Column("check_id", Text, nullable=False, comment="unique id of the check, or a built-in's name"),
    Column("name", Text, nullable=False, comment="the check's name"),
    Column("outcome", Text, nullable=False, comment="pass | warn | quarantine | block"),
    Column("failures", BigInteger, nullable=False, comment="what the check counts, mostly failing rows"),
    Column("rows", BigInteger, nullable=False, comment="rows weighed"),
    Column("scope", Text, nullable=False, comment="table | delta | overlay"),
    Column("column_name", Text, comment="the column, for checks of one column"),
    Column("message", Text, nullable=False, comment="the verdict in words"),
    Column("sample", Text, nullable=False, comment="up to ten failing rows as JSON, masked where classified"),
    Column("sql", Text, nullable=False, comment="the statement that found them"),
    Column("seconds", Double, nullable=False, comment="what it took"),
    comment="Every verdict of the gate with its count, sample and SQL.",
)
Index("verdicts_by_dataset", verdicts.c.dataset, verdicts.c.id)
Index("verdicts_by_run", verdicts.c.run_id, verdicts.c.id)
Index("verdicts_by_time", verdicts.c.at)

leases = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True, comment="what is leased"),
    Column("token", BigInteger, nullable=False, comment="fencing token of the newest lease; only ever grows"),
    Column("holder", Text, comment="who holds it; null: nobody"),
    Column("host", Text, comment="machine and process namespace of the holder"),
    Column("pid", Integer, comment="process of the holder"),
    Column("process_started", Text, comment="start mark of that process: tells a reused pid"),
    Column("acquired_at", Text, comment="when the newest lease was given, by the database's clock"),
    Column("expires_at", Text, comment="when it lapses unless renewed, by the database's clock"),
    comment="Leases with fencing tokens. Rows are never deleted, so that tokens never repeat.",
)

breakers = Table(
    "breakers",
    METADATA,
    Column("source", Text, primary_key=True, comment="the source's name"),
    Column("state", Text, nullable=False, comment="closed | open | half_open"),
    Column("failures", Integer, nullable=False, comment="failures in a row"),
    Column("opened_at", Text, comment="when it opened; null: closed"),
    Column("next_try_at", Text, comment="when the source may be asked again; null: now"),
    Column("reason", Text, nullable=False, comment="the last failure"),
    comment="Circuit breakers of sources, kept across processes.",
)

mirror = Table(
    "mirror",
    METADATA,
    Column("lake", Text, primary_key=True, comment="the lake's key: its catalog"),
    Column("snapshot", BigInteger, nullable=False, comment="the lake snapshot that it mirrors"),
    Column("recorded", Text, nullable=False, comment="the ledger at that snapshot, as JSON"),
    Column("at", Text, nullable=False, comment="when it was written"),
    comment="The lake's ledger as last read; trusted only when the snapshot ids are equal.",
)


@dataclass(frozen=True, slots=True)
class TableDoc:
    """A table's meaning and its columns' meanings, in order."""

    summary: str
    columns: Mapping[str, str]


TABLES: Mapping[str, TableDoc] = {
    table.name: TableDoc(table.comment or "", {c.name: c.comment or "" for c in table.columns})
    for table in METADATA.sorted_tables
}
"""The dictionary of the state database, by table name."""
