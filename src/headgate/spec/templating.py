"""What templates hold in their hands: relations and columns, with dbt's names, at parse time and in a run alike.

A relation prints as SQL. In a run it prints as the version that this run has staged, wherever it was made; while the project
is read it prints as the published name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from headgate.spec.errors import DeclarationError
from headgate.spec.names import Relation, quote_ident

Resolve = Callable[[Relation], str]
"""Says by which SQL name a relation is read."""
PARTS = ("database", "schema", "identifier")
_KEYS = (*PARTS, "type", "metadata", "path", "quote_policy", "include_policy")
_EPHEMERAL = "__dbt__cte__"


@dataclass(frozen=True, slots=True)
class Policy:
    """For each part of a relation's name: whether it is shown, or quoted."""

    database: bool = True
    schema: bool = True
    identifier: bool = True

    def with_(self, **given: bool | None) -> Policy:
        """The same with the parts that are given."""
        return replace(self, **{k: bool(v) for k, v in given.items() if v is not None})


@dataclass(frozen=True, slots=True)
class RelationPath:
    """The parts of a relation's name."""

    database: str | None = None
    schema: str | None = None
    identifier: str | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TemplateRelation(Mapping[str, Any]):
    """A relation inside a template. Printed it is `"database"."schema"."identifier"`, less the parts that `include` left out;
    or `rendered`, where that is given; or what `resolve` says in a run.

    It is a mapping as well, with a `metadata.type`, because packages tell a relation by that.
    """

    database: str | None = None
    schema: str | None = None
    identifier: str | None = None
    type: str | None = None
    rendered: str | None = None
    resolve: Resolve | None = None
    include_policy: Policy = Policy()
    quote_policy: Policy = Policy()

    Table: ClassVar[str] = "table"
    View: ClassVar[str] = "view"
    CTE: ClassVar[str] = "cte"
    External: ClassVar[str] = "external"
    MaterializedView: ClassVar[str] = "materialized_view"

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

    def __bool__(self) -> bool:
        return True

    @property
    def path(self) -> RelationPath:
        """The parts of the name."""
        return RelationPath(self.database, self.schema, self.identifier)

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
        """Known to be a table."""
        return self.type == "table"

    @property
    def is_view(self) -> bool:
        """Known to be a view."""
        return self.type == "view"

    @property
    def is_cte(self) -> bool:
        """An ephemeral model: printed it is a name that its reader puts a common table expression under."""
        return self.type == "cte"

    @property
    def is_materialized_view(self) -> bool:
        """A materialized view: DuckDB has none."""
        return self.type == "materialized_view"

    @property
    def is_pointer(self) -> bool:
        """A pointer to another table: never."""
        return False

    @property
    def is_function(self) -> bool:
        """A function: never."""
        return False

    @property
    def can_be_renamed(self) -> bool:
        """Whether it can be renamed: tables and views can."""
        return self.type in ("table", "view")

    @property
    def can_be_replaced(self) -> bool:
        """Whether CREATE OR REPLACE works for it: for tables and views it does."""
        return self.type in ("table", "view")

    def render(self) -> str:
        """The name as SQL."""
        shown = self.include_policy
        if shown == Policy():
            if self.rendered is not None:
                return self.rendered
            if self.resolve is not None and self.database and self.schema and self.identifier:
                return self.resolve(Relation(self.schema, self.identifier))
        named = [(p, getattr(self, p)) for p in PARTS if getattr(shown, p) and getattr(self, p)]
        return ".".join(quote_ident(value) if getattr(self.quote_policy, part) else str(value) for part, value in named)

    def quoted(self, identifier: str) -> str:
        """`identifier`, quoted."""
        return quote_ident(identifier)

    def include(
        self, database: bool | None = None, schema: bool | None = None, identifier: bool | None = None
    ) -> TemplateRelation:
        """The same relation, printed with or without the parts named; the others stay as they are."""
        chosen = self.include_policy.with_(database=database, schema=schema, identifier=identifier)
        return replace(self, include_policy=chosen)

    def quote(self, database: bool | None = None, schema: bool | None = None, identifier: bool | None = None) -> TemplateRelation:
        """The same relation, printed with or without quotes around the parts named."""
        return replace(self, quote_policy=self.quote_policy.with_(database=database, schema=schema, identifier=identifier))

    def incorporate(
        self, path: Mapping[str, str | None] | None = None, type: str | None = None, **policies: Any
    ) -> TemplateRelation:
        """The same relation with other parts (`path`), another type or other policies."""
        changed = self.replace_path(**path) if path else self
        for key in ("include_policy", "quote_policy"):
            if policies.get(key):
                changed = replace(changed, **{key: getattr(changed, key).with_(**dict(policies[key]))})
        return replace(changed, type=type or self.type)

    def replace_path(self, **parts: str | None) -> TemplateRelation:
        """The same relation with other parts."""
        changed: dict[str, Any] = {k: v for k, v in parts.items() if k in PARTS}
        return replace(self, rendered=None, **changed)

    def without_identifier(self) -> TemplateRelation:
        """The schema alone."""
        return self.include(identifier=False).replace_path(identifier=None)

    def information_schema(self, view_name: Any = None) -> TemplateRelation:
        """The information schema of the relation's database, or a view of it."""
        view = view_name if isinstance(view_name, str) else None
        return TemplateRelation(self.database, "information_schema", view, "view", quote_policy=Policy(True, False, False))

    def information_schema_only(self) -> TemplateRelation:
        """The information schema of the relation's database."""
        return self.information_schema()

    def matches(self, database: str | None = None, schema: str | None = None, identifier: str | None = None) -> bool:
        """Whether the parts given are those of the relation, in whatever case."""
        given = {"database": database, "schema": schema, "identifier": identifier}
        return all(v is None or str(getattr(self, k)).lower() == v.lower().strip('"') for k, v in given.items())

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"<relation {self.render()}>"

    def __hash__(self) -> int:
        return hash((self.database, self.schema, self.identifier))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TemplateRelation) and self.path == other.path


class RelationFactory:
    """`api.Relation`: makes relations. In a run `resolve` lets them read what the run has staged."""

    Table, View, CTE, External, MaterializedView = "table", "view", "cte", "external", "materialized_view"

    def __init__(self, resolve: Resolve | None = None, catalog: str | None = None) -> None:
        self._resolve, self._catalog = resolve, catalog

    def create(
        self,
        database: str | None = None,
        schema: str | None = None,
        identifier: str | None = None,
        type: str | None = None,
        quote_policy: Mapping[str, bool] | None = None,
        include_policy: Mapping[str, bool] | None = None,
        **_: Any,
    ) -> TemplateRelation:
        """A relation by its parts."""
        own = database is None or self._catalog is None or database.strip('"').lower() == self._catalog.lower()
        made = TemplateRelation(database, schema, identifier, type, resolve=self._resolve if own else None)
        return made.incorporate(quote_policy=quote_policy, include_policy=include_policy)

    __call__ = create

    def add_ephemeral_prefix(self, name: str) -> str:
        """The name of an ephemeral model's common table expression."""
        return f"{_EPHEMERAL}{name}"

    def get_default_quote_policy(self) -> Policy:
        """All parts are quoted."""
        return Policy()

    def get_default_include_policy(self) -> Policy:
        """All parts are shown."""
        return Policy()

    def scd_args(self, primary_key: str | list[str], updated_at: Any) -> list[Any]:
        """What a snapshot's version is named by: key, then time."""
        return [*([primary_key] if isinstance(primary_key, str) else primary_key), updated_at]


_TYPE = re.compile(r"^\s*([^(]+?)\s*(?:\(([^)]*)\))?\s*$")
_STRINGS = ("text", "character varying", "character", "varchar", "string", "char", "bpchar")
_FLOATS = ("real", "float", "float4", "float8", "double", "double precision")
_INTEGERS = (
    "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint",
    "int1", "int2", "int4", "int8", "short", "int", "signed", "long",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TemplateColumn:
    """A column inside a template. `dtype` is DuckDB's word for its type, with precision where it has one."""

    column: str
    dtype: str
    char_size: int | None = None
    numeric_precision: int | None = None
    numeric_scale: int | None = None

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
        """The type as SQL that a column can be declared or cast with."""
        if self.is_string():
            return ColumnFactory.string_type(self.string_size())
        if self.dtype.lower() in ("numeric", "decimal"):
            return ColumnFactory.numeric_type(self.dtype, self.numeric_precision, self.numeric_scale)
        return self.dtype

    @property
    def expanded_data_type(self) -> str:
        """The type as SQL."""
        return self.data_type

    @property
    def fields(self) -> list[TemplateColumn]:
        """The fields of a STRUCT; of anything else none."""
        inner = self.dtype.strip()
        return _fields(inner[inner.index("(") + 1 : -1]) if self.is_struct() and inner.endswith(")") else []

    def is_string(self) -> bool:
        """Whether the type is text."""
        return self.dtype.lower().partition("(")[0].strip() in _STRINGS

    def is_integer(self) -> bool:
        """Whether the type is a whole number."""
        return self.dtype.lower() in _INTEGERS

    def is_float(self) -> bool:
        """Whether the type is a floating-point number."""
        return self.dtype.lower() in _FLOATS

    def is_numeric(self) -> bool:
        """Whether the type is a decimal."""
        return self.dtype.lower().partition("(")[0].strip() in ("numeric", "decimal")

    def is_number(self) -> bool:
        """Whether the type is any number."""
        return self.is_integer() or self.is_float() or self.is_numeric()

    def is_struct(self) -> bool:
        """Whether the type is a STRUCT."""
        return self.dtype.lower().startswith("struct")

    def string_size(self) -> int:
        """The length of a text; 256 when the type does not say. Raises DeclarationError for any other type."""
        if not self.is_string():
            raise DeclarationError(f"string_size() of column '{self.column}', which is {self.dtype}", expected="a text column")
        return 256 if self.dtype == "text" or self.char_size is None else int(self.char_size)

    def can_expand_to(self, other_column: TemplateColumn) -> bool:
        """Whether both are texts and the other is longer."""
        return self.is_string() and other_column.is_string() and other_column.string_size() > self.string_size()

    def literal(self, value: Any) -> str:
        """`value` cast to the column's type."""
        return f"{value}::{self.data_type}"

    def flatten(self) -> list[TemplateColumn]:
        """The column, or the fields of a STRUCT under dotted names."""
        if not self.is_struct():
            return [self]
        return [replace(leaf, column=f"{self.column}.{leaf.column}") for field in self.fields for leaf in field.flatten()]


def _fields(text: str) -> list[TemplateColumn]:
    """The fields in the parentheses of a STRUCT's type."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text + ","):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    found = (part.rpartition('" ') if part.startswith('"') else part.partition(" ") for part in parts if part)
    return [TemplateColumn(name.strip('"'), kind) for name, _, kind in found]


class ColumnFactory:
    """`api.Column`: makes columns, and knows the names of types."""

    TYPE_LABELS: ClassVar[dict[str, str]] = {"STRING": "TEXT"}

    def __call__(self, column: str, dtype: str, *sizes: Any, **named: Any) -> TemplateColumn:
        return TemplateColumn(column, dtype, *sizes, **named)

    @classmethod
    def translate_type(cls, dtype: str) -> str:
        """DuckDB's name for a type by dbt's name."""
        return cls.TYPE_LABELS.get(dtype.upper(), dtype)

    @classmethod
    def create(cls, name: str, label_or_dtype: str) -> TemplateColumn:
        """A column by name and type."""
        return TemplateColumn(name, cls.translate_type(label_or_dtype))

    @staticmethod
    def string_type(size: Any = 256) -> str:
        """The type of a text of `size` characters."""
        return f"character varying({size})"

    @staticmethod
    def numeric_type(dtype: str = "numeric", precision: Any = None, scale: Any = None) -> str:
        """The type of a decimal."""
        return dtype if precision is None or scale is None else f"{dtype}({precision},{scale})"

    @staticmethod
    def from_description(name: str, raw_data_type: str) -> TemplateColumn:
        """A column by the text of its type, with sizes. Raises DeclarationError when that cannot be read."""
        match = _TYPE.match(raw_data_type)
        if match is None or (match[2] and not all(p.strip().isdigit() for p in match[2].split(","))):
            raise DeclarationError(f"'{raw_data_type}' is no data type", expected="a type such as DECIMAL(10,2)")
        sizes = [int(p) for p in match[2].split(",")] if match[2] else []
        if len(sizes) == 1:
            return TemplateColumn(name, match[1], char_size=sizes[0])
        return TemplateColumn(name, match[1], None, *sizes[:2])


def column_of(name: str, dtype: str) -> TemplateColumn:
    """A column as the database describes it."""
    match = _TYPE.match(dtype)
    if match is not None and match[1].lower() in ("numeric", "decimal") and match[2]:
        precision, _, scale = match[2].partition(",")
        return TemplateColumn(name, dtype, None, int(precision), int(scale or 0))
    return TemplateColumn(name, dtype)
