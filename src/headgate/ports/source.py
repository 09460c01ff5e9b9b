"""What a connector must be: one folder `sources/<name>/`, a light manifest in its `__init__.py`, the heavy module behind it.

A connector says *what to read*; `land` decides whether it is kept. It returns batches that are SQL to be run inside the
lake's own
DuckDB (files, databases with a scanner), or Arrow (APIs, Python). Rows leave with their place in the source, and the
position moves only
with the commit of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from headgate.ports.engine import Cursor
from headgate.spec.errors import HeadgateError
from headgate.spec.positions import DeadLetter, Position, Unit
from headgate.spec.project import SourceTable


@dataclass(frozen=True, slots=True)
class Option:
    """One key that a connector accepts under a source or a table. `type` is "text", "number", "boolean", "list", "mapping"
    or "any"."""

    name: str
    type: str
    summary: str
    required: bool = False
    default: Any = None
    level: str = "any"  # "source", "table" or "any"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A plug-in's card: cheap to import, complete enough for validation, docs and the install hint.

    `module` is imported when the plug-in is used and holds `open(...)` (sources) or `compile(...)` (checks).
    `capabilities` are words such as "incremental", "snapshot", "units", "dead_letters".
    """

    name: str
    summary: str
    module: str
    options: tuple[Option, ...] = ()
    capabilities: tuple[str, ...] = ()
    extra: str | None = None  # pip extra that installs what it needs
    requires: tuple[str, ...] = ()  # modules that must be importable


@dataclass(frozen=True, slots=True)
class SqlBatch:
    """Rows as a SELECT over the lake's connection.

    `select` yields the source's columns and, as its last two, `_unit VARCHAR` and `_seq BIGINT`. `setup` statements run
    before on the same cursor, `teardown` after. `dead_letters_sql`, if given, is run after the rows were staged and yields
    (unit, seq, reason, record); seq 0 says that the whole unit is unreadable, which no limit allows.

    With `in_order` the select yields as its last column `_unit_index`, an index into `units`, instead of the two, and its
    rows in the order of the source: `land` numbers them as they stream past (a window function over a parallel reader would
    halve its speed). `rows_read_sql`, where `select` leaves out rows that raw holds already, yields how many rows the source gave:
    the difference is booked as deduplicated. `fallback` makes the batch to read instead when the select fails on the data itself: slower, but it
    sets malformed records aside.
    """

    select: str
    setup: tuple[str, ...] = ()
    teardown: tuple[str, ...] = ()
    dead_letters_sql: str | None = None
    units: tuple[Unit, ...] = ()
    rows_expected: int | None = None
    in_order: bool = False
    rows_read_sql: str | None = None
    fallback: Callable[[], SqlBatch] | None = None


@dataclass(frozen=True, slots=True)
class ArrowBatch:
    """Rows as a `pyarrow.Table` or `RecordBatch`, without place columns; `unit` and the row's number in it (from
    `first_seq`) are added.

    With `seq_column` the rows' numbers are in that column, which is dropped from the rows.
    """

    data: Any
    unit: str
    first_seq: int = 1
    units: tuple[Unit, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()


Batch = SqlBatch | ArrowBatch


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """What to read now. `position` is where the last accepted load ended; `full` asks for everything again.

    `known_columns` are the raw table's columns (name -> DuckDB type) so that an inferring reader keeps types stable.
    `cursor` is a DuckDB
    cursor on which the connector may LOAD extensions and look (with `load_extension`), never write. `resolve` turns `${…}`
    into the secret, now.
    `staging_path` is a folder for downloads. `since` and `until` (half-open) bound a backfill of a cursor column, if given;
    such a read moves no position. Relative local paths count from `project_root`. `raw_sql` is the published raw table in
    SQL, None before the first load: for telling seen rows from new ones (`ports.rereads`).
    """

    table: SourceTable
    position: Position
    cursor: Cursor
    load_extension: Callable[[str], None]
    connection: Any  # secrets resolved
    staging_path: str
    load_id: str
    known_columns: Mapping[str, str] = field(default_factory=dict)
    full: bool = False
    since: str | None = None
    until: str | None = None
    project_root: str = "."
    raw_sql: str | None = None


class Extraction(Protocol):
    """One bounded piece of extraction: iterate `batches()`, then ask `position()` for where the source stands after them.

    Raises WorldError kinds only (CredentialRefused, SourceUnavailable, SourceBroken) and DeclarationError. `close` frees
    connections.
    """

    def batches(self) -> Iterator[Batch]: ...
    def position(self) -> Position: ...
    def close(self) -> None: ...


class StartedExtraction(Extraction, Protocol):
    """What `extract` hands to `land`: an extraction whose errors are classified, redacted and counted.

    Its SqlBatches run on any cursor of the DuckDB instance that it was opened on. When the engine fails on one of them, `explain`
    says what that means: the error to raise instead.
    """

    load_id: str
    notes: tuple[str, ...]  # what the source's owner should know, e.g. rows without a cursor
    released: tuple[str, ...]

    def explain(self, error: Exception) -> HeadgateError: ...


class Source(Protocol):
    """The module behind a manifest has `def open(request: ExtractRequest) -> Extraction | None` (None: nothing new).

    It may also have `def explain(error: Exception, table: SourceTable) -> HeadgateError | None`: what an engine's error over
    one of its SqlBatches means (None: nothing to do with the source). An extraction may have `notes: tuple[str, ...]`, and
    `released: tuple[str, ...]`: the units of `Position.waiting` that no longer stand as they were blocked and bring nothing new.
    """

    def open(self, request: ExtractRequest) -> Extraction | None: ...
