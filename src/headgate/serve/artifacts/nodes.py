"""The entries under `nodes`: models, seeds, snapshots, analyses, data tests and hooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headgate.declare.testnames import metadata_of
from headgate.serve.artifacts import configs
from headgate.serve.artifacts.contracts import contract_of, primary_key
from headgate.serve.artifacts.frame import Frame, columns, constraint, docs_of, inner_path, named, number
from headgate.serve.artifacts.macros import calls, said_fail_calc, used_of
from headgate.serve.artifacts.texts import NO_CHECKSUM, checksum
from headgate.spec.declared import Resource
from headgate.spec.names import Relation
from headgate.spec.project import CheckSpec, Node

_HOOKS = ("on-run-start", "on-run-end")


def node_entries(frame: Frame) -> dict[str, dict[str, Any]]:
    """All of them by unique id."""
    project = frame.project
    found = {uid: node_entry(frame, node) for uid, node in project.nodes.items()}
    found |= {r.unique_id: _analysis(frame, r) for r in project.resources.values() if r.resource_type == "analysis"}
    found |= {uid: test_entry(frame, check) for uid, check in project.checks.items()}
    found |= {entry["unique_id"]: entry for entry in _operations(frame)}
    return found


def node_entry(frame: Frame, node: Node) -> dict[str, Any]:
    """A model, a seed or a snapshot."""
    config = configs.node_config(node)
    file, path = node.path, node_path(node)
    stored = node.materialized != "ephemeral"
    entry = {
        "database": frame.database,
        "schema": node.relation.schema,
        **named(node.unique_id, node.resource_type, node.name, node.package, file, path),
        "fqn": node_fqn(node),
        "alias": node.relation.name,
        "checksum": _checksum(frame, node),
        "config": config,
        "tags": list(node.tags),
        "description": node.description,
        "columns": columns(node.columns, frame.doc_blocks),
        "meta": dict(node.meta),
        "group": node.group,
        "docs": docs_of(config),
        "patch_path": _patch_path(frame, node),
        "build_path": None,
        "unrendered_config": configs.said_config(node),
        "created_at": frame.created_at,
        "relation_name": frame.relation(node.relation) if stored else None,
        "raw_code": "" if node.resource_type == "seed" else _raw_code(node),
        "doc_blocks": frame.doc_blocks(node.description),
    }
    if node.resource_type == "seed":
        return entry | {"root_path": frame.project.root, "depends_on": {"macros": []}}
    entry |= _compiled(frame, node.unique_id, node.package, file, path)
    entry |= {
        "language": node.language,
        "refs": [ref(*written) for written in node.refs],
        "sources": _sources(node.depends_on),
        "metrics": [],
        "depends_on": depends_on(node.depends_on, _node_macros(frame, node, config)),
        "contract": contract_of(node),
    }
    return entry | _model(frame, node) if node.resource_type == "model" else entry


def _node_macros(frame: Frame, node: Node, config: Mapping[str, Any]) -> list[str]:
    """The macros that the node's code, and its hooks, call."""
    root = frame.project.name
    found = used_of(calls(node.raw_code, node.package, root, frame.macros), node.macros) if node.language == "sql" else []
    for hook in (*config["pre-hook"], *config["post-hook"]):
        found += calls(str(hook["sql"]), node.package, root, frame.macros)
    return list(dict.fromkeys(found))


def _model(frame: Frame, node: Node) -> dict[str, Any]:
    return {
        "access": node.access,
        "constraints": [{**constraint(c), "columns": list(c.columns)} for c in node.constraints],
        "version": number(node.version),
        "latest_version": number(node.latest_version),
        "deprecation_date": _moment(node.deprecation_date),
        "primary_key": primary_key(node, frame.tests.get(node.unique_id, ())),
        "time_spine": _time_spine(node),
    }


def test_entry(frame: Frame, check: CheckSpec) -> dict[str, Any]:
    """A data test."""
    beside = _tags_beside(frame, check)
    counted = _fail_calc(frame, check) if check.fail_calc == "count(*)" else None
    config = configs.test_config(check, beside) | ({"fail_calc": counted} if counted else {})
    generic, file = check.kind != "singular", check.path or check.location.file
    path = f"{check.alias or check.name}.sql" if generic else inner_path(file)
    schema = check.failures_table.partition(".")[0] if check.failures_table else frame.schema_of(str(config["schema"]))
    entry = {
        "database": frame.database,
        "schema": schema,
        **named(check.unique_id, "test", check.name, check.package, file, path),
        "fqn": list(check.fqn) or [check.package, check.name],
        "alias": check.alias or check.name,
        "checksum": dict(NO_CHECKSUM) if generic else frame.texts.checksum(check.location.file),
        "config": config,
        "tags": sorted({*check.tags, *beside}) if generic else list(check.tags),
        "description": check.description,
        "columns": {},
        "meta": dict(check.meta),
        "group": None,
        "docs": docs_of(config),
        "patch_path": None,
        "build_path": None,
        "unrendered_config": configs.said_test_config(check, beside) | ({"fail_calc": counted} if counted else {}),
        "created_at": frame.created_at,
        "relation_name": frame.relation(Relation(*check.failures_table.split(".", 1))) if check.failures_table else None,
        "raw_code": _test_code(check) if generic else check.raw_code.strip(),
        "doc_blocks": [],
        **_compiled(frame, check.unique_id, check.package, file, path),
        "language": "sql",
        "refs": _test_refs(frame, check),
        "sources": _sources(check.depends_on),
        "metrics": [],
        "depends_on": depends_on(check.depends_on, _test_macros(frame, check)),
        "contract": {"enforced": False, "alias_types": True, "checksum": None},
    }
    return entry | _generic(frame, check) if generic else entry


def _fail_calc(frame: Frame, check: CheckSpec) -> str | None:
    """What the macro of a generic test says of how its failures are counted, where it says it of itself."""
    waiting, seen = _test_macros(frame, check)[:1], set[str]()
    while waiting:
        macro = frame.macros.get(waiting.pop())
        if macro is None or macro["package_name"] == "dbt" or macro["unique_id"] in seen:
            continue
        seen.add(macro["unique_id"])
        said = said_fail_calc(macro["macro_sql"])
        if said:
            return said
        waiting += [uid for uid in macro["depends_on"]["macros"] if "__test_" in uid]
    return None


def _tags_beside(frame: Frame, check: CheckSpec) -> tuple[str, ...]:
    """Tags that a generic test has from its column or its source, and that are no config of its own."""
    project, column = frame.project, str(metadata_of(check).get("column"))
    table = project.nodes.get(check.attached_to or "") or project.sources.get(check.attached_to or "")
    if table is None or check.kind == "singular":
        return ()
    own = table.columns[column].tags if column in table.columns else ()
    return (*own, *(table.tags if check.attached_to in project.sources else ()))


def _generic(frame: Frame, check: CheckSpec) -> dict[str, Any]:
    metadata = metadata_of(check)
    node = frame.project.nodes.get(check.attached_to or "")
    source = frame.project.sources.get(check.attached_to or "")
    key = f"sources.{source.source}" if source else f"{node.resource_type}s.{node.name}" if node else None
    return {
        "group": node.group if node else None,
        "column_name": metadata.get("column"),
        "file_key_name": key,
        "attached_node": node.unique_id if node else None,
        "test_metadata": {key: metadata.get(key) for key in ("name", "kwargs", "namespace")},
    }


def _test_code(check: CheckSpec) -> str:
    """The text that dbt makes of a generic test."""
    metadata = metadata_of(check)
    namespace, name = metadata.get("namespace"), metadata["name"]
    macro = f"{namespace}.test_{name}" if namespace else f"test_{name}"
    said = dict(metadata.get("config") or {})
    if check.alias:
        said.setdefault("alias", check.alias)
    escape = '"{}"'.format
    given = ",".join(f"{k}={escape(v.replace(chr(34), chr(92) + chr(34))) if isinstance(v, str) else v}" for k, v in said.items())
    return f"{{{{ {macro}(**_dbt_generic_test_kwargs) }}}}" + (f"{{{{ config({given}) }}}}" if given else "")


def _test_macros(frame: Frame, check: CheckSpec) -> list[str]:
    metadata = metadata_of(check)
    if check.kind == "singular":
        return calls(check.raw_code, check.package, frame.project.name, frame.macros)
    package, _, name = check.kind.removeprefix("macro:").rpartition(".")
    ours = check.kind.startswith("macro:")
    owner = package or (check.package if ours else metadata.get("namespace") or "dbt")
    name = name if ours else str(metadata["name"])
    if f"macro.{check.package}.test_{name}" in frame.macros:
        owner = check.package  # dbt looks there first, whatever namespace is written
    found = [f"macro.{owner}.test_{name}"]
    return found if name in ("unique", "not_null") and owner == "dbt" else [*found, "macro.dbt.get_where_subquery"]


def _test_refs(frame: Frame, check: CheckSpec) -> list[dict[str, Any]]:
    nodes = [frame.project.nodes[uid] for uid in check.depends_on if uid in frame.project.nodes]
    return [ref(None, node.name, node.version) for node in nodes]


def _analysis(frame: Frame, resource: Resource) -> dict[str, Any]:
    config = configs.plain_config({**resource.config, "tags": list(resource.tags), "meta": dict(resource.meta)})
    path = "analysis/" + inner_path(resource.path)
    code = resource.raw_code.strip()
    return {
        "database": frame.database,
        "schema": frame.schema,
        **named(resource.unique_id, "analysis", resource.name, resource.package, resource.path, path),
        "fqn": list(resource.fqn),
        "alias": resource.name,
        "checksum": checksum(code),
        "config": config,
        **_plain(frame, resource.tags, resource.description, config),
        "meta": dict(resource.meta),
        "patch_path": _patch(resource),
        "raw_code": code,
        **_compiled(frame, resource.unique_id, resource.package, resource.path, path),
        **_loose(frame, resource.depends_on, calls(code, resource.package, frame.project.name, frame.macros)),
    }


def _operations(frame: Frame) -> Iterable[dict[str, Any]]:
    """The hooks of the whole run."""
    package = frame.project.name
    for key in _HOOKS:
        for index, code in enumerate(frame.project.options.get(key) or ()):
            name = f"{package}-{key}-{index}"
            config = configs.plain_config({})
            yield {
                "database": frame.database,
                "schema": frame.schema,
                **named(f"operation.{package}.{name}", "operation", name, package, "./dbt_project.yml", f"hooks/{name}.sql"),
                "fqn": [package, "hooks", name],
                "alias": name,
                "checksum": frame.texts.checksum("dbt_project.yml"),
                "config": config,
                **_plain(frame, (key,), "", config),
                "meta": {},
                "patch_path": None,
                "raw_code": str(code),
                "compiled_path": None,
                **_loose(frame, (), ()),
                "index": index,
            }


def _plain(frame: Frame, tags: Iterable[str], description: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tags": list(tags),
        "description": description,
        "columns": {},
        "group": None,
        "docs": docs_of(config),
        "build_path": None,
        "unrendered_config": {},
        "created_at": frame.created_at,
        "relation_name": None,
        "doc_blocks": [],
    }


def _loose(frame: Frame, depends: Iterable[str], macros: Iterable[str]) -> dict[str, Any]:
    nodes = [frame.project.nodes[uid] for uid in depends if uid in frame.project.nodes]
    return {
        "language": "sql",
        "refs": [ref(None, node.name, node.version) for node in nodes],
        "sources": _sources(depends),
        "metrics": [],
        "depends_on": depends_on(depends, macros),
        "contract": {"enforced": False, "alias_types": True, "checksum": None},
    }


def _compiled(frame: Frame, unique_id: str, package: str, file: str, path: str) -> dict[str, Any]:
    code = frame.compiled.get(unique_id)
    if code is None:
        return {"compiled_path": None}
    return {
        "compiled_path": compiled_path(frame.target, "compiled", package, file, path),
        "compiled": True,
        "compiled_code": code,
        "extra_ctes_injected": True,
        "extra_ctes": [],
    }


def compiled_path(target: str, folder: str, package: str, file: str, path: str) -> str:
    """Where dbt puts the SQL of a node: by its file, and below it where a file holds several."""
    same = file.rpartition("/")[2] == path.rpartition("/")[2]
    return f"{target}/{folder}/{package}/{file}" + ("" if same else f"/{path}")


def node_path(node: Node) -> str:
    """The path within the folder for its kind; a snapshot in YAML has one of its own."""
    folders = len(node_fqn(node)) - 2 - (1 if node.version else 0)
    parts = node.path.split("/")
    if node.resource_type == "snapshot":
        inner = inner_path(node.path)
        return inner if inner.endswith(".sql") else f"{inner}/{node.name}.sql"
    return "/".join(parts[-(folders + 1) :])


def node_fqn(node: Node) -> list[str]:
    """dbt's name by package and folders."""
    return list(node.fqn)


def ref(package: str | None, name: str, version: str | None) -> dict[str, Any]:
    """A reference as written."""
    return {"name": name, "package": package, "version": number(version)}


def depends_on(nodes: Iterable[str], macros: Iterable[str]) -> dict[str, list[str]]:
    """What something needs, source tables first."""
    ordered = sorted(nodes, key=lambda uid: not uid.startswith("source."))
    return {"macros": list(macros), "nodes": ordered}


def _sources(depends: Iterable[str]) -> list[list[str]]:
    return [uid.split(".", 3)[2:] for uid in depends if uid.startswith("source.")]


def _raw_code(node: Node) -> str:
    """As dbt keeps it: without blanks around it, but as it stands between the tags of a snapshot."""
    return node.raw_code if node.resource_type == "snapshot" else node.raw_code.strip()


def _checksum(frame: Frame, node: Node) -> dict[str, str]:
    if node.resource_type == "seed":
        return frame.texts.seed_checksum(node.location.file, node.path)
    if node.resource_type == "model":
        return checksum(node.raw_code.strip())  # the file's text
    return frame.texts.checksum(node.location.file)


def _patch_path(frame: Frame, node: Node) -> str | None:
    """The property file as dbt names it: by the package that it stands in."""
    if not node.patch_path:
        return None
    folder = node.location.file.removesuffix(node.path)
    if folder and node.patch_path.startswith(folder):
        return f"{node.package}://{node.patch_path.removeprefix(folder)}"
    return f"{frame.project.name}://{node.patch_path}"


def _patch(resource: Resource) -> str | None:
    found = resource.said.get("patch_path")
    return f"{resource.package}://{found}" if found else None


def _moment(date: str | None) -> str | None:
    if not date:
        return None
    return date if "T" in date else f"{date}T00:00:00+00:00"


def _time_spine(node: Node) -> dict[str, Any] | None:
    said = node.config.get("time_spine")
    return {"custom_granularities": [], **said} if isinstance(said, Mapping) else None
