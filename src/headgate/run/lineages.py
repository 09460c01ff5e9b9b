"""The project's column lineage, kept in a cache file: an edit costs one model, a question nothing but the look-up."""

from __future__ import annotations

from pathlib import Path

from headgate.lineage.project import LineageGraph
from headgate.ports.engine import Lake
from headgate.spec.project import Project


def lineage_graph(project: Project, lake: Lake) -> LineageGraph:
    """The lineage graph of every SQL node; schemas of raw tables come from the lake, else from the declared columns."""
    cache = Path(project.root) / ".headgate" / "cache" / f"lineage-{project.environment}.json"
    models = {n.relation.sql(lake.name): n.canonical_sql for n in project.nodes.values() if n.canonical_sql}
    schemas = _schemas(project, lake)
    known = LineageGraph.from_json(cache.read_text(encoding="utf-8")) if cache.exists() else None
    if known is not None and not known.stale(models, schemas):
        return known
    from headgate.lineage.build import build

    graph = build(models, schemas, known=known)
    cache.parent.mkdir(parents=True, exist_ok=True)
    fresh = cache.with_suffix(".new")
    fresh.write_text(graph.to_json(), encoding="utf-8")
    fresh.replace(cache)
    return graph


def _schemas(project: Project, lake: Lake) -> dict[str, dict[str, str | None]]:
    """Columns of everything that no SQL node makes: sources, seeds, Python models."""
    outside = [(s.relation, s.columns) for s in project.sources.values()]
    outside += [(n.relation, n.columns) for n in project.nodes.values() if not n.canonical_sql]
    schemas: dict[str, dict[str, str | None]] = {}
    for relation, declared in outside:
        actual = lake.columns(relation)
        if actual is not None:
            schemas[relation.sql(lake.name)] = {c.name: c.type for c in actual}
        elif declared:
            schemas[relation.sql(lake.name)] = {**{c.name: c.data_type for c in declared.values()}, "*": None}
    return schemas
