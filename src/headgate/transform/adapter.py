"""dbt's `adapter` object: what templates may ask of the database while a run goes on.

Answers come from the lake's list of relations and from what the run has staged, kept for the length of one build; they never
write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headgate.ports.engine import Cursor, Lake, Workspace
from headgate.ports.templates import Templates
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, Relation, quote_ident
from headgate.transform.relation import ResultTable, TemplateColumn, TemplateRelation


class Adapter:
    """Introspection for one rendering. `resolve` in the workspace decides which version of a relation is meant."""

    Relation = TemplateRelation
    Column = TemplateColumn

    def __init__(
        self, lake: Lake, workspace: Workspace, cursor: Cursor, templates: Templates, runtime: Mapping[str, Any], where: str
    ) -> None:
        self._lake, self._workspace, self._cursor = lake, workspace, cursor
        self._templates, self._runtime, self._where = templates, runtime, where
        self._relations: Mapping[str, str] | None = None
        self._columns: dict[str, list[TemplateColumn]] = {}

    def type(self) -> str:
        """The database's kind."""
        return "duckdb"

    def quote(self, identifier: str) -> str:
        """`identifier`, quoted."""
        return quote_ident(identifier)

    def quote_as_configured(self, identifier: str, quote_key: str = "identifier") -> str:
        """`identifier`, quoted: names always are."""
        return quote_ident(identifier)

    def dispatch(self, macro_name: str, macro_namespace: str | None = None, **_: Any) -> Callable[..., Any]:
        """The macro for this database: `duckdb__<name>`, then `default__<name>`. Raises DeclarationError if there is none."""
        for candidate in (f"duckdb__{macro_name}", f"default__{macro_name}", macro_name):
            for name in (f"{macro_namespace}.{candidate}", candidate) if macro_namespace else (candidate,):
                if self._templates.has_macro(name):
                    return self._caller(name)
        raise DeclarationError(
            f"{self._where}: no macro '{macro_name}' for duckdb", expected=f"duckdb__{macro_name} or default__{macro_name}"
        )

    def _caller(self, name: str) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            arguments = {**named, "varargs": positional} if positional else named
            return self._templates.call_macro(name, arguments, self._runtime)

        return call

    def get_relation(self, database: str | None = None, schema: str = "", identifier: str = "") -> TemplateRelation | None:
        """The relation of that name as this run sees it, or None."""
        return self.load_relation(TemplateRelation(database, schema, identifier))

    def load_relation(self, relation: TemplateRelation | None) -> TemplateRelation | None:
        """The relation if it exists in the lake or is staged, else None."""
        if relation is None or not relation.schema or not relation.identifier:
            return None
        named = Relation(relation.schema, relation.identifier)
        kind = self._published().get(str(named).lower())
        if kind is None and not self._workspace.is_staged(named):
            return None
        return TemplateRelation(self._lake.name, named.schema, named.name, kind or "table", self._workspace.resolve(named))

    def _published(self) -> Mapping[str, str]:
        if self._relations is None:
            self._relations = {name.lower(): kind for name, kind in self._lake.relations().items()}
        return self._relations

    def get_columns_in_relation(self, relation: TemplateRelation | str) -> list[TemplateColumn]:
        """The columns of a relation; empty when it does not exist."""
        if isinstance(relation, TemplateRelation) and relation.rendered is None:
            found = self.load_relation(relation)
            if found is None:
                return []
            relation = found
        name = str(relation)
        if name not in self._columns:
            rows = self._cursor.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()
            self._columns[name] = [TemplateColumn.of(Column(str(r[0]), str(r[1]))) for r in rows]
        return self._columns[name]

    def get_missing_columns(self, from_relation: TemplateRelation, to_relation: TemplateRelation) -> list[TemplateColumn]:
        """The columns of the first relation that the second lacks."""
        there = {c.name.lower() for c in self.get_columns_in_relation(to_relation)}
        return [c for c in self.get_columns_in_relation(from_relation) if c.name.lower() not in there]

    def list_schemas(self, database: str | None = None) -> list[str]:
        """The lake's schemas."""
        return sorted({name.partition(".")[0] for name in self._published()})

    def check_schema_exists(self, database: str | None, schema: str) -> bool:
        """Whether the lake has a relation in that schema."""
        return schema.lower() in self.list_schemas()

    def list_relations_without_caching(self, schema_relation: TemplateRelation) -> list[TemplateRelation]:
        """The lake's relations in a schema."""
        schema = (schema_relation.schema or "").lower()
        found = [Relation.parse(name) for name in self._published() if name.partition(".")[0] == schema]
        return [r for r in (self.load_relation(TemplateRelation(self._lake.name, f.schema, f.name)) for f in found) if r]

    def create_schema(self, relation: TemplateRelation) -> str:
        """Nothing: publishing makes the schemas that it needs."""
        return ""

    def drop_relation(self, relation: TemplateRelation) -> str:
        """Refused: what is published is changed by publishing alone."""
        raise DeclarationError(
            f"{self._where}: a template wants to drop {relation}",
            expected="templates that read only",
            todo="remove the model that builds it, or restore another version with 'headgate restore'",
        )

    def execute(
        self, sql: str, auto_begin: bool = False, fetch: bool = False, limit: int | None = None
    ) -> tuple[str, ResultTable]:
        """Run a query and return dbt's pair of response and table."""
        result = query(self._cursor, sql, self._where)
        return "OK", result


def query(cursor: Cursor, sql: str, where: str) -> ResultTable:
    """The rows of a reading statement. Raises DeclarationError for one that writes."""
    from headgate.transform.hooks import refuse_writes

    refuse_writes(cursor, sql, where)
    cursor.execute(sql)
    if cursor.description is None:
        return ResultTable((), ())
    names = [d[0] for d in cursor.description]
    return ResultTable(names, cursor.fetchall())
