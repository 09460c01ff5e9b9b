"""What a stage may ask of the SQL engine and of the lake. `engines/duckdb` is the implementation; `run` hands it to the stages.

SQL is DuckDB's. The lake is attached under `Lake.name`, a run's staging database under `Workspace.catalog`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from headgate.spec.names import Column, Relation
from headgate.spec.positions import Position
from headgate.spec.recorded import Recorded
from headgate.spec.staged import Staged

SMALL_TABLE_ROWS = 122_880
"""What the engine hands to one thread at once (its row group): of a smaller table it has nothing to share out."""
MANY_TABLES = 20
"""From so many small tables on, what it costs to share out each query is felt."""


class Cursor(Protocol):
    """A DuckDB cursor: its own transaction, the shared database. `DuckDBPyConnection` is one."""

    def execute(self, query: str, parameters: Any = ...) -> Any: ...
    def fetchone(self) -> tuple[Any, ...] | None: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...
    def to_arrow_table(self, batch_size: int = ...) -> Any: ...
    def register(self, view_name: str, python_object: object) -> Any: ...
    def unregister(self, view_name: str) -> Any: ...
    def close(self) -> None: ...

    @property
    def description(self) -> Any: ...


class Workspace(Protocol):
    """A run's staging area: a DuckDB file of the run plus Parquet files under the lake's data path. Survives a crash.

    Safe to use from several threads, one cursor each.
    """

    run_id: str
    catalog: str  # the staging database's name in SQL

    def cursor(self) -> Cursor:
        """A new cursor that sees lake and staging; `search_path` resolves hand-written names staged first (LAKE.md 14)."""

    def stage_query(
        self, relation: Relation, sql: str, *, rows_expected: int | None = None, cursor: Cursor | None = None
    ) -> tuple[tuple[Column, ...], int, str, tuple[str, ...]]:
        """Run `sql` into a new staged table named `relation`, with lake types (LAKE.md 9).

        Returns columns, row count, the SQL relation that holds the rows, and the Parquet files (empty: in the staging database).
        Large results (by `rows_expected`) go to Parquet. Raises EngineFailed; DeclarationError for an untyped NULL column.
        """

    def stage_view(self, relation: Relation, sql: str, *, cursor: Cursor | None = None) -> tuple[Column, ...]:
        """Make `relation` a staged view over `sql`; later readers of this run see it under its ordinary name."""

    def alias(self, relation: Relation, rows_sql: str, *, cursor: Cursor | None = None) -> None:
        """Let later readers of this run see `rows_sql` (an overlay, a Parquet file) under `relation`'s name."""

    def resolve(self, relation: Relation) -> str:
        """The quoted three-part name that a reader of this run must use: staged if staged here, else the lake's."""

    def is_staged(self, relation: Relation) -> bool:
        """True when this run has staged `relation`."""

    def unstage(self, relation: Relation) -> None:
        """Forget what was staged for `relation` (its gate failed): readers see the published version again."""

    def scratch(self, name: str) -> str:
        """A quoted three-part name for a private table of one step (schema `_scratch`), dropped with the workspace."""

    def remember(self, staged: Staged) -> None:
        """Write the staged value to the journal, so that `--resume` finds it."""

    def remembered(self) -> Mapping[str, Staged]:
        """What the journal holds, keyed by unique id (and `unique_id@interval-start` for intervals)."""

    def close(self) -> None: ...
    def discard(self) -> None:
        """Close, and delete everything that no publication registered."""


class Lake(Protocol):
    """The published tables, their ledger, and the one way to write them."""

    name: str  # the catalog's name in SQL
    data_path: str
    keeps_history: bool  # earlier snapshots can be read
    takes_files: bool  # tables are Parquet files: such may be registered, tables partitioned and sorted, and types are those the lake keeps

    def cursor(self) -> Cursor:
        """A cursor for reading (its own transaction)."""

    def snapshot(self) -> int:
        """The id of the newest snapshot."""

    def columns(self, relation: Relation) -> tuple[Column, ...] | None:
        """The published columns, or None when there is no such relation."""

    def relations(self) -> Mapping[str, str]:
        """Every published relation: "schema.name" -> "table" | "view"."""

    def recorded(self) -> Recorded:
        """The ledger at the newest snapshot, in one read transaction."""

    def external(self, relations: Sequence[Relation]) -> Mapping[str, tuple[str, int]]:
        """Of those of `relations` that stand and that others fill: dataset -> a version that changes with the rows, and how many rows."""

    def position(self, dataset: str) -> Position:
        """Where the source of raw table `dataset` stands: the last accepted load's state, and all its units' newest versions."""

    def workspace(self, run_id: str, *, resume: bool = False) -> Workspace:
        """Open a run's staging area; with `resume` the one that a crash left."""

    def transaction(self, tables: Sequence[str], *, author: str, message: str) -> AbstractContextManager[Cursor]:
        """The one write transaction (LAKE.md 1, 3): takes the writer lock for `tables`, BEGINs, yields a cursor, COMMITs.

        Any exception rolls back and is raised again as it was (engine errors as EngineFailed or LakeConflict by class).
        """

    def one_thread_a_query(self) -> AbstractContextManager[None]:
        """While it lasts no query is shared out to other threads of the engine: that costs a small query more than it gives. Queries of
        several cursors go on side by side. May be entered again from within and from other threads."""

    def at_hand(self) -> AbstractContextManager[None]:
        """While it lasts the catalog stays open between the queries of several threads, which only read the lake: opening it anew is what two of
        them may collide in. Nothing is published meanwhile through this lake."""

    def alone(self) -> AbstractContextManager[bool]:
        """Around a write transaction of "*": true when inlined rows may be moved into files, because no open read transaction could lose them
        by that (LAKE.md 11); nobody opens the lake while the context lasts."""

    def expect_rows(self, cursor: Cursor, relation: Relation, rows: int) -> None:
        """Say in a write transaction that `rows` rows are about to be added to `relation`, which stands unaltered: where they are few, they and
        the few of later writes live in the catalog instead of a file for each write (LAKE.md 10)."""

    def written(self, snapshot: int) -> Mapping[str, int]:
        """Bytes of the files that `snapshot` added to each dataset; rows that live in the catalog itself have none."""

    def files_under(self, folder: str) -> Iterator[str]:
        """Absolute paths of all files below `folder` of the data path."""

    def close(self) -> None: ...
