"""An enforced contract: a model returns exactly the declared columns with the declared types, or it is not built.

Names are compared without case and types as the engine means them (`int` is `integer`; sizes of text and numbers are not compared). A
table gets its columns in the order of the contract.
"""

from __future__ import annotations

import re

import duckdb

from headgate.ports.engine import Cursor
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, quote_ident
from headgate.spec.project import Node

_SIZE = re.compile(r"\(\s*\d+(\s*,\s*\d+)?\s*\)\Z")
_KEEPS_ORDER = ("table", "incremental")


def contracted(node: Node, sql: str, cursor: Cursor) -> str:
    """`sql` in the contract's order of columns. Raises DeclarationError when names or types differ, with each that does."""
    if not node.contract_enforced:
        return sql
    found = {c.name.lower(): c for c in _described(cursor, sql)}
    declared = {name.lower(): (name, _meant(node, name, c.data_type, cursor)) for name, c in node.columns.items()}
    broken = []
    for key, (name, kind) in declared.items():
        if key not in found:
            broken.append(f"column '{name}' ({kind}) is missing")
        elif _base(found[key].type) != _base(kind):
            broken.append(f"column '{name}' is {found[key].type}, and {kind} by contract")
    broken += [f"column '{c.name}' ({c.type}) is not in the contract" for key, c in found.items() if key not in declared]
    if broken:
        raise DeclarationError(
            f"{node.location}: {node.name} breaks its contract: " + "; ".join(broken),
            expected="the columns and types that the contract declares",
            todo=f"cast in the query, or change the contract in {node.patch_path or 'its property file'}",
            code="HG-D065",
        )
    if node.materialized not in _KEEPS_ORDER or list(found) == list(declared):
        return sql
    return f"SELECT {', '.join(quote_ident(found[key].name) for key in declared)} FROM (\n{sql}\n)"


def _described(cursor: Cursor, sql: str) -> list[Column]:
    rows = cursor.execute(f"DESCRIBE {sql}").fetchall()
    return [Column(str(row[0]), str(row[1])) for row in rows]


def _meant(node: Node, name: str, declared: str | None, cursor: Cursor) -> str:
    """The engine's name of a declared type. Raises DeclarationError for one that it does not have."""
    try:
        return _described(cursor, f"SELECT CAST(NULL AS {declared}) AS c")[0].type
    except duckdb.Error as error:
        raise DeclarationError(
            f"{node.location}: column '{name}' of {node.name} has type '{declared}' by contract, which the engine does not know",
            expected="a type of the engine, such as varchar, integer or decimal(18,2)",
            code="HG-D065",
        ) from error


def _base(kind: str) -> str:
    return _SIZE.sub("", kind.upper())
