"""Names of relations, and how they are written into SQL safely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def quote_ident(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def literal(value: str | int | float | bool | None) -> str:
    """`value` as an SQL literal. Raises ValueError for a number that SQL cannot write."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return quote_literal(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise ValueError(f"{value} is no number")
    return repr(value)


def bind(sql: str, values: Sequence[str | int | float | bool | None]) -> str:
    """`sql`, one of our own statements, with a literal for each `?`.

    Our ledger statements are bound here and not by the engine, because the engine's first parameter imports pandas where it is
    installed: half a second of every command. Raises ValueError when the count differs.
    """
    parts = sql.split("?")
    if len(parts) != len(values) + 1:
        raise ValueError(f"{len(parts) - 1} places for {len(values)} values")
    return "".join(part + (literal(values[at]) if at < len(values) else "") for at, part in enumerate(parts))


@dataclass(frozen=True, slots=True, order=True)
class Relation:
    """A table or view by its schema and name; the catalog (`lake`, staging) is chosen when it is rendered.

    `str(relation)` is `schema.name`: the one spelling of a dataset's name in ledgers, events, URLs and output.
    """

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def sql(self, catalog: str) -> str:
        """The quoted three-part name in `catalog`."""
        return f"{quote_ident(catalog)}.{quote_ident(self.schema)}.{quote_ident(self.name)}"

    @staticmethod
    def parse(text: str) -> Relation:
        """`schema.name` back into a relation. Raises ValueError for anything else."""
        schema, dot, name = text.partition(".")
        if not (schema and dot and name):
            raise ValueError(f"'{text}' is no dataset name; expected schema.table")
        return Relation(schema, name)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and its DuckDB type as text."""

    name: str
    type: str
    nullable: bool = True
