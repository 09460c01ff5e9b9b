"""dbt's `graph` and `model`: the project as templates may walk it, in dbt's shapes. Each part is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from headgate.spec.declared import Constraint, Resource
from headgate.spec.names import Relation
from headgate.spec.project import CheckSpec, ColumnSpec, Exposure, Node, Project, SourceTable
from headgate.spec.staged import Interval


class Graph(dict[str, Any]):
    """`graph`: `nodes`, `sources`, `exposures`, `metrics`, `groups`, … by unique id. Packages keep things of their own in it during a run."""

    def __init__(self, project: Project, database: str) -> None:
        super().__init__()
        self._project, self._database = project, database

    def __missing__(self, key: str) -> dict[str, Any]:
        if key not in _PARTS:
            raise KeyError(key)
        made = _PARTS[key](self._project, self._database)
        self[key] = made
        return made

    def __contains__(self, key: object) -> bool:
        return key in _PARTS or super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The part, or `default`."""
        if key not in self:
            return default
        return self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The part; `default` becomes it where there is none."""
        return self[key] if key in self else super().setdefault(key, default)

    def _whole(self) -> Graph:
        for part in _PARTS:
            self[part]
        return self

    def __iter__(self) -> Iterator[str]:
        self._whole()
        return super().__iter__()

    def __len__(self) -> int:
        self._whole()
        return super().__len__()

    def keys(self) -> Any:
        """The names of all parts."""
        return dict.keys(self._whole())

    def values(self) -> Any:
        """All parts."""
        return dict.values(self._whole())

    def items(self) -> Any:
        """All parts with their names."""
        return dict.items(self._whole())


def model_of(node: Node, interval: Interval | None, database: str) -> dict[str, Any]:
    """dbt's `model` dictionary; with `batch` for an interval."""
    model = node_of(node, database)
    model["batch"] = None
    if interval is not None:
        model["batch"] = {
            "id": _batch_id(interval, node.config),
            "event_time_start": datetime.fromisoformat(interval.start).replace(tzinfo=UTC),
            "event_time_end": datetime.fromisoformat(interval.end).replace(tzinfo=UTC),
        }
    return model


def _batch_id(interval: Interval, config: Mapping[str, Any]) -> str:
    """dbt's name of a batch: its begin to the precision of its size."""
    digits = {"year": 4, "month": 7, "day": 10}.get(str(config.get("batch_size")), 13)
    return interval.start[:digits].replace("-", "").replace("T", "")


def node_of(node: Node, database: str) -> dict[str, Any]:
    """A model, seed or snapshot."""
    return {
        **_named(node.unique_id, node.resource_type, node.name, node.package, node.path, node.fqn),
        **_stands(node.relation, database),
        "checksum": {"name": "headgate", "checksum": node.code_fingerprint},
        "config": {**_defaults(node), **node.config, "materialized": node.materialized},
        "tags": list(node.tags),
        "meta": dict(node.meta),
        "description": node.description,
        "columns": _columns(node.columns),
        "depends_on": {"nodes": list(node.depends_on), "macros": list(node.macros)},
        "refs": [{"name": name, "package": package, "version": version} for package, name, version in node.refs],
        "sources": [u.split(".")[2:] for u in node.depends_on if u.startswith("source.")],
        "metrics": [],
        "language": node.language,
        "raw_code": node.raw_code,
        "compiled_code": node.canonical_sql or None,
        "compiled": bool(node.canonical_sql),
        "patch_path": node.patch_path or None,
        "build_path": None,
        "docs": node.config.get("docs") or {"show": True, "node_color": None},
        "contract": {"enforced": node.contract_enforced, "alias_types": True, "checksum": None},
        "group": node.group,
        "unrendered_config": {},
        **(_of_model(node) if node.resource_type == "model" else {}),
    }


def _of_model(node: Node) -> dict[str, Any]:
    """What models alone have."""
    return {
        "constraints": [_constraint_of(c) for c in node.constraints],
        "access": node.access,
        "version": node.version,
        "latest_version": node.latest_version,
        "deprecation_date": _moment(node.deprecation_date),
    }


def _defaults(node: Node) -> dict[str, Any]:
    """Config keys that dbt always has a value for."""
    return {
        "enabled": True, "alias": None, "schema": None, "database": None, "tags": list(node.tags), "meta": dict(node.meta),
        "group": node.group, "persist_docs": {}, "quoting": {}, "column_types": {}, "full_refresh": None, "unique_key": None,
        "on_schema_change": "ignore", "grants": {}, "packages": [], "docs": {"show": True, "node_color": None},
        "contract": {"enforced": node.contract_enforced, "alias_types": True}, "pre-hook": [], "post-hook": [],
    }  # fmt: skip


def _named(unique_id: str, kind: str, name: str, package: str, path: str, fqn: tuple[str, ...]) -> dict[str, Any]:
    return {
        "unique_id": unique_id,
        "resource_type": kind,
        "name": name,
        "package_name": package,
        "path": path.partition("/")[2] or path,
        "original_file_path": path,
        "fqn": list(fqn),
        "created_at": 0.0,
    }


def _stands(relation: Relation, database: str) -> dict[str, Any]:
    return {
        "database": database,
        "schema": relation.schema,
        "alias": relation.name,
        "identifier": relation.name,
        "relation_name": relation.sql(database),
    }


def _columns(columns: Mapping[str, ColumnSpec]) -> dict[str, Any]:
    return {
        name: {
            "name": name, "description": c.description, "data_type": c.data_type, "meta": dict(c.meta), "tags": list(c.tags),
            "constraints": [_constraint_of(k) for k in c.constraints], "quote": None,
        }
        for name, c in columns.items()
    }  # fmt: skip


def _constraint_of(constraint: Constraint) -> dict[str, Any]:
    return {
        "type": constraint.type,
        "columns": list(constraint.columns),
        "expression": constraint.expression,
        "name": constraint.name,
        "warn_unenforced": constraint.warn_unenforced,
        "warn_unsupported": constraint.warn_unsupported,
        "to": constraint.to,
        "to_columns": list(constraint.to_columns),
    }


def _moment(date: str | None) -> str | None:
    """A day as the moment at which it begins in UTC."""
    return f"{date}T00:00:00+00:00" if date is not None and len(date) == 10 else date  # YYYY-MM-DD


def _check_of(check: CheckSpec, project: Project, database: str) -> dict[str, Any]:
    """A data test."""
    node = project.nodes.get(check.attached_to or "")
    relation = Relation(node.relation.schema if node is not None else "", check.alias or check.name)
    kind = check.kind.removeprefix("macro:")
    namespace, _, short = kind.rpartition(".")
    singular = check.kind == "singular"
    arguments = {**check.arguments, **({"column_name": check.column} if check.column else {})}
    return {
        **_named(check.unique_id, "test", check.name, check.package, check.path or check.location.file, check.fqn or (check.package, check.name)),
        **_stands(relation, database),
        "relation_name": None,
        "config": {
            "enabled": True, "materialized": "test", "severity": check.severity.upper(), "warn_if": check.warn_if,
            "error_if": check.error_if, "fail_calc": check.fail_calc, "where": check.where, "limit": check.limit,
            "tags": list(check.tags), "meta": dict(check.meta), "store_failures": check.failures_table is not None,
        },
        "tags": list(check.tags),
        "meta": dict(check.meta),
        "description": check.description,
        "columns": {},
        "depends_on": {"nodes": list(check.depends_on), "macros": [] if singular else [f"macro.{namespace or 'dbt'}.test_{short}"]},
        "raw_code": check.raw_code,
        "language": "sql",
        "group": None,
        "column_name": check.column,
        "attached_node": None if singular else check.attached_to,
        "test_metadata": None if singular else {"name": short, "namespace": namespace or None, "kwargs": arguments},
    }  # fmt: skip


def _source_of(source: SourceTable, database: str) -> dict[str, Any]:
    """A table of a source."""
    fresh, of_source = source.freshness, source.said
    freshness = {
        "warn_after": _age(fresh.warn_after if fresh is not None else None),
        "error_after": _age(fresh.error_after if fresh is not None else None),
        "filter": fresh.filter if fresh is not None else None,
    }
    return {
        **_named(source.unique_id, "source", source.name, source.package, source.path or source.location.file, source.fqn),
        **{key: value for key, value in _stands(source.relation, database).items() if key != "alias"},
        "source_name": source.source,
        "source_description": str(of_source.get("description") or ""),
        "loader": str(of_source.get("loader") or ""),
        "columns": _columns(source.columns),
        "config": {
            "enabled": True, "event_time": None, "freshness": freshness, "loaded_at_query": None, "meta": dict(source.meta),
            "loaded_at_field": fresh.loaded_at_field if fresh is not None else None, "tags": list(source.tags), **source.config,
        },
        "tags": list(source.tags),
        "meta": dict(source.meta),
        "description": source.description,
        "loaded_at_field": fresh.loaded_at_field if fresh is not None else None,
        "freshness": freshness,
        "quoting": {},
        "external": source.said.get("external"),
        "source_meta": {},
    }  # fmt: skip


def _age(seconds: float | None) -> dict[str, Any]:
    if seconds is None:
        return {"count": None, "period": None}
    for period, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            return {"count": int(seconds // length), "period": period}
    return {"count": int(seconds), "period": "second"}


def _exposure_of(exposure: Exposure) -> dict[str, Any]:
    """A consumer outside."""
    package = exposure.package or exposure.unique_id.split(".")[1]
    said = {"label": None, "maturity": None, "url": None, "type": None, **exposure.said}
    owner = said.get("owner")
    fqn = exposure.fqn or (package, exposure.name)
    return {
        **said,
        **_named(exposure.unique_id, "exposure", exposure.name, package, exposure.path or exposure.location.file, fqn),
        "description": exposure.description,
        "owner": {"name": exposure.owner, "email": None, **(owner if isinstance(owner, Mapping) else {})},
        "depends_on": {"nodes": list(exposure.depends_on), "macros": []},
        "config": {"enabled": True, **exposure.config},
        "tags": list(exposure.tags),
        "meta": dict(exposure.meta),
        "refs": [],
        "sources": [],
        "metrics": [],
    }


def _resource_of(resource: Resource) -> dict[str, Any]:
    """A group, a metric, a semantic model: what was written, under dbt's common keys."""
    return {
        **resource.said,
        **_named(
            resource.unique_id, resource.resource_type, resource.name, resource.package,
            resource.path or resource.location.file, resource.fqn or (resource.package, resource.name),
        ),
        "description": resource.description,
        "config": {"enabled": True, **resource.config},
        "tags": list(resource.tags),
        "meta": dict(resource.meta),
        "depends_on": {"nodes": list(resource.depends_on), "macros": []},
    }  # fmt: skip


_TYPE_PARAMS = """
measure input_measures numerator denominator expr window grain_to_date metrics conversion_type_params cumulative_type_params
""".split()  # noqa: SIM905  a list of words is read more easily so


def _metric_of(resource: Resource) -> dict[str, Any]:
    """A metric, with all of dbt's keys; a measure or a metric by its name alone becomes a mapping, as in dbt."""
    found = {"label": "", "type": "simple", "filter": None, "time_granularity": None, "group": None, **_resource_of(resource)}
    said = found.get("type_params")
    params = {**dict.fromkeys(_TYPE_PARAMS), **(said if isinstance(said, Mapping) else {})}
    for key in ("measure", "numerator", "denominator"):
        if params[key] is not None:
            given = {"name": params[key]} if isinstance(params[key], str) else dict(params[key])
            params[key] = {"filter": None, "alias": None, **given}
    params["window"] = _window(params["window"])
    if isinstance(params["cumulative_type_params"], Mapping):
        nested = dict(params["cumulative_type_params"])
        params["cumulative_type_params"] = {"grain_to_date": None, **nested, "window": _window(nested.get("window"))}
    if found["filter"] is not None:
        parts = found["filter"] if isinstance(found["filter"], list) else [found["filter"]]
        found["filter"] = {"where_filters": [{"where_sql_template": part} for part in parts]}
    return {
        **found,
        "type_params": {**params, "input_measures": params["input_measures"] or [], "metrics": params["metrics"] or []},
    }


def _window(said: Any) -> Any:
    """`30 days` as a count of a granularity."""
    if not isinstance(said, str):
        return said
    count, _, granularity = said.partition(" ")
    return {"count": int(count) if count.isdigit() else count, "granularity": granularity.removesuffix("s")}


def _nodes(project: Project, database: str) -> dict[str, Any]:
    checks = {check.unique_id: _check_of(check, project, database) for check in project.checks.values()}
    return {**{node.unique_id: node_of(node, database) for node in project.nodes.values()}, **checks}


def _resources(kind: str) -> Callable[[Project, str], dict[str, Any]]:
    return lambda project, _: {u: _resource_of(r) for u, r in project.resources.items() if r.resource_type == kind}


_PARTS: Mapping[str, Callable[[Project, str], dict[str, Any]]] = {
    "nodes": _nodes,
    "sources": lambda project, database: {u: _source_of(s, database) for u, s in project.sources.items()},
    "exposures": lambda project, _: {u: _exposure_of(e) for u, e in project.exposures.items()},
    "metrics": lambda project, _: {u: _metric_of(r) for u, r in project.resources.items() if r.resource_type == "metric"},
    "groups": _resources("group"),
    "semantic_models": _resources("semantic_model"),
    "saved_queries": _resources("saved_query"),
    "functions": _resources("function"),
}
