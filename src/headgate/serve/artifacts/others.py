"""The entries beside `nodes`: sources, exposures, groups, docs, unit tests, what is switched off."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from headgate.serve.artifacts import configs
from headgate.serve.artifacts.frame import Frame, columns, named, number
from headgate.serve.artifacts.nodes import depends_on, ref
from headgate.spec.declared import GivenRows, Resource, UnitTest
from headgate.spec.project import Exposure, SourceTable

_QUOTING = ("database", "schema", "identifier", "column")
_EXTERNAL = ("location", "file_format", "row_format", "tbl_properties", "partitions")


def source_entry(frame: Frame, table: SourceTable) -> dict[str, Any]:
    """A source's table."""
    said = table.said
    own = said.get("table") if isinstance(said.get("table"), Mapping) else {}
    fresh, file = table.freshness, table.path or table.location.file
    external = own.get("external") if isinstance(own, Mapping) else None
    return {
        "database": frame.database,
        "schema": table.relation.schema,
        **named(table.unique_id, "source", table.name, table.package, file, file),
        "fqn": list(table.fqn) or [table.package, table.source, table.name],
        "source_name": table.source,
        "source_description": str(said.get("description") or ""),
        "loader": str(_nearest("loader", own, said) or ""),
        "identifier": table.relation.name,
        "quoting": {key: _nearest(key, _part(own, "quoting"), _part(said, "quoting")) for key in _QUOTING},
        "loaded_at_field": fresh.loaded_at_field if fresh else None,
        "loaded_at_query": fresh.loaded_at_query if fresh else None,
        "freshness": configs.freshness(table),
        "external": {**dict.fromkeys(_EXTERNAL), **external} if isinstance(external, Mapping) else None,
        "description": table.description,
        "columns": columns(table.columns, frame.doc_blocks),
        "meta": dict(table.meta),
        "source_meta": {**_part(said, "meta"), **_part(_part(said, "config"), "meta")},
        "tags": list(table.tags),
        "config": configs.source_config(table),
        "patch_path": None,
        "unrendered_config": configs.said_source_config(table),
        "relation_name": frame.relation(table.relation),
        "created_at": frame.created_at,
        "unrendered_database": _nearest("database", own, said),
        "unrendered_schema": _nearest("schema", own, said),
        "doc_blocks": frame.doc_blocks(table.description),
    }


def exposure_entry(frame: Frame, exposure: Exposure) -> dict[str, Any]:
    """A consumer outside."""
    said, project = exposure.said, frame.project
    config = {"enabled": True, "tags": list(exposure.tags), "meta": dict(exposure.meta)}
    nodes = [project.nodes[uid] for uid in exposure.depends_on if uid in project.nodes]
    return {
        **named(exposure.unique_id, "exposure", exposure.name, exposure.package, exposure.path),
        "fqn": list(exposure.fqn),
        "type": str(said.get("type") or "dashboard"),
        "owner": _owner(said.get("owner"), exposure.owner),
        "description": exposure.description,
        "label": said.get("label"),
        "maturity": said.get("maturity"),
        "meta": dict(exposure.meta),
        "tags": list(exposure.tags),
        "config": {**{k: v for k, v in exposure.config.items() if k not in config}, **config},
        "unrendered_config": dict(exposure.config),
        "url": said.get("url"),
        "depends_on": depends_on(exposure.depends_on, ()),
        "refs": [ref(None, node.name, node.version) for node in nodes],
        "sources": [uid.split(".", 3)[2:] for uid in exposure.depends_on if uid.startswith("source.")],
        "metrics": [[uid.split(".")[2]] for uid in exposure.depends_on if uid.startswith("metric.")],
        "created_at": frame.created_at,
    }


def group_entry(frame: Frame, group: Resource) -> dict[str, Any]:
    """A group of nodes with its owner."""
    return {
        **named(group.unique_id, "group", group.name, group.package, group.path),
        "owner": _owner(group.said.get("owner"), None),
        "description": group.description or None,
        "config": {**group.config, "meta": dict(group.meta)},
    }


def doc_entry(frame: Frame, doc: Resource) -> dict[str, Any]:
    """A docs block."""
    return {**named(doc.unique_id, "doc", doc.name, doc.package, doc.path), "block_contents": doc.raw_code}


def unit_test_entry(frame: Frame, test: UnitTest) -> dict[str, Any]:
    """A unit test."""
    model = frame.project.nodes.get(test.model)
    given = [{"input": rows.written or rows.input, **_rows(rows)} for rows in test.given]
    expect = _rows(test.expect)
    overrides = {key: dict(test.overrides.get(key) or {}) for key in ("macros", "vars", "env_vars")} if test.overrides else None
    name = model.name if model else test.model.split(".")[2]
    return {
        "model": name,
        "given": given,
        "expect": expect,
        **named(test.unique_id, "unit_test", test.name, test.package, test.path),
        "fqn": list(test.fqn) or [test.package, name, test.name],
        "description": test.description,
        "overrides": overrides,
        "depends_on": {"macros": [], "nodes": list(test.depends_on) or [test.model]},
        "config": {"enabled": True, **test.config, "tags": list(test.tags), "meta": dict(test.meta)},
        "checksum": _unit_checksum(name, given, expect, overrides),
        "schema": model.relation.schema if model else None,
        "created_at": frame.created_at,
        "versions": None,
        "version": number(test.version),
    }


def _owner(said: Any, known: str | None) -> dict[str, Any]:
    if isinstance(said, Mapping):
        return {"email": None, "name": None, **said}
    return {"email": None, "name": said if isinstance(said, str) else known}


def _rows(rows: GivenRows) -> dict[str, Any]:
    shown = rows.sql if rows.format == "sql" else None if rows.rows is None else [dict(row) for row in rows.rows]
    return {"rows": shown, "format": rows.format, "fixture": rows.fixture}


def _unit_checksum(model: str, given: list[dict[str, Any]], expect: dict[str, Any], overrides: dict[str, Any] | None) -> str:
    """dbt hashes the printed form of its own values; this prints ours alike."""
    inputs = ", ".join(f"UnitTestInputFixture(input={g['input']!r}, {_printed(g)})" for g in given)
    said = ", ".join(f"{key}={value!r}" for key, value in (overrides or {}).items())
    text = f"{model}-None-[{inputs}]-UnitTestOutputFixture({_printed(expect)})-"
    text += f"UnitTestOverrides({said})" if overrides else "None"
    text += "".join(f"-{g['rows']}" for g in given if g["fixture"])
    return hashlib.sha256(text.encode()).hexdigest()


def _printed(rows: Mapping[str, Any]) -> str:
    form = {"csv": "CSV", "sql": "SQL"}.get(rows["format"], "Dict")
    return f"rows={rows['rows']!r}, format=<UnitTestFormat.{form}: {rows['format']!r}>, fixture={rows['fixture']!r}"


def _part(said: Any, key: str) -> dict[str, Any]:
    found = said.get(key) if isinstance(said, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _nearest(key: str, *places: Any) -> Any:
    """The value in the first place that has one."""
    return next((p[key] for p in places if isinstance(p, Mapping) and p.get(key) is not None), None)
