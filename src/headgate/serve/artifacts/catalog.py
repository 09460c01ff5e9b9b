"""`catalog.json`, version 1: the tables that stand, with their columns and types as the database has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.serve.artifacts.metadata import Call, metadata
from headgate.spec.names import Column, Relation
from headgate.spec.project import Node, Project

VERSION = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """A table or view that stands: its columns in order, and how many rows, where that is known."""

    columns: Sequence[Column]
    rows: int | None = None


def catalog(project: Project, standing: Mapping[str, Standing], call: Call) -> dict[str, Any]:
    """The artifact, of everything whose relation is a key ("schema.table") of `standing`: nodes, sources, and tests that keep failing rows."""
    nodes = {uid: _node(project, node) for uid, node in project.nodes.items() if node.materialized != "ephemeral"}
    nodes |= {uid: _kept(check.failures_table) for uid, check in project.checks.items() if check.failures_table}
    sources = {uid: _place(table.relation, "BASE TABLE") for uid, table in project.sources.items()}
    return {
        "metadata": metadata("catalog", VERSION, call),
        "nodes": _tables(project, nodes, standing),
        "sources": _tables(project, sources, standing),
        "errors": None,
    }


def _tables(project: Project, places: Mapping[str, dict[str, Any]], standing: Mapping[str, Standing]) -> dict[str, Any]:
    found = {}
    for unique_id, place in places.items():
        stands = standing.get(f"{place['schema']}.{place['name']}")
        if stands is not None:
            node = project.nodes.get(unique_id)
            found[unique_id] = {
                "metadata": {**place, "database": project.lake.name},
                "columns": {c.name: _column(c, index, node) for index, c in enumerate(stands.columns, 1)},
                "stats": _stats(stands),
                "unique_id": unique_id,
            }
    return found


def _node(project: Project, node: Node) -> dict[str, Any]:
    place = _place(node.relation, "VIEW" if node.materialized == "view" else "BASE TABLE")
    return place | {"comment": node.description or None, "owner": node.owner}


def _kept(failures_table: str) -> dict[str, Any]:
    return _place(Relation(*failures_table.split(".", 1)), "BASE TABLE")


def _place(relation: Relation, kind: str) -> dict[str, Any]:
    return {"type": kind, "schema": relation.schema, "name": relation.name, "comment": None, "owner": None}


def _column(column: Column, index: int, node: Node | None) -> dict[str, Any]:
    said = node.columns.get(column.name) if node is not None and _persisted(node) else None
    return {"type": column.type, "index": index, "name": column.name, "comment": (said.description or None) if said else None}


def _persisted(node: Node) -> bool:
    """Whether the descriptions of columns are written into the database."""
    docs = node.config.get("persist_docs")
    return isinstance(docs, Mapping) and docs.get("columns") is True


def _stats(found: Standing) -> dict[str, Any]:
    stats: dict[str, Any] = {}
    if found.rows is not None:
        stats["num_rows"] = _stat("num_rows", "# Rows", float(found.rows), True, "How many rows the table has")
    said = "Indicates whether there are statistics for this table"
    return stats | {"has_stats": _stat("has_stats", "Has Stats?", found.rows is not None, False, said)}


def _stat(name: str, label: str, value: float | bool, include: bool, description: str) -> dict[str, Any]:
    return {"id": name, "label": label, "value": value, "include": include, "description": description}
