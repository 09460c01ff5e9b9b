"""Views and tables: what is built anew each time."""

from __future__ import annotations

from headgate.spec.names import Column, quote_ident
from headgate.spec.staged import DELTA, REPLACE, VIEW, RowCounts, Staged
from headgate.transform.job import Job, Result
from headgate.transform.query import hashed, is_audit, listed, names
from headgate.transform.shape import widens
from headgate.transform.spans import stamped


def build_view(job: Job, published_sql: str) -> Staged:
    """Stage a view. `published_sql` is its query over published names, which is what the lake will keep."""
    columns = job.workspace.stage_view(job.node.relation, job.sql, cursor=job.cursor)
    rows_sql = job.workspace.resolve(job.node.relation)
    view_sql = f"SELECT {listed(names(columns))} FROM (\n{published_sql}\n)"
    wanted = job.node.config.get("views") == "pinned"
    notes = ("it is live: a DuckDB file keeps no version to pin it to",) if wanted and not job.lake.keeps_history else ()
    return job.staged(
        VIEW,
        columns=columns,
        rows_sql=rows_sql,
        overlay_sql=rows_sql,
        view_sql=view_sql,
        pinned=wanted and not notes,
        notes=notes,
    )


def build_table(job: Job) -> Staged:
    """Stage a table. With audit columns, rows that stand already keep their stamp; if all do, nothing new is staged."""
    rows = job.stage("", job.sql)
    return whole_table(job, rows, RowCounts(rows_in=rows.rows, rows_out=rows.rows))


def whole_table(job: Job, rows: Result, counts: RowCounts, notes: tuple[str, ...] = ()) -> Staged:
    """The staged value of a table given by all its rows."""
    recorded = job.recorded
    stands = recorded is not None and recorded.version is not None and recorded.kind == "table"
    was = tuple(Column(c.name, c.type) for c in recorded.columns) if recorded is not None and stands else ()
    if was == rows.columns and any(is_audit(c, job.project.audit_columns) for c in rows.names):
        target = job.node.relation.sql(job.lake.name)
        if _equal(job, rows, target):
            empty = job.stage("empty", f"SELECT * FROM {rows.sql} LIMIT 0", rows_expected=0)
            job.workspace.unstage(job.node.relation)
            return job.staged(
                DELTA, columns=rows.columns, rows_sql=empty.sql, files=empty.files, overlay_sql=target,
                counts=RowCounts(counts.rows_in, rows_deduplicated=counts.rows_deduplicated, rows_unchanged=rows.rows),
                notes=(*notes, "every row is as published; nothing to publish"),
            )  # fmt: skip
        rows = stamped(job, rows.sql, rows, target, purpose="stamped")
        job.workspace.alias(job.node.relation, rows.sql, cursor=job.cursor)
    change, alter = column_change(was, rows.columns) if was else ("none", ())
    return job.staged(
        REPLACE,
        columns=rows.columns,
        rows_sql=rows.sql,
        files=rows.files,
        counts=counts,
        schema_change=change,
        alter=alter,
        notes=notes,
    )


def _equal(job: Job, rows: Result, target: str) -> bool:
    """Whether the staged rows and the published ones are the same but for the audit columns."""
    said = f"SELECT count(*), sum({hashed(job.content(rows.names))}) FROM"
    return job.one(f"{said} {rows.sql}") == job.one(f"{said} {target}")


def column_change(was: tuple[Column, ...], now: tuple[Column, ...]) -> tuple[str, tuple[str, ...]]:
    """How a whole table's columns change ("none", "additive", "breaking"), and the ALTER actions of an additive change."""
    if was == now:
        return "none", ()
    types = {c.name: c.type for c in now}
    alter: list[str] = []
    for column in was:
        new = types.get(column.name)
        if new is None or (new != column.type and not widens(column.type, new)):
            return "breaking", ()
        if new != column.type:
            alter.append(f"ALTER COLUMN {quote_ident(column.name)} SET DATA TYPE {new}")
    had = {c.name for c in was}
    alter += [f"ADD COLUMN {quote_ident(c.name)} {c.type}" for c in now if c.name not in had]
    return ("additive" if alter else "none"), tuple(alter)
