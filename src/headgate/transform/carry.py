"""Carry the raw position through a model that does not select it, so that versions of a key can be ordered by it.

Only a plain chain is followed: SELECTs without joins, grouping, DISTINCT or set operations, over common table expressions that
are used once, down to one table that has the raw columns. For anything else the answer is None: a position that
could belong to another row is worse than none.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from headgate.spec.positions import RAW_COLUMNS
from headgate.transform.job import Job

CARRIED = ("_hg_carried_at", "_hg_carried_position")
_RAW = (RAW_COLUMNS[0][0], RAW_COLUMNS[2][0])


def carry_position(job: Job, columns: tuple[str, ...]) -> str | None:
    """A scratch table with the model's rows and the two carried columns, or None where they cannot be carried."""
    sql = with_position(job.sql)
    if sql is None or not _has_raw_columns(job):
        return None
    table = job.scratch("carried")
    job.run(f"CREATE OR REPLACE TABLE {table} AS {sql}")
    return table


def _has_raw_columns(job: Job) -> bool:
    """True when the node's only parent is a table with the raw columns, by the lake or by staging."""
    parents = [p for p in job.node.depends_on if p in job.project.sources or p in job.project.nodes]
    if len(parents) != 1:
        return False
    found = job.project.sources.get(parents[0]) or job.project.nodes[parents[0]]
    described = job.cursor.execute(f"SELECT * FROM {job.workspace.resolve(found.relation)} LIMIT 0").description
    return {d[0] for d in described} >= set(_RAW)


def with_position(sql: str) -> str | None:
    """`sql` with the two columns added to its output, or None where a plain chain cannot be followed."""
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError:
        return None
    if not isinstance(tree, exp.Select):
        return None
    ctes = {c.alias.lower(): c for c in tree.find_all(exp.CTE)}
    return tree.sql(dialect="duckdb") if _carry(tree, ctes, tree, set()) else None


def _carry(select: exp.Expression, ctes: dict[str, exp.CTE], tree: exp.Expression, seen: set[str]) -> bool:
    """Add the columns to `select` and to what it reads. False (and a tree not to be used) where that is not sound."""
    if not isinstance(select, exp.Select) or any(
        select.args.get(k) for k in ("distinct", "group", "joins", "laterals", "pivots")
    ):
        return False
    source = select.args.get("from_") or select.args.get("from")
    inner = source.this if source is not None else None
    if _aggregates(select) or inner is None:
        return False
    base = False
    if isinstance(inner, exp.Subquery):
        sound = _carry(inner.this, ctes, tree, seen)
    elif isinstance(inner, exp.Table) and not inner.db and inner.name.lower() in ctes:
        name = inner.name.lower()
        uses = [t for t in tree.find_all(exp.Table) if not t.db and t.name.lower() == name]
        sound = name not in seen and len(uses) == 1 and _carry(ctes[name].this, ctes, tree, seen | {name})
    else:
        sound = base = isinstance(inner, exp.Table)
    if sound:
        _add(select, base)
    return sound


def _add(select: exp.Select, base: bool) -> None:
    """Select the two columns; a star over an inner select brings them already."""
    if not base and any(isinstance(e, exp.Star) for e in select.expressions):
        return
    for raw, carried in zip(_RAW, CARRIED, strict=True):
        column = exp.column(raw if base else carried, quoted=True)
        select.append("expressions", exp.alias_(column, carried, quoted=True))


def _aggregates(select: exp.Select) -> bool:
    """True when an aggregate without OVER makes the select one row."""
    for expression in select.expressions:
        for found in expression.find_all(exp.AggFunc):
            if found.find_ancestor(exp.Window, exp.Select, exp.Subquery) in (None, select):
                return True
    return False
