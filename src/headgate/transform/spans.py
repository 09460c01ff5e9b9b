"""Replace whole spans of a table: groups of a key, partitions, an interval of event time.

A span whose rows equal the published ones in all but the audit columns is left alone. In a span that changed, rows that are as
before keep their stamp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.staged import DELTA, RowCounts
from headgate.transform.job import Job, Result, day_or_moment
from headgate.transform.query import hashed, is_audit, listed, same

_PERIOD = re.compile(r"^(?P<unit>year|month|week|day|hour)\s*\(\s*\"?(?P<column>[^\")]+)\"?\s*\)$", re.IGNORECASE)
_BUCKET = re.compile(r"^bucket\s*\(", re.IGNORECASE)
LITERALS_MAX = 200  # groups written out as literals; above, the predicate would be longer than a join is dear
_PLAIN = re.compile(r"^\w+$")


@dataclass(frozen=True, slots=True)
class Replaced:
    """The rows that replace spans of the target, which spans those are, and the counts."""

    kind: str
    rows: Result
    counts: RowCounts
    delete_where: str | None = None


def replace_groups(job: Job, rows: Result, target: str, key: tuple[str, ...]) -> Replaced:
    """Replace the groups of rows that `key` names."""
    return _replace(job, rows, target, [quote_ident(k) for k in key])


def replace_partitions(job: Job, rows: Result, target: str, partition_by: tuple[str, ...]) -> Replaced:
    """Replace the partitions that the rows fall into."""
    return _replace(job, rows, target, [partition_value(job, p, rows.names) for p in partition_by])


def partition_value(job: Job, declared: str, columns: tuple[str, ...]) -> str:
    """SQL for a declared partition expression: a column, or year/month/week/day/hour of a column."""
    period = _PERIOD.match(declared.strip())
    column = period["column"].strip() if period else declared.strip().strip('"')
    spelled = next((c for c in columns if c.lower() == column.lower()), None)
    if spelled is None or not (period or _PLAIN.match(column) or spelled == column) or _BUCKET.match(declared):
        raise job.mistake(
            f"partition_by '{declared}' cannot be replaced by partition",
            expected="a selected column, or year(), month(), week(), day() or hour() of one",
            code="HG-T023",
        )
    return f"date_trunc('{period['unit'].lower()}', {quote_ident(spelled)})" if period else quote_ident(spelled)


def replace_interval(job: Job, rows: Result, target: str) -> Replaced:
    """Replace the build's interval of event time. Rows outside of it do not belong to this batch and are put aside."""
    within = interval_predicate(job, rows.names)
    if within is None:
        return _replace(job, rows, target, ["1"], None)
    inside, outside = inside_interval(job, rows)
    done = _replace(job, inside, target, [], within)
    counts = RowCounts(
        rows_in=rows.rows, rows_out=done.counts.rows_out, rows_filtered=outside,
        rows_unchanged=done.counts.rows_unchanged, rows_deleted=done.counts.rows_deleted,
    )  # fmt: skip
    return Replaced(done.kind, done.rows, counts, done.delete_where)


def inside_interval(job: Job, rows: Result) -> tuple[Result, int]:
    """The rows within the build's interval, and how many are not."""
    within = interval_predicate(job, rows.names)
    if within is None:
        return rows, 0
    (count,) = job.one(f"SELECT count(*) FROM {rows.sql} WHERE {within}")
    if count == rows.rows:
        return rows, 0
    inside = job.stage("inside", f"SELECT {listed(rows.names)} FROM {rows.sql} WHERE {within}", rows_expected=count)
    return inside, rows.rows - inside.rows


def interval_predicate(job: Job, columns: tuple[str, ...]) -> str | None:
    """A predicate over the node's own columns: within the build's interval. None without an interval.

    Raises DeclarationError when the event time is not selected.
    """
    if job.interval is None:
        return None
    event_time = str(job.node.config.get("event_time"))
    spelled = next((c for c in columns if c.lower() == event_time.lower()), None)
    if spelled is None:
        raise job.mistake(
            f"event_time {event_time} is not selected", expected="columns among " + ", ".join(columns), code="HG-T024"
        )
    column = quote_ident(spelled)
    return f"{column} >= {day_or_moment(job.interval.start)} AND {column} < {day_or_moment(job.interval.end)}"


def _replace(job: Job, rows: Result, target: str, by: list[str], where: str | None = None) -> Replaced:
    """Replace in `target` the groups `by` that occur in `rows`, or (without groups) all rows that `where` holds for."""
    spans = _compare(job, rows, target, by, where)
    unchanged, deleted, spans_left = job.one(
        f"SELECT coalesce(sum(_hg_n) FILTER (WHERE _hg_same), 0), coalesce(sum(_hg_old) FILTER (WHERE NOT _hg_same), 0), "
        f"count(*) FILTER (WHERE NOT _hg_same) FROM {spans}"
    )
    counts = RowCounts(rows.rows, rows.rows - int(unchanged), rows_unchanged=int(unchanged), rows_deleted=int(deleted))
    if not spans_left:
        empty = rows if not rows.rows else job.stage("delta", f"SELECT * FROM {rows.sql} LIMIT 0", rows_expected=0)
        return Replaced(DELTA, empty, counts)
    predicate = where or _in_groups(job, by, spans, int(spans_left))
    kept = f"(SELECT * FROM {rows.sql} WHERE {predicate})" if unchanged else rows.sql
    return Replaced(DELTA, stamped(job, kept, rows, target, predicate), counts, predicate)


def _compare(job: Job, rows: Result, target: str, by: list[str], where: str | None) -> str:
    """A scratch table of the groups in `rows`: their size, their size in the target, and whether both hold the same content."""
    labels = [f"_hg_g{i}" for i in range(len(by))]
    sums = f"count(*) AS _hg_n, sum({hashed(job.content(rows.names))}) AS _hg_h"
    grouped = f" GROUP BY {', '.join(labels)}" if labels else ""
    selected = ", ".join([*(f"{e} AS {g}" for e, g in zip(by, labels, strict=True)), sums])
    on = " AND ".join(f"o.{g} IS NOT DISTINCT FROM n.{g}" for g in labels) or "TRUE"
    spans = job.scratch("spans")
    job.run(
        f"CREATE OR REPLACE TABLE {spans} AS SELECT n.*, coalesce(o._hg_n, 0) AS _hg_old, "
        f"coalesce(o._hg_n, 0) = n._hg_n AND o._hg_h IS NOT DISTINCT FROM n._hg_h AS _hg_same "
        f"FROM (SELECT {selected} FROM {rows.sql}{grouped}) AS n "
        f"LEFT JOIN (SELECT {selected} FROM {target}{' WHERE ' + where if where else ''}{grouped}) AS o ON {on}"
    )
    return spans


def _in_groups(job: Job, by: list[str], spans: str, count: int) -> str:
    """A predicate over the target's columns: the row's group is one of those replaced.

    A few groups of one expression are written out, which lets the lake pass over files; else the scratch table is asked.
    """
    if len(by) == 1 and count <= LITERALS_MAX:
        found = job.cursor.execute(
            f"SELECT CAST(_hg_g0 AS VARCHAR), typeof(_hg_g0) FROM {spans} WHERE NOT _hg_same ORDER BY 1 NULLS LAST"
        ).fetchall()
        values = [f"CAST({quote_literal(v)} AS {t})" for v, t in found if v is not None]
        parts = [f"{by[0]} IN ({', '.join(values)})"] if values else []
        parts += [f"{by[0]} IS NULL"] if len(values) < len(found) else []
        return "(" + " OR ".join(parts) + ")"
    match = " AND ".join(f"({e}) IS NOT DISTINCT FROM m._hg_g{i}" for i, e in enumerate(by))
    return f"EXISTS (SELECT 1 FROM {spans} AS m WHERE NOT m._hg_same AND {match})"


def stamped(job: Job, rows_sql: str, rows: Result, target: str, where: str | None = None, purpose: str = "delta") -> Result:
    """Stage `rows_sql`, where rows that the target has already take over its audit columns; `rows` tells the columns.

    Equal rows are paired one to one, so that a row that stands twice and comes three times keeps two stamps.
    """
    audit = [c for c in rows.names if is_audit(c, job.project.audit_columns)]
    if not audit:
        if rows_sql == rows.sql:
            return rows
        return job.stage(purpose, f"SELECT {listed(rows.names)} FROM {rows_sql} AS r", rows_expected=rows.rows)
    compared = job.content(rows.names)
    number = f"row_number() OVER (PARTITION BY {hashed(compared)} ORDER BY {listed(audit)}) AS _hg_n, {hashed(compared)} AS _hg_h"
    taken = ", ".join(
        f"CASE WHEN o._hg_n IS NULL THEN s.{quote_ident(c)} ELSE o.{quote_ident(c)} END AS {quote_ident(c)}"
        if c in audit
        else f"s.{quote_ident(c)}"
        for c in rows.names
    )
    condition = f" WHERE {where}" if where else ""
    sql = (
        f"SELECT {taken} FROM (SELECT *, {number} FROM {rows_sql} AS r) AS s "
        f"LEFT JOIN (SELECT *, {number} FROM {target} AS r{condition}) AS o "
        f"ON s._hg_h = o._hg_h AND s._hg_n = o._hg_n AND {same('s', 'o', compared)}"
    )
    return job.stage(purpose, sql, rows_expected=rows.rows)
