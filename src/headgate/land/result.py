"""What landing one source table gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.spec.names import Column
from headgate.spec.positions import Position
from headgate.spec.staged import RowCounts
from headgate.spec.verdicts import SchemaChange, Verdict

ACCEPTED, BLOCKED, NOTHING = "accepted", "blocked", "nothing"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """How a landing ended: "accepted" (rows, position and ledger are committed), "blocked" (the gate said no: nothing in
    raw, the position stands still) or "nothing" (nothing new).

    `waiting` names the units that an earlier gate blocked and whose content has not changed since: they wait for a repaired
    file. `position` is where the source stands now. Counts balance; rows of a blocked load count as quarantined.
    """

    load_id: str
    dataset: str
    status: str
    reason: str = ""
    counts: RowCounts = field(default_factory=RowCounts)
    verdicts: tuple[Verdict, ...] = ()
    schema_changes: tuple[SchemaChange, ...] = ()
    position: Position = field(default_factory=Position)
    columns: tuple[Column, ...] = ()
    waiting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bytes: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
