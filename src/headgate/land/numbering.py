"""Row numbers for rows that stream past in the order of their source.

A window function would read a large file with one thread; here the engine reads with all of them, hands the rows over in order,
and the number of each row within its unit is added on the way to the writer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from headgate.ports.engine import Cursor

if TYPE_CHECKING:
    import pyarrow as pa

INDEX, UNIT, SEQ = "_headgate_index", "_headgate_unit", "_headgate_seq"
BATCH_ROWS = 122_880  # a row group of the engine
_ordering = threading.Lock()


@contextmanager
def ordered(cursor: Cursor) -> Iterator[None]:
    """What is started on `cursor` within gives its rows in the order of the source.

    The engine keeps order only when told at planning; the setting is the whole process's, so it is put back at once. A query
    that another thread plans meanwhile keeps its order too, which changes no result.
    """
    with _ordering:
        cursor.execute("SELECT current_setting('preserve_insertion_order')")
        before = (cursor.fetchone() or (True,))[0]
        cursor.execute("SET GLOBAL preserve_insertion_order = true")
        try:
            yield
        finally:
            if not before:
                with closing(_sibling(cursor)) as other:
                    other.execute("SET GLOBAL preserve_insertion_order = false")


def numbered_sql(select: str, units: int) -> str:
    """`select` with `_seq` added by the engine itself: its rows must be read within `ordered`. For small reads: it takes one
    thread, but no library beside the engine's.
    """
    if units == 1:
        return f"SELECT *, row_number() OVER () AS {SEQ} FROM ({select})"
    running = f"SELECT *, row_number() OVER () AS _headgate_running FROM ({select})"
    place = f"_headgate_running - min(_headgate_running) OVER (PARTITION BY {INDEX}) + 1"
    return f"SELECT * EXCLUDE (_headgate_running), {place} AS {SEQ} FROM ({running})"


def _sibling(cursor: Cursor) -> Cursor:
    """Another cursor of the same engine: a statement on this one would end its running query."""
    other: Cursor = cursor.cursor()  # type: ignore[attr-defined]
    return other


class Numbered:
    """The rows of `select` with `_seq` added. `error` is what the reader raised, if it did; `reader` may be read once."""

    def __init__(self, cursor: Cursor, select: str) -> None:
        import pyarrow as pa

        self.error: Exception | None = None
        with ordered(cursor):
            result: Any = cursor.execute(select)
        self._source = result.to_arrow_reader(BATCH_ROWS)
        self._counts: dict[int, int] = {}
        self.schema: pa.Schema = self._source.schema.append(pa.field(SEQ, pa.int64()))
        self.reader = pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            for batch in self._source:
                seq = self._numbers(batch.column(batch.num_columns - 1))
                yield pa.RecordBatch.from_arrays([*batch.columns, seq], schema=self.schema)
        except Exception as error:  # the boundary to the engine's stream: kept, because the writer reports it as its own
            self.error = error
            raise

    def _numbers(self, index: Any) -> pa.Array:
        """Numbers from 1 within each unit, going on where the last batch ended."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if len(index) == 0:
            return pa.array([], pa.int64())
        bounds = pc.min_max(index)
        if bounds["min"] == bounds["max"]:
            return self._run(bounds["min"].as_py(), len(index))
        runs = pc.run_end_encode(index)
        ends, start, parts = runs.run_ends.to_pylist(), 0, []
        for unit, end in zip(runs.values.to_pylist(), ends, strict=True):
            parts.append(self._run(unit, end - start))
            start = end
        return pa.concat_arrays(parts)

    def _run(self, unit: int, length: int) -> pa.Array:
        import pyarrow as pa

        first = self._counts.get(unit, 0) + 1
        self._counts[unit] = first + length - 1
        return pa.arange(first, first + length)
