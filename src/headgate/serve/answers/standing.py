"""What stands: every declared table and view with the columns that the database has."""

from __future__ import annotations

from headgate.run.session import Session
from headgate.serve.artifacts.catalog import Standing
from headgate.spec.names import Relation


def standing(session: Session) -> dict[str, Standing]:
    """Dataset -> columns in order and rows, of everything declared that stands."""
    project = session.project
    nodes = [n.relation for n in project.nodes.values() if n.materialized != "ephemeral"]
    kept = [Relation(*c.failures_table.split(".", 1)) for c in project.checks.values() if c.failures_table]
    recorded = session.recorded().datasets
    found = {}
    with session.still() as still:
        there = still.lake.relations()
        for relation in (*nodes, *kept, *(t.relation for t in project.sources.values())):
            columns = still.lake.columns(relation) if str(relation) in there else None
            if columns is not None:
                known = recorded.get(str(relation))
                rows = known.rows if known is not None and there[str(relation)] == "table" else None
                found[str(relation)] = Standing(columns, rows)
    return found
