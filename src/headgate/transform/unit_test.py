"""Unit tests: a model's SQL over given rows, in a database in memory that holds these rows and nothing else.

No table of the lake is read or needed. What a given row leaves out has the type that the input's column has: in the lake if the input is
built, else by its own SQL, else as declared; of an input about which nothing is known, what the model asks for is NULL.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import duckdb

from headgate.ports.engine import Lake, Workspace
from headgate.ports.templates import Templates
from headgate.spec.clock import Clock
from headgate.spec.declared import GivenRows, UnitTest
from headgate.spec.errors import DeclarationError, HeadgateError
from headgate.spec.names import Column, Relation, quote_ident, quote_literal
from headgate.spec.project import Node, Project, SourceTable
from headgate.spec.templating import TemplateRelation
from headgate.transform.clock import pin
from headgate.transform.context import Scene, index_of, names_for
from headgate.transform.seed import file_of

ROWS_SHOWN = 20
TRIES = 60  # columns that a model may ask of inputs about which nothing is known
OVERRIDES = "unit_test_overrides"
_MISSING = re.compile(r'(?:Referenced column|does not have a column named|Column) "([^"]+)"')
Known = Callable[[Relation], "tuple[Column, ...] | None"]


@dataclass(frozen=True, slots=True)
class Tried:
    """How a unit test ended. `missing` are expected rows that did not come, `unexpected` rows that came instead; `error` is why it
    could not be run at all."""

    test: UnitTest
    columns: tuple[str, ...] = ()
    missing: tuple[tuple[Any, ...], ...] = ()
    unexpected: tuple[tuple[Any, ...], ...] = ()
    error: str = ""
    sql: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the model did what was expected."""
        return not (self.missing or self.unexpected or self.error)

    @property
    def message(self) -> str:
        """One sentence, and the rows that differ as a table: `-` expected and did not come, `+` came and was not expected."""
        if self.passed:
            return ""
        if self.error:
            return f"unit test '{self.test.name}' could not be run: {self.error}"
        rows = [("-", *row) for row in self.missing[:ROWS_SHOWN]] + [("+", *row) for row in self.unexpected[:ROWS_SHOWN]]
        return f"unit test '{self.test.name}' gave other rows than expected:\n{laid_out(('', *self.columns), rows)}"


def laid_out(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as aligned text; NULL is written so."""
    lines = [[str(h) for h in header], *(["NULL" if v is None else str(v) for v in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join("  " + "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


class UnitTests:
    """Runs unit tests of one project. `known` gives the columns of a relation of the lake that is built, or None."""

    def __init__(self, project: Project, templates: Templates, clock: Clock, known: Known) -> None:
        self._project, self._templates, self._clock, self._known = project, templates, clock, known
        self._shapes: dict[str, tuple[Column, ...]] = {}

    def run(self, test: UnitTest) -> Tried:
        """Try one. A test that cannot be run is one that fails, with the reason."""
        began = time.perf_counter()
        model = self._project.nodes.get(test.model)
        if model is None or model.language != "sql":
            return Tried(test, error="its model is not SQL" if model else "its model is switched off")
        ground = _Ground(self._project.lake.name)
        try:
            tried = self._tried(test, model, ground)
        except (HeadgateError, duckdb.Error) as error:
            tried = Tried(test, error=str(error).split("\n\nLINE")[0].strip())
        finally:
            ground.close()
        return Tried(test, tried.columns, tried.missing, tried.unexpected, tried.error, tried.sql, time.perf_counter() - began)

    def _tried(self, test: UnitTest, model: Node, ground: _Ground) -> Tried:
        given = {model.unique_id if rows.input == "this" else rows.input: rows for rows in test.given}
        inputs = [
            _Input(self._relation(uid), given.get(uid), self._shape(uid), self._declared(uid))
            for uid in dict.fromkeys((*model.depends_on, *given, *((model.unique_id,) if _reads_itself(model) else ())))
        ]
        for one in inputs:
            ground.place(one)
        sql = self._sql(test, model, ground)
        columns = ground.asked(sql, inputs)
        expected = _expected(test.expect, columns, ground)
        names = tuple(c.name for c in expected)
        wanted, actual = _rows_sql(test.expect, expected), f"SELECT {_listed(names)} FROM ({sql})"
        shown = f"SELECT {_listed(names)} FROM ({wanted})"
        order = " ORDER BY ALL LIMIT 200"
        missing = ground.rows(f"({shown}) EXCEPT ALL ({actual}){order}")
        unexpected = ground.rows(f"({actual}) EXCEPT ALL ({shown}){order}")
        return Tried(test, names, missing, unexpected, sql=sql)

    def _sql(self, test: UnitTest, model: Node, ground: _Ground) -> str:
        """The model's SQL, reading the given rows by the inputs' ordinary names."""
        incremental = test.overrides.get("macros", {}).get("is_incremental") is True
        lake, workspace = cast(Lake, ground), cast(Workspace, ground)
        scene = Scene(self._project, self._templates, lake, workspace, ground.connection, self._clock, incremental=incremental)
        names = names_for(scene, model)
        index, catalog = index_of(self._project), self._project.lake.name

        def ref(*wanted: str, v: Any = None, version: Any = None) -> TemplateRelation:
            chosen = v if v is not None else version
            package = wanted[0] if len(wanted) == 2 else None
            node = index.node(wanted[-1], package, None if chosen is None else str(chosen), model)
            if node is None:
                raise DeclarationError(f"{model.location}: ref({', '.join(map(repr, wanted))}) names nothing that can be read")
            return TemplateRelation(catalog, node.relation.schema, node.relation.name, "table")

        def source(name: str, table: str) -> TemplateRelation:
            found = index.source(name, table, model)
            if found is None:
                raise DeclarationError(f"{model.location}: source('{name}', '{table}') is not declared")
            return TemplateRelation(catalog, found.relation.schema, found.relation.name, "table")

        names |= {"ref": ref, "source": source, OVERRIDES: test.overrides}
        names["builtins"] = {**names["builtins"], "ref": ref, "source": source}
        return pin(self._templates.render(model.unique_id, names).strip().rstrip(";"), self._clock)

    def _relation(self, unique_id: str) -> Relation:
        return self._thing(unique_id).relation

    def _thing(self, unique_id: str) -> Node | SourceTable:
        found = self._project.nodes.get(unique_id) or self._project.sources.get(unique_id)
        if found is None:
            raise DeclarationError(f"input {unique_id} is switched off", expected="an input that the model reads")
        return found

    def _declared(self, unique_id: str) -> dict[str, str]:
        return {name.lower(): c.data_type for name, c in self._thing(unique_id).columns.items() if c.data_type}

    def _shape(self, unique_id: str, above: tuple[str, ...] = ()) -> tuple[Column, ...]:
        """The columns that an input has; empty when nothing tells."""
        found = self._shapes.get(unique_id)
        if found is None:
            thing = self._thing(unique_id)
            found = (self._known(thing.relation) if not _is_ephemeral(thing) else None) or ()
            if not found and isinstance(thing, Node) and unique_id not in above and len(above) < 40:
                found = self._shape_by_code(thing, (*above, unique_id))
            self._shapes[unique_id] = found = found or tuple(
                Column(name, c.data_type) for name, c in thing.columns.items() if c.data_type
            )
        return found

    def _shape_by_code(self, node: Node, above: tuple[str, ...]) -> tuple[Column, ...]:
        """The columns of a node that is not built, by its own SQL over empty inputs, or by its file."""
        ground = _Ground(self._project.lake.name)
        try:
            if node.resource_type == "seed":
                path = quote_literal(str(file_of(node, self._project)))
                found = ground.described(f"SELECT * FROM read_csv({path}, header = true)")
                types = {str(k).lower(): str(v) for k, v in dict(node.config.get("column_types") or {}).items()}
                return tuple(Column(c.name, types.get(c.name.lower(), c.type)) for c in found)
            if not node.canonical_sql:
                return ()
            for parent in node.depends_on:
                ground.place(_Input(self._relation(parent), None, self._shape(parent, above), self._declared(parent)))
            return ground.described(node.canonical_sql)
        except (duckdb.Error, HeadgateError):
            return ()  # its SQL asks for what nobody has declared: the declared columns stand then
        finally:
            ground.close()


def _is_ephemeral(thing: Node | SourceTable) -> bool:
    return isinstance(thing, Node) and thing.materialized == "ephemeral"


def _reads_itself(model: Node) -> bool:
    return model.materialized == "incremental" or "this" in model.raw_code


@dataclass(slots=True)
class _Input:
    """One input of a model: its rows, and the columns that it has besides those."""

    relation: Relation
    rows: GivenRows | None
    shape: tuple[Column, ...]
    declared: Mapping[str, str]

    def sql(self) -> str:
        """A query of its rows with all of its columns."""
        if self.rows is not None and self.rows.sql is not None:
            return self.rows.sql
        known = {c.name.lower(): c for c in self.shape}
        named = dict.fromkeys(name for row in self.given for name in row)
        columns = [known.get(n.lower()) or Column(n, self.declared.get(n.lower(), "")) for n in named]
        columns += [c for c in self.shape if c.name.lower() not in {n.lower() for n in named}]
        return values_sql(self.given, columns)

    @property
    def given(self) -> tuple[Mapping[str, Any], ...]:
        """The rows given."""
        return (self.rows.rows or ()) if self.rows is not None else ()


class _Ground:
    """A database in memory under the lake's name: what a rendering may ask of lake and workspace, over the given rows."""

    def __init__(self, name: str) -> None:
        self.name = self.catalog = name
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute(f"ATTACH ':memory:' AS {quote_ident(name)}; SET TimeZone = 'UTC'")
        self._placed: dict[str, str] = {}

    def close(self) -> None:
        """Forget everything."""
        self.connection.close()

    def place(self, one: _Input) -> None:
        """Put an input's rows under its ordinary name. A view, so that a NULL without a type stays one."""
        schema = f"{quote_ident(self.name)}.{quote_ident(one.relation.schema)}"
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.connection.execute(f"CREATE OR REPLACE VIEW {one.relation.sql(self.name)} AS {one.sql()}")
        self._placed[str(one.relation)] = "view"

    def resolve(self, relation: Relation) -> str:
        """How a relation is read: by its name."""
        return relation.sql(self.name)

    def is_staged(self, relation: Relation) -> bool:
        """Nothing is."""
        return False

    def relations(self) -> dict[str, str]:
        """The inputs."""
        return dict(self._placed)

    def columns(self, relation: Relation) -> tuple[Column, ...] | None:
        """The columns of an input."""
        return self.described(f"SELECT * FROM {self.resolve(relation)}") if str(relation) in self._placed else None

    def described(self, sql: str) -> tuple[Column, ...]:
        """The columns of a query."""
        rows = self.connection.execute(f"DESCRIBE {sql}").fetchall()
        return tuple(Column(str(row[0]), str(row[1])) for row in rows)

    def rows(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        """The rows of a query."""
        return tuple(tuple(row) for row in self.connection.execute(sql).fetchall())

    def asked(self, sql: str, inputs: list[_Input]) -> tuple[Column, ...]:
        """The columns that the model returns. What it asks of inputs about which nothing is known is added to these as NULL."""
        unknown = [one for one in inputs if not one.shape and (one.rows is None or one.rows.sql is None)]
        for _ in range(TRIES):
            try:
                return self.described(sql)
            except duckdb.BinderException as error:
                name = _MISSING.search(str(error))
                if name is None or not any(self._helps(one, name[1], sql) for one in unknown):
                    raise
        return self.described(sql)

    def _helps(self, one: _Input, column: str, sql: str) -> bool:
        """Whether the query goes further when the input has `column`; if so the input keeps it."""
        if any(column.lower() == name.lower() for row in one.given for name in row) or column in [c.name for c in one.shape]:
            return False
        before = one.shape
        one.shape = (*before, Column(column, ""))
        self.place(one)
        try:
            self.described(sql)
        except duckdb.BinderException as error:
            name = _MISSING.search(str(error))
            if name is None or name[1] == column:
                one.shape = before
                self.place(one)
                return False
        return True


def _expected(expect: GivenRows, columns: tuple[Column, ...], ground: _Ground) -> list[Column]:
    """The columns that are compared, with the types that the model gives them. Raises DeclarationError for one it does not give."""
    found = {c.name.lower(): c for c in columns}
    if expect.sql is not None:
        names = [c.name for c in ground.described(expect.sql)]
    else:
        names = list(dict.fromkeys(name for row in expect.rows or () for name in row)) or [c.name for c in columns]
    unknown = [n for n in names if n.lower() not in found]
    if unknown:
        raise DeclarationError(
            f"column {', '.join(map(repr, unknown))} is expected, which the model does not return",
            expected="columns among " + ", ".join(c.name for c in columns),
        )
    return [found[n.lower()] for n in names]


def _rows_sql(expect: GivenRows, columns: list[Column]) -> str:
    if expect.sql is not None:
        return f"SELECT {', '.join(f'CAST({quote_ident(c.name)} AS {_castable(c.type)}) AS {quote_ident(c.name)}' for c in columns)} FROM ({expect.sql})"
    return values_sql(expect.rows or (), columns)


def _castable(type_name: str) -> str:
    return "INTEGER" if type_name.strip('"').upper() == "NULL" else type_name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(quote_ident(n) for n in names)


def values_sql(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    """Rows as a query with these columns; a column without a type takes that of its values, text that is read from CSV included."""
    if not columns:
        return "SELECT NULL AS nothing WHERE false"
    typed = [Column(c.name, _castable(c.type) if c.type else _type_of([_value(r, c.name) for r in rows])) for c in columns]
    if not rows:
        return f"SELECT {', '.join(_cell(None, c) for c in typed)} WHERE false"
    return " UNION ALL ".join(f"SELECT {', '.join(_cell(_value(row, c.name), c) for c in typed)}" for row in rows)


def _value(row: Mapping[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    return next((value for key, value in row.items() if key.lower() == name.lower()), None)


def _cell(value: Any, column: Column) -> str:
    text = literal(value)
    return f"{f'CAST({text} AS {column.type})' if column.type else text} AS {quote_ident(column.name)}"


def literal(value: Any) -> str:
    """A value of YAML as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value) if value == value and abs(value) != float("inf") else f"'{value}'::DOUBLE"
    if isinstance(value, dt.datetime):
        return (
            f"TIMESTAMP {quote_literal(value.isoformat(' '))}"
            if value.tzinfo is None
            else f"TIMESTAMPTZ {quote_literal(value.isoformat(' '))}"
        )
    if isinstance(value, dt.date):
        return f"DATE {quote_literal(value.isoformat())}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote_literal(str(k))}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    return quote_literal(str(value))


_TEXT_TYPES = (
    ("BIGINT", re.compile(r"[+-]?\d{1,18}\Z")),
    ("DOUBLE", re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")),
    ("DATE", re.compile(r"\d{4}-\d\d-\d\d\Z")),
    ("TIMESTAMP", re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?\Z")),
    ("BOOLEAN", re.compile(r"(?i:true|false)\Z")),
)


def _type_of(values: Sequence[Any]) -> str:
    """The type that all values of a column without one can have: empty leaves it to the engine (a NULL without type stays one)."""
    said = [v for v in values if v is not None]
    if not said:
        return ""
    if all(isinstance(v, str) for v in said):
        return next((name for name, form in _TEXT_TYPES if all(form.match(v) for v in said)), "VARCHAR")
    if any(isinstance(v, float) for v in said) and all(isinstance(v, int | float) for v in said):
        return "DOUBLE"
    return "VARCHAR" if any(isinstance(v, str) for v in said) else ""
