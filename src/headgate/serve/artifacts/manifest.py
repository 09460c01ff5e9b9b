"""`manifest.json`, version 12: everything that a project declares, with what depends on what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headgate.serve.artifacts.frame import Frame, as_configured
from headgate.serve.artifacts.macros import MacroSource, macro_entries
from headgate.serve.artifacts.metadata import Call, metadata
from headgate.serve.artifacts.nodes import node_entries, node_entry
from headgate.serve.artifacts.others import doc_entry, exposure_entry, group_entry, source_entry, unit_test_entry
from headgate.serve.artifacts.semantics import Metrics, saved_query_entry, semantic_model_entry
from headgate.serve.artifacts.texts import Texts
from headgate.spec.declared import Resource
from headgate.spec.project import CheckSpec, Project

VERSION = 12
_ENTRIES = {"docs": ("doc", doc_entry), "groups": ("group", group_entry), "saved_queries": ("saved_query", saved_query_entry),
            "semantic_models": ("semantic_model", semantic_model_entry)}  # fmt: skip
_EDGES = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")


def manifest(
    project: Project,
    macros: Iterable[MacroSource],
    call: Call,
    compiled: Mapping[str, str] | None = None,
    schemas: Callable[[str], str | None] = as_configured,
) -> dict[str, Any]:
    """The manifest of `project`; `compiled` holds the SQL of what `call` has compiled, by unique id.

    `schemas` is the project's own way to name a schema for a configured one, where it has one.
    """
    described = {r.unique_id: r for r in _of(project, "macro")}
    known = macro_entries(macros, described, project.name, call.generated)
    frame = Frame(project, Texts(project.root), call.generated, compiled or {}, known, _docs(project), schemas, _tests(project))
    found: dict[str, Any] = {
        "metadata": _metadata(project, call),
        "nodes": node_entries(frame),
        "sources": {uid: source_entry(frame, table) for uid, table in project.sources.items()},
        "macros": known,
        "exposures": {uid: exposure_entry(frame, exposure) for uid, exposure in project.exposures.items()},
        "metrics": Metrics(frame).entries(),
        "selectors": {name: _selector(name, said) for name, said in project.selectors.items()},
        "disabled": {uid: [node_entry(frame, node)] for uid, node in project.disabled.items()},
        "unit_tests": {uid: unit_test_entry(frame, test) for uid, test in project.unit_tests.items()},
    }
    for key, (kind, entry) in _ENTRIES.items():
        found[key] = {r.unique_id: entry(frame, r) for r in _of(project, kind)}
    found["parent_map"], found["child_map"] = edges(found)
    found["group_map"] = _group_map(found)
    return found


def _of(project: Project, kind: str) -> Iterable[Resource]:
    return (r for r in project.resources.values() if r.resource_type == kind)


def _docs(project: Project) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for block in _of(project, "doc"):
        found.setdefault(block.raw_code, []).append(block.unique_id)
    return found


def _tests(project: Project) -> dict[str, list[CheckSpec]]:
    found: dict[str, list[CheckSpec]] = {}
    for check in project.checks.values():
        found.setdefault(check.attached_to or "", []).append(check)
    return found


def _metadata(project: Project, call: Call) -> dict[str, Any]:
    return {
        **metadata("manifest", VERSION, call),
        "project_name": project.name,
        "project_id": hashlib.md5(project.name.encode(), usedforsecurity=False).hexdigest(),
        "user_id": None,
        "send_anonymous_usage_stats": False,
        "adapter_type": "duckdb",
        "quoting": {"database": True, "schema": True, "identifier": True, "column": None},
    }


def _selector(name: str, said: Any) -> dict[str, Any]:
    found = dict(said) if isinstance(said, Mapping) else {"definition": said}
    if not found.get("default"):
        found.pop("default", None)  # dbt writes it where it is written
    return {"name": name, **found}


def edges(found: Mapping[str, Any]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Parents and children of everything in a manifest, sorted."""
    members = {uid: entry for part in _EDGES for uid, entry in found[part].items()}
    children: dict[str, list[str]] = {uid: [] for uid in members}
    parents: dict[str, list[str]] = {}
    for uid, entry in members.items():
        parents[uid] = sorted((entry.get("depends_on") or {}).get("nodes") or ())
        for parent in parents[uid]:
            if parent in children:
                children[parent].append(uid)
    return parents, {uid: sorted(below) for uid, below in children.items()}


def _group_map(found: Mapping[str, Any]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {group["name"]: [] for group in found["groups"].values()}
    for part in ("nodes", "saved_queries", "semantic_models", "metrics"):
        for uid, entry in found[part].items():
            if entry.get("group") in members:
                members[entry["group"]].append(uid)
    return members
