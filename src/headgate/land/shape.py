"""The shape of a load: its parts' columns taken together, the decision against the table, and the select that fits them into
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.land.staging import PLACES, Part
from headgate.spec.names import Column, quote_ident
from headgate.spec.positions import RAW_COLUMNS
from headgate.spec.schema_rules import columns_after, common_type, decide, same_type
from headgate.spec.verdicts import SchemaChange

BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Shape:
    """`columns` are the table's after the load, places included; `changes` the decided differences; `created` when there is no
    table yet.
    """

    columns: tuple[Column, ...]
    changes: tuple[SchemaChange, ...] = ()
    created: bool = False

    @property
    def blocked(self) -> tuple[SchemaChange, ...]:
        """The changes that a rule forbids."""
        return tuple(c for c in self.changes if c.decision not in ("apply", "ignore"))

    @property
    def applied(self) -> tuple[SchemaChange, ...]:
        """The changes of the table's own schema."""
        return tuple(c for c in self.changes if c.decision == "apply" and c.kind in ("column_added", "type_widened"))

    @property
    def recorded(self) -> tuple[SchemaChange, ...]:
        """What the ledger keeps: all but casts of narrower values that fit, which change no schema."""
        return tuple(c for c in self.changes if c.kind != "type_narrowed")


def shape(dataset: str, parts: Sequence[Part], known: Sequence[Column] | None, rules: Mapping[str, str]) -> Shape:
    """The shape of `parts` (those with rows) against the table's columns `known` (None: there is no table)."""
    filled = [p for p in parts if p.rows]
    places = tuple(Column(n, t) for n, t in RAW_COLUMNS)
    if known is None:
        return Shape((*_together(filled, ()), *places), created=bool(filled))
    own = tuple(c for c in known if c.name not in PLACES)
    if not filled:
        return Shape(tuple(known))
    arriving = _together(filled, own)
    absent = {c.name.lower() for c in own for p in filled if c.name.lower() not in {x.name.lower() for x in p.own_columns}}
    present = tuple(c for c in arriving if c.name.lower() not in absent)
    changes = decide(dataset, own, present, rules)
    return Shape(columns_after(known, changes), changes)


def _together(parts: Sequence[Part], known: Sequence[Column]) -> tuple[Column, ...]:
    """Every column of any part, with a type that holds all; text holds all where nothing else does."""
    types: dict[str, Column] = {}
    for part in parts:
        for column in part.own_columns:
            before = types.get(column.name.lower())
            if before is None:
                types[column.name.lower()] = column
            elif not same_type(before.type, column.type):
                both = common_type(before.type, column.type) or "VARCHAR"
                types[column.name.lower()] = Column(before.name, both)
    return tuple(types.values())


def fitted(part: Part, columns: Sequence[Column]) -> str:
    """A SELECT of the part's rows with exactly `columns`."""
    own = {c.name.lower(): c for c in part.columns}
    items = []
    for column in columns:
        given = own.get(column.name.lower())
        name = quote_ident(column.name)
        if given is None:
            items.append(f"CAST(NULL AS {column.type}) AS {name}")
        elif same_type(given.type, column.type):
            items.append(name if given.name == column.name else f"{quote_ident(given.name)} AS {name}")
        else:
            items.append(f"{_cast(given, column)} AS {name}")
    return f"SELECT {', '.join(items)} FROM {part.rows_sql}"


def _cast(given: Column, column: Column) -> str:
    if column.type == "JSON":
        return f"to_json({quote_ident(given.name)})"
    return f"CAST({quote_ident(given.name)} AS {column.type})"


def registrable(part: Part, columns: Sequence[Column]) -> bool:
    """Whether the part's Parquet files equal the table field by field, so that they can be registered as they are (LAKE.md 7)."""
    if not part.files or len(part.columns) != len(columns):
        return False
    return all(a.name == b.name and same_type(a.type, b.type) for a, b in zip(part.columns, columns, strict=True))


def alterations(changes: Sequence[SchemaChange]) -> tuple[str, ...]:
    """ALTER actions, without the table's name, that make the applied changes."""
    actions = []
    for change in changes:
        name = quote_ident(change.column)
        if change.kind == "column_added":
            actions.append(f"ADD COLUMN {name} {change.to_type}")
        else:
            actions.append(f"ALTER COLUMN {name} SET DATA TYPE {change.to_type}")
    return tuple(actions)
