"""`semantic_manifest.json`: semantic models, metrics and saved queries alone, as the semantic layer's tools read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DSI = {"major_version": "0", "minor_version": "9", "patch_version": "0"}
_GRAPH = frozenset((
    "resource_type", "package_name", "path", "original_file_path", "unique_id", "fqn", "depends_on", "refs", "sources", "metrics",
    "created_at", "unrendered_config", "group", "model", "meta",
))  # fmt: skip


def semantic_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The semantic part of a manifest (what `manifest.manifest` gives)."""
    return {
        "semantic_models": [_semantic_model(m) for m in manifest["semantic_models"].values()],
        "metrics": [_metric(m) for m in manifest["metrics"].values()],
        "project_configuration": {
            "time_spine_table_configurations": [],
            "metadata": None,
            "dsi_package_version": dict(_DSI),
            "time_spines": [_time_spine(n) for n in manifest["nodes"].values() if n.get("time_spine")],
        },
        "saved_queries": [_saved_query(q) for q in manifest["saved_queries"].values()],
    }


def _without_graph(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _GRAPH}


def _meta(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"meta": (entry.get("config") or {}).get("meta") or {}}


def _semantic_model(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = _without_graph(entry) | {"config": _meta(entry)}
    for part in ("entities", "measures", "dimensions"):
        found[part] = [{"metadata": None, **item} for item in found[part]]
    return found


def _metric(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = _without_graph(entry) | {"config": _meta(entry)}
    found.pop("tags", None)
    params = {key: value for key, value in found["type_params"].items() if key != "metric_aggregation_params"}
    if params["cumulative_type_params"]:
        params["cumulative_type_params"] = {k: v for k, v in params["cumulative_type_params"].items() if k != "metric"}
    return found | {"type_params": params}


def _saved_query(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in _without_graph(entry).items() if key != "config"}
    keys = ("export_as", "schema_name", "alias")
    found["exports"] = [{"name": e["name"], "config": {k: e["config"][k] for k in keys}} for e in found["exports"]]
    return found


def _time_spine(node: Mapping[str, Any]) -> dict[str, Any]:
    spine = node["time_spine"]
    name = spine.get("standard_granularity_column")
    column = node["columns"].get(name) or {}
    return {
        "node_relation": {
            "alias": node["alias"],
            "schema_name": node["schema"],
            "database": node["database"],
            "relation_name": node["relation_name"],
        },
        "primary_column": {"name": name, "time_granularity": column.get("granularity") or "day"},
        "custom_granularities": [{"column_name": None, **g} for g in spine.get("custom_granularities") or ()],
    }
