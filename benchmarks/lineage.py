"""Column lineage of a project: cold, from the cache, after one edit, and impact queries; against one call per column.

The naive way is `sqlglot.lineage` once per output column, as its documentation shows; it runs on a part of the models and is
scaled. All figures are of one process; the project is generated, 500 models of twelve columns, in a temporary folder.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlglot
from benchmarks.generate_models import RAW, RAW_SCHEMA, write
from jinja2.sandbox import SandboxedEnvironment
from sqlglot import exp
from sqlglot.lineage import lineage as sqlglot_lineage

from headgate.lineage.build import build
from headgate.lineage.change import classify
from headgate.lineage.project import LineageGraph

MODELS, NAIVE_MODELS = 500, 60


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def _render(folder: Path) -> dict[str, str]:
    environment = SandboxedEnvironment()
    words = {"ref": lambda n: f"marts.{n}", "source": lambda s, t: f"{s}.{t}", "config": lambda **_: ""}
    return {
        f"marts.{path.stem}": environment.from_string(path.read_text()).render(**words)
        for path in sorted((folder / "models").glob("*.sql"))
    }


def naive(models: Mapping[str, str], graph: LineageGraph) -> set[tuple[str, str, str, str]]:
    """The edges (model, column, source relation, source column) that `sqlglot.lineage` finds, one call per column."""
    edges = set()
    for name, sql in models.items():
        schema: dict[str, dict[str, dict[str, str]]] = {}
        for source in graph.lineage(name).inputs:
            layer, table = source.relation.split(".")
            known = graph.schema(source.relation) or {}
            schema.setdefault(layer, {})[table] = {c: kind or "unknown" for c, kind in known.items()}
        for column in sqlglot.parse_one(sql, dialect="duckdb").named_selects:
            for node in sqlglot_lineage(column, sql, schema=schema, dialect="duckdb").walk():
                if not node.downstream and isinstance(node.source, exp.Table):
                    relation = f"{node.source.db}.{node.source.name}"
                    edges.add((name, column, relation, node.name.rpartition(".")[2].strip('"')))
    return edges


def edges_of(graph: LineageGraph, names: Mapping[str, str]) -> set[tuple[str, str, str, str]]:
    """The same edges as the graph has them."""
    return {
        (name, column.name, source.relation, source.column)
        for name in names
        for column in graph.lineage(name).columns
        for source in column.sources
    }


def run() -> dict[str, Any]:
    """Measure; seconds of wall and of CPU, ratios to the naive way, and the agreement with it."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), MODELS)
        models, render_s, _ = _timed(lambda: _render(Path(folder)))
    schemas = {RAW: RAW_SCHEMA}
    graph, cold_s, cold_cpu = _timed(lambda: build(models, schemas))
    text, save_s, _ = _timed(graph.to_json)
    loaded, load_s, _ = _timed(lambda: LineageGraph.from_json(text))
    stale, stale_s, _ = _timed(lambda: loaded.stale(models, schemas))
    edited = "marts.m0012"  # much of the project hangs on it
    changed = {**models, edited: models[edited] + "\nwhere 1 = 1"}
    _, edit_s, edit_cpu = _timed(lambda: build(changed, schemas, known=loaded))
    _, classify_s, _ = _timed(lambda: classify(models[edited], changed[edited], _inputs(loaded, edited)))
    fresh = LineageGraph.from_json(text)
    assert fresh is not None
    down, impact_first_s, _ = _timed(lambda: fresh.downstream_columns((RAW, "amount")))
    _, impact_s, _ = _timed(lambda: fresh.downstream_columns((RAW, "amount")))
    some = dict(list(models.items())[:NAIVE_MODELS])
    theirs, naive_s, naive_cpu = _timed(lambda: naive(some, graph))
    naive_all_s, naive_all_cpu = naive_s * MODELS / NAIVE_MODELS, naive_cpu * MODELS / NAIVE_MODELS
    return {
        "models": MODELS,
        "columns": sum(len(graph.lineage(n).columns) for n in graph.models),
        "column_edges": sum(len({s[2:] for s in e}) for e in _per_column(edges_of(graph, models)).values()),
        "render_s": render_s,
        "cold_s": cold_s,
        "cold_cpu_s": cold_cpu,
        "save_s": save_s,
        "load_s": load_s,
        "cache_bytes": len(text),
        "stale_check_s": stale_s,
        "stale": len(stale),
        "after_edit_s": edit_s,
        "after_edit_cpu_s": edit_cpu,
        "classify_s": classify_s,
        "impact_first_s": impact_first_s,
        "impact_s": impact_s,
        "impact_columns": len(down),
        "naive_s_scaled": naive_all_s,
        "naive_cpu_s_scaled": naive_all_cpu,
        "ratio_to_naive": cold_s / naive_all_s,
        "edges_equal_to_naive": edges_of(graph, some) == theirs,
    }


def _per_column(edges: set[tuple[str, str, str, str]]) -> dict[tuple[str, str], set[tuple[str, str, str, str]]]:
    out: dict[tuple[str, str], set[tuple[str, str, str, str]]] = {}
    for edge in edges:
        out.setdefault(edge[:2], set()).add(edge)
    return out


def _inputs(graph: LineageGraph, name: str) -> dict[str, dict[str, str]]:
    return {
        i.relation: {c: kind or "" for c, kind in (graph.schema(i.relation) or {}).items()} for i in graph.lineage(name).inputs
    }


if __name__ == "__main__":
    for key, value in run().items():
        sys.stdout.write(f"{key:>22}  {value:.4f}\n" if isinstance(value, float) else f"{key:>22}  {value}\n")
