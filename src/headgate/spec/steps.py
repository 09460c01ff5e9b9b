"""The frozen plan that several readers walk: `plan` makes a `Plan`, `run` does it, `serve` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headgate.spec.staged import Interval

# Why a node is in the plan, or is not.
NEW = "new"
CHANGED_BREAKING = "changed_breaking"
CHANGED_NON_BREAKING = "changed"
UPSTREAM_CHANGED = "upstream_changed"
MISSING_INTERVALS = "missing_intervals"
STALE = "stale"  # its last run was blocked or its inputs were superseded
FORCED = "forced"  # --full-refresh, a selected rebuild, an external input that cannot be compared
UP_TO_DATE = "up_to_date"
SKIPPED = "skipped"  # disabled, not selected, nothing to build (ephemeral)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a step is expected to take, from history; None: no history. Money in the price book's currency."""

    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """How one column of a changed model differs: "added", "removed", "changed" or "type_changed"."""

    column: str
    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One node to land or build (or to leave alone), with the reason in words.

    `action` is "land", "build" or "none". `build` is how: "full" (the whole table anew), "incremental", "intervals" (each of
    `intervals`), "view", "seed", "snapshot". `consumers` maps each downstream dataset that a breaking change touches to the
    columns touched.
    """

    unique_id: str
    dataset: str
    action: str
    status: str
    reason: str
    build: str = ""
    intervals: tuple[Interval, ...] = ()
    depends_on: tuple[str, ...] = ()  # unique ids of steps of this plan that must be done before
    column_changes: tuple[ColumnChange, ...] = ()
    consumers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    estimate: Estimate = field(default_factory=Estimate)
    conditional: tuple[str, ...] = ()
    same_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered steps against lake snapshot `snapshot` for project `digest`; a plan made twice of the same is equal.

    `steps` are in an order in which every step comes after what it depends on; those with action "none" say why nothing is done.
    """

    project: str
    environment: str
    digest: str
    snapshot: int
    steps: tuple[Step, ...]
    created_at: str
    full_refresh: bool = False

    @property
    def todo(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(s for s in self.steps if s.action != "none")
