"""dbt's relations, columns and query results, as templates expect to handle them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headgate.spec.names import Column, quote_ident

_KEYS = ("database", "schema", "identifier", "type", "metadata")


@dataclass(frozen=True, slots=True)
class TemplateRelation(Mapping[str, Any]):
    """A relation inside a template: printed, it is the SQL by which this run reads it (`rendered`), whatever its parts say.

    It is a mapping as well, with a `metadata.type`, because packages tell a relation from a name by that.
    """

    database: str | None
    schema: str | None
    identifier: str | None
    type: str | None = None
    rendered: str | None = None

    def __getitem__(self, key: str) -> Any:
        if key == "metadata":
            return {"type": "HeadgateRelation"}
        if key not in _KEYS:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """The SQL name."""
        if self.rendered is not None:
            return self.rendered
        return ".".join(quote_ident(p) for p in (self.database, self.schema, self.identifier) if p)

    @property
    def name(self) -> str | None:
        """dbt's other word for identifier."""
        return self.identifier

    @property
    def table(self) -> str | None:
        """dbt's other word for identifier."""
        return self.identifier

    @property
    def is_table(self) -> bool:
        """Whether it is a table."""
        return self.type == "table"

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        return self.type == "view"

    @property
    def is_cte(self) -> bool:
        """Whether it is an ephemeral model."""
        return self.type == "cte"

    def include(self, database: bool = True, schema: bool = True, identifier: bool = True) -> TemplateRelation:
        """The same relation with fewer parts in its name."""
        if database and schema and identifier:
            return self
        parts = (self.database if database else None, self.schema if schema else None, self.identifier if identifier else None)
        return TemplateRelation(*parts, type=self.type)

    def quote(self, **_: bool) -> TemplateRelation:
        """Names are always quoted."""
        return self

    def incorporate(self, path: dict[str, str] | None = None, type: str | None = None, **_: Any) -> TemplateRelation:
        """The same relation with parts replaced."""
        changed = replace(self, type=type or self.type)
        return changed.replace_path(**path) if path else changed

    def replace_path(self, **parts: str | None) -> TemplateRelation:
        """The same relation with other parts in its name."""
        return TemplateRelation(
            parts.get("database", self.database),
            parts.get("schema", self.schema),
            parts.get("identifier", self.identifier),
            self.type,
        )

    def without_identifier(self) -> TemplateRelation:
        """The schema alone."""
        return self.include(identifier=False)

    def information_schema(self, view_name: str | None = None) -> TemplateRelation:
        """A view of the catalog's information schema."""
        return TemplateRelation(self.database, "information_schema", view_name, "view")


@dataclass(frozen=True, slots=True)
class TemplateColumn:
    """A column inside a template."""

    column: str
    dtype: str

    @classmethod
    def of(cls, column: Column) -> TemplateColumn:
        """The template's face of a column."""
        return cls(column.name, column.type)

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column

    @property
    def quoted(self) -> str:
        """The name, quoted."""
        return quote_ident(self.column)

    @property
    def data_type(self) -> str:
        """The DuckDB type."""
        return self.dtype

    def is_string(self) -> bool:
        """Whether the type is text."""
        return self.dtype.upper().startswith(("VARCHAR", "TEXT", "CHAR", "STRING"))

    def is_integer(self) -> bool:
        """Whether the type is a whole number."""
        return self.dtype.upper().lstrip("U") in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "INT")

    def is_float(self) -> bool:
        """Whether the type is a floating-point number."""
        return self.dtype.upper() in ("FLOAT", "DOUBLE", "REAL")

    def is_numeric(self) -> bool:
        """Whether the type is a decimal."""
        return self.dtype.upper().startswith(("DECIMAL", "NUMERIC"))

    def is_number(self) -> bool:
        """Whether the type is any number."""
        return self.is_integer() or self.is_float() or self.is_numeric()


class ResultRow(tuple[Any, ...]):
    """One row of a query's result: by place, or by column name."""

    names: tuple[str, ...]

    def __new__(cls, values: Sequence[Any], names: tuple[str, ...]) -> ResultRow:
        row = super().__new__(cls, values)
        row.names = names
        return row

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self.names.index(key) if isinstance(key, str) else key)

    def values(self) -> tuple[Any, ...]:
        """The row's values."""
        return tuple(self)

    def keys(self) -> tuple[str, ...]:
        """The columns' names."""
        return self.names

    def dict(self) -> dict[str, Any]:
        """The row by column name."""
        return dict(zip(self.names, self, strict=True))


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a query's result."""

    name: str
    rows: tuple[Any, ...]

    def values(self) -> tuple[Any, ...]:
        """The column's values."""
        return self.rows

    def values_distinct(self) -> tuple[Any, ...]:
        """The column's values, each once, in order of appearance."""
        return tuple(dict.fromkeys(self.rows))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


class _Columns(tuple[ResultColumn, ...]):
    """The columns of a result: by place, or by name."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return next(c for c in self if c.name == key)
        return tuple.__getitem__(self, key)

    def keys(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(c.name for c in self)


class ResultTable:
    """What `run_query` gives to a template: rows and columns, as dbt's tables have them."""

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.column_names = tuple(names)
        self.rows = tuple(ResultRow(row, self.column_names) for row in rows)
        turned = list(zip(*rows, strict=True)) if rows else [()] * len(self.column_names)
        self.columns = _Columns(ResultColumn(n, tuple(v)) for n, v in zip(self.column_names, turned, strict=True))

    def __iter__(self) -> Iterator[ResultRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> ResultRow:
        return self.rows[index]


class StatementResult(dict[str, Any]):
    """What `load_result` gives: `.table`, `.data`, `.response`, by attribute or key."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)
