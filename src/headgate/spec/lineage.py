"""Where columns come from: the values that lineage answers with, free of any SQL library.

Relation names are *normal names*: the written name with quotes removed and letters in lower case, parts joined by
dots (`lake.marts.orders`); a part that holds a dot keeps its quotes. DuckDB compares names without case, so does
everything that reads these values. `normal_name` makes one from any spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SourceKind = Literal["identity", "transformation", "aggregation", "conditional", "window"]
"""How a source column reaches an output column. The first three are direct: its values flow. `conditional` (a CASE
condition, an aggregate's FILTER, a filter inside a scalar subquery) and `window` (PARTITION BY and ORDER BY of a
window) decide the value without being part of it. The strongest step of a path names the path."""

IndirectKind = Literal["filter", "join", "group_by", "sort", "window"]
"""How a column decides which rows there are, or in which order."""

Origin = Literal["columns", "rows", "constant", "unknown"]
"""What an output column is made of: source columns; the number or order of rows alone (`count(*)`); no data at all;
or something that could not be told (then `ColumnLineage.unknown` says why)."""

ChangeKind = Literal["none", "cosmetic", "non_breaking", "breaking"]
ColumnChangeKind = Literal["added", "removed", "changed", "unchanged", "type_changed"]

DIRECT_KINDS: tuple[SourceKind, ...] = ("identity", "transformation", "aggregation")


def split_name(name: str) -> tuple[str, ...]:
    """The parts of a dotted, perhaps quoted, relation name, quotes removed, case kept."""
    if '"' not in name:
        return tuple(name.split("."))
    parts: list[str] = []
    part, quoted, i = "", False, 0
    while i < len(name):
        char = name[i]
        if char == '"' and quoted and name[i + 1 : i + 2] == '"':
            part, i = part + '"', i + 1
        elif char == '"':
            quoted = not quoted
        elif char == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += char
        i += 1
    return (*parts, part)


def join_name(parts: tuple[str, ...] | list[str]) -> str:
    """The normal name of a relation given by its parts."""
    return ".".join('"' + p.lower().replace('"', '""') + '"' if "." in p or '"' in p else p.lower() for p in parts)


def normal_name(name: str) -> str:
    """The normal name of a relation written in any way: `"Lake"."marts"."X"` is `lake.marts.x`."""
    if '"' not in name:
        return name.lower()
    return join_name(split_name(name))


@dataclass(frozen=True, slots=True, order=True)
class ColumnSource:
    """A source column of an output column. `path` holds the struct fields read below the column, outermost first."""

    relation: str
    column: str
    kind: SourceKind = "identity"
    path: tuple[str, ...] = ()

    @property
    def direct(self) -> bool:
        """Whether values of the source flow into the output."""
        return self.kind in DIRECT_KINDS


@dataclass(frozen=True, slots=True, order=True)
class IndirectSource:
    """A column that decides which rows a dataset has, or their order."""

    relation: str
    column: str
    kind: IndirectKind


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """One output column. `unknown` is a reason in words when some or all of its origin could not be told."""

    name: str
    sources: tuple[ColumnSource, ...] = ()
    origin: Origin = "columns"
    unknown: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Input:
    """A relation that a query reads. `external` marks files and table functions outside the project."""

    relation: str
    external: bool = False


@dataclass(frozen=True, slots=True)
class ModelLineage:
    """What one query makes of its inputs.

    `columns` are in output order; a column named `*` stands for the columns of a relation whose schema is unknown.
    `indirect` holds for every row of the result. `wild` names the relations whose *every* column reaches the output,
    so that a column added there appears here. `reads` are all columns named anywhere in the query, used in the output or
    not. `unknown` holds reasons that concern the rows as a whole.
    """

    name: str
    columns: tuple[ColumnLineage, ...]
    inputs: tuple[Input, ...] = ()
    indirect: tuple[IndirectSource, ...] = ()
    wild: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnLineage | None:
        """The output column called `name` (any case), or None."""
        wanted = name.lower()
        return next((c for c in self.columns if c.name.lower() == wanted), None)

    @property
    def schema(self) -> dict[str, str | None]:
        """Output column names with their types where known, in order."""
        return {c.name: c.type for c in self.columns if c.name != "*"}


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What happened to one output column, and why it is said."""

    name: str
    kind: ColumnChangeKind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """The meaning of an edit of one query.

    `rows_changed` is the reason why the set of rows may differ, or None. `columns` has every column of the old and the
    new query, in the new order, removed ones last.
    """

    kind: ChangeKind
    reason: str
    columns: tuple[ColumnChange, ...] = ()
    rows_changed: str | None = None

    def named(self, *kinds: ColumnChangeKind) -> tuple[str, ...]:
        """The names of the columns with one of these kinds of change."""
        return tuple(c.name for c in self.columns if c.kind in kinds)


Schemas = Mapping[str, Mapping[str, str | None]]
"""Columns of relations: relation (any spelling) to column name to DuckDB type (None: not known), in column order. A column `*`
says that there are more."""
