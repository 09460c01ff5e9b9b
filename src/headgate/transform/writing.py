"""What a materialisation written in Jinja may do: make, change and drop relations, in the run's staging area alone.

Its own relation, and every name that nobody has published, stands in staging; everything else is read as this run sees it. A
statement that would write elsewhere is refused before it runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import duckdb

from headgate.spec.errors import DeclarationError
from headgate.spec.names import Relation, quote_ident
from headgate.spec.results import ResultTable, response
from headgate.spec.templating import ColumnFactory, RelationFactory, TemplateRelation
from headgate.transform.adapter import Adapter, fetched
from headgate.transform.clock import pin
from headgate.transform.context import Reader, Scene
from headgate.transform.hooks import first_word, may_write, written
from headgate.transform.job import Job

_PART = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_NAME = rf"(?P<name>{_PART}(?:\s*\.\s*{_PART}){{0,2}})"
_WRITES = re.compile(
    r"(?:(?P<create>create)\s+(?:or\s+replace\s+)?(?P<temp>(?:temp|temporary)\s+)?(?P<kind>table|view|schema|macro|function|sequence|type)\s+(?:if\s+not\s+exists\s+)?"
    r"|create\s+(?:unique\s+)?index\s+(?:if\s+not\s+exists\s+)?\S+\s+on\s+"
    r"|(?P<drop>drop)\s+(?P<gone>table|view|index|macro|function|schema)\s+(?:if\s+exists\s+)?"
    r"|(?P<alter>alter)\s+(?:table|view)\s+(?:if\s+exists\s+)?"
    r"|insert\s+(?:or\s+\w+\s+)?into\s+|delete\s+from\s+|update\s+|merge\s+into\s+|truncate\s+(?:table\s+)?)" + _NAME,
    re.I,
)
_RENAME = re.compile(rf"\s+rename\s+to\s+(?P<to>{_PART})\s*;?\s*$", re.I)
_BODY = re.compile(r"\bas\b(?P<body>.*)$", re.I | re.S)
_READS = (
    "select",
    "with",
    "from",
    "values",
    "show",
    "describe",
    "explain",
    "summarize",
    "pivot",
    "unpivot",
    "table",
    "set",
    "reset",
    "load",
)
_NO_MEANING = ("grant", "revoke", "analyze", "vacuum", "comment", "begin", "commit", "rollback", "checkpoint", "start")
_NOT_SQL = ("", "grant", "revoke")  # DuckDB has no word for these
_TEMPORARY = ("temp", "memory")


@dataclass(slots=True)
class Made:
    """What a materialisation has made in staging: relation -> "table" | "view", the queries of views, temporary tables."""

    kinds: dict[Relation, str] = field(default_factory=dict)
    views: dict[Relation, str] = field(default_factory=dict)
    temporary: set[str] = field(default_factory=set)


class StagingAdapter(Adapter):
    """`adapter` of one materialisation, which keeps in `made` what it makes. Templates cannot reach that."""

    def __init__(self, job: Job, scene: Scene, names: dict[str, Any], made: Made, *, in_hook: bool = False) -> None:
        super().__init__(job.lake, job.workspace, job.cursor, scene.templates, names, str(job.node.location))
        self._job, self._scene = job, scene
        self._made, self._in_hook = made, in_hook
        self.Relation = RelationFactory(self.name_of, job.lake.name)
        self.Column = ColumnFactory()

    def name_of(self, relation: Relation) -> str:
        """The SQL name of `relation` for this materialisation."""
        own = relation == self._job.node.relation or relation in self._made.kinds
        known = self._workspace.is_staged(relation) or str(relation).lower() in self._published()
        if known and not own:
            return self._workspace.resolve(relation)
        return relation.sql(self._workspace.catalog)

    def relation(self, relation: Relation, kind: str | None) -> TemplateRelation:
        """The template's face of `relation`."""
        return TemplateRelation(self._lake.name, relation.schema, relation.name, kind, resolve=self.name_of)

    def load_relation(self, relation: TemplateRelation | None) -> TemplateRelation | None:
        """The relation, if it is made, staged or published; its own only when it is made."""
        if relation is None or not relation.schema or not relation.identifier:
            return None
        named = Relation(str(relation.schema), str(relation.identifier))
        if named in self._made.kinds:
            return self.relation(named, self._made.kinds[named])
        return None if named == self._job.node.relation else super().load_relation(relation)

    def create_schema(self, relation: TemplateRelation) -> str:
        """Make the schema in staging."""
        self._cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {self._workspace.catalog}.{quote_ident(str(relation.schema))}")
        return ""

    def drop_relation(self, relation: TemplateRelation | None) -> str:
        """Drop what the materialisation has made; a relation that is not there is no mistake."""
        if relation is not None:
            kind = self._made.kinds.get(_named(relation), relation.type or "table")
            self.write(f"drop {kind} if exists {relation}")
        return ""

    def rename_relation(self, from_relation: TemplateRelation, to_relation: TemplateRelation) -> str:
        """Rename what the materialisation has made."""
        kind = self._made.kinds.get(_named(from_relation), from_relation.type or "table")
        self.write(f"alter {kind} {from_relation} rename to {quote_ident(str(to_relation.identifier))}")
        return ""

    def truncate_relation(self, relation: TemplateRelation) -> str:
        """Take all rows out of what the materialisation has made."""
        self.write(f"delete from {relation}")
        return ""

    def _run(self, sql: str) -> ResultTable:
        return self.write(sql)

    def write(self, sql: str) -> ResultTable:
        """Run statements, each of which reads, or writes to staging. Raises DeclarationError for any other."""
        self._columns.clear()
        if first_word(sql) in _NOT_SQL:
            return ResultTable((), ())
        result = ResultTable((), ())
        for statement in self._statements(sql):
            word = first_word(statement)
            if word in _NO_MEANING:
                continue
            if self._in_hook and word not in _READS and self._waits(statement):
                continue
            change = None if word in _READS else self._allowed(statement)
            self._cursor.execute(statement)
            result = fetched(self._cursor)
            if change is not None:
                self._note(statement, change)
        return result

    def _statements(self, sql: str) -> list[str]:
        """The statements of a text, without the comments before each. Raises DeclarationError for text that is no SQL."""
        try:
            found = duckdb.extract_statements(pin(sql, self._scene.clock))
        except duckdb.Error as error:
            raise self._mistake(sql, str(error).splitlines()[0]) from error
        for statement in found:
            if first_word(statement.query) == "with" and str(statement.type).rpartition(".")[2] != "SELECT":
                raise self._mistake(statement.query, "a WITH before a statement that writes hides its target")
        return [_bare(statement.query) for statement in found]

    def _allowed(self, statement: str) -> re.Match[str]:
        """How the statement writes. Raises DeclarationError unless it writes in staging."""
        match = _WRITES.match(statement)
        if match is None:
            raise self._mistake(statement, "it is neither a query nor a write to a relation")
        parts = _parts(match["name"])
        if match["temp"] or (match["create"] and match["kind"] in ("macro", "function") and len(parts) == 1):
            return match
        if len(parts) == 1 and parts[0].lower() in self._made.temporary:
            return match
        if len(parts) > 1 and parts[0] in (self._workspace.catalog, *_TEMPORARY) and not self._of_another(parts):
            return match
        raise self._mistake(statement, f"{match['name']} does not stand in staging")

    def _waits(self, statement: str) -> bool:
        """Whether a hook's statement writes beside the model: then it runs after the publish (`run.statements`).

        Raises DeclarationError for one that would write what goes through the gate.
        """
        match = _WRITES.match(statement)
        parts = _parts(match["name"]) if match is not None else []
        if match is None or match["temp"] or (len(parts) == 1 and parts[0].lower() in self._made.temporary):
            return False
        if len(parts) > 1 and parts[0] in (self._workspace.catalog, *_TEMPORARY):
            return False
        may_write(written(statement, self._where), self._scene.project, self._where, statement)
        return True

    def _of_another(self, parts: list[str]) -> bool:
        """Whether the name is that of another model's staged rows."""
        relation = Relation(*parts[-2:])
        return self._workspace.is_staged(relation) and relation not in self._made.kinds and relation != self._job.node.relation

    def _note(self, statement: str, change: re.Match[str]) -> None:
        """Keep what a statement has made, dropped or renamed."""
        parts = _parts(change["name"])
        if change["temp"]:
            self._made.temporary.add(parts[-1].lower())
        if len(parts) != 3:
            return
        relation = Relation(parts[1], parts[2])
        if change["create"] and change["kind"].lower() in ("table", "view"):
            self._made.kinds[relation] = change["kind"].lower()
            body = _BODY.search(statement, change.end())
            self._made.views[relation] = body["body"].strip().rstrip(";") if body is not None else ""
        elif change["drop"]:
            self._made.kinds.pop(relation, None)
        elif change["alter"] and (renamed := _RENAME.match(statement, change.end())):
            new = Relation(relation.schema, _parts(renamed["to"])[0])
            self._made.kinds[new] = self._made.kinds.pop(relation, "table")
            self._made.views[new] = self._made.views.pop(relation, "")

    def _mistake(self, sql: str, why: str) -> DeclarationError:
        return DeclarationError(
            f"{self._where}: the materialisation '{self._job.node.materialized}' may not run this: {' '.join(sql.split())[:160]} ({why})",
            expected="queries, and statements that write to {{ this }}, to relations of its own or to temporary tables",
            todo="let it write to {{ this }}: publishing makes that visible when it has passed the gate",
            code="HG-T040",
        )


class WritingReader(Reader):
    """The names of a materialisation: what it runs may write to staging."""

    def __init__(self, scene: Scene, job: Job, adapter: StagingAdapter) -> None:
        super().__init__(scene, job.node)
        self._adapter = adapter

    def run_query(self, sql: str) -> ResultTable:
        """Run statements; see `StagingAdapter.write`."""
        return self._adapter.write(str(sql))

    def noop_statement(
        self, name: str | None = None, message: Any = None, code: Any = None, rows_affected: Any = None, res: Any = None
    ) -> str:
        """Keep a response without running anything."""
        if name is not None:
            self.store_result(name, {**response(), "_message": message, "code": code, "rows_affected": rows_affected}, res)
        return ""


def writing_names(scene: Scene, job: Job, adapter: StagingAdapter) -> dict[str, Any]:
    """The names by which a template may write to staging: over those of `names_for`."""
    reader = WritingReader(scene, job, adapter)
    asked = ("run_query", "statement", "noop_statement", "store_result", "store_raw_result", "load_result")
    found = {name: getattr(reader, name) for name in asked}
    return {**found, "adapter": adapter, **dict.fromkeys(("load_relation", "load_cached_relation"), adapter.load_relation)}


def _named(relation: TemplateRelation) -> Relation:
    return Relation(str(relation.schema), str(relation.identifier))


def _parts(name: str) -> list[str]:
    """The parts of a dotted name, unquoted."""
    return [p[1:-1].replace('""', '"') if p.startswith('"') else p for p in re.findall(_PART, name)]


def _bare(statement: str) -> str:
    """A statement without the comments and spaces before it."""
    rest = statement.lstrip()
    while rest.startswith(("--", "/*")):
        rest = rest.partition("\n" if rest.startswith("--") else "*/")[2].lstrip()
    return rest
