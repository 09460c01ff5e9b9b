"""Keep the failing rows of checks that ask for it (dbt's `store_failures`), as they were when the gate weighed them.

They stand in tables of their own, replaced whenever the check is weighed again: evidence for whoever mends the data, no dataset of the
project. A table that the gate has blocked is not published by this; nobody reads its failing rows but here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from headgate.ports.engine import Lake, Workspace
from headgate.run.context import RunContext
from headgate.spec.errors import HeadgateError
from headgate.spec.names import Relation, quote_ident
from headgate.spec.project import CheckSpec, Project
from headgate.spec.verdicts import Verdict

MASK = "[masked]"


def keep_failures(ctx: RunContext, workspace: Workspace, verdicts: Iterable[Verdict]) -> None:
    """Replace the failures' table of every check among `verdicts` that has one, all in one commit.

    Called before anything is published: a verdict's statement reads what stands now. What cannot be kept is told as an event and changes
    no verdict.
    """
    wanted = {v.check: v for v in verdicts if v.check in ctx.project.checks and ctx.project.checks[v.check].failures_table}
    staged: dict[Relation, str] = {}
    for verdict in wanted.values():
        spec = ctx.project.checks[verdict.check]
        relation = Relation.parse(str(spec.failures_table))
        try:
            rows = _masked(
                workspace,
                verdict.sql if spec.limit is None else f"SELECT * FROM ({verdict.sql}) LIMIT {spec.limit}",
                spec,
                ctx.project,
            )
            _, _, staged[relation], _ = workspace.stage_query(relation, rows)
        except (HeadgateError, duckdb.Error) as error:
            ctx.emit("failures.not_kept", dataset=str(relation), status="failed", reason=str(error), data={"check": spec.name})
    if staged:
        try:
            _write(ctx.lake, ctx.run_id, staged)
        except HeadgateError as error:
            ctx.emit("failures.not_kept", status="failed", reason=str(error))


def _masked(workspace: Workspace, sql: str, spec: CheckSpec, project: Project) -> str:
    """`sql` with the values of classified columns blackened: personal data gets no second home."""
    hidden = _classified(spec, project)
    if not hidden:
        return sql
    cursor = workspace.cursor()
    try:
        names = [str(row[0]) for row in cursor.execute(f"DESCRIBE {sql}").fetchall()]
    finally:
        cursor.close()
    black = ", ".join(f"'{MASK}' AS {quote_ident(n)}" for n in names if n.lower() in hidden)
    return f"SELECT * REPLACE ({black}) FROM ({sql})" if black else sql


def _classified(spec: CheckSpec, project: Project) -> set[str]:
    """The classified columns of every table that the check reads."""
    read = [uid for uid in (spec.attached_to, *spec.depends_on) if uid]
    columns = [
        (project.nodes.get(uid) or project.sources[uid]).columns for uid in read if uid in project.nodes or uid in project.sources
    ]
    return {name.lower() for found in columns for name, column in found.items() if column.classification}


def _write(lake: Lake, run_id: str, staged: Mapping[Relation, str]) -> None:
    with lake.transaction([str(r) for r in staged], author=run_id, message="failing rows of checks") as cursor:
        for schema in sorted({r.schema for r in staged}):
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_ident(lake.name)}.{quote_ident(schema)}")
        for relation, rows in staged.items():
            cursor.execute(f"CREATE OR REPLACE TABLE {relation.sql(lake.name)} AS SELECT * FROM {rows}")
