"""Semantic models, metrics and saved queries in dbt's shapes: what was written short is spelled out, with every key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headgate.serve.artifacts.frame import Frame, named
from headgate.serve.artifacts.nodes import depends_on, ref
from headgate.spec.declared import Resource
from headgate.spec.names import Relation
from headgate.spec.project import Node

_WINDOW_UNITS = (
    "nanosecond",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
)


def semantic_model_entry(frame: Frame, model: Resource) -> dict[str, Any]:
    """A semantic model."""
    said = model.said
    node = next((frame.project.nodes[uid] for uid in model.depends_on if uid in frame.project.nodes), None)
    return {
        **named(model.unique_id, "semantic_model", model.name, model.package, model.path),
        "fqn": list(model.fqn),
        "model": str(said.get("model") or ""),
        "node_relation": node_relation(frame, node) if node else None,
        "description": said.get("description"),
        "label": said.get("label"),
        "defaults": {"agg_time_dimension": None, **said["defaults"]} if isinstance(said.get("defaults"), Mapping) else None,
        "entities": [_entity(e) for e in _items(said, "entities")],
        "measures": [_measure(m) for m in _items(said, "measures")],
        "dimensions": [_dimension(d) for d in _items(said, "dimensions")],
        "metadata": None,
        "depends_on": depends_on(model.depends_on, ()),
        "refs": [ref(None, node.name, node.version)] if node else [],
        "created_at": frame.created_at,
        "config": {"enabled": True, "group": None, "meta": {}, **model.config},
        "unrendered_config": dict(model.config),
        "primary_entity": said.get("primary_entity"),
        "group": model.config.get("group"),
    }


def node_relation(frame: Frame, node: Node) -> dict[str, Any]:
    """Where a node stands, in the semantic layer's words."""
    return {
        "alias": node.relation.name,
        "schema_name": node.relation.schema,
        "database": frame.database,
        "relation_name": frame.relation(Relation(node.relation.schema, node.relation.name)),
    }


def _element(said: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    config = said.get("config")
    return {
        "name": said.get("name"),
        **{key: said.get(key) for key in ("description", "label", *keys)},
        "config": {"meta": {}, **(config if isinstance(config, Mapping) else {})},
    }


def _entity(said: Mapping[str, Any]) -> dict[str, Any]:
    return _element(said, "type", "role", "expr")


def _measure(said: Mapping[str, Any]) -> dict[str, Any]:
    found = _element(said, "agg", "expr", "agg_time_dimension")
    found["create_metric"] = False  # dbt has made the metric by now
    found["expr"] = None if said.get("expr") is None else str(said["expr"])
    params, additive = said.get("agg_params"), said.get("non_additive_dimension")
    default = {"percentile": None, "use_discrete_percentile": False, "use_approximate_percentile": False}
    found["agg_params"] = {**default, **params} if isinstance(params, Mapping) else None
    found["non_additive_dimension"] = (
        {"window_choice": "min", "window_groupings": [], **additive} if isinstance(additive, Mapping) else None
    )
    return found


def _dimension(said: Mapping[str, Any]) -> dict[str, Any]:
    found = _element(said, "type", "expr")
    found["expr"] = None if said.get("expr") is None else str(said["expr"])
    params = said.get("type_params")
    if isinstance(params, Mapping):
        validity = params.get("validity_params")
        params = {
            **params,
            "validity_params": {"is_start": False, "is_end": False, **validity} if isinstance(validity, Mapping) else None,
        }
    return found | {"is_partition": bool(said.get("is_partition", False)), "type_params": params, "metadata": None}


class Metrics:
    """The metrics of a project; the measures that each stands on are looked up through the others."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._known = {r.name: r for r in frame.project.resources.values() if r.resource_type == "metric"}

    def entries(self) -> dict[str, dict[str, Any]]:
        """All of them by unique id."""
        ordered = sorted(self._known.values(), key=_created)  # those of measures come last, as with dbt
        return {r.unique_id: self._entry(r) for r in ordered}

    def _entry(self, metric: Resource) -> dict[str, Any]:
        said = metric.said
        created = _created(metric)
        description = metric.description or (f"Metric created from measure {metric.name}" if created else "")
        params = _params(said.get("type_params"))
        if said.get("type") == "cumulative":
            params["cumulative_type_params"] = _cumulative(said["type_params"])
        params["input_measures"] = self._measures(metric, ())
        if created:
            params["expr"] = metric.name
        return {
            **named(metric.unique_id, "metric", metric.name, metric.package, metric.path),
            "fqn": list(metric.fqn),
            "description": description,
            "label": str(said.get("label") or metric.name),
            "type": str(said.get("type") or "simple"),
            "type_params": params,
            "filter": where(said.get("filter")),
            "metadata": None,
            "time_granularity": said.get("time_granularity"),
            "meta": dict(metric.meta),
            "tags": list(_texts(said.get("tags"))),
            "config": {"enabled": True, "group": None, **metric.config, "meta": dict(metric.meta)},
            "unrendered_config": dict(metric.config),
            "sources": [],
            "depends_on": depends_on(metric.depends_on, ()),
            "refs": [],
            "metrics": [],
            "created_at": self.frame.created_at,
            "group": metric.config.get("group"),
        }

    def _measures(self, metric: Resource, above: Sequence[str]) -> list[dict[str, Any]]:
        """The measures that a metric is computed from in the end."""
        params = metric.said.get("type_params")
        if not isinstance(params, Mapping) or metric.name in above:
            return []
        found: list[dict[str, Any]] = []
        conversion = params.get("conversion_type_params")
        inner = conversion if isinstance(conversion, Mapping) else {}
        for measure in (params.get("measure"), inner.get("base_measure"), inner.get("conversion_measure")):
            found += [_input_measure(measure)] if measure else []
        cumulative = params.get("cumulative_type_params")
        inputs = [params.get("numerator"), params.get("denominator"), *(params.get("metrics") or ())]
        inputs += [cumulative.get("metric")] if isinstance(cumulative, Mapping) else []
        for needed in inputs:
            name = needed.get("name") if isinstance(needed, Mapping) else needed
            if name in self._known:
                found += self._measures(self._known[str(name)], (*above, metric.name))
        return [m for at, m in enumerate(found) if m not in found[:at]]


def _created(metric: Resource) -> bool:
    """Whether a measure's `create_metric` has made it."""
    return set(metric.said) == {"name", "label", "type", "type_params"} and metric.said["type_params"] == {"measure": metric.name}


def _params(said: Any) -> dict[str, Any]:
    given: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    return {
        "measure": _input_measure(given["measure"]) if given.get("measure") else None,
        "input_measures": [],
        "numerator": _input_metric(given["numerator"]) if given.get("numerator") else None,
        "denominator": _input_metric(given["denominator"]) if given.get("denominator") else None,
        "expr": None if given.get("expr") is None else str(given["expr"]),
        "window": _window(given.get("window")),
        "grain_to_date": given.get("grain_to_date"),
        "metrics": [_input_metric(m) for m in given.get("metrics") or ()],
        "conversion_type_params": _conversion(given.get("conversion_type_params")),
        "cumulative_type_params": None,
        "metric_aggregation_params": None,
    }


def _input_measure(said: Any) -> dict[str, Any]:
    given = said if isinstance(said, Mapping) else {"name": said}
    return {
        "name": given.get("name"),
        "filter": where(given.get("filter")),
        "alias": given.get("alias"),
        "join_to_timespine": bool(given.get("join_to_timespine", False)),
        "fill_nulls_with": given.get("fill_nulls_with"),
    }


def _input_metric(said: Any) -> dict[str, Any]:
    given = said if isinstance(said, Mapping) else {"name": said}
    return {
        "name": given.get("name"),
        "filter": where(given.get("filter")),
        "alias": given.get("alias"),
        "offset_window": _window(given.get("offset_window")),
        "offset_to_grain": given.get("offset_to_grain"),
    }


def _window(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, str) or len(said.split()) != 2:
        return None
    count, unit = said.lower().split()
    singular = unit.removesuffix("s")
    return {"count": int(count) if count.isdigit() else count, "granularity": singular if singular in _WINDOW_UNITS else unit}


def _cumulative(params: Mapping[str, Any]) -> dict[str, Any]:
    """How a metric adds up over time; the older spelling has it one level up."""
    found = params.get("cumulative_type_params")
    said: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    return {
        "window": _window(said.get("window") or params.get("window")),
        "grain_to_date": said.get("grain_to_date") or params.get("grain_to_date"),
        "period_agg": said.get("period_agg") or "first",
        "metric": _input_metric(said["metric"]) if said.get("metric") else None,
    }


def _conversion(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, Mapping):
        return None
    return {
        "base_measure": _input_measure(said.get("base_measure")),
        "conversion_measure": _input_measure(said.get("conversion_measure")),
        "entity": said.get("entity"),
        "calculation": said.get("calculation") or "conversion_rate",
        "window": _window(said.get("window")),
        "constant_properties": said.get("constant_properties"),
    }


def saved_query_entry(frame: Frame, query: Resource) -> dict[str, Any]:
    """A saved query."""
    said = query.said
    params = said.get("query_params")
    given: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
    default = {"enabled": True, "group": None, "meta": {}, "export_as": None, "schema": None, "cache": {"enabled": False}}
    return {
        **named(query.unique_id, "saved_query", query.name, query.package, query.path),
        "fqn": list(query.fqn),
        "query_params": {
            "metrics": list(given.get("metrics") or ()),
            "group_by": list(given.get("group_by") or ()),
            "where": where(given.get("where")),
            "order_by": list(given.get("order_by") or ()),
            "limit": given.get("limit"),
        },
        "exports": [_export(frame, e) for e in _items(said, "exports")],
        "description": said.get("description"),
        "label": said.get("label"),
        "metadata": None,
        "config": {**default, **query.config},
        "unrendered_config": dict(query.config),
        "group": query.config.get("group"),
        "depends_on": depends_on(query.depends_on, ()),
        "created_at": frame.created_at,
        "refs": [],
        "tags": list(query.tags),
    }


def _export(frame: Frame, said: Mapping[str, Any]) -> dict[str, Any]:
    config = said.get("config")
    given: Mapping[str, Any] = config if isinstance(config, Mapping) else {}
    return {
        "name": said.get("name"),
        "config": {
            "export_as": given.get("export_as") or "table",
            "schema_name": given.get("schema") or given.get("schema_name") or frame.schema,
            "alias": given.get("alias") or said.get("name"),
            "database": given.get("database") or frame.database,
        },
        "unrendered_config": dict(given),
    }


def where(said: Any) -> dict[str, Any] | None:
    """Filters of the semantic layer."""
    texts = [said] if isinstance(said, str) else [t for t in said if isinstance(t, str)] if isinstance(said, list | tuple) else []
    return {"where_filters": [{"where_sql_template": text} for text in texts]} if texts else None


def _items(said: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    found = said.get(key)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []


def _texts(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
