"""Contracts of models as dbt writes them, and the key that a model's tests imply."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from headgate.declare.testnames import metadata_of
from headgate.spec.declared import Constraint
from headgate.spec.project import CheckSpec, Node

_ENFORCING = ("table", "incremental")


def contract_of(node: Node) -> dict[str, Any]:
    """The contract, with a checksum of what it promises where it is enforced."""
    said = node.config.get("contract")
    alias_types = bool(said.get("alias_types", True)) if isinstance(said, dict) else True
    return {
        "enforced": node.contract_enforced,
        "alias_types": alias_types,
        "checksum": _checksum(node) if node.contract_enforced and node.resource_type == "model" else None,
    }


def _checksum(node: Node) -> str:
    """dbt hashes the printed form of its own values; this prints ours alike."""
    text = ""
    for column in sorted(node.columns.values(), key=lambda c: c.name):
        text += f"|{column.name}{column.data_type}[{', '.join(_printed(c, 'Column') for c in column.constraints)}]"
    if node.materialized in _ENFORCING:
        text += f"{node.materialized}[{', '.join(_printed(c, 'Model') for c in node.constraints)}]"
    return hashlib.sha256(text.encode()).hexdigest()


def _printed(c: Constraint, level: str) -> str:
    kind = f"<ConstraintType.{c.type}: '{c.type}'>"
    columns = f", columns={list(c.columns)!r}" if level == "Model" else ""
    return (
        f"{level}LevelConstraint(type={kind}, name={c.name!r}, expression={c.expression!r}, "
        f"warn_unenforced={c.warn_unenforced!r}, warn_unsupported={c.warn_unsupported!r}, to={c.to!r}, "
        f"to_columns={list(c.to_columns)!r}{columns})"
    )


def primary_key(node: Node, checks: Iterable[CheckSpec]) -> list[str]:
    """The columns that identify a row: as a constraint says, else as `checks`, those attached to the node, do."""
    for declared in node.constraints:
        if declared.type == "primary_key":
            return list(declared.columns)
    for name, column in node.columns.items():
        if any(c.type == "primary_key" for c in column.constraints):
            return [name]
    unique: dict[str, None] = {}
    present: dict[str, None] = {}
    for check in checks:
        if check.kind == "singular":
            continue
        metadata = metadata_of(check)
        kwargs, kind = metadata.get("kwargs") or {}, metadata.get("name")
        single = kwargs.get("column_name")
        several = kwargs.get("combination_of_columns")
        named = (
            [single]
            if isinstance(single, str)
            else [c for c in several if isinstance(c, str)]
            if isinstance(several, list)
            else []
        )
        if kind in ("unique", "unique_combination_of_columns"):
            unique.update(dict.fromkeys(named))
        elif kind == "not_null":
            present.update(dict.fromkeys(named))
    return [c for c in present if c in unique] or list(unique)
