"""What looks and changes nothing: plans, queries, checks of what is published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import count
from typing import TYPE_CHECKING, Any

import duckdb

from headgate.gate.weigh import Subject, weigh
from headgate.plan import make
from headgate.ports.engine import Lake
from headgate.publish.restore import require_history
from headgate.publish.snapshots import snapshot_at
from headgate.run.building import current_views, gate_tools
from headgate.run.external import external_versions
from headgate.run.gating import checks_of
from headgate.run.readers import held
from headgate.run.running import stateful_columns
from headgate.spec.clock import now_iso
from headgate.spec.errors import EngineFailed, UsageError
from headgate.spec.project import Node, SourceTable
from headgate.spec.steps import Plan
from headgate.spec.verdicts import GateResult

if TYPE_CHECKING:
    import pyarrow as pa

    from headgate.run.session import Session

_MISSING = re.compile(r'Table with name "?([^"\s]+?)"? does not exist')


def plan(
    session: Session, selected: Sequence[str], full_refresh: bool, interval_from: str | None, interval_to: str | None
) -> Plan:
    """The plan of a run."""
    return make(
        session.project,
        session.recorded(),
        selected=[uid for uid in selected if uid in session.project.nodes or uid in session.project.sources],
        full_refresh=full_refresh,
        interval_from=interval_from,
        interval_to=interval_to,
        now=now_iso(),
        external=external_versions(session.project, session.lake),
        actual=stateful_columns(session.project, session.lake),
    )


def query(lake: Lake, sql: str) -> pa.Table:
    """One reading statement as an Arrow table; a second column of a name is called `name_1`. Raises UsageError for a statement that writes,
    or does not run."""
    text = sql.strip().rstrip(";")
    cursor: Any = lake.cursor()
    try:
        statements = cursor.extract_statements(text)
        if len(statements) != 1:
            raise UsageError(
                f"there are {len(statements)} statements",
                expected="one SELECT",
                todo='for example: headgate query "select 1 as one"',
            )
        if statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(
                "the statement does not read", expected="one SELECT", todo="tables change through runs alone: headgate run"
            )
        return _each_name_once(cursor.execute(text).to_arrow_table())
    except duckdb.Error as error:
        raise _not_run(lake, error) from error
    finally:
        cursor.close()


def _each_name_once(table: pa.Table) -> pa.Table:
    names: list[str] = []
    for name in table.column_names:
        others = (f"{name}_{number}" for number in count(1))
        names.append(name if name not in names else next(other for other in others if other not in names))
    return table if names == table.column_names else table.rename_columns(names)


def _not_run(lake: Lake, error: duckdb.Error) -> UsageError:
    """What is wrong with a query; for a table that does not exist the nearest of those that do."""
    missing = _MISSING.search(str(error))
    if missing is None:
        return UsageError(
            f"the query does not run: {error}", todo="see the tables: headgate ls; their columns: headgate show TABLE"
        )
    name = missing[1]
    by_spelling = {s: n for n in lake.relations() if not n.startswith("headgate.") for s in (n, n.rpartition(".")[2])}
    near = dict.fromkeys(by_spelling[s] for s in get_close_matches(name, by_spelling, n=4))
    return UsageError(
        f"there is no table '{name}' to query",
        expected="one of " + ", ".join(near) if near else "schema.table of a published table",
        todo="see the tables: headgate ls",
    )


def query_at(session: Session, sql: str, at: str) -> pa.Table:
    """`query` of the lake as it was at a snapshot or time, views included; expiry leaves that snapshot alone meanwhile (LAKE.md 12)."""
    require_history(session.lake, "an earlier time cannot be queried")
    snapshot = snapshot_at(session.lake, at)
    with held(session.state, session.lake, snapshot), session.still(snapshot) as still:
        return query(still.lake, sql)


def check(session: Session, target: str) -> GateResult:
    """Weigh the published rows of `target` (a name that `select` understands, or schema.table) against all of its checks."""
    project = session.project
    every: list[Node | SourceTable] = [*project.nodes.values(), *project.sources.values()]
    found = [i for i in every if target in (str(i.relation), i.name, i.unique_id)]
    if not found:
        raise UsageError(
            f"there is no table '{target}'",
            expected="a model's name, schema.table or source.table",
            todo="see the names: headgate ls",
        )
    item = found[0]
    columns = session.lake.columns(item.relation)
    if columns is None:
        raise UsageError(f"{item.relation} is not built yet", todo=f"run: headgate run {item.name}")
    with session.context("check") as ctx:
        workspace = ctx.lake.workspace(ctx.run_id)
        cursor = workspace.cursor()
        try:
            published = current_views(ctx)(item.unique_id) or item.relation.sql(ctx.lake.name)
            masked = frozenset(n for n, c in item.columns.items() if c.classification)
            subject = Subject(str(item.relation), columns, published, published, masked=masked)
            result = weigh(subject, checks_of(project, item.unique_id), gate_tools(ctx, workspace, cursor))
        except duckdb.Error as error:
            raise EngineFailed(f"{item.relation} cannot be weighed: {error}") from error
        finally:
            cursor.close()
            workspace.discard()
        ctx.state.save_verdicts(ctx.run_id, result.verdicts)
        ctx.state.finish_run(ctx.run_id, "blocked" if result.outcome == "block" else "done")
        return result
