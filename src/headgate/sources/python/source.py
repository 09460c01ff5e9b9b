"""Call a function of the project and land what it yields.

Ordering: as yielded (`_position.seq`). Delivery: rows that raw holds already are left out unless `append: everything`, so a
function may yield everything every time. Replay: the function's own; the position that it yields is committed with the rows.
Blocking: the function's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headgate.ports.inferred import settled
from headgate.ports.source import ArrowBatch, Batch, Extraction, ExtractRequest
from headgate.ports.tables import cursor_column, table_batch
from headgate.sources.python.calling import Context, PositionUpdate, failure_line, function_of
from headgate.sources.python.frames import NotRows, letter, rows_of, table_of, writable
from headgate.spec.errors import DeclarationError, HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import DeadLetter, Position


def open(request: ExtractRequest) -> Extraction | None:
    """Find the function. Raises DeclarationError for one that is not there or outside the project."""
    return _Call(request, function_of(request))


@dataclass(slots=True)
class _Call:
    """One call. Rows are written to Parquet as they come, so that types settle over all of them and memory stays bounded."""

    request: ExtractRequest
    function: Callable[..., Any]
    state: Mapping[str, Any] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    rows: int = 0
    files: list[Path] = field(default_factory=list)

    def batches(self) -> Iterator[Batch]:
        """All rows as one batch, and what is no row as dead letters. Raises SourceBroken when the function fails."""
        files = self._written()
        if self.dead:
            yield ArrowBatch(pa.table({}), self._unit, dead_letters=tuple(self.dead))
        if files:
            rows_sql, columns = settled(self.request, _union(self.request, files, self._unit))
            cursor = cursor_column(self.request.table, columns)
            where = ""
            if cursor is not None:
                name = quote_ident(cursor.name)
                where = f"({name} >= (SELECT min({name}) FROM ({rows_sql})) OR {name} IS NULL)"
            yield table_batch(self.request, rows_sql, columns, None, None, raw_where=where, rows_expected=self.rows)

    def position(self) -> Position:
        """What the function yielded last as its position, else the one before."""
        state = self.state or self.request.position.state
        return Position(dict(state), self.request.position.units)

    def close(self) -> None:
        """Remove the files."""
        for path in self.files:
            path.unlink(missing_ok=True)

    @property
    def _unit(self) -> str:
        return str(self.request.table.options["function"])

    def _written(self) -> list[Path]:
        """Drain the function into Parquet files."""
        limit = int(self.request.table.options.get("batch_rows", 50_000))
        files: list[Path] = []
        waiting: list[Mapping[str, Any]] = []
        try:
            for item in self._yielded():
                if isinstance(item, PositionUpdate):
                    self.state = dict(item.state)
                    continue
                for rows in rows_of(item):
                    if isinstance(rows, NotRows):
                        self._set_aside(rows)
                    elif isinstance(rows, Mapping):
                        waiting.append(rows)
                        if len(waiting) >= limit:
                            files.append(self._write(table_of(waiting), len(files)))
                            waiting = []
                    elif rows.num_rows:
                        if waiting:
                            files.append(self._write(table_of(waiting), len(files)))
                            waiting = []
                        files.append(self._write(rows, len(files)))
        except HeadgateError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise SourceUnavailable(self._failed(error), todo="look whether what the function reads is up") from None
        except Exception as error:  # the boundary to the project's code
            raise SourceBroken(self._failed(error), todo="correct the function") from None
        if waiting:
            files.append(self._write(table_of(waiting), len(files)))
        return [f for f in files if f.exists()]

    def _failed(self, error: Exception) -> str:
        return (
            f"{failure_line(error, self.function)} failed for table '{self.request.table.name}': {type(error).__name__}: {error}"
        )

    def _yielded(self) -> Iterator[Any]:
        request = self.request
        options = request.table.options.get("arguments") or {}
        context = Context(
            request.table.name,
            dict(request.position.state),
            request.connection,
            request.since,
            request.until,
            request.full,
            request.load_id,
            options,
        )
        takes = inspect.signature(self.function).parameters
        result = self.function(context, **options) if takes else self.function()
        if result is None:
            return
        if inspect.isgenerator(result) or isinstance(result, Iterator):
            yield from result
        else:
            yield result

    def _set_aside(self, wrong: NotRows) -> None:
        kind, value = wrong.args
        reason = f"a {kind} is no row: a dict, an Arrow table or a data frame is expected"
        self.dead.append(letter(self._unit, len(self.dead) + 1, value, reason))

    def _write(self, table: pa.Table, number: int) -> Path:
        path = Path(self.request.staging_path) / f"{self.request.load_id}-{id(self):x}-{number:06}.parquet"
        self.files.append(path)
        try:
            table = writable(table)
        except NotRows as wrong:
            raise DeclarationError(f"'{self._unit}' yields a {wrong}", expected="one name for each column") from None
        seq = pa.array(range(self.rows + 1, self.rows + 1 + table.num_rows), pa.int64())
        keep = [f.name for f in table.schema if not pa.types.is_null(f.type)]
        self.rows += table.num_rows
        if not keep:
            self.dead += [letter(self._unit, n, {}, "a row without a value") for n in seq.to_pylist()]
        else:
            pq.write_table(table.select(keep).append_column("_seq", seq), path, compression="zstd")
        return path


def _union(request: ExtractRequest, files: list[Path], unit: str) -> str:
    """All files as one SELECT with common types; a column whose types have none in common becomes JSON."""
    schemas = [pq.read_schema(f) for f in files]
    kinds: dict[str, list[pa.Field]] = {}
    for schema in schemas:
        for item in schema:
            kinds.setdefault(item.name, []).append(item)
    names = [name for name in kinds if name != "_seq"]
    as_json = {name for name in names if _is_json(kinds[name]) or not _unify(kinds[name])}
    selects = []
    for schema_text in dict.fromkeys(s.to_string() for s in schemas):
        same = [f for f, s in zip(files, schemas, strict=True) if s.to_string() == schema_text]
        schema = schemas[files.index(same[0])]
        columns = [_selected(item, item.name in as_json) for item in schema if item.name != "_seq"]
        listed = ", ".join(quote_literal(str(f)) for f in same)
        selects.append(f"SELECT {', '.join([*columns, '_seq'])} FROM read_parquet([{listed}])")
    order = ", ".join(quote_ident(name) for name in names)
    return f"SELECT {order}, {quote_literal(unit)} AS _unit, _seq FROM ({' UNION ALL BY NAME '.join(selects)})"


def _selected(item: pa.Field, as_json: bool) -> str:
    name = quote_ident(item.name)
    if not as_json:
        return name
    is_text = item.metadata is not None and item.metadata.get(b"headgate") == b"json"
    return f"CAST({name} AS JSON) AS {name}" if is_text else f"to_json({name}) AS {name}"


def _is_json(fields: list[pa.Field]) -> bool:
    return any(f.metadata is not None and f.metadata.get(b"headgate") == b"json" for f in fields)


def _unify(fields: list[pa.Field]) -> bool:
    """Whether the types of one column in several files have a common wider one."""
    schemas = [pa.schema([f.remove_metadata()]) for f in fields]
    try:
        pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return False
    return True
