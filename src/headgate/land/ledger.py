"""What the lake's ledger says about a raw table's source, and the rows that a load adds to it.

Tables are append-only. A unit's history is read in commit order; the record "superseded" beside an accepted one says that a
newer version of the unit has landed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headgate.ports.engine import Cursor
from headgate.spec.names import Column, bind, quote_ident, quote_literal
from headgate.spec.positions import Position, Unit
from headgate.spec.verdicts import SchemaChange

SCHEMA = "headgate"
LOAD_COLUMNS = (
    "load_id", "run_id", "source", "table_name", "dataset", "status", "reasons", "position", "rows_in", "rows_out", "rows_dead",
    "rows_deduplicated", "rows_filtered", "schema_changes", "columns", "fence", "bytes", "seconds", "cpu_seconds", "started_at",
    "committed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a raw table's source stands: the newest accepted load and its state, the newest accepted version of each unit
    with its load, and the units whose newest version was blocked (name -> unit, with the load that was blocked).
    """

    load_id: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    unit_loads: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, Unit] = field(default_factory=dict)
    blocked_loads: Mapping[str, str] = field(default_factory=dict)
    committed_at: str = ""

    def position(self, *, with_blocked: bool, without: frozenset[str] = frozenset()) -> Position:
        """The position to extract from. Blocked units wait unless `with_blocked` is false or their load is in `without`."""
        waiting = {n: u for n, u in self.blocked.items() if with_blocked and self.blocked_loads[n] not in without}
        return Position(self.state, self.units, waiting)


def table(catalog: str, name: str) -> str:
    """The quoted name of ledger table `name`."""
    return f"{quote_ident(catalog)}.{quote_ident(SCHEMA)}.{quote_ident(name)}"


def standing(cursor: Cursor, catalog: str, dataset: str) -> Standing:
    """The standing as the cursor's transaction sees it."""
    loads, units = table(catalog, "loads"), table(catalog, "load_units")
    cursor.execute(
        bind(
            f"SELECT load_id, position, CAST(committed_at AS VARCHAR) FROM {loads} WHERE dataset = ? AND status = 'accepted' "
            "ORDER BY committed_at DESC, load_id DESC LIMIT 1",
            [dataset],
        ),
    )
    newest = cursor.fetchone()
    cursor.execute(
        bind(
            "SELECT u.unit, u.size, u.modified_at, u.content_hash, u.rows, u.status, u.load_id "
            f"FROM {units} u JOIN {loads} l ON l.load_id = u.load_id AND l.dataset = u.dataset "
            "WHERE u.dataset = ? AND u.status IN ('accepted', 'blocked') "
            "QUALIFY row_number() OVER (PARTITION BY u.unit, u.status ORDER BY l.committed_at DESC, u.load_id DESC) = 1 "
            "ORDER BY l.committed_at, u.load_id",
            [dataset],
        ),
    )
    accepted: dict[str, Unit] = {}
    loads_of: dict[str, str] = {}
    blocked: dict[str, Unit] = {}
    blocked_loads: dict[str, str] = {}
    for name, size, modified, digest, rows, status, load_id in cursor.fetchall():
        unit = Unit(name, size or 0, modified or "", digest or "", rows or 0)
        if status == "accepted":
            accepted[name], loads_of[name] = unit, load_id
            blocked.pop(name, None)
        elif digest:  # without a hash nothing tells a repaired piece from the same one: it is read again anyway
            blocked[name], blocked_loads[name] = unit, load_id
    state = json.loads(newest[1] or "{}") if newest else {}
    return Standing(newest[0] if newest else None, state, accepted, loads_of, blocked, blocked_loads, newest[2] if newest else "")


def has_load(cursor: Cursor, catalog: str, load_id: str) -> str | None:
    """The status under which `load_id` is committed; None: it is not. A commit may have landed without being acknowledged."""
    cursor.execute(bind(f"SELECT status FROM {table(catalog, 'loads')} WHERE load_id = ?", [load_id]))
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def write_load(cursor: Cursor, catalog: str, values: Mapping[str, Any]) -> None:
    """Add the row of a load; `values` has every column of `LOAD_COLUMNS`."""
    names = ", ".join(LOAD_COLUMNS)
    marks = ", ".join("?" for _ in LOAD_COLUMNS)
    cursor.execute(bind(f"INSERT INTO {table(catalog, 'loads')} ({names}) VALUES ({marks})", [values[c] for c in LOAD_COLUMNS]))


def write_units(cursor: Cursor, catalog: str, load_id: str, dataset: str, units: Sequence[Unit], status: str) -> None:
    """Add the units of a load, all in one statement. They go as one JSON text: there may be thousands, and neither parameters
    nor Arrow come without libraries that take longer to load than a small load takes.
    """
    if not units:
        return
    listed = [[u.name, u.size, u.modified_at, u.content_hash, u.rows] for u in units]
    cursor.execute(
        f"INSERT INTO {table(catalog, 'load_units')} (load_id, dataset, unit, size, modified_at, content_hash, rows, status) "
        f"SELECT {quote_literal(load_id)}, {quote_literal(dataset)}, u->>0, CAST(u->>1 AS BIGINT), u->>2, u->>3, "
        f"CAST(u->>4 AS BIGINT), {quote_literal(status)} "
        f"FROM (SELECT unnest(CAST({quote_literal(json.dumps(listed, ensure_ascii=False))} AS JSON[])) AS u)"
    )


def write_superseded(cursor: Cursor, catalog: str, dataset: str, pairs: Sequence[tuple[str, Unit]]) -> None:
    """Note that the versions of units that older loads brought, given as (load id, unit), are superseded."""
    for load_id in dict.fromkeys(load for load, _ in pairs):
        write_units(cursor, catalog, load_id, dataset, [u for load, u in pairs if load == load_id], "superseded")


def write_schema_changes(cursor: Cursor, catalog: str, run_id: str, changes: Sequence[SchemaChange], at: str) -> None:
    """Record the decided schema changes."""
    for c in changes:
        cursor.execute(
            bind(
                f"INSERT INTO {table(catalog, 'schema_changes')} "
                '(run_id, dataset, column_name, kind, from_type, to_type, decision, reason, "at") '
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TIMESTAMP))",
                [run_id, c.dataset, c.column, c.kind, c.from_type, c.to_type, c.decision, c.reason, at],
            ),
        )


def write_dead_letters(
    cursor: Cursor, catalog: str, rows_sql: str, load_id: str, dataset: str, at: str, known: Sequence[str]
) -> None:
    """Add a load's dead letters from their scratch table, but those of units `known`, which another load has brought."""
    leave = f" WHERE unit NOT IN ({', '.join('?' for _ in known)})" if known else ""
    cursor.execute(
        bind(
            f'INSERT INTO {table(catalog, "dead_letters")} (load_id, dataset, unit, seq, reason, record, "at") '
            f"SELECT ?, ?, unit, seq, reason, record, CAST(? AS TIMESTAMP) FROM {rows_sql}{leave}",
            [load_id, dataset, at, *known],
        ),
    )


def json_columns(columns: Sequence[Column]) -> str:
    """Columns as JSON text."""
    return json.dumps([[c.name, c.type] for c in columns])


def json_changes(changes: Sequence[SchemaChange]) -> str:
    """Schema changes as JSON text."""
    return json.dumps([asdict(c) for c in changes])
