"""dbt's `adapter` object: what templates may ask of the database while a run goes on.

Answers come from the lake's list of relations and from what the run has staged, kept for the length of one build. They never
write: `transform.writing` has the adapter of a materialisation, which writes to staging alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import duckdb

from headgate.ports.engine import Cursor, Lake, Workspace
from headgate.ports.templates import Templates
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Relation, quote_ident
from headgate.spec.results import ResultTable, response
from headgate.spec.templating import ColumnFactory, RelationFactory, TemplateColumn, TemplateRelation, column_of


class Adapter:
    """Introspection for one rendering. `resolve` in the workspace decides which version of a relation is meant."""

    def __init__(
        self, lake: Lake, workspace: Workspace, cursor: Cursor, templates: Templates, runtime: Mapping[str, Any], where: str
    ) -> None:
        self._lake, self._workspace, self._cursor = lake, workspace, cursor
        self._templates, self._runtime, self._where = templates, runtime, where
        self._relations: Mapping[str, str] | None = None
        self._columns: dict[str, list[TemplateColumn]] = {}
        self.Relation = RelationFactory(workspace.resolve, lake.name)
        self.Column = ColumnFactory()

    def type(self) -> str:
        """The database's kind."""
        return "duckdb"

    def quote(self, identifier: str) -> str:
        """`identifier`, quoted."""
        return quote_ident(str(identifier))

    def quote_as_configured(self, identifier: str, quote_key: str = "identifier") -> str:
        """`identifier`, quoted: names always are."""
        return quote_ident(str(identifier))

    def quote_seed_column(self, column: str, quote_config: bool | None) -> str:
        """A seed's column, quoted unless `quote_columns` says no."""
        return column if quote_config is False else quote_ident(column)

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

    def get_relation(
        self, database: str | None = None, schema: str | None = None, identifier: str | None = None
    ) -> TemplateRelation | None:
        """The relation of that name as this run sees it, or None."""
        return self.load_relation(TemplateRelation(database, schema, identifier))

    def load_relation(self, relation: TemplateRelation | None) -> TemplateRelation | None:
        """The relation if it exists in the lake or is staged, else None."""
        if relation is None or not relation.schema or not relation.identifier:
            return None
        named = Relation(str(relation.schema), str(relation.identifier))
        kind = self._published().get(str(named).lower())
        if kind is None and not self._workspace.is_staged(named):
            return None
        return TemplateRelation(self._lake.name, named.schema, named.name, kind or "table", self._workspace.resolve(named))

    def _published(self) -> Mapping[str, str]:
        if self._relations is None:
            self._relations = {name.lower(): kind for name, kind in self._lake.relations().items()}
        return self._relations

    def already_exists(self, schema: str, name: str) -> bool:
        """Whether there is a relation of that name."""
        return self.get_relation(None, schema, name) is not None

    def get_columns_in_relation(self, relation: TemplateRelation | str) -> list[TemplateColumn]:
        """The columns of a relation; empty when it does not exist."""
        named = isinstance(relation, TemplateRelation) and relation.rendered is None
        found = self.load_relation(relation) if named and isinstance(relation, TemplateRelation) else None
        name = str(found or relation)
        if name not in self._columns:
            try:
                self._columns[name] = self.get_column_schema_from_query(f"SELECT * FROM {name}")
            except duckdb.CatalogException:
                return []
        return list(self._columns[name])

    def get_columns_in_table(self, schema: str, identifier: str) -> list[TemplateColumn]:
        """The columns of a relation by its names."""
        return self.get_columns_in_relation(TemplateRelation(self._lake.name, schema, identifier))

    def get_column_schema_from_query(self, sql: str) -> list[TemplateColumn]:
        """The columns that a query gives."""
        rows = self._cursor.execute(f"DESCRIBE {sql}").fetchall()
        return [column_of(str(row[0]), str(row[1])) for row in rows]

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
        return self.list_relations(schema_relation.database, schema_relation.schema)

    def list_relations(self, database: str | None, schema: str | None) -> list[TemplateRelation]:
        """The lake's relations in a schema."""
        wanted = (schema or "").lower()
        found = [Relation.parse(name) for name in self._lake.relations() if name.partition(".")[0].lower() == wanted]
        return [r for r in (self.get_relation(self._lake.name, f.schema, f.name) for f in found) if r is not None]

    def create_schema(self, relation: TemplateRelation) -> str:
        """Nothing: publishing makes the schemas that it needs."""
        return ""

    def drop_schema(self, relation: TemplateRelation) -> str:
        """Refused: what is published is changed by publishing alone."""
        raise self._refused(f"drop schema {relation.schema}")

    def drop_relation(self, relation: TemplateRelation | None) -> str:
        """Refused, as `drop_schema`; nothing to drop is no mistake."""
        if relation is None:
            return ""
        raise self._refused(f"drop {relation}")

    def rename_relation(self, from_relation: TemplateRelation, to_relation: TemplateRelation) -> str:
        """Refused, as `drop_schema`."""
        raise self._refused(f"rename {from_relation}")

    def truncate_relation(self, relation: TemplateRelation) -> str:
        """Refused, as `drop_schema`."""
        raise self._refused(f"empty {relation}")

    def _refused(self, what: str) -> DeclarationError:
        return DeclarationError(
            f"{self._where}: a template wants to {what}",
            expected="templates that read, or materialisations that write to their own relations",
            todo="remove the model that builds it, or restore another version with 'headgate restore'",
            code="HG-T040",
        )

    def execute(
        self, sql: str, auto_begin: bool = False, fetch: bool = False, limit: int | None = None
    ) -> tuple[Any, ResultTable]:
        """Run a statement and return dbt's pair of response and table."""
        table = self._run(str(sql))
        if limit is not None:
            table = table.limit(limit)
        return response(len(table)), table

    def add_query(self, sql: str, *_: Any, **__: Any) -> tuple[Any, ResultTable]:
        """Run a statement, as `execute`."""
        return self.execute(sql)

    def _run(self, sql: str) -> ResultTable:
        return query(self._cursor, sql, self._where)

    def commit(self) -> str:
        """Nothing: what is staged is published when it has passed the gate."""
        return ""

    def get_csv_data(self, table: ResultTable) -> str:
        """A table as CSV."""
        return table.print_csv()

    def expand_target_column_types(self, from_relation: Any, to_relation: Any) -> str:
        """Nothing: DuckDB's texts have no length."""
        return ""

    def standardize_grants_dict(self, grants_table: ResultTable) -> dict[str, list[str]]:
        """A table of grantees and privileges, as privilege -> grantees."""
        found: dict[str, list[str]] = {}
        for row in grants_table:
            found.setdefault(row["privilege_type"], []).append(row["grantee"])
        return found

    def get_hard_deletes_behavior(self, config: Mapping[str, Any]) -> str:
        """What a snapshot does with keys that are gone: ignore, invalidate or new_record."""
        return str(config.get("hard_deletes") or ("invalidate" if config.get("invalidate_hard_deletes") else "ignore"))

    def valid_incremental_strategies(self) -> list[str]:
        """dbt's names of the strategies."""
        return ["append", "delete+insert", "merge", "microbatch"]

    def get_incremental_strategy_macro(self, model_context: Any, strategy: str) -> Callable[..., Any]:
        """The macro that writes a strategy's SQL. Raises DeclarationError when there is none."""
        name = f"get_incremental_{strategy.replace('+', '_')}_sql"
        if not self._templates.has_macro(name):
            raise DeclarationError(f"{self._where}: there is no macro '{name}'", expected=f"a macro for strategy '{strategy}'")
        return self._caller(name)

    def valid_snapshot_target(self, relation: TemplateRelation, column_names: Mapping[str, str] | None = None) -> None:
        """Raises DeclarationError when a snapshot's table lacks dbt's columns."""
        wanted = ("dbt_scd_id", "dbt_valid_from", "dbt_valid_to")
        have = {c.name.lower() for c in self.get_columns_in_relation(relation)}
        lacking = [n for n in ((column_names or {}).get(w, w) for w in wanted) if n.lower() not in have]
        if lacking:
            raise DeclarationError(
                f"{self._where}: {relation} is no table of a snapshot: it lacks {', '.join(lacking)}",
                expected="a table that this snapshot has built",
            )

    def assert_valid_snapshot_target_given_strategy(
        self, relation: TemplateRelation, column_names: Mapping[str, str], strategy: Mapping[str, Any]
    ) -> None:
        """As `valid_snapshot_target`."""
        self.valid_snapshot_target(relation, column_names)

    def convert_type(self, agate_table: ResultTable, col_idx: int) -> str:
        """DuckDB's type for a column of a table."""
        return _DUCKDB_TYPES[str(agate_table.column_types[col_idx])]

    def is_motherduck(self) -> bool:
        """Never."""
        return False

    def disable_transactions(self) -> bool:
        """Never."""
        return False

    def is_ducklake(self, relation: Any = None) -> bool:
        """Whether tables are written as DuckLake's: in staging they are DuckDB's own."""
        return False

    def warn_once(self, msg: str) -> str:
        """Nothing."""
        return ""

    def cache_added(self, relation: Any) -> str:
        """Nothing: what stands is looked up."""
        self._relations = None
        return ""

    cache_dropped = cache_added

    def cache_renamed(self, from_relation: Any, to_relation: Any) -> str:
        """Nothing: what stands is looked up."""
        return self.cache_added(to_relation)


_DUCKDB_TYPES = {
    "Integer": "BIGINT", "Number": "DOUBLE", "Text": "VARCHAR", "Boolean": "BOOLEAN", "Date": "DATE", "DateTime": "TIMESTAMP",
}  # fmt: skip


def query(cursor: Cursor, sql: str, where: str) -> ResultTable:
    """The rows of a reading statement. Raises DeclarationError for one that writes."""
    from headgate.transform.hooks import first_word, refuse_writes

    if not first_word(sql):
        return ResultTable((), ())  # nothing but comments
    refuse_writes(cursor, sql, where)
    cursor.execute(sql)
    return fetched(cursor)


def fetched(cursor: Cursor) -> ResultTable:
    """The rows of the last statement; none for a statement that gives none."""
    if cursor.description is None:
        return ResultTable((), ())
    names = [str(d[0]) for d in cursor.description]
    return ResultTable(names, cursor.fetchall())
