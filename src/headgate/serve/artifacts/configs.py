"""Configurations as dbt writes them: every key that it knows with its default, then what the project says."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from headgate.declare.testnames import metadata_of
from headgate.spec.project import CheckSpec, Node, SourceTable

_COMMON: Mapping[str, Any] = {
    "enabled": True, "alias": None, "schema": None, "database": None, "tags": [], "meta": {}, "group": None,
}  # fmt: skip
_NODE: Mapping[str, Any] = {
    **_COMMON, "materialized": "view", "incremental_strategy": None, "batch_size": None, "lookback": 1, "begin": None,
    "persist_docs": {}, "post-hook": [], "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": None,
    "unique_key": None, "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [],
    "docs": {"show": True, "node_color": None}, "contract": {"enforced": False, "alias_types": True}, "event_time": None,
    "concurrent_batches": None,
}  # fmt: skip
_SNAPSHOT_COLUMNS = ("dbt_valid_to", "dbt_valid_from", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted")
_OF_TYPE: Mapping[str, Mapping[str, Any]] = {
    "model": {"access": "protected", "freshness": None},
    "seed": {"delimiter": ",", "quote_columns": None},
    "snapshot": {
        "strategy": None, "target_schema": None, "target_database": None, "updated_at": None, "check_cols": None,
        "snapshot_meta_column_names": dict.fromkeys(_SNAPSHOT_COLUMNS), "dbt_valid_to_current": None,
    },
}  # fmt: skip
_TEST: Mapping[str, Any] = {
    **_COMMON, "schema": "dbt_test__audit", "materialized": "test", "severity": "ERROR", "store_failures": None,
    "store_failures_as": None, "where": None, "limit": None, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0",
}  # fmt: skip
_HOOKS = {"pre_hook": "pre-hook", "post_hook": "post-hook"}
_MERGED = ("docs", "contract", "snapshot_meta_column_names")
_PROPERTIES = ("latest_version", "deprecation_date", "relation", "description", "time_spine")  # no config to dbt
_STORED = {"ephemeral": False, "table": True, "view": True}


def node_config(node: Node) -> dict[str, Any]:
    """The configuration of a model, a seed or a snapshot."""
    found = {**plain_config({}), **_OF_TYPE.get(node.resource_type, {})}
    found["materialized"] = node.materialized
    said = {key: value for key, value in node.config.items() if key not in _PROPERTIES}
    said |= {"tags": list(node.tags), "meta": dict(node.meta), "materialized": node.materialized}
    if node.group is not None:
        said["group"] = node.group
    if node.resource_type == "model":
        said["access"] = node.access
    if node.contract_enforced:
        said["contract"] = {**_mapping(said.get("contract")), "enforced": True}
    found = _said(found, said)
    if node.resource_type == "model":
        found["freshness"] = _build_after(found.get("freshness"))
    return found


def plain_config(said: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of something that has dbt's general keys alone: an analysis, a hook."""
    return _said(_NODE, said)


def said_config(node: Node) -> dict[str, Any]:
    """What the project says of a node, without defaults (dbt's `unrendered_config`)."""
    found = {_HOOKS.get(key, key): value for key, value in node.config.items() if key not in _PROPERTIES}
    for key in _HOOKS.values():
        if isinstance(found.get(key), list) and len(found[key]) == 1:
            found[key] = found[key][0]
    return found


def test_config(check: CheckSpec, beside: Collection[str] = ()) -> dict[str, Any]:
    """The configuration of a data test; `beside` are tags that it has from elsewhere."""
    own = metadata_of(check).get("config") or {}
    tags = [tag for tag in check.tags if tag not in beside or tag in _texts(own.get("tags"))]
    said = {**check.config, "tags": tags, "meta": dict(check.meta)}
    for key, value, default in (
        ("severity", check.severity, "error"), ("warn_if", check.warn_if, "!= 0"), ("error_if", check.error_if, "!= 0"),
        ("fail_calc", check.fail_calc, "count(*)"), ("where", check.where, None), ("limit", check.limit, None),
    ):  # fmt: skip
        if value != default:
            said.setdefault(key, value)
    if check.alias:
        said.setdefault("alias", check.alias)
    found = _said(_TEST, {key: value for key, value in said.items() if value is not None})
    kept = found["store_failures_as"]
    if kept is None:
        stored = found["store_failures"]
        found["store_failures_as"] = None if stored is None else "table" if stored else "ephemeral"
    else:
        found["store_failures"] = _STORED.get(str(kept), True)
    return found


def said_test_config(check: CheckSpec, beside: Collection[str]) -> dict[str, Any]:
    """What the project says of a data test, without defaults; `beside` are tags that it has from elsewhere."""
    found = {key: value for key, value in check.config.items() if value is not None and key != "tags"}
    own = [tag for tag in _texts(check.config.get("tags")) if tag not in beside]
    return found | ({"tags": own} if own else {})


def said_source_config(table: SourceTable) -> dict[str, Any]:
    """What the project says of a source's table, without defaults."""
    left_out: dict[str, Any] = {"enabled": True, "event_time": None, "meta": {}, "tags": []}
    return {k: v for k, v in source_config(table).items() if k not in left_out or v != left_out[k]}


def source_config(table: SourceTable) -> dict[str, Any]:
    """The configuration of a source's table."""
    fresh = table.freshness
    return {
        "enabled": True,
        "event_time": table.config.get("event_time"),
        "freshness": freshness(table),
        "loaded_at_field": fresh.loaded_at_field if fresh else None,
        "loaded_at_query": fresh.loaded_at_query if fresh else None,
        "meta": dict(table.meta),
        "tags": list(table.tags),
        **{k: v for k, v in table.config.items() if k not in ("freshness", "meta", "tags", "schema", "database", "identifier")},
    }


def freshness(table: SourceTable) -> dict[str, Any] | None:
    """dbt's freshness of a source's table: all null where nothing is declared, None where it is declared to be none."""
    own = _mapping(table.said.get("table"))
    if any("freshness" in said and said["freshness"] is None for said in (own, _mapping(own.get("config")))):
        return None
    fresh = table.freshness
    return {
        "warn_after": _period(fresh.warn_written, fresh.warn_after) if fresh else _period(None, None),
        "error_after": _period(fresh.error_written, fresh.error_after) if fresh else _period(None, None),
        "filter": fresh.filter if fresh else None,
    }


def _period(written: Mapping[str, Any] | None, seconds: float | None) -> dict[str, Any]:
    if written:
        return {"count": written.get("count"), "period": written.get("period")}
    if seconds is None:
        return {"count": None, "period": None}
    for period, length in (("day", 86400), ("hour", 3600)):
        if seconds % length == 0:
            return {"count": int(seconds // length), "period": period}
    return {"count": int(seconds // 60), "period": "minute"}


def _said(defaults: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: _fresh(value) for key, value in defaults.items()}
    for key, value in said.items():
        name = _HOOKS.get(key, key)
        if name in _HOOKS.values():
            found[name] = _hooks(value)
        elif name in _MERGED and isinstance(value, Mapping):
            found[name] = {**_mapping(found.get(name)), **value}
        elif value is not None:
            found[name] = value
    return found


def _fresh(value: Any) -> Any:
    """Containers are copied, so that nobody changes the defaults."""
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, list) else value


def _texts(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _hooks(value: Any) -> list[dict[str, Any]]:
    """Hooks as dbt keeps them: what was a text gets its defaults."""
    found = []
    for hook in value if isinstance(value, list | tuple) else [value]:
        if isinstance(hook, str) and hook.lstrip().startswith("{") and not hook.lstrip().startswith(("{{", "{%", "{#")):
            with suppress(ValueError):  # it may be an SQL text that begins with a brace
                hook = json.loads(hook)
        said = dict(hook) if isinstance(hook, Mapping) else {"sql": str(hook)}
        found.append({"sql": said.get("sql", ""), "transaction": said.get("transaction", True), "index": said.get("index")})
    return found


def _build_after(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("build_after"), Mapping):
        return None
    return {"build_after": {"updates_on": "any", **value["build_after"]}}
