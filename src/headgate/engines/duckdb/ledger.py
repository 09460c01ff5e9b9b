"""The lake's own ledger: schema `headgate`, append-only. It is the truth; the state database mirrors it
(LAKE.md 16)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headgate.ports.engine import Cursor
from headgate.spec.names import Column, bind, quote_ident, quote_literal
from headgate.spec.positions import Position, Unit
from headgate.spec.recorded import DoneInterval, Recorded, RecordedDataset
from headgate.spec.staged import Interval, RowCounts

SCHEMA = "headgate"
_COUNTS = (
    "rows_in BIGINT, rows_out BIGINT, rows_quarantined BIGINT, rows_deduplicated BIGINT, rows_late BIGINT, rows_filtered BIGINT, "
)
_COUNTS += "rows_dead BIGINT, rows_unchanged BIGINT, rows_deleted BIGINT"

TABLES: Mapping[str, str] = {
    "publications": (
        "publication_id VARCHAR, run_id VARCHAR, attempt INTEGER, dataset VARCHAR, unique_id VARCHAR, kind VARCHAR, base_version VARCHAR, "
        "staged_hash VARCHAR, fence BIGINT, code_fingerprint VARCHAR, columns VARCHAR, inputs VARCHAR, interval_start VARCHAR, "
        f"interval_end VARCHAR, materialized VARCHAR, {_COUNTS}, rows_total BIGINT, seconds DOUBLE, cpu_seconds DOUBLE, bytes BIGINT, "
        "reason VARCHAR, notes VARCHAR, superseded_inputs BOOLEAN, published_at TIMESTAMP"
    ),
    "code": "code_fingerprint VARCHAR, unique_id VARCHAR, code VARCHAR",
    "loads": (
        "load_id VARCHAR, run_id VARCHAR, source VARCHAR, table_name VARCHAR, dataset VARCHAR, status VARCHAR, reasons VARCHAR, "
        "position VARCHAR, rows_in BIGINT, rows_out BIGINT, rows_dead BIGINT, rows_deduplicated BIGINT, rows_filtered BIGINT, "
        "schema_changes VARCHAR, columns VARCHAR, fence BIGINT, bytes BIGINT, seconds DOUBLE, cpu_seconds DOUBLE, started_at TIMESTAMP, "
        "committed_at TIMESTAMP"
    ),
    "load_units": (
        "load_id VARCHAR, dataset VARCHAR, unit VARCHAR, size BIGINT, modified_at VARCHAR, content_hash VARCHAR, rows BIGINT, status VARCHAR"
    ),
    "dead_letters": 'load_id VARCHAR, dataset VARCHAR, unit VARCHAR, seq BIGINT, reason VARCHAR, record VARCHAR, "at" TIMESTAMP',
    "schema_changes": (
        "run_id VARCHAR, dataset VARCHAR, column_name VARCHAR, kind VARCHAR, from_type VARCHAR, to_type VARCHAR, decision VARCHAR, "
        'reason VARCHAR, "at" TIMESTAMP'
    ),
    "marks": 'dataset VARCHAR, unique_id VARCHAR, run_id VARCHAR, kind VARCHAR, reason VARCHAR, "at" TIMESTAMP',
    "fences": "name VARCHAR, token BIGINT",
}
"""Table -> its columns as DDL. Identifiers are UUIDv7 text, times UTC without zone."""

MEANINGS: Mapping[str, str] = {
    "publications": "one row per dataset (and interval) per publication: proof, interval ledger and row ledger in one",
    "code": "the canonical SQL and config behind a code fingerprint, written once",
    "loads": "one row per load, accepted or blocked, with the source's position after it",
    "load_units": "the files (or other pieces) that a load took; the newest accepted load of a unit supersedes the older ones",
    "dead_letters": "malformed records: where they were, why, and their text",
    "schema_changes": "every schema change with its decision and reason",
    "marks": "datasets that a run left at their last good version, and why",
    "fences": "the fencing tokens of each lease, a row per token; a writer with an older one than the newest rolls back",
}

INLINE_ROWS = 200
"""Up to so many rows of one write to the ledger live in the catalog itself; more go to Parquet (LAKE.md 10)."""


def create_tables(cursor: Cursor, lake: str) -> None:
    """Create the ledger as far as it is missing: its tables in one transaction. What a crash leaves is completed by the next call."""
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_ident(lake)}.{SCHEMA}")  # an option needs a schema that is committed
    cursor.execute(f"CALL {quote_ident(lake)}.set_option('data_inlining_row_limit', {INLINE_ROWS}, schema => '{SCHEMA}')")
    cursor.execute("BEGIN")
    for name, columns in TABLES.items():
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {quote_ident(lake)}.{SCHEMA}.{name} ({columns})")
    cursor.execute("COMMIT")


def insert(cursor: Cursor, lake: str, table: str, rows: list[Mapping[str, Any]]) -> None:
    """Append `rows` (all with the same keys, which are column names) to a ledger table, in one statement."""
    if not rows:
        return
    names = list(rows[0])
    one = "(" + ", ".join("?" for _ in names) + ")"
    columns = ", ".join(map(quote_ident, names))
    values = ", ".join(one for _ in rows)
    cursor.execute(
        bind(
            f"INSERT INTO {quote_ident(lake)}.{SCHEMA}.{table} ({columns}) VALUES {values}",
            [row[n] for row in rows for n in names],
        )
    )


def read_recorded(cursor: Cursor, lake: str, snapshot: int, kinds: Mapping[str, str], row_bytes: Mapping[str, float]) -> Recorded:
    """The ledger as a value, in the caller's read transaction.

    `kinds` says "table" or "view" for each published relation, `row_bytes` how many bytes of files a row of it takes.
    """
    name = f"{quote_ident(lake)}.{SCHEMA}"
    newest = (
        f"SELECT p.*, c.code FROM {name}.publications p LEFT JOIN {name}.code c USING (code_fingerprint) "
        "QUALIFY row_number() OVER (PARTITION BY p.dataset ORDER BY p.publication_id DESC) = 1"
    )
    stale = {
        str(r["dataset"]): r
        for r in _rows(cursor, f'SELECT dataset, arg_max(reason, "at") AS reason, max("at") AS "at" FROM {name}.marks GROUP BY 1')
    }
    intervals = _intervals(cursor, name)
    found: dict[str, RecordedDataset] = {}
    for row in _rows(cursor, newest):
        found[row["dataset"]] = _published(row, stale.get(row["dataset"]), intervals.get(row["dataset"], ()), kinds)
    for row in _rows(cursor, _LOADS.format(name=name)):
        found[row["dataset"]] = _loaded(row, stale.get(row["dataset"]))
    for dataset, known in found.items():
        if known.kind == "table" and dataset in row_bytes:
            found[dataset] = replace(known, bytes=round(known.counts.rows_out * row_bytes[dataset]))
    for dataset, row in stale.items():
        if dataset not in found:
            found[dataset] = RecordedDataset(dataset, "", "table", None, stale_reason=row["reason"])
    return Recorded(snapshot, found)


# The newest load is the one committed last, not the one begun last: land gives every commit of a dataset a later time.
_LOADS = """
SELECT l.*, sum(rows_out) OVER (PARTITION BY dataset) AS rows_total FROM {name}.loads l WHERE status = 'accepted'
QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY committed_at DESC, load_id DESC) = 1
"""


def _rows(cursor: Cursor, sql: str) -> list[dict[str, Any]]:
    rows = cursor.execute(sql).fetchall()
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _intervals(cursor: Cursor, name: str) -> dict[str, tuple[DoneInterval, ...]]:
    """Done intervals by dataset: the newest publication of each, since the table was last replaced."""
    sql = f"""
SELECT dataset, interval_start, interval_end, code_fingerprint, inputs, publication_id, published_at, rows_out, seconds
FROM {name}.publications p WHERE interval_start IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM (
    SELECT dataset, publication_id AS restore_id, json_extract_string(notes, '$[0]') AS note
    FROM {name}.publications WHERE kind = 'restore'
  ) r
  WHERE r.dataset = p.dataset AND p.publication_id < r.restore_id AND p.publication_id > regexp_extract(r.note, '[0-9a-f-]{{36}}')
)
QUALIFY row_number() OVER (PARTITION BY dataset, interval_start, interval_end ORDER BY publication_id DESC) = 1
ORDER BY dataset, interval_start"""
    found: dict[str, list[DoneInterval]] = {}
    for r in _rows(cursor, sql):
        found.setdefault(r["dataset"], []).append(
            DoneInterval(
                Interval(r["interval_start"], r["interval_end"]),
                r["code_fingerprint"],
                json.loads(r["inputs"]),
                r["publication_id"],
                _iso(r["published_at"]),
                r["rows_out"],
                r["seconds"],
            )
        )
    return {dataset: tuple(done) for dataset, done in found.items()}


def _iso(moment: Any) -> str:
    return "" if moment is None else moment.isoformat(timespec="microseconds")


def _columns(text: str | None) -> tuple[Column, ...]:
    return tuple(Column(n, t) for n, t in json.loads(text)) if text else ()


def _stale_reason(mark: Mapping[str, Any] | None, published_at: Any) -> str | None:
    """The reason of the newest mark, if it is younger than the newest publication."""
    if mark is None or (published_at is not None and mark["at"] <= published_at):
        return None
    return str(mark["reason"])


def _published(
    row: Mapping[str, Any], mark: Mapping[str, Any] | None, intervals: tuple[DoneInterval, ...], kinds: Mapping[str, str]
) -> RecordedDataset:
    counts = RowCounts(**{f: int(row[f] or 0) for f in RowCounts.__dataclass_fields__})
    return RecordedDataset(
        dataset=row["dataset"],
        unique_id=row["unique_id"],
        kind=kinds.get(row["dataset"], "view" if row["kind"] == "view" else "table"),
        version=row["publication_id"],
        code_fingerprint=row["code_fingerprint"] or "",
        code=json.loads(row["code"]) if row["code"] else {},
        columns=_columns(row["columns"]),
        inputs=json.loads(row["inputs"] or "{}"),
        rows=int(row["rows_total"] or 0),
        counts=counts,
        published_at=_iso(row["published_at"]),
        run_id=row["run_id"],
        seconds=row["seconds"] or 0.0,
        cpu_seconds=row["cpu_seconds"] or 0.0,
        intervals=intervals,
        stale_reason=_stale_reason(mark, row["published_at"]),
        materialized=row["materialized"] or "",
    )


def _loaded(row: Mapping[str, Any], mark: Mapping[str, Any] | None) -> RecordedDataset:
    counts = RowCounts(
        rows_in=row["rows_in"], rows_out=row["rows_out"], rows_dead=row["rows_dead"], rows_deduplicated=row["rows_deduplicated"],
        rows_filtered=row["rows_filtered"],
    )  # fmt: skip
    return RecordedDataset(
        dataset=row["dataset"],
        unique_id="",
        kind="raw",
        version=row["load_id"],
        columns=_columns(row["columns"]),
        rows=int(row["rows_total"]),
        counts=counts,
        published_at=_iso(row["committed_at"]),
        run_id=row["run_id"],
        seconds=row["seconds"] or 0.0,
        cpu_seconds=row["cpu_seconds"] or 0.0,
        bytes=int(row["bytes"] or 0),
        stale_reason=_stale_reason(mark, row["committed_at"]),
        materialized="raw",
    )


def read_position(cursor: Cursor, lake: str, dataset: str) -> Position:
    """Where a raw table's source stands: the state and the units of its accepted loads, the one committed last first."""
    name, wanted = f"{quote_ident(lake)}.{SCHEMA}", quote_literal(dataset)
    state = cursor.execute(
        f"SELECT position FROM {name}.loads WHERE dataset = {wanted} AND status = 'accepted' "
        "ORDER BY committed_at DESC, load_id DESC LIMIT 1"
    ).fetchone()
    units = _rows(
        cursor,
        f"SELECT u.unit, u.size, u.modified_at, u.content_hash, u.rows FROM {name}.load_units u "
        f"LEFT JOIN {name}.loads l ON l.load_id = u.load_id AND l.dataset = u.dataset "
        f"WHERE u.dataset = {wanted} AND u.status = 'accepted' "
        "QUALIFY row_number() OVER (PARTITION BY u.unit ORDER BY l.committed_at DESC NULLS LAST, u.load_id DESC) = 1",
    )
    known = {
        u["unit"]: Unit(u["unit"], u["size"] or 0, u["modified_at"] or "", u["content_hash"] or "", u["rows"] or 0) for u in units
    }
    return Position(json.loads(state[0]) if state and state[0] else {}, known)
