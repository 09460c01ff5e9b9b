"""`catalog.json`, version 1: the tables that stand, with their columns and types as the database has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.serve.artifacts.metadata import Call, metadata
from headgate.spec.names import Column
from headgate.spec.project import ColumnSpec, Node, Project, SourceTable

VERSION = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """A table or view that stands: its columns in order, and how many rows, where that is known."""

    columns: Sequence[Column]
    rows: int | None = None


def catalog(project: Project, standing: Mapping[str, Standing], call: Call) -> dict[str, Any]:
    """The artifact, of the nodes and sources whose relations are keys ("schema.table") of `standing`."""
    nodes = {uid: n for uid, n in project.nodes.items() if n.materialized != "ephemeral" and str(n.relation) in standing}
    sources = {uid: t for uid, t in project.sources.items() if str(t.relation) in standing}
    return {
        "metadata": metadata("catalog", VERSION, call),
        "nodes": {uid: _table(project, node, standing[str(node.relation)]) for uid, node in nodes.items()},
        "sources": {uid: _table(project, table, standing[str(table.relation)]) for uid, table in sources.items()},
        "errors": None,
    }


def _table(project: Project, thing: Node | SourceTable, found: Standing) -> dict[str, Any]:
    view = isinstance(thing, Node) and thing.materialized == "view"
    return {
        "metadata": {
            "type": "VIEW" if view else "BASE TABLE",
            "schema": thing.relation.schema,
            "name": thing.relation.name,
            "database": project.lake.name,
            "comment": thing.description or None,
            "owner": thing.owner,
        },
        "columns": {
            column.name: {
                "type": column.type,
                "index": index,
                "name": column.name,
                "comment": thing.columns.get(column.name, ColumnSpec(column.name)).description or None,
            }
            for index, column in enumerate(found.columns, 1)
        },
        "stats": _stats(found),
        "unique_id": thing.unique_id,
    }


def _stats(found: Standing) -> dict[str, Any]:
    stats: dict[str, Any] = {}
    if found.rows is not None:
        stats["num_rows"] = _stat("num_rows", "# Rows", float(found.rows), True, "How many rows the table has")
    said = "Indicates whether there are statistics for this table"
    return stats | {"has_stats": _stat("has_stats", "Has Stats?", found.rows is not None, False, said)}


def _stat(name: str, label: str, value: float | bool, include: bool, description: str) -> dict[str, Any]:
    return {"id": name, "label": label, "value": value, "include": include, "description": description}
