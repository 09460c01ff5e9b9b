"""Ephemeral models: their SQL travels inside the models that use them, as common table expressions.

The user's SQL is not edited: it becomes a subquery under a WITH clause of ours, so that its own WITH, ORDER BY or set operations
keep their meaning. One CTE is written for each ephemeral model used, inner ones first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from headgate.transform.clock import without_terminator

PREFIX = "__dbt__cte__"


@dataclass(slots=True)
class Inlined:
    """The ephemeral models that one rendering has used: unique id -> (CTE name, SQL), in the order in which they must stand."""

    found: dict[str, tuple[str, str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)  # models being rendered, outermost first

    def name_for(self, name: str, package: str, avoid: str) -> str:
        """A CTE name for a model: dbt's, or one with the package where another model or the text around (`avoid`) has it."""
        taken = {cte for cte, _ in self.found.values()}
        chosen = PREFIX + name
        if chosen in taken or re.search(rf'\b{re.escape(chosen)}"?\s+as\b', avoid, re.IGNORECASE):
            chosen = f"{PREFIX}{package}__{name}"
        while chosen in taken:
            chosen += "_"
        return chosen


def wrap(sql: str, ctes: Iterable[tuple[str, str]]) -> str:
    """`sql` with the CTEs above it; `sql` itself when there are none."""
    written = [f'"{name}" AS (\n{text}\n)' for name, text in ctes]
    body = without_terminator(sql)
    if not written:
        return body
    return "WITH " + ",\n".join(written) + f"\nSELECT * FROM (\n{body}\n)"
