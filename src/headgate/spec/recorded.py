"""What the lake says has happened: the other side of a plan.

Read from the lake's ledger (the truth) or from its mirror in the state database when the snapshot ids are equal (LAKE.md 16).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headgate.spec.names import Column
from headgate.spec.staged import Interval, RowCounts


@dataclass(frozen=True, slots=True)
class DoneInterval:
    """An interval that was published: by which code, from which versions of its inputs, when (ISO), with how many rows."""

    interval: Interval
    code_fingerprint: str
    inputs: Mapping[str, str]
    version: str
    done_at: str
    rows_out: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RecordedDataset:
    """One published (or only marked) dataset.

    `version` is the id of the publication or load that changed it last: equal versions mean equal content. `code` holds the
    canonical SQL that built it ("sql", "incremental_sql", "config" as JSON text). `stale_reason` is set while its last run was
    blocked or superseded. Seconds, CPU seconds and bytes are those of the last publication.
    """

    dataset: str
    unique_id: str
    kind: str  # "table" | "view" | "raw"
    version: str | None
    code_fingerprint: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    counts: RowCounts = field(default_factory=RowCounts)
    published_at: str = ""
    run_id: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes: int = 0
    intervals: tuple[DoneInterval, ...] = ()
    stale_reason: str | None = None
    materialized: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Everything recorded at lake snapshot `snapshot`; datasets are keyed by "schema.table"."""

    snapshot: int
    datasets: Mapping[str, RecordedDataset] = field(default_factory=dict)
