"""Lake types: what a query yields is cast at staging, so that staging DDL equals lake DDL column by column (LAKE.md 9).

HUGEINT (which `sum` of integers yields) would be stored as DOUBLE and lose digits: it becomes DECIMAL(38,0), and a value
beyond that fails loudly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, quote_ident

_ARRAY = re.compile(r"\[\d+\]")
_ENUM = re.compile(r"ENUM\((?:'(?:[^']|'')*'(?:, )?)*\)")
_WORDS = (
    (re.compile(r"\bU?HUGEINT\b"), "DECIMAL(38,0)"),
    (re.compile(r"\bBIGNUM\b"), "VARCHAR"),
    (re.compile(r"\bBIT\b"), "VARCHAR"),
)


def lake_type(engine_type: str) -> str:
    """The lake's type for a DuckDB type, at any depth of nesting."""
    if engine_type.startswith("UNION("):
        return "JSON"
    mapped = _ARRAY.sub("[]", _ENUM.sub("VARCHAR", engine_type))
    parts = re.split(r'("(?:[^"]|"")*")', mapped)  # quoted field names of structs stay as they are
    for index in range(0, len(parts), 2):
        for pattern, replacement in _WORDS:
            parts[index] = pattern.sub(replacement, parts[index])
    return "".join(parts)


def lake_columns(described: Sequence[tuple[str, str]], *, what: str) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The lake's columns for a described query, and the select list that casts to them ("" where the query may stay as it is).

    `what` names the dataset in errors. Raises DeclarationError for a column whose type nothing tells, and for two of one name.
    """
    columns, items, cast = [], [], False
    seen: set[str] = set()
    for name, engine_type in described:
        if name.lower() in seen:
            raise DeclarationError(
                f"{what} has two columns named '{name}'",
                expected="one column of each name",
                todo="give one an alias",
                code="HG-D071",
            )
        seen.add(name.lower())
        if engine_type in ('"NULL"', "NULL"):
            raise DeclarationError(
                f"column '{name}' of {what} is NULL without a type", expected="a typed column", todo=f"write: cast(null as varchar) as {name}",
                code="HG-D070",
            )  # fmt: skip
        target = lake_type(engine_type)
        columns.append(Column(name, target))
        quoted = quote_ident(name)
        if target != engine_type:
            cast = True
            inner = f"to_json({quoted})" if target == "JSON" else f"CAST({quoted} AS {target})"
            items.append(f"{inner} AS {quoted}")
        else:
            items.append(quoted)
    return tuple(columns), tuple(items) if cast else ()
