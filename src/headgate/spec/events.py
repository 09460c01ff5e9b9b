"""What happens, as typed facts in order. Every step emits them into the state database; later views are computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.spec.verdicts import Verdict

# kind -> meaning. The reference page is generated from this table.
KINDS: Mapping[str, str] = {
    "run.started": "a run began; `data` holds the call",
    "run.finished": "a run ended; `status` says how",
    "step.started": "a step of a run began its attempt",
    "step.finished": "a step ended: `status` done | blocked | skipped | failed, with `reason`",
    "step.retried": "an attempt failed in a way that is worth another; `reason` and the delay in `data`",
    "load.accepted": "rows and position of a source table were committed to raw",
    "load.blocked": "a load failed its gate; nothing of it is in raw",
    "gate.verdict": "one check was weighed; the verdict in `data`",
    "failures.not_kept": "the failing rows of a check could not be kept in its table; `reason` says why",
    "schema.changed": "a schema change was classified and decided",
    "dataset.published": "a dataset's new version is visible",
    "dataset.stale": "a dataset keeps its last good version; `reason` says why",
    "dataset.restored": "a dataset was put back to an earlier snapshot",
    "source.retried": "a source was asked again after an error",
    "source.circuit": "a source's circuit breaker opened, half-opened or closed",
    "source.credential": "a credential was refused and resolved again, or the fallback was used",
    "source.noted": "something about a source that its owner should know; `reason` says it",
    "template.said": "a template of the project printed something, or logged it with info; `reason` is the text",
    "maintenance.done": "compaction, expiry or clean-up did something",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `at` is ISO 8601 UTC; ids are empty when they do not apply. Rows, bytes and seconds as in the row ledger."""

    kind: str
    at: str
    run_id: str = ""
    step: str = ""  # unique id of node or source table
    attempt: int = 1
    dataset: str = ""
    status: str = ""
    reason: str = ""
    rows: int | None = None
    bytes: int | None = None
    cpu_seconds: float | None = None
    seconds: float | None = None
    snapshot: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step of a run ended."""

    unique_id: str
    dataset: str
    status: str  # "done" | "blocked" | "skipped" | "failed" | "up_to_date"
    reason: str = ""
    rows: int = 0
    seconds: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: `status` "done", "blocked" (a gate said no) or "failed"; `snapshot` is the lake's after it."""

    run_id: str
    status: str
    steps: tuple[StepResult, ...] = ()
    snapshot: int = 0
    seconds: float = 0.0
    reason: str = ""
    nothing_to_do: bool = False
