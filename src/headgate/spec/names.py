"""Names of relations, and how they are written into SQL safely."""

from __future__ import annotations

from dataclasses import dataclass


def quote_ident(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


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
