"""The gate's built-in part for a load: malformed records, schema, declared keys, emptiness. The project's own checks are handed
in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from headgate.land.shape import Shape
from headgate.land.staging import StagedLoad
from headgate.ports.engine import Workspace
from headgate.spec.names import Column, quote_ident
from headgate.spec.project import SourceTable
from headgate.spec.verdicts import BLOCK, PASS, WARN, GateResult, Verdict

EXACT_IN_DOUBLE = 2**53
Checks = Callable[[str, Sequence[Column]], GateResult]


def judge(
    table: SourceTable, load: StagedLoad, shape: Shape, rows_sql: str, raw_sql: str, workspace: Workspace, checks: Checks
) -> GateResult:
    """Every verdict on the load. `raw_sql` names the raw table. The checks are not asked about rows whose schema is blocked already."""
    dataset = str(table.relation)
    verdicts = [_malformed(table, load, workspace), *_schema(dataset, shape, load)]
    if load.rows == 0:
        verdicts.append(Verdict("volume", "volume", dataset, WARN, 0, 0, "delta", message="the load brings no rows"))
    if load.rows and not shape.blocked:
        verdicts += _inexact(dataset, shape, raw_sql, workspace)
        verdicts += _keys(table, load, shape, rows_sql, workspace)
        verdicts += checks(rows_sql, shape.columns).verdicts
    return GateResult(dataset, tuple(verdicts), shape.changes)


def _malformed(table: SourceTable, load: StagedLoad, workspace: Workspace) -> Verdict:
    dataset, total = str(table.relation), load.rows + load.dead
    if load.unreadable:
        first = load.unreadable[0]
        message = f"unit '{first.unit}' cannot be read: {first.reason}"
        if len(load.unreadable) > 1:
            message += f" (and {len(load.unreadable) - 1} more)"
        return Verdict("malformed", "malformed", dataset, BLOCK, len(load.unreadable), total, "delta", message=message)
    if load.dead == 0:
        return Verdict("malformed", "malformed", dataset, PASS, 0, total, "delta")
    limit = table.dead_letters_max
    over = load.dead > (limit if limit >= 1 else limit * total)
    with closing(workspace.cursor()) as cursor:
        cursor.execute(f"SELECT unit, seq, reason, left(record, 200) FROM {load.dead_sql} ORDER BY unit, seq LIMIT 10")
        sample = tuple({"unit": u, "seq": s, "reason": r, "record": t} for u, s, r, t in cursor.fetchall())
    first_seen = sample[0]
    message = (
        f"{load.dead} of {total} records are malformed, dead_letters_max is {limit:g}; "
        f"the first: {first_seen['unit']}, line {first_seen['seq']}: {first_seen['reason']}"
    )
    outcome = BLOCK if over else WARN
    return Verdict("malformed", "malformed", dataset, outcome, load.dead, total, "delta", message=message, sample=sample)


def _schema(dataset: str, shape: Shape, load: StagedLoad) -> list[Verdict]:
    if not shape.changes:
        return [Verdict("schema", "schema", dataset, PASS, 0, load.rows, "delta")]
    found = []
    for change in shape.changes:
        outcome = BLOCK if change in shape.blocked else PASS if change.kind == "type_narrowed" else WARN
        kind = change.kind.replace("_", " ")
        message = f"column '{change.column}': {kind}: {change.reason}"
        failures = 1 if outcome == BLOCK else 0
        found.append(Verdict("schema", "schema", dataset, outcome, failures, load.rows, "delta", change.column, message))
    return found


def _inexact(dataset: str, shape: Shape, raw_sql: str, workspace: Workspace) -> list[Verdict]:
    """Whole numbers that stand in raw and that a widening to DOUBLE would change."""
    found = []
    for change in shape.applied:
        if change.kind != "type_widened" or change.to_type != "DOUBLE" or change.from_type == "FLOAT":
            continue
        column = quote_ident(change.column)
        sql = f"SELECT * FROM {raw_sql} WHERE abs(CAST({column} AS DECIMAL(38,0))) > {EXACT_IN_DOUBLE}"
        with closing(workspace.cursor()) as cursor:
            cursor.execute(f"SELECT count(*) FROM ({sql})")
            row = cursor.fetchone()
        if row and row[0]:
            message = (
                f"column '{change.column}' cannot be widened from {change.from_type} to DOUBLE: {row[0]} values would change"
            )
            found.append(Verdict("schema", "schema", dataset, BLOCK, row[0], 0, "table", change.column, message, sql=sql))
    return found


def _keys(table: SourceTable, load: StagedLoad, shape: Shape, rows_sql: str, workspace: Workspace) -> list[Verdict]:
    """A declared key must be there and must not be NULL; raw may hold several versions of one key."""
    if not table.primary_key:
        return []
    dataset = str(table.relation)
    standing = {c.name.lower() for c in shape.columns}
    missing = [k for k in table.primary_key if k.lower() not in standing]
    if missing:
        message = f"declared key column '{missing[0]}' does not arrive"
        return [Verdict("primary_key", "primary_key", dataset, BLOCK, load.rows, load.rows, "delta", missing[0], message)]
    predicate = " OR ".join(f"{quote_ident(k)} IS NULL" for k in table.primary_key)
    sql = f"SELECT * FROM {rows_sql} WHERE {predicate}"
    with closing(workspace.cursor()) as cursor:
        cursor.execute(f"SELECT count(*) FROM ({sql})")
        row = cursor.fetchone()
    nulls = int(row[0]) if row else 0
    message = f"{nulls} rows have no value in key ({', '.join(table.primary_key)})" if nulls else ""
    outcome = BLOCK if nulls else PASS
    return [Verdict("primary_key", "primary_key", dataset, outcome, nulls, load.rows, "delta", None, message, sql=sql)]
