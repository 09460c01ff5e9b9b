"""The names that templates find while a run goes on: `ref`, `source`, `this`, `is_incremental`, `run_query`, `adapter`, ….

`ref` gives the staged version of a parent that this run has built, else the published one. The parse-time names of `declare`
(variables, macros, `target`, `env_var`, …) lie under these and stay.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from headgate.ports.engine import Cursor, Lake, Workspace
from headgate.ports.templates import Templates
from headgate.spec.clock import Clock
from headgate.spec.errors import DeclarationError
from headgate.spec.invocation import UNCALLED, Invocation
from headgate.spec.names import Relation, quote_ident
from headgate.spec.project import Node, Project, SourceTable
from headgate.spec.results import Response, ResultTable, StatementResult, response
from headgate.spec.staged import Interval
from headgate.spec.templating import ColumnFactory, RelationFactory, TemplateRelation
from headgate.transform.adapter import Adapter, query
from headgate.transform.clock import pin
from headgate.transform.ephemeral import Inlined, wrap
from headgate.transform.graph import Graph, model_of
from headgate.transform.job import day_or_moment

GRAPHS_KEPT = 8  # of runs that go on side by side in one process
Resolve = Callable[[str], str | None]  # unique id -> the SQL relation to read instead of the ordinary one, or None


def ordinary(unique_id: str) -> str | None:
    """The resolver that changes nothing."""
    return None


@dataclass(slots=True)
class Scene:
    """One rendering's surroundings: the run's parts, whose code is rendered, and what it has used so far."""

    project: Project
    templates: Templates
    lake: Lake
    workspace: Workspace
    cursor: Cursor
    clock: Clock
    resolve: Resolve = ordinary
    interval: Interval | None = None
    incremental: bool = False
    this_sql: str | None = None
    run_id: str = ""
    invocation: Invocation = UNCALLED
    inlined: Inlined = field(default_factory=Inlined)
    read: dict[str, str] = field(default_factory=dict)  # SQL that was read -> the published name of the same relation


def compiled(scene: Scene, node: Node) -> str:
    """The node's SQL for this run: rendered, ephemeral parents inlined, the clock pinned. Raises DeclarationError."""
    scene.inlined.open.append(node.unique_id)
    text = scene.templates.render(node.unique_id, names_for(scene, node))
    scene.inlined.open.pop()
    text = named_as_published(text, scene.workspace.catalog, scene.lake.name)
    return pin(wrap(text, scene.inlined.found.values()), scene.clock)


_QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'", re.S)


def named_as_published(sql: str, staging: str, lake: str) -> str:
    """`sql` whose texts in quotes name relations as they are published: a relation that is printed into a text becomes data."""
    staged, published = f"{quote_ident(staging)}.", f"{quote_ident(lake)}."
    if staged not in sql or "'" not in sql:
        return sql
    return _QUOTED.sub(lambda part: part[0].replace(staged, published) if part[0].startswith("'") else part[0], sql)


def names_for(scene: Scene, node: Node | None) -> dict[str, Any]:
    """The runtime names for rendering `node`'s code (None: a check or a text of the project that no node owns)."""
    reader = Reader(scene, node)
    names: dict[str, Any] = {
        "ref": reader.ref,
        "source": reader.source,
        "execute": True,
        "is_incremental": lambda: scene.incremental,
        "should_full_refresh": lambda: _anew(scene, node),
        "run_query": reader.run_query,
        "statement": reader.statement,
        "store_result": reader.store_result,
        "store_raw_result": reader.store_raw_result,
        "load_result": reader.load_result,
        "run_started_at": datetime.fromisoformat(scene.clock.run_started_at).replace(tzinfo=UTC),
        "invocation_id": scene.run_id,
        "thread_id": "step",
        "api": _Api(scene),
        "graph": reader.graph,
        "flags": _Flags(scene.invocation.flags()),
        "invocation_args_dict": scene.invocation.args(),
        "selected_resources": list(scene.invocation.selected),
        "log": _log(scene.invocation),
        "print": _print(scene.invocation),
    }
    where = str(node.location) if node is not None else scene.project.name
    adapter = Adapter(scene.lake, scene.workspace, scene.cursor, scene.templates, names, where)
    names["adapter"] = adapter
    names["load_relation"] = names["load_cached_relation"] = adapter.load_relation
    if node is not None:
        names |= _of_node(scene, node, reader)
    names["builtins"] = {k: names[k] for k in ("ref", "source", "config") if k in names}
    return names


def _anew(scene: Scene, node: Node | None) -> bool:
    """dbt's `should_full_refresh`: what the node's config says, else what the caller said."""
    said = node.config.get("full_refresh") if node is not None else None
    return scene.invocation.full_refresh if said is None else bool(said)


def _of_node(scene: Scene, node: Node, reader: Reader) -> dict[str, Any]:
    """The names that a node's own templates have besides."""
    return {
        "this": reader.this(),
        "model": model_of(node, scene.interval, scene.lake.name),
        "config": TemplateConfig(node),
        "database": scene.lake.name,
        "schema": node.relation.schema,
        "pre_hooks": _hooks(node, "pre"),
        "post_hooks": _hooks(node, "post"),
    }


def _hooks(node: Node, when: str) -> list[dict[str, Any]]:
    """A node's hooks as dbt's mappings."""
    declared = node.config.get(f"{when}_hook") or node.config.get(f"{when}-hook") or ()
    parts = (declared,) if isinstance(declared, str | Mapping) else declared
    return [{"sql": p["sql"], "transaction": p.get("transaction", True)} if isinstance(p, Mapping) else _hook(p) for p in parts]


def _hook(sql: Any) -> dict[str, Any]:
    return {"sql": str(sql), "transaction": True}


class _Flags:
    """`flags`: dbt's flags by their names in capitals."""

    def __init__(self, flags: Mapping[str, Any]) -> None:
        self.__dict__.update(flags)

    def get(self, name: str, default: Any = None) -> Any:
        """The flag, or `default`."""
        return self.__dict__.get(name.upper(), default)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name.upper()]


class _Api:
    """`api`: makers of relations and columns. What they make reads what the run has staged."""

    def __init__(self, scene: Scene) -> None:
        self.Relation = RelationFactory(scene.workspace.resolve, scene.lake.name)
        self.Column = ColumnFactory()

    def __getitem__(self, name: str) -> Any:
        return {"Relation": self.Relation, "Column": self.Column}[name]


def _log(invocation: Invocation) -> Callable[..., str]:
    def log(msg: Any, info: bool = False) -> str:
        invocation.say(str(msg), info)
        return ""

    return log


def _print(invocation: Invocation) -> Callable[..., str]:
    def write(msg: Any = "") -> str:
        invocation.say(str(msg), True)
        return ""

    return write


class TemplateConfig:
    """dbt's `config`: called it declares (which parsing has read), asked it answers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __call__(self, *_: Any, **__: Any) -> str:
        return ""

    def get(self, name: str, default: Any = None, validator: Any = None) -> Any:
        """The value of a config key, or `default`."""
        found = self._node.config.get(name)
        if found is None and name == "materialized":
            return self._node.materialized
        return default if found is None else copy.deepcopy(found)  # a template may change what it is given

    def require(self, name: str, validator: Any = None) -> Any:
        """The value of a config key. Raises DeclarationError when it is not set."""
        found = self.get(name)
        if found is None:
            raise DeclarationError(f"{self._node.location}: {self._node.name} does not set '{name}'", expected=f"config {name}")
        return found

    def meta_get(self, name: str, default: Any = None) -> Any:
        """The value of a key of `meta`, or `default`."""
        found = self._node.meta.get(name, (self._node.config.get("meta") or {}).get(name))
        return default if found is None else found

    def meta_require(self, name: str) -> Any:
        """The value of a key of `meta`. Raises DeclarationError when it is not set."""
        found = self.meta_get(name)
        if found is None:
            raise DeclarationError(
                f"{self._node.location}: {self._node.name} does not set meta '{name}'", expected=f"meta {name}"
            )
        return found

    def persist_relation_docs(self) -> bool:
        """Whether descriptions are stored on relations."""
        return bool((self.get("persist_docs") or {}).get("relation"))

    def persist_column_docs(self) -> bool:
        """Whether descriptions are stored on columns."""
        return bool((self.get("persist_docs") or {}).get("columns"))


class Reader:
    """The callable names of one rendering."""

    def __init__(self, scene: Scene, node: Node | None) -> None:
        self._scene, self._node = scene, node
        self._results: dict[str, StatementResult] = {}
        self._index = index_of(scene.project)
        self.graph = self._index.graph(scene.lake.name, scene.run_id)

    @property
    def _where(self) -> str:
        return str(self._node.location) if self._node is not None else self._scene.project.name

    def this(self) -> TemplateRelation:
        """The node's own relation: what stands before this build."""
        assert self._node is not None
        relation = self._node.relation
        rendered = self._scene.this_sql or relation.sql(self._scene.lake.name)
        return TemplateRelation(self._scene.lake.name, relation.schema, relation.name, "table", rendered)

    def ref(self, *names: str, v: Any = None, version: Any = None) -> TemplateRelation:
        """The relation of a model, seed or snapshot. Raises DeclarationError for an unknown one."""
        wanted = v if v is not None else version
        package = names[0] if len(names) == 2 else None
        node = self._index.node(names[-1], package, None if wanted is None else str(wanted), self._node)
        if node is None:
            raise DeclarationError(f"{self._where}: ref({', '.join(map(repr, names))}) names nothing that can be read")
        if node.materialized == "ephemeral":
            return self._ephemeral(node)
        return self._relation(node.unique_id, node.relation, node.config.get("event_time"))

    def source(self, source: str, table: str) -> TemplateRelation:
        """The relation of a source table. Raises DeclarationError for an unknown one."""
        found = self._index.source(source, table, self._node)
        if found is None:
            raise DeclarationError(f"{self._where}: source('{source}', '{table}') is not declared")
        return self._relation(found.unique_id, found.relation, found.config.get("event_time"))

    def _relation(self, unique_id: str, relation: Relation, event_time: Any) -> TemplateRelation:
        scene = self._scene
        rendered = scene.resolve(unique_id)
        if rendered is None:
            rendered = scene.workspace.resolve(relation)
            scene.read[rendered] = relation.sql(scene.lake.name)
        if scene.interval is not None and event_time and self._node is not None and self._node.config.get("event_time"):
            column = quote_ident(str(event_time))
            start, end = day_or_moment(scene.interval.start), day_or_moment(scene.interval.end)
            rendered = f"(SELECT * FROM {rendered} WHERE {column} >= {start} AND {column} < {end})"
        return TemplateRelation(scene.lake.name, relation.schema, relation.name, "table", rendered)

    def _ephemeral(self, node: Node) -> TemplateRelation:
        inlined = self._scene.inlined
        if node.unique_id in inlined.open:
            raise DeclarationError(f"{node.location}: ephemeral model {node.name} reads itself", expected="no cycle")
        if node.unique_id not in inlined.found:
            inlined.open.append(node.unique_id)
            text = self._scene.templates.render(node.unique_id, names_for(self._scene, node))
            inlined.open.pop()
            written = "\n".join(self._scene.project.nodes[u].raw_code for u in inlined.open)
            name = inlined.name_for(node.name, node.package, written)
            inlined.found[node.unique_id] = (name, wrap(text, ()))
        name = inlined.found[node.unique_id][0]
        return TemplateRelation(None, None, name, "cte", quote_ident(name))

    def run_query(self, sql: str) -> ResultTable:
        """Run a reading query and return its rows. It sees what this run has staged."""
        return query(self._scene.cursor, pin(str(sql), self._scene.clock), self._where)

    def statement(
        self,
        name: str | None = None,
        fetch_result: bool = False,
        auto_begin: bool = True,
        language: str = "sql",
        caller: Any = None,
    ) -> str:
        """dbt's statement block: run the block's SQL, keep its result under `name`."""
        result = self.run_query(caller()) if caller is not None else ResultTable((), ())
        if name is not None:
            self.store_result(name, response(len(result)), result)
        return ""

    def store_result(self, name: str, response: Any, agate_table: Any = None) -> str:
        """Keep a result under `name` for `load_result`."""
        table = agate_table if agate_table is not None else ResultTable((), ())
        self._results[name] = StatementResult(table=table, data=[tuple(r) for r in table], response=response)
        return ""

    def store_raw_result(
        self,
        name: str,
        message: str | None = None,
        code: str | None = None,
        rows_affected: str | None = None,
        agate_table: Any = None,
    ) -> str:
        """Keep a result under `name` by the parts of its response."""
        return self.store_result(name, Response(_message=message, code=code, rows_affected=rows_affected), agate_table)

    def load_result(self, name: str) -> StatementResult | None:
        """The result kept under `name`, or None."""
        return self._results.get(name)


class Index:
    """The project's nodes and source tables by the names that templates use."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._nodes: dict[str, list[Node]] = {}
        for node in project.nodes.values():
            self._nodes.setdefault(node.name, []).append(node)
        self._graphs: dict[tuple[str, str], Graph] = {}
        self._guard = threading.Lock()
        self._sources: dict[tuple[str, str], list[SourceTable]] = {}
        for source in project.sources.values():
            self._sources.setdefault((source.source, source.name), []).append(source)

    def graph(self, database: str, run_id: str) -> Graph:
        """dbt's `graph` of the project: one for a run, as packages keep things in it."""
        with self._guard:
            found = self._graphs.setdefault((database, run_id), Graph(self.project, database))
            while len(self._graphs) > GRAPHS_KEPT:
                self._graphs.pop(next(iter(self._graphs)))
            return found

    def node(self, name: str, package: str | None, version: str | None, reader: Node | None) -> Node | None:
        """The node that `name` means to `reader`: of the named package, else of the reader's own, else of any."""
        found = [n for n in self._nodes.get(name, ()) if package is None or n.package == package]
        if version is not None:
            found = [n for n in found if n.version == version]
        elif len(found) > 1 and any(n.version is not None for n in found):
            latest = str(found[0].config.get("latest_version") or max(found, key=_version_number).version)
            found = [n for n in found if n.version == latest] or found
        own = [n for n in found if reader is not None and n.package == reader.package]
        return next(iter(own or found), None)

    def source(self, source: str, table: str, reader: Node | None) -> SourceTable | None:
        """The source table that the names mean to `reader`."""
        found = self._sources.get((source, table), [])
        own = [s for s in found if reader is not None and s.package == reader.package]
        return next(iter(own or found), None)


def _version_number(node: Node) -> tuple[int, str]:
    text = node.version or ""
    return (int(text) if text.isdigit() else -1, text)


_last: list[Index] = []


def index_of(project: Project) -> Index:
    """The project's index; the last one made is kept, because one process walks one project."""
    if not _last or _last[0].project is not project:
        _last[:] = [Index(project)]
    return _last[0]


def published_sql(sql: str, read: Mapping[str, str]) -> str:
    """`sql` with every relation that was read by its staged name written by its published one."""
    for rendered in sorted(read, key=len, reverse=True):
        if rendered != read[rendered]:
            sql = sql.replace(rendered, read[rendered])
    return sql
