"""Inputs that no version covers: files and table functions inside a model's SQL, and code that names no input at all."""

from __future__ import annotations

from collections.abc import Callable

from headgate.spec.errors import DeclarationError
from headgate.spec.lineage import ModelLineage
from headgate.spec.project import Node

# Any of these in the text makes it worth a parse; none of them is a proof.
_HINTS = ("read_", "_scan(", "glob(", "from '", "join '", "sniff_csv", "://")


def outside_input(node: Node, lineage: Callable[[Node], ModelLineage]) -> str | None:
    """Why `node` must be built whenever asked, because something that it reads cannot be compared; None when all can.

    `external_inputs: true` in its config says that it does, `false` that what it reads does not matter.
    """
    declared = node.config.get("external_inputs", node.meta.get("external_inputs"))
    if declared is not None:
        return "it is declared to read something outside the project" if declared else None
    if node.language == "python":
        return None if node.depends_on else "it is Python without ref() or source(): what it reads is not known"
    if node.language != "sql":
        return None
    text = node.canonical_sql.lower()
    if not any(hint in text for hint in _HINTS):
        return None
    try:
        outside = [i.relation for i in lineage(node).inputs if i.external]
    except DeclarationError:
        return None
    return f"it reads {outside[0]}, which nothing records" if outside else None
