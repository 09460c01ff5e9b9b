"""Versions of tables that others fill: sources without a connector, as the lake's own snapshots tell when they changed."""

from __future__ import annotations

from headgate.ports.engine import Lake
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import Project


def external_versions(project: Project, lake: Lake) -> dict[str, str]:
    """Dataset -> version for every source table without a connector that stands in the lake; "" versions are left out."""
    wanted = [t.relation for t in project.sources.values() if not t.connector]
    standing = [r for r in wanted if str(r) in lake.relations()]
    if not standing:
        return {}
    metadata = quote_ident("__ducklake_metadata_" + lake.name)
    listed = ", ".join(f"({quote_literal(r.schema)}, {quote_literal(r.name)})" for r in standing)
    cursor = lake.cursor()
    try:
        rows = cursor.execute(
            f"""
SELECT s.schema_name, t.table_name, max(greatest(t.begin_snapshot, c.snapshot_id))
FROM {metadata}.ducklake_table t JOIN {metadata}.ducklake_schema s USING (schema_id)
LEFT JOIN {metadata}.ducklake_snapshot_changes c ON regexp_matches(c.changes_made, ':' || t.table_id || '(,|$)')
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND (s.schema_name, t.table_name) IN ({listed}) GROUP BY ALL"""
        ).fetchall()
    finally:
        cursor.close()
    return {f"{schema}.{table}": f"snapshot {snapshot}" for schema, table, snapshot in rows}
