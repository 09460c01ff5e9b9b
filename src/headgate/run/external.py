"""Versions of tables that others fill: sources without a connector, as the lake's own snapshots tell when they changed."""

from __future__ import annotations

from headgate.ports.engine import Lake
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import Project


def external_versions(project: Project, lake: Lake) -> dict[str, str]:
    """Dataset -> version for every source table without a connector that stands in the lake."""
    snapshots = _asked(
        project,
        lake,
        "max(greatest(t.begin_snapshot, c.snapshot_id))",
        "ducklake_snapshot_changes c ON regexp_matches(c.changes_made, ':' || t.table_id || '(,|$)') AND c.snapshot_id <= {at}",
    )
    return {dataset: f"snapshot {snapshot}" for dataset, snapshot in snapshots.items()}


def external_rows(project: Project, lake: Lake) -> dict[str, int]:
    """Dataset -> rows, by the lake's statistics, for the same tables."""
    return _asked(project, lake, "max(coalesce(c.record_count, 0))", "ducklake_table_stats c ON c.table_id = t.table_id")


def _asked(project: Project, lake: Lake, value: str, joined: str) -> dict[str, int]:
    """`value` of each such table, from the catalog's own tables with `joined` beside them, as of the lake's snapshot (`{at}` in `joined`)."""
    wanted = [t.relation for t in project.sources.values() if not t.connector]
    standing = [r for r in wanted if str(r) in lake.relations()]
    if not standing:
        return {}
    metadata = quote_ident("__ducklake_metadata_" + lake.name)
    listed = ", ".join(f"({quote_literal(r.schema)}, {quote_literal(r.name)})" for r in standing)
    at = int(lake.snapshot())
    there = " AND ".join(f"{of}.begin_snapshot <= {at} AND coalesce({of}.end_snapshot, {at + 1}) > {at}" for of in ("t", "s"))
    cursor = lake.cursor()
    try:
        rows = cursor.execute(
            f"SELECT s.schema_name, t.table_name, {value} FROM {metadata}.ducklake_table t "
            f"JOIN {metadata}.ducklake_schema s USING (schema_id) LEFT JOIN {metadata}.{joined.format(at=at)} "
            f"WHERE {there} AND (s.schema_name, t.table_name) IN ({listed}) GROUP BY ALL"
        ).fetchall()
    finally:
        cursor.close()
    return {f"{schema}.{table}": int(found) for schema, table, found in rows}
