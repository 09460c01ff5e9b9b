"""What the gate says. Bad data is a verdict, never an exception inside the product.

Severity of an outcome, lightest first: pass, warn, quarantine, block. A verdict of `block` keeps the staged table, and all
that depends on it, from being published; no flag goes past it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASS, WARN, QUARANTINE, BLOCK = "pass", "warn", "quarantine", "block"
OUTCOMES = (PASS, WARN, QUARANTINE, BLOCK)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check on one dataset.

    `failures` counts what the check counts (rows for most); `rows` is how many rows were weighed; `scope` says what was
    weighed: "table", "delta" or "overlay" (the table as it would be after the delta). `sample` holds up to ten failing rows
    (already masked where classified). `sql` is the statement that found them, `seconds` what it took.
    """

    check: str  # unique id of the CheckSpec, or a built-in's name (land: "schema", "malformed", "volume")
    name: str
    dataset: str  # "schema.table"
    outcome: str
    failures: int = 0
    rows: int = 0
    scope: str = "table"
    column: str | None = None
    message: str = ""
    sample: tuple[Mapping[str, Any], ...] = ()
    sql: str = ""
    seconds: float = 0.0

    @property
    def blocks(self) -> bool:
        """True when nothing downstream may see what was weighed."""
        return self.outcome == BLOCK


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference between what arrives (or is built) and what stands, with the decision and its reason.

    kind: "column_added" | "column_missing" | "type_widened" | "type_narrowed" | "type_changed" | "column_renamed"
    decision: "apply" | "block" | "ignore" | "fail"
    """

    dataset: str
    column: str
    kind: str
    from_type: str | None
    to_type: str | None
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateResult:
    """All verdicts on one staged dataset, and the worst outcome."""

    dataset: str
    verdicts: tuple[Verdict, ...] = ()
    schema_changes: tuple[SchemaChange, ...] = field(default=())

    @property
    def outcome(self) -> str:
        """The worst outcome of all verdicts; "pass" when there are none."""
        return max((v.outcome for v in self.verdicts), key=OUTCOMES.index, default=PASS)

    @property
    def reason(self) -> str:
        """The blocking verdicts in one sentence; empty when nothing blocks."""
        return "; ".join(v.message or v.name for v in self.verdicts if v.blocks)
