"""A staged table: what a step has built outside the lake, and what publishing it will do.

This value is what `land` and `transform` return, `gate` weighs and `publish` makes visible. It survives a crash as JSON in the
run's journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headgate.spec.names import Column, Relation
from headgate.spec.verdicts import Verdict

# What publish does with the staged rows.
REPLACE = "replace"  # the staged rows are the whole table (identity kept: LAKE.md 6)
DELTA = "delta"  # guarded delete+insert: delete target rows matched by `key` or `delete_where`, then insert
APPEND = "append"  # insert only
VIEW = "view"  # `view_sql` becomes the published view


@dataclass(frozen=True, slots=True)
class RowCounts:
    """One line of the row ledger: `rows_in` must equal the sum of all the others but `rows_deleted`.

    `rows_in` counts the rows that the step produced or received before the product set any aside; `rows_unchanged` those that
    equal the published row (an incremental step writes them not again); `rows_deleted` are target rows removed or replaced.
    """

    rows_in: int = 0
    rows_out: int = 0
    rows_quarantined: int = 0
    rows_deduplicated: int = 0
    rows_late: int = 0
    rows_filtered: int = 0
    rows_dead: int = 0
    rows_unchanged: int = 0
    rows_deleted: int = 0

    @property
    def balanced(self) -> bool:
        """True when every row that came in is accounted for."""
        return self.rows_in == (
            self.rows_out
            + self.rows_quarantined
            + self.rows_deduplicated
            + self.rows_late
            + self.rows_filtered
            + self.rows_dead
            + self.rows_unchanged
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open span of event time [start, end), as ISO 8601 text in UTC without zone ("2013-01-01T00:00:00")."""

    start: str
    end: str

    def __str__(self) -> str:
        return f"[{self.start}, {self.end})"


@dataclass(frozen=True, slots=True)
class Staged:
    """One staged dataset.

    `rows_sql` is an SQL relation (already quoted: a table in the staging database or `read_parquet('…')`) holding the staged rows
    with exactly `columns`; `overlay_sql` a relation that shows the table as it will be after publishing (equal to `rows_sql` for
    replace and view). `files` are Parquet files that publish may register without a second write (LAKE.md 7, 8).
    `base_version` is the target's version when staging began (None: it did not exist); `inputs` maps each dataset read to the
    version read. `delete_where` is a predicate over the target's columns (for insert_overwrite, microbatch, delete+insert).
    """

    dataset: str  # "schema.table"
    unique_id: str
    relation: Relation
    kind: str
    columns: tuple[Column, ...]
    rows_sql: str = ""
    overlay_sql: str = ""
    view_sql: str = ""
    pinned: bool = False  # a view that goes on showing what it shows when it is published
    files: tuple[str, ...] = ()
    counts: RowCounts = field(default_factory=RowCounts)
    key: tuple[str, ...] = ()
    delete_where: str | None = None
    base_version: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    code_fingerprint: str = ""
    staged_hash: str = ""
    interval: Interval | None = None
    partition_by: tuple[str, ...] = ()  # expressions as declared: "month(day)", "region"
    sort_by: tuple[str, ...] = ()
    schema_change: str = "none"  # "none" | "additive" | "breaking": what publish must do to the target's DDL
    alter: tuple[str, ...] = ()  # ALTER actions without the table's name, in order ("ADD COLUMN "x" BIGINT")
    comment: str = ""
    publish_group: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes: int = 0
    notes: tuple[str, ...] = ()  # sentences for "why": ties decided, members inferred, casts made
    verdicts: tuple[Verdict, ...] = ()  # what building itself found (undecidable ties, NULL keys); a blocking one bars publishing
