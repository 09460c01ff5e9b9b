"""What a function yields, as Arrow: dicts, lists of dicts, Arrow tables and batches, pandas and Polars frames."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from headgate.spec.positions import DeadLetter


class NotRows(TypeError):
    """Something that is no row was yielded: its kind, then the thing."""


def rows_of(value: Any) -> Iterator[Mapping[str, Any] | pa.Table | NotRows]:
    """What was yielded, as single dicts or as whole tables; what is neither comes as NotRows, to be set aside."""
    if isinstance(value, Mapping | pa.Table):
        yield value
    elif isinstance(value, pa.RecordBatch):
        yield pa.Table.from_batches([value])
    elif hasattr(value, "__arrow_c_stream__"):  # Polars, newer pandas, DuckDB relations
        yield pa.table(value)
    elif type(value).__module__.startswith("pandas"):
        yield pa.Table.from_pandas(value, preserve_index=False)
    elif hasattr(value, "to_arrow"):
        yield from rows_of(value.to_arrow())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from rows_of(item)
    else:
        yield NotRows(type(value).__name__, value)


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Dicts as a table: a column per key, missing keys NULL; a column whose values have no common type becomes JSON text."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    arrays, fields = [], []
    for name in names:
        array, is_json = array_of([row.get(name) for row in rows])
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata={"headgate": "json"} if is_json else None))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def array_of(values: Sequence[Any]) -> tuple[pa.Array, bool]:
    """The values as an array; the second says that it is JSON text because they have no common type."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        array = None
    if array is not None and not _empty_struct(array.type):
        return array, False
    present = [v for v in values if v is not None]
    if all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in present):
        return pa.array([None if v is None else str(v) for v in values], pa.string()), False
    return pa.array([None if v is None else json.dumps(v, default=str, ensure_ascii=False) for v in values], pa.string()), True


def _empty_struct(kind: pa.DataType) -> bool:
    """Parquet has no struct without fields."""
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_empty_struct(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _empty_struct(kind.value_type)
    return False


def writable(table: pa.Table) -> pa.Table:
    """`table` without what Parquet or the lake cannot hold: dictionaries are decoded, double names refused by NotRows."""
    if len({name.lower() for name in table.column_names}) != table.num_columns:
        raise NotRows(f"table with two columns of one name ({', '.join(table.column_names)})")
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(field.type.value_type))
        elif pa.types.is_decimal256(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.string()))
    return table


def letter(unit: str, seq: int, value: Any, reason: str) -> DeadLetter:
    """Something that is no row, as a dead letter."""
    return DeadLetter(unit, seq, reason, repr(value)[:65_536])
