"""References to relations: who reads whom, what does not exist, circles; and the canonical SQL with real names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from headgate.declare.context import Recorder
from headgate.declare.drafts import Draft, Ref
from headgate.declare.memory import key_of
from headgate.declare.mistakes import Mistakes, nearest
from headgate.declare.models import model_names, note, ref_of, source_of
from headgate.declare.reading import Reading
from headgate.declare.sandbox import MACROS, CompilerError, TemplateFailed, render
from headgate.declare.sql import check_query
from headgate.declare.versions import version_order
from headgate.spec.errors import Location
from headgate.spec.names import Relation, quote_ident
from headgate.spec.project import SourceTable
from headgate.spec.templating import TemplateRelation

Place = Callable[[], Location]
"""Finds a place when it is needed: most references are right, and looking costs more than resolving."""


@dataclass(slots=True)
class Links:
    """Everything that can be referred to, by name."""

    root: str
    nodes: Mapping[str, Draft]
    sources: Mapping[str, SourceTable]
    off_sources: frozenset[tuple[str, str]] = frozenset()
    by_name: dict[str, list[Draft]] = field(default_factory=dict)
    by_source: dict[tuple[str, str], SourceTable] = field(default_factory=dict)

    @staticmethod
    def of(drafts: Iterable[Draft], sources: Mapping[str, SourceTable], root: str) -> Links:
        """Index drafts and sources."""
        found = Links(root, {d.unique_id: d for d in drafts}, sources)
        for draft in found.nodes.values():
            found.by_name.setdefault(draft.name, []).append(draft)
        for table in sources.values():
            key = (table.source, table.name)
            if key not in found.by_source or table.package == root:
                found.by_source[key] = table
        return found

    def node(self, ref: Ref, package: str) -> Draft | None:
        """The node that a ref from `package` means: own package first, then the project, then any."""
        wanted, name, version = ref
        found = [d for d in self.by_name.get(name, ()) if wanted in (None, d.package)]
        if version is not None:
            found = [d for d in found if d.version == version]
        elif any(d.version for d in found):
            latest = max(found, key=lambda d: (_is_latest(d), version_order(d.version)))
            found = [latest]
        order = {package: 0, self.root: 1}
        return min(found, key=lambda d: (not d.enabled, order.get(d.package, 2)), default=None)

    def source(self, key: tuple[str, str]) -> SourceTable | None:
        """The source table that source() means."""
        return self.by_source.get(key)


def _is_latest(draft: Draft) -> bool:
    latest = draft.patch.entry.get("latest_version") if draft.patch else None
    return latest is not None and str(latest) == draft.version


def resolve_ref(ref: Ref, package: str, links: Links, place: Place, who: str, mistakes: Mistakes) -> Draft | None:
    """The node that `ref` means, or None and a mistake."""
    found = links.node(ref, package)
    if found is not None and found.enabled:
        return found
    shown = (f"{ref[0]}." if ref[0] else "") + ref[1] + (f" version {ref[2]}" if ref[2] else "")
    if found is not None:
        mistakes.add(
            "HG-D032",
            place(),
            f"{who} refers to '{shown}', which is switched off",
            expected="a node that is enabled",
            todo=f"switch '{ref[1]}' on, or remove the ref",
        )
        return None
    sources = {t.name: t for t in links.sources.values()}
    near, todo = nearest(ref[1], links.by_name), ""
    if ref[1] in sources:
        near, todo = (
            None,
            f"it is a table of source '{sources[ref[1]].source}': write source('{sources[ref[1]].source}', '{ref[1]}')",
        )
    mistakes.add(
        "HG-D030",
        place(),
        f"{who} refers to '{shown}', which does not exist",
        expected="a model, seed or snapshot of the project",
        todo=todo,
        suggestion=near,
    )
    return None


def resolve_source(
    key: tuple[str, str], links: Links, place: Callable[[int], Location], who: str, mistakes: Mistakes
) -> SourceTable | None:
    """The table that `key` means, or None and a mistake. `place(0)` is that of the source's name, `place(1)` the table's."""
    found = links.source(key)
    if found is not None:
        return found
    if key in links.off_sources:
        mistakes.add(
            "HG-D032",
            place(1),
            f"{who} reads source table '{key[0]}.{key[1]}', which is switched off",
            expected="a table that is enabled",
            todo="switch it on, or read another",
        )
        return None
    tables = [table for source, table in links.by_source if source == key[0]]
    if tables:
        mistakes.add(
            "HG-D031",
            place(1),
            f"{who} reads table '{key[1]}' of source '{key[0]}', which has no such table",
            expected="one of " + ", ".join(sorted(tables)),
            suggestion=nearest(key[1], tables),
        )
        return None
    sources = {source for source, _ in links.by_source}
    mistakes.add(
        "HG-D031",
        place(0),
        f"{who} reads source '{key[0]}', which does not exist",
        expected="one of " + ", ".join(sorted(sources)) if sources else "a source declared under 'sources:'",
        suggestion=nearest(key[0], sources),
    )
    return None


def link(draft: Draft, links: Links, mistakes: Mistakes) -> None:
    """Set what the draft depends on, in order of first use."""
    who = f"{draft.resource_type} '{draft.name}'"
    found: dict[str, None] = {}
    for ref in draft.refs:
        node = resolve_ref(ref, draft.package, links, partial(draft.ref_place, ref), who, mistakes)
        if node is None:
            draft.failed = True
        elif node is draft:
            mistakes.add(
                "HG-D033", draft.ref_place(ref), f"{who} refers to itself", expected="{{ this }} for the model's own table"
            )
            draft.failed = True
        else:
            found[node.unique_id] = None
    for key in draft.sources:
        table = resolve_source(key, links, partial(draft.source_place, key), who, mistakes)
        if table is None:
            draft.failed = True
        else:
            found[table.unique_id] = None
    draft.depends_on = tuple(found)


def check_circles(drafts: Iterable[Draft], mistakes: Mistakes) -> None:
    """Tell of a circle, if there is one."""
    from headgate.lineage.graph import Graph, path_in_words

    known = {d.unique_id: d for d in drafts}
    edges = {uid: [p for p in d.depends_on if p in known and p != uid] for uid, d in known.items()}
    while (path := Graph(edges).cycle()) is not None:
        last, first = known[path[-2]], known[path[-1]]
        ref: Ref = next((r for r in last.refs if r[1] == first.name), (None, first.name, None))
        mistakes.add(
            "HG-D033",
            last.ref_place(ref),
            "models refer to each other in a circle: " + path_in_words([known[p].name for p in path]),
            expected="every model to read only models that do not read it, directly or not",
            todo="remove one of these references",
        )
        edges[path[-2]].remove(path[-1])


def link_names(draft: Draft, links: Links, reading: Reading, recorder: Recorder) -> dict[str, Any]:
    """`ref`, `source` and `this` with real names for `draft`."""
    catalog = reading.settings.lake.name

    def ref(*args: Any, v: Any = None, version: Any = None) -> TemplateRelation:
        node = links.node(ref_of(args, v if v is not None else version), draft.package)
        if node is None:
            raise CompilerError(f"ref('{args[-1]}') does not exist", code="HG-D030")
        return relation_for(node, catalog)

    def source(*args: Any) -> TemplateRelation:
        table = links.source(source_of(args))
        if table is None:
            raise CompilerError(f"source('{args[0]}', '{args[1]}') does not exist", code="HG-D031")
        return relation_of(table.relation, catalog, "table")

    return {"ref": ref, "source": source, "this": relation_of(draft.relation, catalog), "model": model_names(draft)}


def relation_for(node: Draft, catalog: str) -> TemplateRelation:
    """How `node` is read: by its published name, or, ephemeral, by the name of the subquery put in front."""
    if node.materialized == "ephemeral":
        name = ephemeral_name(node.name)
        return TemplateRelation(catalog, node.relation.schema, name, "cte", quote_ident(name))
    return relation_of(node.relation, catalog, "view" if node.materialized == "view" else "table")


def relation_of(relation: Relation, catalog: str, type: str | None = None) -> TemplateRelation:
    """The template's view of a relation in `catalog`."""
    return TemplateRelation(catalog, relation.schema, relation.name, type)


def ephemeral_name(name: str) -> str:
    """The name under which an ephemeral model's query stands in its readers' WITH clause (dbt's)."""
    return f"__dbt__cte__{name}"


def render_canonical(draft: Draft, links: Links, reading: Reading) -> None:
    """Set the canonical texts of a SQL draft and check that they are queries."""
    if draft.language != "sql" or draft.failed:
        return
    key = _rendering_key(draft, links, reading)
    known = reading.memory.get("rendered", key)
    if known is not None:
        draft.canonical_sql, draft.canonical_incremental_sql, macros, asked_for = known
        reading.env_vars.update(asked_for)
        draft.macros |= {(package, name) for package, name in macros}
        return
    try:
        with reading.watched() as env_vars:
            draft.canonical_sql = draft.canonical_incremental_sql = _rendered(draft, links, reading, incremental=False)
            if draft.materialized == "incremental" and "is_incremental" in draft.code:
                draft.canonical_incremental_sql = _rendered(draft, links, reading, incremental=True)
    except TemplateFailed as error:
        draft.failed = True
        reading.fail(error)
        return
    texts = dict.fromkeys((draft.canonical_sql, draft.canonical_incremental_sql))
    found = Mistakes()
    if not all([check_query(text, draft, found) for text in texts]):  # noqa: C419 - every text is to be checked
        if draft.introspects:
            draft.canonical_sql = draft.canonical_incremental_sql = ""
            reading.mistakes.add(
                "HG-D052",
                draft.location,
                f"{draft.resource_type} '{draft.name}' asks the database while rendered: its SQL is known at run time alone",
                severity="notice",
            )
            return
        if reading.settings.dbt:  # dbt does not look into SQL: this model fails when it is built, and the others stand
            draft.canonical_sql = draft.canonical_incremental_sql = ""
            draft.introspects = True
            reading.mistakes.keep(replace(d, severity="warning") for d in found.found)
            return
        draft.failed = True
        reading.mistakes.keep(found.found)
    if not draft.failed:
        answer = [draft.canonical_sql, draft.canonical_incremental_sql, sorted(draft.macros), sorted(env_vars)]
        reading.memory.put("rendered", key, answer)


def _rendering_key(draft: Draft, links: Links, reading: Reading) -> str:
    """The relations that the draft reads and is: with its own key, all that its canonical text can depend on."""
    catalog = reading.settings.lake.name
    read = []
    for unique_id in draft.depends_on:
        node = links.nodes.get(unique_id)
        found = relation_for(node, catalog) if node is not None else relation_of(links.sources[unique_id].relation, catalog)
        read.append([unique_id, str(found), found.schema, found.type])
    return key_of(draft.key or draft.code, str(draft.relation), draft.materialized, read)


def _rendered(draft: Draft, links: Links, reading: Reading, *, incremental: bool) -> str:
    recorder = Recorder()
    names = reading.names(
        draft.package,
        recorder,
        draft.config.values,
        is_incremental=lambda: incremental,
        **link_names(draft, links, reading, recorder),
    )
    if draft.template is None:
        draft.template = reading.template(draft.code, draft.file.path, draft.first_line)
    text = render(draft.template, names, draft.file.path).strip().rstrip(";").rstrip()
    note(draft, names[MACROS])
    return text


def with_ephemeral(drafts: Mapping[str, Draft], draft: Draft, sql: str) -> str:
    """`sql` with the ephemeral models that it reads put in front as common table expressions."""
    wanted: dict[str, str] = {}
    _collect(drafts, draft, wanted)
    if not wanted:
        return sql
    parts = ", ".join(f'"{name}" as (\n{text}\n)' for name, text in wanted.items())
    return f"with {parts} select * from (\n{sql}\n)"


def _collect(drafts: Mapping[str, Draft], draft: Draft, wanted: dict[str, str]) -> None:
    for unique_id in draft.depends_on:
        parent = drafts.get(unique_id)
        if parent is not None and parent.materialized == "ephemeral":
            _collect(drafts, parent, wanted)
            wanted.setdefault(ephemeral_name(parent.name), parent.canonical_sql)
